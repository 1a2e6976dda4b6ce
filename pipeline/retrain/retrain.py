"""One retraining: update data, run, compare with the champion, and propose the challenger if it is better."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ruamel.yaml import YAML

from pipeline.aside import interruptible
from pipeline.errors import PipelineError
from pipeline.forge import forge_of
from pipeline.git import redacted
from pipeline.retrain.gate import Decision, Gate, decide
from pipeline.retrain.workplace import Workplace
from pipeline.review import Report, markdown, review
from pipeline.review.words import number

Publish = Literal["pr", "branch", "push", "none"]
TRIES = 3  # when the base moves meanwhile
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """repository: an address or a path; folder: of the clones; publish: what becomes of a better model."""

    repository: str
    folder: Path
    base: str = "main"
    publish: Publish = "pr"
    gate: Gate = field(default_factory=Gate)
    jobs: int | None = None
    wait: bool = True
    dry_run: bool = False


@dataclass(frozen=True)
class Retrained:
    """report: None when nothing was trained, or nothing can be compared."""

    decision: Decision
    report: Report | None = None


def retrain(options: Options, say: Say = print) -> Retrained:
    """Idempotent: the same data and the same base end in the same branch, commit and pull request.

    Raises PipelineError with the last lines of the stage that failed, such as the expectations that data broke; the
    champion stays. Killed anywhere, the next run begins from the base again, and what finished is restored.
    """
    place = Workplace(options.repository, options.base, options.folder)
    with place.alone(wait=options.wait) as mine:
        if not mine:
            return Retrained(Decision(outcome="skipped", reason="another retraining is at work", base=""))
        for _ in range(TRIES):
            found = _once(place, options, say)
            if found is not None:
                return found
            say(f"{options.base} moved meanwhile: once more, from its new tip")
    raise PipelineError(f"{options.base}: moved during each of {TRIES} tries; expected it to rest for one")


def _once(place: Workplace, options: Options, say: Say) -> Retrained | None:
    """None when the base moved before the challenger was published."""
    tip = place.renew()
    say(f"{options.base} is at {tip[:12]}")
    _bring_data(place, options, say)
    if not _has_work(place):
        return Retrained(Decision(outcome="unchanged", reason="nothing new since the base was trained", base=tip))
    jobs = ["-j", str(options.jobs)] if options.jobs else []
    _run(place, say, "reprise", "run", "--pull", *jobs)
    if not place.changed():
        return Retrained(Decision(outcome="unchanged", reason="the same outs as the base's", base=tip))
    with chdir(place.root):
        report = review(tip, same_rows=True)
    decision = decide(report, options.gate, tip)
    say(f"{decision.outcome}: {decision.reason}")
    if decision.outcome != "promoted" or options.dry_run or options.publish == "none":
        return Retrained(decision, report)
    return _published(place, options, decision, report, say)


def _published(place: Workplace, options: Options, decision: Decision, report: Report, say: Say) -> Retrained | None:
    """First the data, then the branch, then the pull request: each step may be repeated after a kill."""
    metric = f"{decision.metric} {number(decision.old)} -> {number(decision.new)}"
    branch, commit = place.commit(decision.base, f"retrain: {metric}\n\n{decision.reason}")
    if place.moved(decision.base):
        return None
    _run(place, say, "dvc", "push")
    target = options.base if options.publish == "push" else branch
    if not place.push(commit, target, force=options.publish != "push"):
        return None
    say(f"pushed {commit[:12]} to {target}")
    update = {"branch": target, "commit": commit, "pushed": True}
    forge = forge_of(place.address) if options.publish == "pr" else None
    if forge is not None:
        update["pull_request"] = forge.propose(branch, options.base, f"Retrained: {metric}", markdown(report))
        say(f"pull request: {update['pull_request']}")
    elif options.publish == "pr":
        say("no token of a forge: the branch is pushed, and a pull request is yours to open")
    return Retrained(decision.model_copy(update=update), report)


def _bring_data(place: Workplace, options: Options, say: Say) -> None:
    code, remotes = _output(place, "dvc", "remote", "list")
    if code != 0:
        raise PipelineError(f"dvc remote list: failed: {remotes}")
    if not remotes and options.publish != "none":
        raise PipelineError(f"{redacted(place.address)}: found no DVC remote; expected one to pull from and push to")
    if remotes:
        _run(place, say, "dvc", "pull", "--allow-missing")
    imports = [*_imports(place.root)]
    if imports:
        _run(place, say, "dvc", "update", *imports)


def _imports(root: Path) -> Iterator[str]:
    """.dvc files of `dvc import`, `import-url` and `import-db`: those with deps."""
    for file in sorted(root.rglob("*.dvc")):
        inside = file.relative_to(root)
        if file.is_file() and ".dvc" not in inside.parts and YAML(typ="safe", pure=True).load(file).get("deps"):
            yield str(inside)


def _has_work(place: Workplace) -> bool:
    """By the plan: an import that was made anew with the same bytes is no work."""
    code, said = _output(place, "reprise", "plan", "--exit-code", "-P")
    if code not in (0, 2):
        raise PipelineError(said.removeprefix("reprise: "))
    return code == 2


def _process(place: Workplace, *command: str) -> "subprocess.Popen[str]":
    """With the commands of this Python's environment first on PATH; a group of its own, so that a signal comes once."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return subprocess.Popen(
        command,
        cwd=place.root,
        env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def _output(place: Workplace, *command: str) -> tuple[int, str]:
    """Exit status, and what the command printed."""
    with _ended(_process(place, *command)) as process:
        said, _ = process.communicate()
    return process.returncode, said.strip()


def _run(place: Workplace, say: Say, *command: str) -> None:
    """Every line is said. PipelineError with the last ones when it fails."""
    lines: list[str] = []
    say(f"$ {shlex.join(command)}")
    with _ended(_process(place, *command)) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            say(lines[-1])
        code = process.wait()
    if code != 0:
        raise PipelineError(f"{' '.join(command[:2])}: failed: {_cause(lines)}")


def _cause(lines: list[str]) -> str:
    """What failed stages printed last, or the command itself."""
    failed = {line.split(": failed: ")[0] for line in lines if ": failed: " in line}
    said = [line for line in lines if line.split(" | ")[0] in failed or ": failed: " in line]
    return "; ".join(line for line in (said or lines)[-8:] if line.strip())


@contextmanager
def _ended(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """An interrupt goes on to the process, which ends its own commands."""
    with interruptible():
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
