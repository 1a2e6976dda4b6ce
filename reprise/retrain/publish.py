"""How a better model reaches its remotes: data, then the branch, then the pull request."""

from reprise.forge.registry import forge_of_address
from reprise.retrain.branch import Branch
from reprise.retrain.clone import Clone
from reprise.retrain.gate import Decision
from reprise.retrain.options import Options, RetrainResult
from reprise.retrain.shell import Say, run
from reprise.review import markdown
from reprise.review.render.wording import number


def publish(
    place: Clone, options: Options, made: RetrainResult, branch: Branch, commit: str, say: Say
) -> RetrainResult | None:
    """Each step may be repeated after a kill. None when the base, or the branch, moved meanwhile."""
    target = Branch(place, options.base) if options.publish == "push" else branch
    if place.moved(made.decision.base):
        say(f"{options.base} moved meanwhile: once more, from its new tip")
        return None
    run(place, say, "dvc", "push", "--run-cache")
    if target.has(commit):
        say(f"{target.name} has {commit[:12]} already")
    elif target is branch and branch.is_of_others:
        say(f"{branch.name} has commits of others: it stays as it is, and so does its pull request")
        return made.with_(branch=branch.name)
    elif not target.push(commit, replace=target is branch):
        say(f"{target.name} moved meanwhile: once more")
        return None
    else:
        say(f"pushed {commit[:12]} to {target.name}")
    made = made.with_(branch=target.name, commit=commit, pushed=True)
    return _proposed(place, options, made, say) if options.publish == "pr" else made


def _proposed(place: Clone, options: Options, made: RetrainResult, say: Say) -> RetrainResult:
    forge = forge_of_address(place.address, token=options.token)
    if forge is None:
        say("no token of a forge: the branch is pushed, and a pull request is yours to open")
        return made
    assert made.report is not None
    assert made.decision.branch is not None
    title = f"Retrained: {change(made.decision)}"
    proposal = forge.propose(made.decision.branch, options.base, title, markdown(made.report))
    say(
        f"pull request: {proposal.address}"
        + ": somebody closed it, and it stays closed" * proposal.closed
    )
    return made.with_(pull_request=proposal.address)


def change(decision: Decision) -> str:
    """Of the metric: its name, old and new value."""
    return f"{decision.metric} {number(decision.old)} -> {number(decision.new)}"
