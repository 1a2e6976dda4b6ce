"""Retrains once: update data, run, compare with the champion, and propose a better challenger."""

from collections.abc import Callable, Sequence
from contextlib import chdir, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from reprise.errors import PipelineError
from reprise.retrain.anchor import find_champions
from reprise.retrain.branch import Branch, commit_tree, tree_of, write_results
from reprise.retrain.choices import PromoteWhen, PublishMode
from reprise.retrain.clone import Clone
from reprise.retrain.data import bring_data
from reprise.retrain.decision import Decision, Outcome, RetrainResult
from reprise.retrain.environment import unattended_environment
from reprise.retrain.fingerprint import digest_of_inputs
from reprise.retrain.gate import decide
from reprise.retrain.handover import write_handover
from reprise.retrain.nights import Nights
from reprise.retrain.options import Echo, Gate, RetrainOptions
from reprise.retrain.publish import Publisher, commit_message
from reprise.retrain.push import BranchMoved
from reprise.retrain.shell import run_command
from reprise.retrain.stages import has_work, load_stages, run_stages
from reprise.review.builder import review
from reprise.review.render.markdown import markdown
from reprise.review.report import Report

TRIES = 3  # when the base moves meanwhile

RunStages = Callable[[Clone, RetrainOptions, Echo], None]


def retrain(
    options: RetrainOptions, echo: Echo = print, run: RunStages = run_stages
) -> RetrainResult:
    """Train on new data in a clone, and publish the model if it is better.

    The same inputs and the same base end in the same branch, commit and pull request, also where
    training gives other bits each time. Killed anywhere, the next run begins from the base again,
    and what finished is restored.

    run: brings the clone's stages up to date. Raises PipelineError with the last lines of the
    stage that failed, such as the expectations that data broke; the champion stays.
    """
    clone = Clone(options.repository, options.base, options.folder, options.token)
    if clone.has_uncommitted():
        echo(
            f"{options.repository}: has uncommitted changes, which stay out: "
            f"retraining starts from {options.base}"
        )
    with unattended_environment(), clone.locked(wait=options.wait) as is_ours:
        if not is_ours:
            reason = "another retraining is at work"
            return _end(Decision(outcome=Outcome.SKIPPED, reason=reason, base=""), echo)
        for _ in range(TRIES):
            with suppress(BranchMoved):
                return _retrain_once(clone, options, echo, run)
    raise PipelineError(
        f"{options.base}: moved during each of {TRIES} tries; expected it to rest for one"
    )


def _retrain_once(
    clone: Clone, options: RetrainOptions, echo: Echo, run: RunStages
) -> RetrainResult:
    """Retrain from the base's newest commit.

    Raises BranchMoved when the base, or the challenger's branch, moved before the publication.
    """
    tip = clone.renew()
    echo(f"{clone.base} is at {tip[:12]}")
    bring_data(clone, echo)
    if not has_work(clone.root):
        reason = "nothing new since the base was trained"
        return _end(Decision(outcome=Outcome.UNCHANGED, reason=reason, base=tip), echo)
    run(clone, options, echo)
    stages = load_stages(clone.root)
    kept_by_git: list[Path] = []
    for stage in stages:
        kept_by_git.extend(stage.kept_by_git)
    tree = write_results(clone, tip, kept_by_git)
    if tree is None:
        reason = "the same outs as the base's"
        return _end(Decision(outcome=Outcome.UNCHANGED, reason=reason, base=tip), echo)
    challenger = _Challenger(tip, digest_of_inputs(stages)[:12], tree)
    return _challenge(clone, options, challenger, echo)


@dataclass(frozen=True)
class _Challenger:
    """Holds what was trained. base: the champion's commit; inputs: their digest; tree: git's."""

    base: str
    inputs: str
    tree: str


def _challenge(
    clone: Clone, options: RetrainOptions, challenger: _Challenger, echo: Echo
) -> RetrainResult:
    """Compare the challenger with the champion, and publish it, or hand it over, if it is promoted.

    What the branch already has of the same inputs is the challenger, whatever was trained now.
    """
    tip = challenger.base
    branch = Branch(clone, f"retrain/{challenger.inputs}")
    commit = branch.adopt(tip)
    if commit is not None:
        echo(f"{branch.name} was made of the same inputs: its outs are taken")
        run_command(clone, echo, "dvc", "pull", "--allow-missing")
        challenger = replace(challenger, tree=tree_of(clone, commit))
    report, decision = _decide(clone, options.gate, challenger)
    result = _end(decision, echo, report)
    if decision.outcome is not Outcome.PROMOTED:
        return result
    if options.dry_run or options.publish is PublishMode.NONE:
        return result
    if commit is None:
        commit = commit_tree(clone, tip, challenger.tree, commit_message(decision))
    text = markdown(report)
    if options.hand_over is not None:
        decision = decision.updated(branch=branch.name, commit=commit)
        write_handover(clone, options.hand_over, decision, text, echo)
    else:
        decision = Publisher(clone, options, echo).publish(decision, text, branch, commit)
    return RetrainResult(decision, report)


def _decide(clone: Clone, gate: Gate, challenger: _Challenger) -> tuple[Report, Decision]:
    """Compare the challenger with the champion, also together with those of earlier nights.

    Where it need not be better, it is compared with the champions of before, too.
    """
    tip = challenger.base
    nights = Nights(clone, tip)
    nights.add(challenger.inputs, challenger.tree)
    earlier: Sequence[str] = ()
    older: Sequence[str] = ()
    if gate.when is PromoteWhen.BETTER:
        earlier = nights.before(challenger.inputs, gate.nights - 1)
    else:
        older = find_champions(clone, tip)
    with chdir(clone.root):
        report = review(tip, same_rows=True, earlier=earlier, older=older)
    return report, decide(report, gate, tip)


def _end(decision: Decision, echo: Echo, report: Report | None = None) -> RetrainResult:
    echo(f"{decision.outcome}: {decision.reason}")
    return RetrainResult(decision, report)
