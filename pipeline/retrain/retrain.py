"""One retraining: update data, run, compare with the champion, and propose the challenger if it is better."""

import os
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ruamel.yaml import YAML

from pipeline.errors import PipelineError
from pipeline.forge import forge_of
from pipeline.git import redacted
from pipeline.retrain.commands import Say, output, own_commands_first, run
from pipeline.retrain.gate import Decision, Gate, decide
from pipeline.retrain.workplace import Workplace
from pipeline.review import Report, markdown, review
from pipeline.review.words import number

Publish = Literal["pr", "branch", "push", "none"]
TRIES = 3  # when the base moves meanwhile


@dataclass(frozen=True)
class Options:
    """repository: an address or a path; folder: of the clones; publish: what becomes of a better model;
    token: of the forge, before the environment's."""

    repository: str
    folder: Path
    base: str = "main"
    publish: Publish = "pr"
    gate: Gate = field(default_factory=Gate)
    jobs: int | None = None
    wait: bool = True
    dry_run: bool = False
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Retrained:
    """report: None when nothing was trained, or nothing can be compared."""

    decision: Decision
    report: Report | None = None


RunStages = Callable[[Workplace, Options, Say], None]


def run_stages(place: Workplace, options: Options, say: Say) -> None:
    """Brings the stages up to date. PipelineError with the last lines of the stages that failed."""
    jobs = ["-j", str(options.jobs)] if options.jobs else []
    run(place, say, "reprise", "run", "--pull", "-P", *jobs)


def retrain(options: Options, say: Say = print, stages: RunStages = run_stages) -> Retrained:
    """Idempotent: the same data and the same base end in the same branch, commit and pull request.

    stages: brings those of the clone up to date. Raises PipelineError with the last lines of the stage that failed,
    such as the expectations that data broke; the champion stays. Killed anywhere, the next run begins from the base
    again, and what finished is restored.
    """
    place = Workplace(options.repository, options.base, options.folder, options.token)
    if place.has_uncommitted():
        say(f"{options.repository}: has uncommitted changes, which stay out: retraining starts from {options.base}")
    with own_commands_first(), place.alone(wait=options.wait) as mine:
        if not mine:
            return Retrained(Decision(outcome="skipped", reason="another retraining is at work", base=""))
        for _ in range(TRIES):
            found = _once(place, options, say, stages)
            if found is not None:
                return found
            say(f"{options.base} moved meanwhile: once more, from its new tip")
    raise PipelineError(f"{options.base}: moved during each of {TRIES} tries; expected it to rest for one")


def _once(place: Workplace, options: Options, say: Say, stages: RunStages) -> Retrained | None:
    """None when the base moved before the challenger was published."""
    tip = place.renew()
    say(f"{options.base} is at {tip[:12]}")
    _bring_data(place, options, say)
    if not _has_work(place):
        return Retrained(Decision(outcome="unchanged", reason="nothing new since the base was trained", base=tip))
    stages(place, options, say)
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
    run(place, say, "dvc", "push")
    target = options.base if options.publish == "push" else branch
    if not place.push(commit, target, force=options.publish != "push"):
        return None
    say(f"pushed {commit[:12]} to {target}")
    update = {"branch": target, "commit": commit, "pushed": True}
    forge = forge_of(place.address, _environment(options)) if options.publish == "pr" else None
    if forge is not None:
        update["pull_request"] = forge.propose(branch, options.base, f"Retrained: {metric}", markdown(report))
        say(f"pull request: {update['pull_request']}")
    elif options.publish == "pr":
        say("no token of a forge: the branch is pushed, and a pull request is yours to open")
    return Retrained(decision.model_copy(update=update), report)


def _environment(options: Options) -> dict[str, str]:
    """With the token under the names of both forges. Nothing but the forge's client sees it."""
    given = {} if options.token is None else dict.fromkeys(("GITHUB_TOKEN", "GITLAB_TOKEN"), options.token)
    return {**os.environ, **given}


def _bring_data(place: Workplace, options: Options, say: Say) -> None:
    if not (place.root / ".dvc" / "config").is_file():
        raise PipelineError(
            f"{redacted(place.address)}: found no .dvc/config on {options.base}; expected DVC at the root"
        )
    code, said = output(place, "dvc", "remote", "default")
    if code == 1:
        found = f"{redacted(place.address)}: found no default DVC remote"
        raise PipelineError(f"{found}; expected one to pull from and push to")
    if code != 0:
        raise PipelineError(f"dvc remote default: failed: {said}")
    run(place, say, "dvc", "pull", "--allow-missing")
    imports = [*_imports(place.root)]
    if imports:
        run(place, say, "dvc", "update", *imports)


def _imports(root: Path) -> Iterator[str]:
    """.dvc files of `dvc import`, `import-url` and `import-db`: those with deps."""
    for file in sorted(root.rglob("*.dvc")):
        inside = file.relative_to(root)
        if file.is_file() and ".dvc" not in inside.parts and YAML(typ="safe", pure=True).load(file).get("deps"):
            yield str(inside)


def _has_work(place: Workplace) -> bool:
    """By the plan: an import that was made anew with the same bytes is no work."""
    code, said = output(place, "reprise", "plan", "--exit-code", "-P")
    if code not in (0, 2):
        raise PipelineError(said.removeprefix("reprise: "))
    return code == 2
