"""Lists what a user of retraining can choose. The command line always imports it: keep it light."""

from enum import StrEnum


class PublishMode(StrEnum):
    """Says where a better model goes."""

    PULL_REQUEST = "pr"
    BRANCH = "branch"
    PUSH = "push"
    NONE = "none"

    @property
    def description(self) -> str:
        """Say what is published."""
        return _MODES[self]


class PromoteWhen(StrEnum):
    """Says which verdicts promote a challenger."""

    BETTER = "better"
    NOT_WORSE = "not-worse"

    @property
    def description(self) -> str:
        """Say which verdicts promote."""
        return _VERDICTS[self]


_MODES = {
    PublishMode.PULL_REQUEST: "a branch of its own is pushed, and a pull request opened",
    PublishMode.BRANCH: "a branch of its own is pushed",
    PublishMode.PUSH: "the base itself is pushed to",
    PublishMode.NONE: "nothing is pushed",
}
_VERDICTS = {
    PromoteWhen.BETTER: "better beyond noise",
    PromoteWhen.NOT_WORSE: "any verdict but worse",
}
