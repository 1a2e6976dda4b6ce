"""Find every undeclared input of a stage, by running it in sandboxes until it needs no more."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from reprise.check.lent_outs import LentOuts
from reprise.check.needs import Accesses, undeclared_paths
from reprise.check.result import CheckResult
from reprise.check.supplying_sandbox import SupplyingSandbox
from reprise.check.syscall_tracer import SyscallTracer, find_obstacle
from reprise.check.syscalls import Access
from reprise.dvc import Stage, dvc_boundary
from reprise.errors import PipelineError
from reprise.sandbox.choice import make_sandbox, overlay_obstacle
from reprise.sandbox.diagnosis import diagnose
from reprise.sandbox.isolated import RunResult, isolated_folder, run_isolated
from reprise.sandbox.sandbox import Contents, Sandbox
from reprise.sandbox.undeclared import Undeclared

MAX_RUNS = 50  # each finds at least one more input


def check(stage: Stage, lent: LentOuts) -> CheckResult:
    """Run the stage with all that the workspace has, and hear what it accesses.

    Then run it with what it declares and what was found, until it asks for no more: once, if all
    was heard.

    The workspace stays as it is, but for outs that it lacks: `lent` has them there, for the stages
    that read them, until it ends. Errors of the stage are in the result.
    """
    try:
        with dvc_boundary():
            stage.check_inputs()
            stage.check_wdir()
            return _check(stage, lent)
    except PipelineError as error:
        return CheckResult(stage, error=str(error))


def _check(stage: Stage, lent: LentOuts) -> CheckResult:
    undeclared: list[Undeclared] = []
    unopened = set(map(Path, stage.dep_paths))
    untraced = find_obstacle()
    if untraced is None:
        undeclared += _learn(stage)
    for _ in range(MAX_RUNS):
        folder = isolated_folder(stage)
        sandbox = make_sandbox(stage, folder, Contents(undeclared), private=True)
        accesses = Accesses(sandbox, undeclared)
        with SyscallTracer(accesses.note) as tracer, run_isolated(sandbox, tracer.argv) as run:
            new = _new_needs(accesses, run, undeclared)
            unopened -= accesses.used_and_above()
            if not new:
                return _conclude(sandbox, lent, run, undeclared, unopened, untraced)
            undeclared += new
    return CheckResult(stage, undeclared, error=f"{MAX_RUNS} inputs were not enough")


def _learn(stage: Stage) -> list[Undeclared]:
    """Run the stage with all that the workspace has, and return what it accessed."""
    make = make_sandbox if overlay_obstacle(stage) is None else SupplyingSandbox
    sandbox = make(stage, isolated_folder(stage), Contents(everything=True), private=True)
    accesses = Accesses(sandbox)

    def note(access: Access, name: str) -> None:
        if isinstance(sandbox, SupplyingSandbox):
            sandbox.supply(access, name)
        accesses.note(access, name)

    with SyscallTracer(note) as tracer, run_isolated(sandbox, tracer.argv):
        return _needs(accesses)


def _needs(accesses: Accesses) -> list[Undeclared]:
    """Return what the command accessed."""
    return [accesses.sandbox.undeclared(path) for path in undeclared_paths(accesses)]


def _new_needs(
    accesses: Accesses, run: RunResult, known: Collection[Undeclared]
) -> list[Undeclared]:
    """Return what the command accessed, or failed without, and what is not known yet."""
    needs = _needs(accesses)
    if run.error is not None:
        needs += diagnose(accesses.sandbox, run.output)
    return [need for need in dict.fromkeys(needs) if need not in known]


def _conclude(
    sandbox: Sandbox,
    lent: LentOuts,
    run: RunResult,
    undeclared: Sequence[Undeclared],
    unopened: Collection[Path],
    untraced: str | None,
) -> CheckResult:
    """Make the result after the last run, whose sandbox is still there."""
    stage = sandbox.stage
    if run.error is not None:
        error = f"{run.error}\n{run.output.strip()}"
        return CheckResult(stage, undeclared, error=error, untraced=untraced)
    lent.lend(sandbox)
    root = stage.workspace.root
    never_opened = []
    if untraced is None:
        inside = [path for path in unopened if path.is_relative_to(root)]
        never_opened = sorted(os.path.relpath(path, root) for path in inside)
    return CheckResult(
        stage,
        undeclared,
        never_opened,
        writes=sandbox.undeclared_writes(),
        untraced=untraced,
    )
