"""Reads the plots that dvc.yaml declares, with their points."""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dvc.exceptions import DvcException
from dvc.render.match import match_defs_renderers
from dvc.repo import Repo
from dvc.repo.plots import _resolve_data_sources

from reprise.dvc.exceptions import describe_error

LACKING = (DvcException, FileNotFoundError)  # what a revision without the plot's file makes


@dataclass(frozen=True)
class Plot:
    """Holds a plot of dvc.yaml.

    series: the column by whose values its template draws several lines, None for another template;
    points: of all revisions, each with its `rev`, `field`, and the values of x and y.
    """

    title: str
    template: str | None
    x: str
    y: str
    x_label: str
    y_label: str
    series: str | None
    points: list[dict[str | None, Any]]


def collect_plots(
    repo: Repo, revisions: Sequence[str], notes: list[str]
) -> tuple[list[Plot], set[str]]:
    """Collect the plots as `dvc plots show` draws them, images apart; and the files they read.

    revisions: their names, `workspace` for the working tree; notes: it is added what else than a
    file that a revision lacks keeps plots out.
    """

    def keep_error(result: dict[str, Any], exception: Exception, *_: Any, **__: Any) -> None:
        result["error"] = exception
        note = f"plots: not drawn: {describe_error(exception)}"
        if not isinstance(exception, LACKING) and note not in notes:
            notes.append(note)

    collected: dict[str, Any] = {}
    # Not by `show`: it complains on stderr.
    for part in repo.plots.collect(revs=revisions, onerror=keep_error):
        _resolve_data_sources(part, "", cache=True)
        collected |= part
    plots = []
    for renderer, _, _ in match_defs_renderers(collected, templates_dir=repo.plots.templates_dir):
        properties = renderer.properties
        if renderer.TYPE == "vega" and properties.get("x") and properties.get("y"):
            plots.append(_make_plot(properties, renderer))
    return plots, _source_files(collected.values())


def _make_plot(properties: dict[str, Any], renderer: Any) -> Plot:
    """Make a plot of what DVC would give to Vega."""
    x, y = properties["x"], properties["y"]
    return Plot(
        title=str(properties["title"]),
        template=properties.get("template"),
        x=x,
        y=y,
        x_label=str(properties.get("x_label") or x),
        y_label=str(properties.get("y_label") or y),
        series=_series(renderer.template.content),
        points=renderer.datapoints,
    )


def _series(template: Any) -> str | None:
    """Return the column that a template of lines colours them by, if it names one."""
    with suppress(ValueError, TypeError):
        template = json.loads(template)
    match template:
        case {"spec": {"mark": "line", "encoding": {"color": {"field": str(column)}}}}:
            return column
        case {"mark": "line", "encoding": {"color": {"field": str(column)}}}:
            return column
    return None


def _source_files(collected: Iterable[dict[str, Any]]) -> set[str]:
    """Return the paths of the files that the plots of each revision read."""
    files: set[str] = set()
    for revision in collected:
        sources = revision.get("sources", {}).get("data", {})
        files.update(file.lstrip("/") for file in sources)
    return files
