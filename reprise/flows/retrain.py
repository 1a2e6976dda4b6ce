"""The `retrain` flow of Prefect: what `reprise retrain` does, its stages as a `repro` run beneath it."""

import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.blocks.system import Secret
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from reprise.errors import PipelineError, StagesFailed
from reprise.flows.repro import as_prefect_knows_it, repro
from reprise.retrain.choices import PromoteWhen, PublishMode
from reprise.retrain.clone import Clone
from reprise.retrain.decision import Decision, RetrainResult
from reprise.retrain.gate import Gate
from reprise.retrain.options import Echo, RetrainOptions
from reprise.retrain.retrain import retrain as retrain_
from reprise.retrain.shell import LAST_LINES
from reprise.review import markdown


@flow(name="retrain", persist_result=False)
def retrain(
    repository: str = ".",
    base: str = "main",
    publish: PublishMode = PublishMode.PULL_REQUEST,
    metric: str | None = None,
    min_effect: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0,
    promote_when: PromoteWhen = PromoteWhen.BETTER,
    jobs: Annotated[int, Field(ge=1)] | None = None,
    wait_for_others: bool = False,
    dry_run: bool = False,
    workplace: str = "~/.cache/reprise",
    token_block: str | None = None,
    out: str | None = None,
) -> "State[Any]":
    """Trains on new data in a clone, and proposes the model if it is better beyond noise.

    The options are those of `reprise retrain`. token_block: the Secret block that has the forge's token, in place of
    GITHUB_TOKEN or GITLAB_TOKEN. Ends Unchanged, Kept, Promoted or Skipped; PipelineError when it failed.
    """
    gate = Gate(metric=metric, min_effect=min_effect, when=promote_when)
    folder = Path(workplace).expanduser().resolve()
    token = None if token_block is None else _token(token_block)
    options = RetrainOptions(
        repository, folder, base, publish, gate, jobs, wait_for_others, dry_run, token
    )
    with as_prefect_knows_it():
        made = retrain_(options, _say, _run_stages)
    _show(made)
    if out is not None:
        Path(out).write_text(_json(made.decision) + "\n", encoding="utf-8")
    return Completed(name=made.decision.outcome.capitalize(), message=made.decision.reason)


def _say(line: str) -> None:
    get_run_logger().info("%s", line)


def _token(block: str) -> str:
    try:
        secret = Secret.load(block)
    except ValueError:
        raise PipelineError(
            f"token_block: found no Secret block {block!r}; expected the one with the token"
        ) from None
    assert isinstance(secret, Secret)  # in no event loop
    return str(secret.get())


def _run_stages(place: Clone, options: RetrainOptions, echo: Echo) -> None:
    """As a flow run of its own. PipelineError with the last lines of the stages that failed."""
    with _lines_by_stage() as lines:
        try:
            repro(path=str(place.root), jobs=options.jobs, pull=True, all_pipelines=True)
        except StagesFailed as e:
            message = "; ".join([str(e), *lines_of_failed(e.errors, lines)])
            raise PipelineError(message) from None


def lines_of_failed(errors: Mapping[str, str], lines: Mapping[str, Iterable[str]]) -> list[str]:
    """Pick the lines of the stages that failed. `errors`, `lines`: by the stage's name."""
    picked = []
    for stage, printed in lines.items():
        if stage in errors:
            picked += [f"{stage} | {line}" for line in printed]
    return picked


@contextmanager
def _lines_by_stage() -> "Iterator[dict[str, deque[str]]]":
    """The last lines that each stage printed: a task run has its stage's name and logs its lines."""
    lines: dict[str, deque[str]] = defaultdict(partial(deque, maxlen=LAST_LINES))

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno == logging.INFO:  # a failure is Prefect's own word of it
                lines[getattr(record, "task_run_name", "")].append(record.getMessage())

    listener, logger = Listener(logging.INFO), logging.getLogger("prefect.task_runs")
    logger.addHandler(listener)
    try:
        yield lines
    finally:
        logger.removeHandler(listener)


def _show(made: RetrainResult) -> None:
    found = made.decision.model_dump(exclude_none=True)
    table = "\n".join(
        ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in found.items())]
    )
    create_markdown_artifact(key="decision", description=made.decision.reason, markdown=table)
    text = f"```json\n{_json(made.decision)}\n```"
    create_markdown_artifact(
        key="decision-json", description="The decision, as `--out` writes it", markdown=text
    )
    if made.report is not None:
        create_markdown_artifact(
            key="report",
            description="The challenger beside the champion",
            markdown=markdown(made.report),
        )


def _json(decision: Decision) -> str:
    return decision.model_dump_json(indent=2)
