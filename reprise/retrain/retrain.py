"""One retraining: update data, run, compare with the champion, and propose the challenger if it is better."""

from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

from ruamel.yaml import YAML

from reprise.errors import PipelineError
from reprise.git import redacted
from reprise.retrain.branch import Branch, add, commit
from reprise.retrain.clone import Clone
from reprise.retrain.fingerprint import digest_of_inputs, stages_of
from reprise.retrain.gate import Decision, decide
from reprise.retrain.options import Options, RetrainResult
from reprise.retrain.publish import change, publish
from reprise.retrain.shell import Say, output, run, unattended
from reprise.review import review

TRIES = 3  # when the base moves meanwhile


RunStages = Callable[[Clone, Options, Say], None]


def run_stages(place: Clone, options: Options, say: Say) -> None:
    """Brings the stages up to date. PipelineError with the last lines of the stages that failed."""
    jobs = ["-j", str(options.jobs)] if options.jobs else []
    run(place, say, "reprise", "run", "--pull", "-P", *jobs)


def retrain(options: Options, say: Say = print, stages: RunStages = run_stages) -> RetrainResult:
    """Idempotent: the same inputs and the same base end in the same branch, commit and pull request, also where
    training gives other bits each time.

    stages: brings those of the clone up to date. Raises PipelineError with the last lines of the stage that failed,
    such as the expectations that data broke; the champion stays. Killed anywhere, the next run begins from the base
    again, and what finished is restored.
    """
    place = Clone(options.repository, options.base, options.folder, options.token)
    if place.has_uncommitted():
        say(
            f"{options.repository}: has uncommitted changes, which stay out: retraining starts from {options.base}"
        )
    with unattended(), place.alone(wait=options.wait) as mine:
        if not mine:
            return RetrainResult(
                _said(
                    Decision(outcome="skipped", reason="another retraining is at work", base=""),
                    say,
                )
            )
        for _ in range(TRIES):
            found = _once(place, options, say, stages)
            if found is not None:
                return found
    raise PipelineError(
        f"{options.base}: moved during each of {TRIES} tries; expected it to rest for one"
    )


def _said(decision: Decision, say: Say) -> Decision:
    say(f"{decision.outcome}: {decision.reason}")
    return decision


def _once(place: Clone, options: Options, say: Say, stages: RunStages) -> RetrainResult | None:
    """None when the base, or the challenger's branch, moved before the challenger was published."""
    tip = place.renew()
    say(f"{options.base} is at {tip[:12]}")
    _bring_data(place, options, say)
    if not _has_work(place):
        reason = "nothing new since the base was trained"
        return RetrainResult(_said(Decision(outcome="unchanged", reason=reason, base=tip), say))
    stages(place, options, say)
    done = stages_of(place.root)
    if not add(place, tip, (path for stage in done for path in stage.kept_by_git)):
        return RetrainResult(
            _said(
                Decision(outcome="unchanged", reason="the same outs as the base's", base=tip), say
            )
        )
    return _judged(
        place, options, tip, Branch(place, f"retrain/{digest_of_inputs(done)[:12]}"), say
    )


def _judged(
    place: Clone, options: Options, tip: str, branch: Branch, say: Say
) -> RetrainResult | None:
    """The challenger beside the champion. One that the branch has of the same inputs is the challenger."""
    found = branch.adopt(tip)
    if found is not None:
        say(f"{branch.name} was made of the same inputs: its outs are taken")
        run(place, say, "dvc", "pull", "--allow-missing")
    with chdir(place.root):
        report = review(tip, same_rows=True)
    made = RetrainResult(_said(decide(report, options.gate, tip), say), report)
    if made.decision.outcome != "promoted" or options.dry_run or options.publish == "none":
        return made
    found = found or commit(
        place, tip, f"retrain: {change(made.decision)}\n\n{made.decision.reason}"
    )
    return publish(place, options, made, branch, found, say)


def _bring_data(place: Clone, options: Options, say: Say) -> None:
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
        if (
            file.is_file()
            and ".dvc" not in inside.parts
            and YAML(typ="safe", pure=True).load(file).get("deps")
        ):
            yield str(inside)


def _has_work(place: Clone) -> bool:
    """By the plan: an import that was made anew with the same bytes is no work."""
    code, said = output(place, "reprise", "plan", "--exit-code", "-P")
    if code not in (0, 2):
        raise PipelineError(said.removeprefix("reprise: "))
    return code == 2
