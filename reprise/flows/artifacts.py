"""Show what a run of the flow `repro` plans and changes, as artifacts on Prefect's page."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from reprise.dvc import dvc_boundary
from reprise.dvc.history.reader import RevisionReader
from reprise.errors import PipelineError
from reprise.runner.plan import Step
from reprise.runner.plan_format import plan_rows
from reprise.runner.states import StepKind
from reprise.shorten import count_each
from reprise.state.durations import Durations
from reprise.text.markdown import escaped, sentence
from reprise.text.values import NO_VALUE, is_number, number_pair, signed

if TYPE_CHECKING:
    from reprise.review.report import Report

# Prefect's page draws all rows of a table at once, and takes the text of a cell for Markdown.
ROWS = 500
CELL = 300  # characters
DIGITS = 4  # of a difference


def show_plan(project: str, steps: Sequence[Step], durations: Durations) -> None:
    """Show a row for each stage. project: whose artifact it is.

    Of more stages than ROWS, those that are unchanged have none, and the first ROWS others one.
    """
    listed = steps
    if len(steps) > ROWS:
        listed = []
        for step in steps:
            if step.kind is not StepKind.UNCHANGED:
                listed.append(step)
    rows = []
    for row in plan_rows(listed[:ROWS], durations):
        rows.append({name: sentence(text, CELL) for name, text in row.items()})
    description = f"The plan: {count_each(step.kind for step in steps)}"
    create_table_artifact(rows, key=f"{project}-plan", description=description)


def show_results(project: str, *, report: bool) -> None:
    """Show the workspace's metrics beside those of HEAD, if there are any, and the report of them.

    report: whether it is wanted, with which metrics have a verdict too.
    """
    made = None
    if report:
        made = make_report()
    show_metrics(project, made)
    if made is not None:
        show_report(project, made, "What changed since HEAD")


def make_report() -> "Report | None":
    """Make the report since HEAD. An error is a warning: the stages ran all the same."""
    from reprise.review.builder import review  # statistics and DuckDB: a second to import

    try:
        with dvc_boundary():
            return review("HEAD")
    except PipelineError as e:
        get_run_logger().warning("no report: %s", e)
        return None


def show_metrics(project: str, report: "Report | None") -> None:
    """Show the metrics, with the verdicts of the report, if there is one."""
    with (
        TemporaryDirectory(prefix="reprise-") as temporary,
        RevisionReader(Path(temporary)) as reader,
    ):
        metrics = reader.metrics()
    verdicts = {} if report is None else report.verdicts_by_name()
    rows = []
    for file, name, old, new in metrics[:ROWS]:
        before, now = map(escaped, number_pair(old, new))
        row = {"metric": escaped(name), "HEAD": before, "now": now}
        row["difference"] = difference(old, new)
        if report is not None:
            row["verdict"] = verdicts.get(name) or NO_VALUE
        rows.append(row | {"file": escaped(file)})
    if rows:
        description = "Metrics, and how they differ from HEAD's"
        create_table_artifact(rows, key=f"{project}-metrics", description=description)


def difference(old: Any, new: Any) -> str:
    """Write new − old, in the digits of the values. What is not a number has no difference."""
    if not is_number(old) or not is_number(new):
        return NO_VALUE
    return signed(new - old, DIGITS)


def show_report(project: str, report: "Report", description: str) -> None:
    """Show a report."""
    from reprise.review.render.markdown import page_markdown

    create_markdown_artifact(
        key=f"{project}-report", description=description, markdown=page_markdown(report)
    )
