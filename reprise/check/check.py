"""Finds every undeclared input of a stage, by running it run_isolated until it needs no more."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reprise.check.syscalls import Trace
from reprise.check.tracing_sandbox import Watched
from reprise.dvc import DVC_ERRORS, Stage, describe_error
from reprise.errors import PipelineError
from reprise.sandbox.diagnosis import diagnose
from reprise.sandbox.isolated import RunResult, isolated_folder, run_isolated
from reprise.sandbox.sandbox import Sandbox
from reprise.sandbox.undeclared import Undeclared

TRIES = 50  # one more input at least is found each time


@dataclass(frozen=True)
class Checked:
    """What a stage turned out to need and to leave alone. error: why it fails even with all that it names."""

    stage: Stage
    undeclared: list[Undeclared]
    never_opened: list[str]
    writes: list[str]
    error: str | None
    untraced: str | None = None  # why its files are known from error messages alone


def check(stage: Stage) -> Checked:
    """Runs the stage run_isolated, hears what it asks for, and runs it again with that, until it needs no more.

    It is supplied with what it asks for as it goes; at last, if that may have mattered, with what was found alone.
    Outs that the workspace lacks are brought there, for the stages that read them.
    """
    found: list[Undeclared] = []
    try:
        stage.check_inputs()
    except (PipelineError, *DVC_ERRORS) as e:
        return Checked(stage, [], [], [], describe_error(e))
    learning, unopened = True, {*map(Path, stage.dep_paths)}
    for _ in range(TRIES):
        sandbox = Watched(stage, isolated_folder(stage), found, learning=learning)
        with Trace(sandbox.hear) as trace, run_isolated(sandbox, trace.argv) as ran:
            named = diagnose(sandbox, ran.output) if ran.error is not None else []
            new = _without([*sandbox.needs(), *named], found)
            found += new
            unopened -= sandbox.used
            learns = learning and trace.refused is None
            if not new and not (learns and (ran.error is not None or sandbox.differs)):
                return _checked(sandbox, ran, found, unopened, trace.refused)
            learning = learns and bool(new) and ran.error is not None
    return Checked(stage, found, [], [], f"{TRIES} inputs were not enough")


def _without(needs: Iterable[Undeclared], found: Iterable[Undeclared]) -> list[Undeclared]:
    """The needs that are not found yet."""
    return [u for u in dict.fromkeys(needs) if u not in found]


def _checked(
    sandbox: Watched,
    ran: RunResult,
    found: list[Undeclared],
    unopened: set[Path],
    untraced: str | None,
) -> Checked:
    """After the last run."""
    stage = sandbox.stage
    if ran.error is not None:
        return Checked(stage, found, [], [], f"{ran.error}\n{ran.output.strip()}", untraced)
    _supply(stage, sandbox)
    root = stage.workspace.root
    never = (
        []
        if untraced
        else sorted(os.path.relpath(p, root) for p in unopened if p.is_relative_to(root))
    )
    return Checked(stage, found, never, sandbox.undeclared_writes(), None, untraced)


def _supply(stage: Stage, sandbox: Sandbox) -> None:
    """Moves outs to the workspace that it lacks."""
    for out in stage.outputs:
        if not out.exists():
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(sandbox.path_of(out), out)


def lines(checked: Checked) -> list[str]:
    """What is said of the stage: the lines to add to dvc.yaml, section by section."""
    stage, said = checked.stage, []
    if checked.undeclared:
        said.append(f"{stage.name}: undeclared; add to {stage.file}:")
    for section in ("deps", "params"):
        entries = [u.text for u in checked.undeclared if u.section == section]
        said += [f"    {section}:"] * bool(entries) + [f"      - {line}" for line in entries]
    if checked.error:
        said.append(f"{stage.name}: failed: {checked.error}")
    elif not checked.undeclared:
        said.append(f"{stage.name}: nothing undeclared")
    if checked.never_opened:
        said.append(f"  never opened: {', '.join(checked.never_opened)}")
    if checked.writes:
        said.append(f"  left beside its outs: {', '.join(checked.writes)}")
    return said
