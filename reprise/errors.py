"""The one exception for what a user can cause."""


class PipelineError(Exception):
    """Shown as one line: where it is, what was found there, what was expected."""

    def __init__(self, message: object) -> None:
        super().__init__(" ".join(str(message).split()))
