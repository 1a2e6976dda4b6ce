"""The branch of a challenger, named after what went in: one commit of ours on top of the base."""

from collections.abc import Iterable
from pathlib import Path

from reprise.errors import PipelineError
from reprise.retrain.clone import Clone

NAME, EMAIL = "reprise", "reprise@localhost"
IDENTITY = {f"GIT_{who}_NAME": NAME for who in ("AUTHOR", "COMMITTER")} | {
    f"GIT_{who}_EMAIL": EMAIL for who in ("AUTHOR", "COMMITTER")
}


def add(place: Clone, tip: str, paths: Iterable[Path]) -> bool:
    """To the index, what git knows and these: whether that differs from the tip.

    paths: what DVC leaves to git. Whatever else the stages left is not for a commit.
    """
    place.git("add", "--update")
    named = sorted({str(path.relative_to(place.root)) for path in paths})
    assert named  # else git would take it for everything
    listing = ("ls-files", "-z", "--others", "--exclude-standard", "--", *named)
    new = place.git("--literal-pathspecs", *listing).rstrip("\0")
    if new:
        place.git("--literal-pathspecs", "add", "--", *new.split("\0"))
    return bool(place.git("diff", "--cached", "--name-only", tip))


def commit(place: Clone, tip: str, message: str) -> str:
    """Commits what was added on top of the tip. It carries the base's time: no clock makes another commit of it."""
    when = place.git("log", "-1", "--format=%cI", tip)
    dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    tree = place.git("write-tree")
    return place.git("commit-tree", tree, "-p", tip, "-m", message, **IDENTITY, **dates)


class Branch:
    """One at the remote, as it was fetched last."""

    def __init__(self, place: Clone, name: str) -> None:
        self.name = name
        self._place = place
        self._ref = f"refs/remotes/origin/{name}"

    @property
    def tip(self) -> str:
        """Empty when the remote has no such branch."""
        return self._place.git("for-each-ref", "--format=%(objectname)", self._ref)

    def adopt(self, base: str) -> str | None:
        """Our commit on top of the base's that the branch has: the clone is then at it. None if there is none."""
        if not self.tip:
            return None
        listing = ("rev-list", "--parents", f"--author=<{EMAIL}>", f"{base}..{self._ref}")
        found = [
            line.split()[0]
            for line in self._place.git(*listing).splitlines()
            if line.split()[1:] == [base]
        ]
        if not found:
            return None
        self._place.git("checkout", "--quiet", "--force", "--detach", found[0])
        return found[0]

    def has(self, commit: str) -> bool:
        """Perhaps with others' commits on top."""
        return bool(self.tip) and bool(
            self._place.git("for-each-ref", f"--contains={commit}", self._ref)
        )

    @property
    def is_of_others(self) -> bool:
        """Whether somebody else made its newest commit, a rebase of ours included."""
        if not self.tip:
            return False
        return self._place.git("log", "-1", "--format=%ae %ce", self._ref) != f"{EMAIL} {EMAIL}"

    def push(self, commit: str, *, replace: bool) -> bool:
        """False when it is no longer as it was fetched. replace: what it has is ours, of an older base."""
        lease = [f"--force-with-lease=refs/heads/{self.name}:{self.tip}"] if replace else []
        try:
            self._place.git("push", "--quiet", *lease, "origin", f"{commit}:refs/heads/{self.name}")
        except PipelineError:
            now = self._place.git("ls-remote", "origin", f"refs/heads/{self.name}").split()[:1]
            if now == [commit]:
                return True
            if now != [self.tip] * bool(self.tip):
                return False
            raise
        return True
