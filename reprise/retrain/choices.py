"""Lists what a user of retraining can choose. The command line always imports it: keep it light."""

from reprise.described import DescribedEnum

NIGHTS = 7  # whose challengers have to be better together
MOST_NIGHTS = 30  # that the clone remembers


class PublishMode(DescribedEnum):
    """Says where a better model goes."""

    PULL_REQUEST = "pr", "a branch of its own is pushed, and a pull request opened"
    BRANCH = "branch", "a branch of its own is pushed"
    PUSH = "push", "the base itself is pushed to"
    NONE = "none", "nothing is pushed"


class PromoteWhen(DescribedEnum):
    """Says which verdicts promote a challenger."""

    BETTER = "better", "better beyond noise"
    NOT_WORSE = "not-worse", "any verdict but worse"
