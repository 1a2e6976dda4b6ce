"""Plan a run before anything runs: which stages will run, and why."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from reprise.dvc import Change, ChangeKind, Repository, Stage, dvc_boundary
from reprise.dvc.lock_file import Entry, Key
from reprise.dvc.run_cache import CachedRun
from reprise.errors import PipelineError
from reprise.runner.options import RunOptions
from reprise.runner.states import StepKind
from reprise.state.journal import Journal


@dataclass(frozen=True)
class Step:
    """Holds what a plan says of a stage.

    changes: why it will run. waits_for: names of the upstream stages whose outs decide it.
    known_run: the run of the run-cache that it is restored from. error: what is wrong with it.
    """

    stage: Stage
    kind: StepKind
    changes: list[Change] = field(default_factory=list)
    waits_for: list[str] = field(default_factory=list)
    known_run: CachedRun | None = None
    error: str | None = None


class _ExpectedOuts:
    """Holds the outs of stages that will not stay as they are, with their hashes where known."""

    def __init__(self) -> None:
        self._outs: dict[str, tuple[str, str | None]] = {}  # path: writer, hash
        self._paths_below: dict[str, set[str]] = {}  # folder: paths of outs in it

    def add(self, stage: str, path: str, value: str | None) -> None:
        """Add an out. value: its hash; None where the stage must run first."""
        self._outs[path] = (stage, value)
        for folder in _folders(path):
            self._paths_below.setdefault(folder, set()).add(path)

    def writers(self, path: str) -> dict[str, str | None]:
        """Name the stages that write the path, or something in or around it, with its hash.

        None in place of the hash where it is not known, or the out is not the path itself.
        """
        if path in self._outs:
            stage, value = self._outs[path]
            return {stage: value}
        found: dict[str, str | None] = {}
        for folder in _folders(path):
            if folder in self._outs:
                found[self._outs[folder][0]] = None
        for inner in self._paths_below.get(path, ()):
            found[self._outs[inner][0]] = None
        return found


def _folders(path: str) -> tuple[str, ...]:
    """List the folders that a path lies in."""
    return _with_folders(os.path.dirname(path))


@lru_cache
def _with_folders(folder: str) -> tuple[str, ...]:
    """List a folder and those that it lies in."""
    folders = [folder]
    while (above := os.path.dirname(folders[-1])) != folders[-1]:
        folders.append(above)
    return tuple(folders)


@dataclass
class _ExpectedInputs:
    """Holds what is known of the inputs that upstream stages of a stage write.

    hashes: by path; None where not known. waits_for: the stages that must run first.
    params_unknown: a params file is among what they write.
    """

    hashes: dict[str, str | None] = field(default_factory=dict)
    waits_for: set[str] = field(default_factory=set)
    params_unknown: bool = False

    def add(self, path: str, writers: Mapping[str, str | None]) -> None:
        """Add an input. writers: the stages that write it, as of `_ExpectedOuts.writers`."""
        for writer, value in writers.items():
            self.hashes[path] = value
            if value is None:
                self.waits_for.add(writer)


def plan_stages(repository: Repository, stages: Sequence[Stage], options: RunOptions) -> list[Step]:
    """Plan the stages of the repository, with what its killed runs had finished."""
    left_over = Journal(repository.temporary).left_over()
    return make_plan(stages, left_over, options)


def make_plan(
    stages: Sequence[Stage], left_over: Mapping[Key, Entry], options: RunOptions
) -> list[Step]:
    """Plan the stages, reading only. Their order is the plan's.

    A stage that DVC can't tell about is an *error*, and the others are planned all the same. A
    stage *may run* when an upstream stage will run and may leave other outs, and when the
    run-cache may know what it then finds; a stage that will *run* does so whatever its upstream
    stages leave. left_over: what a killed run had finished.
    """
    outs = _ExpectedOuts()
    steps: dict[Stage, Step] = {}
    for stage in stages:
        upstream = [steps[other] for other in stage.upstream]
        try:
            with dvc_boundary():
                if stage.key in left_over and stage.changes():
                    stage.adopt_if_current(left_over[stage.key])
                steps[stage] = _plan_stage(stage, upstream, outs, options)
        except PipelineError as e:
            steps[stage] = Step(stage, StepKind.ERROR, error=str(e))
        _add_outs(steps[stage], outs)
    return [*steps.values()]


def _plan_stage(
    stage: Stage, upstream: Sequence[Step], outs: _ExpectedOuts, options: RunOptions
) -> Step:
    """Plan the stage. upstream: the steps of the stages that it reads from."""
    inputs = _expect_inputs(stage, outs)
    changes = stage.changes(inputs.hashes)
    if options.allow_missing:
        changes = stage.without_missing(changes)
    forcing = _forcing(upstream, options)
    if forcing is not None:
        forced = Change(ChangeKind.ALWAYS, stage.name, forcing)
        return Step(stage, StepKind.RUN, [*changes, forced])
    if options.force_downstream:
        undecided = [step.stage.name for step in upstream if step.kind is StepKind.MAY_RUN]
        inputs.waits_for.update(undecided)
    if changes:
        return _plan_changed(stage, changes, inputs, run_cache=options.run_cache)
    if inputs.waits_for:
        return Step(stage, StepKind.MAY_RUN, [], sorted(inputs.waits_for))
    return Step(stage, StepKind.UNCHANGED)


def _forcing(upstream: Sequence[Step], options: RunOptions) -> str | None:
    """Say what has a stage run even if nothing changed; None where nothing does.

    It is `--force`, or with `--force-downstream` the first upstream stage that will be renewed.
    """
    if options.force:
        return "forced"
    if not options.force_downstream:
        return None
    for step in upstream:
        if step.kind in (StepKind.RUN, StepKind.RESTORED):
            return f"forced by {step.stage.name}"
    return None


def _expect_inputs(stage: Stage, outs: _ExpectedOuts) -> _ExpectedInputs:
    """Collect the inputs that stages before this one write."""
    inputs = _ExpectedInputs()
    if stage.frozen:
        return inputs
    for path in stage.dep_paths:
        inputs.add(path, outs.writers(path))
    for path in map(os.fspath, stage.params):
        writers = outs.writers(path)
        if writers:
            # Even where the file's hash is known, nobody has read its keys yet.
            inputs.params_unknown = True
            inputs.add(path, dict.fromkeys(writers))
    return inputs


def _plan_changed(
    stage: Stage, changes: list[Change], inputs: _ExpectedInputs, *, run_cache: bool
) -> Step:
    """Plan a stage that changed: look for its run in the run-cache."""
    run = Step(stage, StepKind.RUN, changes)
    if not stage.has_command:
        return run
    if not inputs.waits_for:
        known_run = stage.find_run(inputs.hashes, run_cache=run_cache)
        if known_run is None:
            return run
        return Step(stage, StepKind.RESTORED, changes, known_run=known_run)
    if inputs.params_unknown or stage.may_find_run(inputs.hashes, run_cache=run_cache):
        return Step(stage, StepKind.MAY_RUN, changes, sorted(inputs.waits_for))
    return run


def _add_outs(step: Step, outs: _ExpectedOuts) -> None:
    """Add the outs that the step may leave different from what they are."""
    stage = step.stage
    hashes: dict[str, str | None] = {}
    if step.known_run is not None:
        hashes.update(step.known_run.out_hashes)
    elif step.kind is not StepKind.UNCHANGED and not stage.keeps_outs:
        hashes.update(dict.fromkeys(map(os.fspath, stage.outputs)))
    for path, value in hashes.items():
        outs.add(stage.name, path, value)
