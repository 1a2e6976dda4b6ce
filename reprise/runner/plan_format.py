"""Format a plan, as lines for a reader and as JSON for a program."""

import json
from collections.abc import Sequence
from typing import Any

from reprise.dvc import MISSING, Change, ChangeKind
from reprise.runner.plan import Step
from reprise.runner.states import StepKind
from reprise.shorten import shorten
from reprise.state.durations import Durations
from reprise.text.values import NO_VALUE, format_seconds

NAMES_SHOWN = 8  # of the stages that are unchanged or restored
REASONS_SHOWN = 3  # a stage


def format_plan(steps: Sequence[Step], durations: Durations) -> list[tuple[StepKind, str]]:
    """Format each stage as a line of its kind.

    The unchanged stages share a line, and so do the restored ones.
    """
    lines = []
    for kind in (StepKind.UNCHANGED, StepKind.RESTORED):
        names = [step.stage.name for step in steps if step.kind is kind]
        if names:
            lines.append((kind, f"{kind:<9}  {shorten(names, NAMES_SHOWN)}"))
    rest = [step for step in steps if step.kind not in (StepKind.UNCHANGED, StepKind.RESTORED)]
    width = max((len(step.stage.name) for step in rest), default=0)
    for step in rest:
        name = f"{step.stage.name:<{width}}"
        if step.error is not None:
            lines.append((step.kind, f"{step.kind:<9}  {name}  {step.error}"))
            continue
        reasons = _format_reasons(step)
        time = "time unknown"
        expected = durations.expected(step.stage.name)
        if expected is not None:
            time = f"last time {format_seconds(expected)}"
        lines.append((step.kind, f"{step.kind:<9}  {name}  {reasons}  ({time})"))
    return lines


def plan_rows(steps: Sequence[Step], durations: Durations) -> list[dict[str, str]]:
    """Format each stage as a row of a table, by the names of its columns."""
    rows = []
    for step in steps:
        expected = durations.expected(step.stage.name)
        row = {
            "stage": step.stage.name,
            "state": step.kind.value,
            "last time": NO_VALUE if expected is None else format_seconds(expected),
            "why": _why(step),
        }
        rows.append(row)
    return rows


def _why(step: Step) -> str:
    """Say why the plan has a stage in its state."""
    if step.error is not None:
        return step.error
    if step.changes or step.waits_for:
        return _format_reasons(step)
    return step.kind.description


def _format_reasons(step: Step) -> str:
    if step.changes:
        changes = [str(change) for change in step.changes]
        return shorten(changes, REASONS_SHOWN, "; ")
    writers = " or ".join(step.waits_for[:REASONS_SHOWN])
    if len(step.waits_for) > REASONS_SHOWN:
        writers += " or others"
    return f"if {writers} changes"


def plan_json(steps: Sequence[Step], durations: Durations) -> str:
    """Format the whole plan as JSON. Its `seconds` are the median of the last runs, or null."""
    stages = []
    for step in steps:
        stages.append(
            {
                "stage": step.stage.name,
                "kind": step.kind,
                "changes": [_change_json(change) for change in step.changes],
                "waits_for": step.waits_for,
                "seconds": durations.expected(step.stage.name),
                "error": step.error,
            }
        )
    return json.dumps({"stages": stages}, indent=2, ensure_ascii=False, default=_json_form)


def _change_json(change: Change) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": change.kind, "where": change.where, "what": change.what}
    if change.kind in (ChangeKind.PARAM, ChangeKind.CMD):
        entry["key"] = change.key
        entry["old"] = change.old
        entry["new"] = change.new
    return entry


def _json_form(value: object) -> str | None:
    """Return what stands for a value that JSON has no form for."""
    if value is MISSING:
        return None
    return str(value)
