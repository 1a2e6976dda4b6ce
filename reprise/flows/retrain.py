"""Define the flow `retrain`: what `reprise retrain` does, its stages as a run of `repro`."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import Flow, flow, get_run_logger
from prefect import tags as add_tags
from prefect.artifacts import create_link_artifact, create_table_artifact
from prefect.blocks.system import Secret
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import Field

from reprise.errors import PipelineError, StagesFailed
from reprise.flows.artifacts import show_report
from reprise.flows.endings import fails_by_message, prefect_endings
from reprise.flows.names import Trigger, name_retrain, run_tags
from reprise.flows.repro import repro
from reprise.flows.server.project import project_name
from reprise.flows.stage_lines import stage_lines
from reprise.forge.git_credentials import split_login
from reprise.forge.registry import branch_page
from reprise.retrain.choices import MOST_NIGHTS, NIGHTS, PromoteWhen, PublishMode
from reprise.retrain.clone import Clone, find_source
from reprise.retrain.decision import RetrainResult
from reprise.retrain.options import Echo, Gate, RetrainOptions
from reprise.retrain.retrain import RunStages
from reprise.retrain.retrain import retrain as retrain_in_clone
from reprise.retrain.shell import LAST_LINES
from reprise.text.markdown import escaped, sentence

LOGIN_SHOWN = (
    "repository: found a login in the address, which Prefect's pages show; expected the address"
    " alone, and the token in the Secret block that token_block names"
)
WIDE = 300  # characters of a value of the decision


def make_retrain(stages_flow: "Flow[..., Any]") -> "Flow[..., Any]":
    """Make the flow `retrain`.

    stages_flow: a flow with the parameters of `repro`, which brings the clone's stages up to date.
    """

    @flow(name="retrain", flow_run_name=name_retrain, persist_result=False)
    @fails_by_message
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

        Ends Unchanged, Kept, Promoted or Skipped. Raises PipelineError when the retraining failed.

        Args:
            repository: A git address or folder; a folder's origin is what is cloned.
            base: The champion's branch.
            publish: Where a better model goes: a pull request, a branch, the base itself, nowhere.
            metric: The metric to decide by (default: the first that dvc.yaml declares).
            min_effect: Promote what is better by that at least, at the lower end of its interval.
            promote_when: Promote what is better beyond noise, or also what is not worse.
            margin: How much worse is still not worse (default: the metric's margin in dvc.yaml).
            nights: The challengers of so many nights, the last ones, have to be better together.
            jobs: At most so many stages at a time (default: as many as the machine has cores).
            wait_for_others: Wait for another retraining that is at work, instead of skipping.
            dry_run: Decide, and push nothing.
            workplace: The folder where clones are kept.
            token_block: The Secret block with the forge's token (default: the worker's variable).
            out: A file for the decision, as JSON.
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
        )
        _log(f"publish: {publish}: {options.publish.description}")
        if split_login(repository)[0] != repository:
            get_run_logger().warning(LOGIN_SHOWN)
        clone = Clone(repository, base, options.folder)
        options = replace(options, token=_load_token(token_block))
        with prefect_endings():
            result = retrain_in_clone(options, _log, _make_run_stages(stages_flow))
        project = project_name(clone.root, clone.address)
        _show(project, result)
        decision = result.decision
        if decision.pushed and decision.branch is not None:
            _show_branch(project, repository, decision.branch)
        if out is not None:
            text = decision.model_dump_json(indent=2)
            Path(out).write_text(f"{text}\n", encoding="utf-8")
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
        tags = [*flow_run.tags, *run_tags(clone.root, Trigger.RETRAINING)]
        with stage_lines(LAST_LINES) as lines, add_tags(*tags):
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
    fields = decision.model_dump(mode="json", exclude_none=True, exclude={"reason"})
    fields["pushed"] = "yes" if decision.pushed else "no"
    rows = [{"field": name, "value": escaped(str(value), WIDE)} for name, value in fields.items()]
    description = sentence(decision.reason)
    create_table_artifact(rows, key=f"{project}-decision", description=description)
    if result.report is not None:
        show_report(project, result.report, "The challenger beside the champion")
    if decision.pull_request is not None:
        create_link_artifact(
            decision.pull_request,
            key=f"{project}-pull-request",
            description="The pull request of the challenger",
        )


def _show_branch(project: str, repository: str, branch: str) -> None:
    """Link to the branch that was pushed, where its forge is known."""
    page = branch_page(find_source(repository)[0], branch)
    if page is not None:
        description = "The branch that has the challenger"
        create_link_artifact(page, branch, key=f"{project}-branch", description=description)


retrain = make_retrain(repro)
