"""Name what a plan can say of a stage, and what can become of it in a run."""

from reprise.described import DescribedEnum


class StepKind(DescribedEnum):
    """Names what a plan can say of a stage."""

    UNCHANGED = "unchanged", "it is up to date"
    RESTORED = "restored", "the run-cache has its outs"
    RUN = "run", "its commands will run"
    MAY_RUN = "may run", "that depends on what a stage before it leaves"
    ERROR = "error", "what is wrong with it does not let DVC tell"


class StageState(DescribedEnum):
    """Names what can become of a stage in a run."""

    RAN = "ran", "its commands ran"
    RESTORED = "restored", "the run-cache had its outs"
    UNCHANGED = "unchanged", "it was up to date"
    FAILED = "failed", "its commands, or what surrounds them, failed"
    SKIPPED = "skipped", "a stage before it failed"

    @property
    def has_new_outs(self) -> bool:
        """Tell whether the stage's outs were written."""
        return self in (StageState.RAN, StageState.RESTORED)

    @property
    def is_up_to_date(self) -> bool:
        """Tell whether the stage's outs are now those of its inputs."""
        return self in (StageState.RAN, StageState.RESTORED, StageState.UNCHANGED)
