"""Keep what a plan says that finds nothing to do, to be said again without DVC."""

from collections.abc import Sequence

from reprise.dvc import Repository
from reprise.runner.plan import Step
from reprise.runner.plan_format import format_plan, plan_json
from reprise.runner.states import StepKind
from reprise.state.durations import Durations
from reprise.state.folders import StateFolders
from reprise.state.trace.answer import Answer, PendingAnswer


def keep_idle_plan(
    pending: PendingAnswer, repository: Repository, steps: Sequence[Step], durations: Durations
) -> None:
    """Keep the plan if no stage is to be run, and files of this machine alone decide that.

    Ends the noting of what is looked at in any case.
    """
    pending.stop()
    if any(step.kind is not StepKind.UNCHANGED for step in steps):
        return
    stages = [step.stage for step in steps]
    if not all(stage.is_local for stage in stages):
        return
    answer = Answer(
        lines=[line for _, line in format_plan(steps, durations)],
        document=plan_json(steps, durations),
        stages=len(stages),
        has_notes=any(stage.ignores_deps for stage in stages),
    )
    folders = StateFolders(repository.temporary)
    trees = [*map(str, (folders.durations, folders.left_files, folders.early_entries))]
    for stage in stages:
        trees += [*stage.dep_paths, *map(str, stage.outputs)]
    pending.keep(answer, trees, repository.passing_folders)
