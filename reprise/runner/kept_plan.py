"""Take what still stands of the last plan, and keep what the next one finds."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from reprise.dvc import Repository, Stage
from reprise.dvc.recorded.recorded_stage import RecordedStage
from reprise.errors import PipelineError
from reprise.runner.plan import Step
from reprise.runner.plan_format import format_plan, plan_json
from reprise.runner.states import StepKind
from reprise.state.durations import Durations
from reprise.state.folders import StateFolders
from reprise.state.standing import Standing, keep_standing
from reprise.state.trace.answer import Answer, PendingAnswer, keep_answer


def take_stages(
    repository: Repository,
    standing: Standing | None,
    choose: Callable[[Repository], list[Stage]],
) -> list[Stage]:
    """Take the stages as they stand; where that can't be told, let them be chosen anew."""
    stages = None
    if standing is not None:
        stages = standing.take_stages(repository)
    if stages is None:
        stages = choose(repository)
    return stages


def keep_plan(
    pending: PendingAnswer,
    repository: Repository,
    steps: Sequence[Step],
    durations: Durations,
    standing: Standing | None,
) -> None:
    """Keep what was found of each stage; and the whole plan if no stage is to be run.

    Only of what files of this machine alone decide. Ends the noting of what is looked at in any
    case. standing: what the stages may have been taken from.
    """
    if standing is not None and not standing.is_taken:
        standing = None
    if any(step.kind is StepKind.ERROR for step in steps):
        pending.stop()
        return
    stages = [step.stage for step in steps]
    unchanged = [_is_unchanged(step) for step in steps]
    answer = _idle_answer(steps, durations)
    folders = StateFolders(repository.temporary)
    trees = [*map(str, (folders.durations, folders.left_files, folders.early_entries))]
    for stage in stages:
        if not isinstance(stage, RecordedStage) or stage.is_awake:
            trees += [*stage.dep_paths, *map(str, stage.outputs)]
    looks = pending.sign(trees, repository.passing_folders)
    if looks is None:
        return
    keep_standing(pending.question, looks, repository, stages, unchanged, standing)
    if answer is not None:
        if standing is not None:
            looks = standing.before(looks)
        keep_answer(pending.question, looks, answer)


def _idle_answer(steps: Sequence[Step], durations: Durations) -> Answer | None:
    """Make the answer that may be given again; None where it depends on more, or is to do."""
    for step in steps:
        if step.kind is not StepKind.UNCHANGED or not step.stage.is_local:
            return None
    return Answer(
        lines=[line for _, line in format_plan(steps, durations)],
        document=plan_json(steps, durations),
        stages=len(steps),
        has_notes=any(step.stage.ignores_deps for step in steps),
    )


def _is_unchanged(step: Step) -> bool:
    """Tell whether a stage is unchanged as all stands now, whatever upstream stages will leave."""
    if step.kind is StepKind.MAY_RUN and not step.changes:
        with suppress(PipelineError):
            return not step.stage.changes()
    return step.kind is StepKind.UNCHANGED
