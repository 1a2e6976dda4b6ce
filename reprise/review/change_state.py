"""Names the three ways in which something may differ between two revisions."""

from enum import StrEnum


class ChangeState(StrEnum):
    """Says what became of a value, a stage or a table between two revisions."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"

    @property
    def description(self) -> str:
        """Say what the state means."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    ChangeState.ADDED: "only the new revision has it",
    ChangeState.REMOVED: "only the old revision has it",
    ChangeState.CHANGED: "both revisions have it",
}


def change_state(*, in_old: bool, in_new: bool) -> ChangeState:
    """Return the state of something that at least one of the two revisions has."""
    assert in_old or in_new
    if not in_old:
        return ChangeState.ADDED
    if not in_new:
        return ChangeState.REMOVED
    return ChangeState.CHANGED
