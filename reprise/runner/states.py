"""Name what can become of a stage in a run."""

from enum import StrEnum


class StageState(StrEnum):
    """Names what can become of a stage in a run."""

    RAN = "ran"
    RESTORED = "restored"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    SKIPPED = "skipped"

    @property
    def description(self) -> str:
        """Say what the state means."""
        return _DESCRIPTIONS[self]

    @property
    def is_up_to_date(self) -> bool:
        """Tell whether the stage's outs are now those of its inputs."""
        return self in (StageState.RAN, StageState.RESTORED, StageState.UNCHANGED)


_DESCRIPTIONS = {
    StageState.RAN: "its commands ran",
    StageState.RESTORED: "the run-cache had its outs",
    StageState.UNCHANGED: "it was up to date",
    StageState.FAILED: "its commands, or what surrounds them, failed",
    StageState.SKIPPED: "a stage before it failed",
}
