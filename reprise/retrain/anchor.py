"""Finds the champions of before, the best of which no challenger may be worse than."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reprise.errors import PipelineError
from reprise.retrain.clone import Clone
from reprise.retrain.nights import LOCK_FILE, digest_of_locks

KEY = "Reprise-Anchor"  # a trailer of the commit that promoted another than the best
SUBJECT = "retrain: "
REVERT = re.compile(r"^This reverts commit ([0-9a-f]{7,64})", re.MULTILINE)
MOST_COMMITS = 200  # of each kind that are looked at
MOST_CHAMPIONS = 30


@dataclass(frozen=True)
class _Statement:
    """Holds what a commit says: that the best champion by then was its own, or the anchor."""

    commit: str
    anchor: str


def find_champions(clone: Clone, tip: str) -> list[str]:
    """List the commits of champions before the tip's, the newest first; the anchor is one of them.

    They go back to the last commit that says which was the best by then: that of a retraining, its
    own model or the one that its trailer names. Champions since are those of persons. One that was
    reverted is none: by a commit that says so, or since the locks are those of before it again.
    Raises PipelineError for a trailer that names no commit.
    """
    statements = _find_statements(clone, tip)
    reverted = _find_reverted(clone, tip)
    own = digest_of_locks(clone, tip)
    champions: dict[str, str] = {}
    for commit, digest in _without_abandoned(_find_locks(clone, tip)):
        statement = statements.get(digest, _Statement(commit, ""))
        if commit.startswith(reverted) or statement.commit.startswith(reverted):
            continue
        if not statement.anchor or statement.anchor.startswith(reverted):
            champions.setdefault(digest, commit)
            continue
        champions.setdefault(digest_of_locks(clone, statement.anchor), statement.anchor)
        break
    champions.pop(own, None)
    return list(champions.values())[:MOST_CHAMPIONS]


def _find_statements(clone: Clone, tip: str) -> dict[str, _Statement]:
    """Find what commits say of the champion of their locks, by the digest of these."""
    form = f"%H%x00%s%x00%(trailers:key={KEY},valueonly,separator=%x20)"
    patterns = (f"--grep=^{SUBJECT}", f"--grep=^{KEY}: ")
    listing = clone.git("log", f"-{MOST_COMMITS}", f"--format={form}", *patterns, tip)
    statements: dict[str, _Statement] = {}
    for line in listing.splitlines():
        commit, subject, trailer = line.split("\0")
        if not trailer and not subject.startswith(SUBJECT):
            continue
        anchor = commit
        if trailer:
            anchor = _commit_of(clone, commit, trailer)
        statements.setdefault(digest_of_locks(clone, commit), _Statement(commit, anchor))
    return statements


def _commit_of(clone: Clone, commit: str, trailer: str) -> str:
    try:
        return clone.git("rev-parse", "--verify", "--quiet", f"{trailer.strip()}^{{commit}}")
    except PipelineError:
        raise PipelineError(
            f"{KEY} of {commit[:12]}: found {trailer.strip()!r}; expected a commit that "
            f"{clone.base} has"
        ) from None


def _find_reverted(clone: Clone, tip: str) -> tuple[str, ...]:
    """Find what commits say that they revert. A revert that was reverted does not count."""
    pattern = "--grep=^This reverts commit "
    listing = clone.git("log", f"-{MOST_COMMITS}", "--format=%H%n%B%x00", pattern, tip)
    reverted: tuple[str, ...] = ()
    for entry in listing.split("\0"):
        commit, _, message = entry.strip().partition("\n")
        if not commit.startswith(reverted):
            reverted += tuple(REVERT.findall(message))
    return reverted


def _find_locks(clone: Clone, tip: str) -> list[tuple[str, str]]:
    """List the commits of the base that changed a lock, with the digest of all, newest first."""
    log = ("log", f"-{MOST_COMMITS}", "--first-parent", "--format=%H", tip)
    listing = clone.git(*log, "--", f":(glob)**/{LOCK_FILE}")
    digests = []
    for commit in listing.split():
        digests.append((commit, digest_of_locks(clone, commit)))
    return digests


def _without_abandoned(locks: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield the champions that lead to the newest one: where locks come again, what lay between
    them was given up."""
    digests = []
    for _, digest in locks:
        digests.append(digest)
    position = 0
    while position < len(locks):
        last = len(digests) - 1 - digests[::-1].index(digests[position])
        yield locks[last]
        position = last + 1
