"""Says before anything runs which stages will run and why: unchanged, restored, run, may run."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from reprise.dvc import Assumed, Change, ChangeKind, Stage
from reprise.dvc.lock_file import Entry, Key


class StepKind(StrEnum):
    """What will become of a stage."""

    UNCHANGED = "unchanged"
    RESTORED = "restored"
    RUN = "run"
    MAY_RUN = "may run"

    @property
    def description(self) -> str:
        """Say what the kind means."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    StepKind.UNCHANGED: "it is up to date",
    StepKind.RESTORED: "the run-cache has its outs",
    StepKind.RUN: "its commands will run",
    StepKind.MAY_RUN: "that depends on what a stage before it leaves",
}


@dataclass(frozen=True)
class Step:
    """What will become of a stage. changes: why; waits_for: the upstream stages whose outs decide it."""

    stage: Stage
    kind: StepKind
    changes: list[Change] = field(default_factory=list)
    waits_for: list[str] = field(default_factory=list)


class _Outcomes:
    """What is known of the outs of stages that will not stay as they are: a hash, or None before they ran."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str | None]] = {}  # path: stage, hash
        self._above: dict[str, set[str]] = {}  # folder: paths in `_known` below it

    def add(self, stage: str, path: str, value: str | None) -> None:
        self._known[path] = (stage, value)
        for folder in Path(path).parents:
            self._above.setdefault(str(folder), set()).add(path)

    def of(self, path: str) -> dict[str, str | None]:
        """Stages that write the path or something in it or around it; the hash where one writes exactly it."""
        if path in self._known:
            stage, value = self._known[path]
            return {stage: value}
        around = [folder for folder in map(str, Path(path).parents) if folder in self._known]
        return {self._known[p][0]: None for p in [*around, *self._above.get(path, ())]}


def make_plan(
    stages: Sequence[Stage], left_over: Mapping[Key, Entry], *, force: bool = False
) -> list[Step]:
    """Only reads. `stages` in plan order; `left_over`: what a killed run had finished.

    A stage *may run* when an upstream stage will run and may leave other outs, and when the run-cache may know
    what it then finds; a stage that will *run* does so whatever its upstream stages leave.
    """
    outcomes, steps = _Outcomes(), []
    for stage in stages:
        if stage.key in left_over and stage.changes():
            stage.adopt_if_current(left_over[stage.key])
        step = _step(stage, outcomes, force)
        steps.append(step)
    return steps


def _step(stage: Stage, outcomes: _Outcomes, force: bool) -> Step:
    assumed: dict[str, str | None] = {}
    waits_for: set[str] = set()
    for path in stage.dep_paths if not stage.frozen else []:
        for writer, value in outcomes.of(path).items():
            assumed[path] = value
            if value is None:
                waits_for.add(writer)
    for file in map(os.fspath, stage.params) if not stage.frozen else []:
        for writer in outcomes.of(
            file
        ):  # of a params file that a stage writes nothing is known before
            assumed[file] = None
            waits_for.add(writer)
    changes = stage.changes(assumed)
    step = Step(stage, *_kind(stage, changes, assumed, sorted(waits_for), force))
    if step.kind == StepKind.RESTORED:
        run = stage.find_run(assumed)
        assert run is not None
        for path, value in run.out_hashes.items():
            outcomes.add(stage.name, path, value)
    elif step.kind != StepKind.UNCHANGED and not stage.keeps_outs:
        for out in stage.outputs:
            outcomes.add(stage.name, os.fspath(out), None)
    return step


def _kind(
    stage: Stage, changes: list[Change], assumed: Assumed, waits_for: list[str], force: bool
) -> tuple[StepKind, list[Change], list[str]]:
    if force:
        return StepKind.RUN, [*changes, Change(ChangeKind.ALWAYS, stage.name, "forced")], []
    if not changes:
        return (StepKind.MAY_RUN, [], waits_for) if waits_for else (StepKind.UNCHANGED, [], [])
    if not stage.has_command:
        return StepKind.RUN, changes, []
    if waits_for and (
        not assumed.keys().isdisjoint(map(os.fspath, stage.params)) or stage.may_find_run(assumed)
    ):
        return StepKind.MAY_RUN, changes, waits_for
    if not waits_for and stage.find_run(assumed) is not None:
        return StepKind.RESTORED, changes, []
    return StepKind.RUN, changes, []
