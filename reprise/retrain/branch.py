"""Makes the branch of a challenger: one commit of ours on top of the base."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from reprise.errors import PipelineError
from reprise.retrain.checkout import Checkout

NAME = "reprise"
EMAIL = "reprise@localhost"
IDENTITY = {
    "GIT_AUTHOR_NAME": NAME,
    "GIT_AUTHOR_EMAIL": EMAIL,
    "GIT_COMMITTER_NAME": NAME,
    "GIT_COMMITTER_EMAIL": EMAIL,
}


def write_results(checkout: Checkout, tip: str, paths: Iterable[Path]) -> str | None:
    """Write the tip's tree with the paths as they are now, and return it; None if it is the tip's.

    paths: what DVC leaves to git. Nothing else goes into it, whatever the working tree and its
    index have, which stay as they are.
    """
    names = sorted({str(path.relative_to(checkout.root)) for path in paths})
    with TemporaryDirectory(prefix="reprise-") as folder:
        index = Path(folder) / "index"
        checkout.git("read-tree", tip, index=index)
        found = []
        if names:
            listing = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *names)
            listed = checkout.git("--literal-pathspecs", *listing, index=index)
            found = listed.rstrip("\0").split("\0") if listed else []
        if found:
            checkout.git("--literal-pathspecs", "add", "--all", "--", *found, index=index)
        tree = checkout.git("write-tree", index=index)
    if tree == tree_of(checkout, tip):
        return None
    return tree


def tree_of(checkout: Checkout, commit: str) -> str:
    """Return the tree of a commit."""
    return checkout.git("rev-parse", f"{commit}^{{tree}}")


def commit_tree(checkout: Checkout, tip: str, tree: str, message: str) -> str:
    """Commit the tree on top of the tip, and return the commit.

    It carries the tip's time: no clock makes another commit of the same content.
    """
    time = checkout.git("log", "-1", "--format=%cI", tip)
    dates = {"GIT_AUTHOR_DATE": time, "GIT_COMMITTER_DATE": time}
    return checkout.git("commit-tree", tree, "-p", tip, "-m", message, variables=IDENTITY | dates)


class Branch:
    """Stands for a branch at the remote, as it was fetched last."""

    def __init__(self, checkout: Checkout, name: str) -> None:
        self.name = name
        self._checkout = checkout
        self._ref = f"refs/heads/{name}"
        self._fetched_ref = f"refs/remotes/origin/{name}"

    @property
    def tip(self) -> str:
        """Return the newest commit; empty when the remote has no such branch."""
        return self._checkout.git("for-each-ref", "--format=%(objectname)", self._fetched_ref)

    def adopt(self, base: str) -> str | None:
        """Check out our commit on top of the base's, and return it; None if the branch has none."""
        if not self.tip:
            return None
        commits = f"{base}..{self._fetched_ref}"
        listing = self._checkout.git("rev-list", "--parents", f"--author=<{EMAIL}>", commits)
        for line in listing.splitlines():
            commit, *parents = line.split()
            if parents == [base]:
                self._checkout.git("checkout", "--quiet", "--force", "--detach", commit)
                return commit
        return None

    def has(self, commit: str) -> bool:
        """Tell whether the branch contains the commit, perhaps with others' commits on top."""
        return self._checkout.git("for-each-ref", f"--contains={commit}", self._fetched_ref) != ""

    @property
    def is_of_others(self) -> bool:
        """Tell whether somebody else made its newest commit, a rebase of ours included."""
        if not self.tip:
            return False
        emails = self._checkout.git("log", "-1", "--format=%ae %ce", self._fetched_ref)
        return emails != f"{EMAIL} {EMAIL}"

    def push(self, commit: str, *, replace: bool) -> bool:
        """Push the commit. Return False when the branch is no longer as it was fetched.

        replace: what the branch has is ours, of an older base. Raises PipelineError when the
        remote refuses for another reason.
        """
        options = []
        if replace:
            options.append(f"--force-with-lease={self._ref}:{self.tip}")
        try:
            self._checkout.git("push", "--quiet", *options, "origin", f"{commit}:{self._ref}")
        except PipelineError:
            listing = self._checkout.git("ls-remote", "origin", self._ref)
            tip = listing.partition("\t")[0]  # empty when the remote has no such branch
            if tip == commit:
                return True
            if tip != self.tip:
                return False
            raise
        return True
