"""Remembers the challengers of earlier nights, so that tonight's luck does not promote."""

import hashlib
from collections.abc import Sequence

from reprise.retrain.branch import commit_tree
from reprise.retrain.choices import MOST_NIGHTS
from reprise.retrain.clone import Clone

REFS = "refs/reprise/nights"
LOCK_FILE = "dvc.lock"


class Nights:
    """Holds the challengers that were compared with one champion, as commits of the clone.

    Models and predictions lie in the clone's cache, as those of any commit. Of another champion
    there are no nights yet: what was said against the last one says nothing against this.
    """

    def __init__(self, clone: Clone, champion: str) -> None:
        """Find the nights of the champion, and forget those of others. champion: its commit."""
        self._clone = clone
        self._champion = champion
        self._folder = f"{REFS}/{digest_of_locks(clone, champion)}"
        for ref in self._list(REFS):
            if not ref.startswith(f"{self._folder}/"):
                clone.git("update-ref", "-d", ref)

    def before(self, inputs: str, most: int) -> Sequence[str]:
        """Return the commits of the last challengers before the one of these inputs, oldest first.

        inputs: their digest, by which a night that is run again is the same one.
        """
        earlier = []
        for ref in self._list(self._folder):
            if ref.endswith(f"-{inputs}"):
                break
            earlier.append(ref)
        if most <= 0:
            return []
        commits = []
        for ref in earlier[-most:]:
            commits.append(self._clone.git("rev-parse", ref))
        return commits

    def add(self, inputs: str, tree: str) -> None:
        """Remember a tree as the challenger of tonight, unless that of its inputs is known."""
        refs = self._list(self._folder)
        if any(ref.endswith(f"-{inputs}") for ref in refs):
            return
        number = 1
        if refs:
            number += int(refs[-1].removeprefix(f"{self._folder}/").partition("-")[0])
        message = f"retrain: challenger {inputs}"
        commit = commit_tree(self._clone, self._champion, tree, message)
        self._clone.git("update-ref", f"{self._folder}/{number:06}-{inputs}", commit)
        for ref in refs[: max(0, len(refs) + 1 - MOST_NIGHTS)]:
            self._clone.git("update-ref", "-d", ref)

    def _list(self, folder: str) -> list[str]:
        return self._clone.git("for-each-ref", "--format=%(refname)", f"{folder}/").splitlines()


def digest_of_locks(clone: Clone, commit: str) -> str:
    """Compute a digest of every dvc.lock of the commit: who has others is another champion."""
    files = clone.git("ls-tree", "-r", "-z", "--full-tree", commit).split("\0")
    locks = []
    for file in files:
        if file.endswith((f"\t{LOCK_FILE}", f"/{LOCK_FILE}")):
            locks.append(file)
    return hashlib.sha256("\0".join(locks).encode()).hexdigest()[:16]
