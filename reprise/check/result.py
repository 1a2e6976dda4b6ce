"""Hold what a check of a stage found, and format it."""

from collections.abc import Sequence
from dataclasses import dataclass

from reprise.dvc import Stage
from reprise.sandbox.undeclared import Section, Undeclared


@dataclass(frozen=True)
class CheckResult:
    """Holds what a stage turned out to need and to leave alone.

    undeclared: inputs that it reads and does not declare; never_opened: deps that it left alone,
    relative to the root; writes: files that it left beside its outs, relative to the root;
    error: why it fails even with all that it asks for, None if it does not; untraced: why its
    inputs are known from error messages alone, None if the kernel told of them.
    """

    stage: Stage
    undeclared: Sequence[Undeclared] = ()
    never_opened: Sequence[str] = ()
    writes: Sequence[str] = ()
    error: str | None = None
    untraced: str | None = None


def format_result(result: CheckResult) -> list[str]:
    """Return the lines to print for one stage, such as:

    train: undeclared; add to dvc.yaml:
        deps:
          - data/in.csv
        params:
          - train.lr
      never opened: data/old.csv
      left beside its outs: train.log
    """
    stage = result.stage
    lines = []
    if result.undeclared:
        lines.append(f"{stage.name}: undeclared; add to {stage.file}:")
        for section in Section:
            items = [need.text for need in result.undeclared if need.section is section]
            if items:
                lines.append(f"    {section}:")
            lines += [f"      - {item}" for item in items]
    if result.error:
        lines.append(f"{stage.name}: failed: {result.error}")
    elif not result.undeclared:
        lines.append(f"{stage.name}: nothing undeclared")
    if result.never_opened:
        lines.append(f"  never opened: {', '.join(result.never_opened)}")
    if result.writes:
        lines.append(f"  left beside its outs: {', '.join(result.writes)}")
    return lines
