"""Finds the best champion so far, that no challenger may be worse than."""

from reprise.retrain.clone import Clone
from reprise.retrain.nights import digest_of_locks

KEY = "Reprise-Anchor"  # a trailer of the commit that promoted another than the best
SUBJECT = "retrain: "


def find_anchor(clone: Clone, tip: str) -> str | None:
    """Return the commit of the best champion so far; None where that is the tip's.

    The newest commit of a retraining says it: by its trailer, or it is the best itself.
    """
    form = f"%H%x00%(trailers:key={KEY},valueonly)"
    patterns = (f"--grep=^{SUBJECT}", f"--grep=^{KEY}: ")
    found = clone.git("log", "-1", f"--format={form}", *patterns, tip)
    if not found:
        return None
    commit, _, anchor = found.partition("\0")
    best = clone.git("rev-parse", "--verify", f"{anchor.strip() or commit}^{{commit}}")
    if digest_of_locks(clone, best) == digest_of_locks(clone, tip):
        return None
    return best
