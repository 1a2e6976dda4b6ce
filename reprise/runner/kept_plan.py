"""Take what still stands of the last plan, and keep what the next one finds."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from reprise.dvc import Repository, Stage
from reprise.errors import PipelineError
from reprise.runner.plan import Step
from reprise.runner.plan_format import format_plan, plan_json
from reprise.runner.states import StepKind
from reprise.state.durations import Durations
from reprise.state.folders import StateFolders
from reprise.state.standing.keep import keep_standing
from reprise.state.standing.recall import Standing, recall_standing
from reprise.state.trace.answer import Answer, PendingAnswer, keep_answer

Choose = Callable[[Repository], list[Stage]]


class KeptPlan:
    """Holds what an earlier plan found, and puts in its place what this one does."""

    def __init__(self, pending: PendingAnswer, *, recalls: bool = True) -> None:
        """Take the question, and what notes all that is looked at from here on.

        recalls: false asks DVC about all stages.
        """
        self._pending = pending
        self._recalls = recalls
        self._standing: Standing | None = None

    def take_stages(self, repository: Repository, choose: Choose) -> list[Stage]:
        """Take the stages as they stand; where that can't be told, let them be chosen anew.

        To be called under the same lock as what plans and runs them.
        """
        standing = stages = None
        if self._recalls:
            standing = recall_standing(self._pending.question)
        if standing is not None:
            stages = standing.take_stages(repository)
        if stages is None:
            return choose(repository)
        self._standing = standing
        return stages

    def end(self) -> None:
        """Note nothing any more; from here on stages that stand look at their files themselves."""
        self._pending.stop()
        if self._standing is not None:
            self._standing.is_planned = True

    def keep(self, repository: Repository, steps: Sequence[Step], durations: Durations) -> None:
        """Keep what was found of each stage; and the whole plan if no stage is to be run.

        Only of what files of this machine alone decide.
        """
        if any(step.kind is StepKind.ERROR for step in steps):
            return
        unchanged = _find_unchanged(steps)
        answer = _idle_answer(steps, durations)
        stages = [step.stage for step in steps]
        looks = self._pending.sign(_trees(repository, stages), repository.passing_folders)
        if looks is None:
            return
        question, standing = self._pending.question, self._standing
        keep_standing(question, looks, repository, stages, unchanged, standing)
        if answer is not None:
            if standing is not None:
                looks = standing.with_earlier(looks)
            keep_answer(question, looks, answer)


def _trees(repository: Repository, stages: Sequence[Stage]) -> list[str]:
    """List what decides with all that is in it, of stages that DVC was asked about."""
    folders = StateFolders(repository.temporary)
    trees = [*map(str, (folders.durations, folders.left_files, folders.early_entries))]
    for stage in stages:
        if not stage.stands:
            trees += [*stage.dep_paths, *map(str, stage.outputs)]
    return trees


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


def _find_unchanged(steps: Sequence[Step]) -> list[bool]:
    """Tell of each stage whether it is unchanged as all stands now.

    The plan may have taken it as it will be when its upstream stages have run.
    """
    kinds = {step.stage: step.kind for step in steps}
    unchanged = []
    for step in steps:
        is_unchanged = step.kind is StepKind.UNCHANGED
        if any(kinds[other] is not StepKind.UNCHANGED for other in step.stage.upstream):
            is_unchanged = not step.changes and _has_no_changes(step.stage)
        unchanged.append(is_unchanged)
    return unchanged


def _has_no_changes(stage: Stage) -> bool:
    with suppress(PipelineError):
        return not stage.changes()
    return False
