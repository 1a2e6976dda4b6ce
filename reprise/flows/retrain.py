"""Define the flow `retrain`: what `reprise retrain` does, its stages as a run of `repro`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import Flow, flow, get_run_logger, tags
from prefect.artifacts import create_markdown_artifact
from prefect.blocks.system import Secret
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import Field

from reprise.errors import PipelineError, StagesFailed
from reprise.flows.endings import prefect_endings
from reprise.flows.repro import repro
from reprise.flows.server.project import project_name
from reprise.flows.stage_lines import stage_lines
from reprise.retrain.choices import MOST_NIGHTS, NIGHTS, PromoteWhen, PublishMode
from reprise.retrain.clone import Clone
from reprise.retrain.decision import Decision, RetrainResult
from reprise.retrain.gate import Gate
from reprise.retrain.options import Echo, RetrainOptions
from reprise.retrain.retrain import RunStages
from reprise.retrain.retrain import retrain as retrain_in_clone
from reprise.retrain.shell import LAST_LINES
from reprise.review import markdown
from reprise.text.markdown import code_block, escaped, sentence, table

WIDE = 300  # characters of a value of the decision


def make_retrain(stages_flow: "Flow[..., Any]") -> "Flow[..., Any]":
    """Make the flow `retrain`.

    stages_flow: a flow with the parameters of `repro`, which brings the clone's stages up to date.
    """

    @flow(name="retrain", persist_result=False)
    def retrain(
        repository: str = ".",
        base: str = "main",
        publish: Literal["pr", "branch", "push", "none"] = "none",
        metric: str | None = None,
        min_effect: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0,
        promote_when: Literal["better", "not-worse"] = "better",
        margin: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None,
        nights: Annotated[int, Field(ge=1, le=MOST_NIGHTS)] = NIGHTS,
        jobs: Annotated[int, Field(ge=1)] | None = None,
        wait_for_others: bool = False,
        dry_run: bool = False,
        workplace: str = "~/.cache/reprise",
        token_block: str | None = None,
        out: str | None = None,
    ) -> "State[Any]":
        """Train on new data in a clone, and propose the model if it is better beyond noise.

        The options are those of `reprise retrain`. token_block: the Secret block that has the
        forge's token, in place of GITHUB_TOKEN or GITLAB_TOKEN.

        Ends Unchanged, Kept, Promoted or Skipped. Raises PipelineError when the retraining failed.
        """
        options = RetrainOptions(
            repository=repository,
            folder=Path(workplace).expanduser().resolve(),
            base=base,
            publish=PublishMode(publish),
            gate=Gate(
                metric=metric,
                min_effect=min_effect,
                when=PromoteWhen(promote_when),
                nights=nights,
                margin=margin,
            ),
            jobs=jobs,
            wait=wait_for_others,
            dry_run=dry_run,
            token=_load_token(token_block),
        )
        clone = Clone(repository, base, options.folder)
        _log(f"publish: {publish}: {options.publish.description}")
        with prefect_endings():
            result = retrain_in_clone(options, _log, _make_run_stages(stages_flow))
        _show(project_name(clone.root, clone.address), result)
        decision = result.decision
        if out is not None:
            Path(out).write_text(_to_json(decision) + "\n", encoding="utf-8")
        return Completed(name=decision.outcome.capitalize(), message=decision.reason)

    return retrain


def _log(line: str) -> None:
    get_run_logger().info("%s", line)


def _load_token(block: str | None) -> str | None:
    if block is None:
        return None
    try:
        secret = Secret.load(block)
    except ValueError:
        raise PipelineError(
            f"token_block: found no Secret block {block!r}; expected the one with the token"
        ) from None
    assert isinstance(secret, Secret)  # in no event loop
    return str(secret.get())


def _make_run_stages(stages_flow: "Flow[..., Any]") -> RunStages:
    def run_stages(clone: Clone, options: RetrainOptions, _echo: Echo) -> None:
        """Run the stages as a flow run of its own.

        Raises PipelineError with the last lines of the stages that failed.
        """
        with stage_lines(LAST_LINES) as lines, tags(*flow_run.tags):
            try:
                stages_flow(path=str(clone.root), jobs=options.jobs, pull=True, all_pipelines=True)
            except StagesFailed as e:
                message = "; ".join([str(e), *lines_of_failed(e.errors, lines)])
                raise PipelineError(message) from None

    return run_stages


def lines_of_failed(errors: Mapping[str, str], lines: Mapping[str, Iterable[str]]) -> list[str]:
    """Pick the lines of the stages that failed. `errors`, `lines`: by the stage's name."""
    picked = []
    for stage, printed in lines.items():
        if stage in errors:
            picked += [f"{stage} | {line}" for line in printed]
    return picked


def _show(project: str, result: RetrainResult) -> None:
    decision = result.decision
    fields = decision.model_dump(exclude_none=True)
    rows = [[name, escaped(str(value), WIDE)] for name, value in fields.items()]
    create_markdown_artifact(
        key=f"{project}-decision",
        description=sentence(decision.reason),
        markdown=table(["", ""], rows),
    )
    create_markdown_artifact(
        key=f"{project}-decision-json",
        description="The decision, as `--out` writes it",
        markdown=code_block(_to_json(decision), "json"),
    )
    if result.report is not None:
        create_markdown_artifact(
            key=f"{project}-report",
            description="The challenger beside the champion",
            markdown=markdown(result.report),
        )


def _to_json(decision: Decision) -> str:
    return decision.model_dump_json(indent=2)


retrain = make_retrain(repro)
