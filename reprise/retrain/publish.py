"""Brings a better model to its remotes: data, then the branch, then the pull request."""

from dataclasses import dataclass

from reprise.forge.registry import forge_of_address
from reprise.retrain.anchor import KEY, SUBJECT
from reprise.retrain.branch import Branch
from reprise.retrain.choices import PublishMode
from reprise.retrain.clone import Clone
from reprise.retrain.decision import Decision
from reprise.retrain.options import Echo, RetrainOptions
from reprise.retrain.push import BranchMoved, push_commit, push_data
from reprise.text.markdown import plain_words
from reprise.text.values import number


@dataclass(frozen=True)
class Publisher:
    """Publishes what a retraining made. Each step may be repeated after a kill."""

    clone: Clone
    options: RetrainOptions
    echo: Echo

    def publish(self, decision: Decision, text: str, branch: Branch, commit: str) -> Decision:
        """Push the data and the commit, and propose it if that is asked for.

        text: of the pull request; branch: the challenger's. Returns the decision, with what was
        published. Raises BranchMoved when the branch or the base moved meanwhile.
        """
        base = self.options.base
        if self.clone.has_moved(decision.base):
            self.echo(f"{base} moved meanwhile: once more, from its new tip")
            raise BranchMoved
        push_data(self.clone, self.echo)
        if self.options.publish is PublishMode.PUSH:
            target = Branch(self.clone, base)
            push_commit(target, commit, self.echo, replace=False)
        elif branch.is_of_others and not branch.has(commit):
            self.echo(
                f"{branch.name} has commits of others: "
                "it stays as it is, and so does its pull request"
            )
            return decision.updated(branch=branch.name)
        else:
            target = branch
            push_commit(target, commit, self.echo, replace=True)
        decision = decision.updated(branch=target.name, commit=commit, pushed=True)
        if self.options.publish is PublishMode.PULL_REQUEST:
            return self._propose(decision, text, target)
        return decision

    def _propose(self, decision: Decision, text: str, branch: Branch) -> Decision:
        forge = forge_of_address(self.clone.address, token=self.options.token)
        if forge is None:
            self.echo(
                "no token of a forge: the branch is pushed, and a pull request is yours to open"
            )
            return decision
        title = f"Retrained: {describe_change(decision)}"
        proposal = forge.propose(branch.name, self.options.base, title, text)
        line = f"pull request: {proposal.address}"
        if proposal.closed:
            line = f"{line}: somebody closed it, and it stays closed"
        self.echo(line)
        return decision.updated(pull_request=proposal.address)


def describe_change(decision: Decision) -> str:
    """Name the metric, with its old and its new value."""
    name = plain_words(str(decision.metric))
    return f"{name} {number(decision.old)} -> {number(decision.new)}"


def commit_message(decision: Decision) -> str:
    """Write the message of a challenger's commit. Forges find nothing to link in it."""
    message = f"{SUBJECT}{describe_change(decision)}\n\n{plain_words(decision.reason)}"
    if decision.anchor is not None:
        message = f"{message}\n\n{KEY}: {decision.anchor}"
    return message
