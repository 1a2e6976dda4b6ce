"""Define the exceptions for what a user can cause."""

from collections.abc import Mapping


class PipelineError(Exception):
    """Shown as one line: where it is, what was found there, what was expected."""

    def __init__(self, message: object) -> None:
        super().__init__(" ".join(str(message).split()))


def missing_package(where: str, package: str, extra: str) -> PipelineError:
    """Make the error for a package that is not installed. extra: whose package it is."""
    return PipelineError(
        f"{where}: found no {package}; expected: pip install 'dvc-reprise[{extra}]'"
    )


class StagesFailed(PipelineError):  # noqa: N818
    """Raised when stages failed. errors: each one's error, by the stage's name."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{stage}: {error}" for stage, error in errors.items()))
        self.errors = dict(errors)

    def __reduce__(self) -> tuple[type["StagesFailed"], tuple[dict[str, str]]]:
        """Pickle the errors: by default it is the message that a copy would be made of."""
        return StagesFailed, (self.errors,)
