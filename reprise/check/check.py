"""Find every undeclared input of a stage, by running it in sandboxes until it needs no more."""

import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from reprise.check.needs import undeclared_paths
from reprise.check.result import CheckResult
from reprise.check.syscall_tracer import SyscallTracer
from reprise.check.tracing_sandbox import TracingSandbox
from reprise.dvc import Stage, dvc_boundary
from reprise.errors import PipelineError
from reprise.sandbox.diagnosis import diagnose
from reprise.sandbox.isolated import RunResult, isolated_folder, run_isolated
from reprise.sandbox.undeclared import Undeclared

MAX_RUNS = 50  # each finds at least one more input


def check(stage: Stage) -> CheckResult:
    """Run the stage in a sandbox, note what it asks for, and repeat until it asks for no more.

    As long as the check learns, the sandbox supplies what the command asks for as it goes, so that
    one run finds many inputs. This may change what the command does: the last run then has what is
    declared and what was found, and nothing else.

    The workspace stays as it is, but outs that it lacks are moved there, for the stages that read
    them. Errors of the stage are in the result.
    """
    try:
        with dvc_boundary():
            stage.check_inputs()
            stage.check_wdir()
            return _check(stage)
    except PipelineError as error:
        return CheckResult(stage, error=str(error))


def _check(stage: Stage) -> CheckResult:
    undeclared: list[Undeclared] = []
    unopened = set(map(Path, stage.dep_paths))
    learning = True
    for _ in range(MAX_RUNS):
        sandbox = TracingSandbox(stage, isolated_folder(stage), undeclared, learning=learning)
        with SyscallTracer(sandbox.on_access) as tracer, run_isolated(sandbox, tracer.argv) as run:
            new = _new_needs(sandbox, run, undeclared)
            undeclared += new
            unopened -= sandbox.accesses.used_and_above()
            failed = run.error is not None
            learning = learning and tracer.refused is None
            doubtful = learning and (failed or sandbox.differs)
            if not new and not doubtful:
                return _conclude(sandbox, run, undeclared, unopened, tracer.refused)
            learning = learning and failed and bool(new)
    return CheckResult(stage, undeclared, error=f"{MAX_RUNS} inputs were not enough")


def _new_needs(
    sandbox: TracingSandbox, run: RunResult, known: Collection[Undeclared]
) -> list[Undeclared]:
    """Return what the command accessed, or failed without, and what is not known yet."""
    needs = [sandbox.undeclared(path) for path in undeclared_paths(sandbox.accesses)]
    if run.error is not None:
        needs += diagnose(sandbox, run.output)
    return [need for need in dict.fromkeys(needs) if need not in known]


def _conclude(
    sandbox: TracingSandbox,
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
    _move_missing_outs(sandbox)
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


def _move_missing_outs(sandbox: TracingSandbox) -> None:
    """Move the outs to the workspace that it lacks."""
    for out in sandbox.stage.outputs:
        if not out.exists():
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(sandbox.written(out), out)
