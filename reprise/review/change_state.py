"""Names the three ways in which something may differ between two revisions."""

from reprise.described import DescribedEnum


class ChangeState(DescribedEnum):
    """Says what became of a value, a stage or a table between two revisions."""

    ADDED = "added", "only the new revision has it"
    REMOVED = "removed", "only the old revision has it"
    CHANGED = "changed", "both revisions have it"


def change_state(*, in_old: bool, in_new: bool) -> ChangeState:
    """Return the state of something that at least one of the two revisions has."""
    assert in_old or in_new
    if not in_old:
        return ChangeState.ADDED
    if not in_new:
        return ChangeState.REMOVED
    return ChangeState.CHANGED
