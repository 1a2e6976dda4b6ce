"""Show what a run of the flow `repro` plans and changes, as artifacts on Prefect's page."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact

from reprise.dvc import dvc_boundary
from reprise.dvc.history.reader import RevisionReader
from reprise.errors import PipelineError
from reprise.runner.plan import Step
from reprise.runner.plan_format import format_plan
from reprise.state.durations import Durations
from reprise.text.markdown import code_block, escaped, table
from reprise.text.values import number_pair

METRICS = 500  # of the artifact's table


def show_plan(project: str, steps: Sequence[Step], durations: Durations) -> None:
    """Show the plan, as the command line does. project: whose artifact it is."""
    lines = "\n".join(line for _, line in format_plan(steps, durations))
    create_markdown_artifact(
        key=f"{project}-plan", description="The plan", markdown=code_block(lines)
    )


def show_metrics(project: str) -> None:
    """Show the workspace's metrics beside those of HEAD, if there are any."""
    with (
        TemporaryDirectory(prefix="reprise-") as temporary,
        RevisionReader(Path(temporary)) as reader,
    ):
        metrics = reader.metrics()
    rows = []
    for file, name, old, new in metrics:
        rows.append([*map(escaped, (file, name, *number_pair(old, new)))])
    text = table(["file", "metric", "HEAD", "now"], rows, METRICS)
    if text:
        description = "Metrics and their change"
        create_markdown_artifact(key=f"{project}-metrics", description=description, markdown=text)


def show_report(project: str) -> None:
    """Show the report since HEAD. An error is a warning: the stages ran all the same."""
    from reprise.review import markdown, review  # statistics and DuckDB: a second to import

    try:
        with dvc_boundary():
            text = markdown(review("HEAD"))
    except PipelineError as e:
        get_run_logger().warning("no report: %s", e)
        return
    create_markdown_artifact(
        key=f"{project}-report", description="What changed since HEAD", markdown=text
    )
