"""Write a report as one HTML file: no script, no network, readable on a phone and in the dark."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reprise.review.change_state import ChangeState
from reprise.review.render import row_sections, wording
from reprise.review.render.figures import (
    column_figure,
    confusion_figures,
    curve_figure,
    curve_set_figures,
    metric_figure,
)
from reprise.review.render.selection import (
    changed_columns,
    changed_models,
    classes_drifted,
    most_drifted,
    moved_parts,
    other_metrics,
    shown_metrics,
    shown_parts,
    sorted_metrics,
    with_changed_rows,
)
from reprise.review.render.terms import HOLM, INTERVAL, terms_of
from reprise.review.render.verdict_style import verdict_style
from reprise.review.report import Report
from reprise.text.values import CELL, number, number_pair, single_line

ROWS = 100  # of a table that is not folded
FOLDED_ROWS = 300  # of one that is
CHARTS = 12  # of loss curves, and of columns of one table


def html(report: Report) -> str:
    """Write the page, ending with a newline. Whatever data says is inert."""
    page = _environment().get_template("report.html.j2")
    return page.render(
        report=report, headline=wording.headline(report), others=other_metrics(report)
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["escaped"] = escaped
    environment.filters["drifted_name"] = wording.drifted_name
    environment.filters["single_line"] = single_line
    environment.globals |= {
        "wording": wording,
        "recorded_alone": row_sections.recorded_alone,
        "rows_title": row_sections.rows_title,
        "confused_cells": row_sections.confused_cells,
        "confused_header": row_sections.CONFUSED_HEADER,
        "row_cells": row_sections.row_cells,
        "rows_header": row_sections.rows_header,
        "size_sentence": row_sections.size_sentence,
        "ChangeState": ChangeState,
        "number": number,
        "number_pair": number_pair,
        "single_line": single_line,
        "verdict_style": verdict_style,
        "changed_columns": changed_columns,
        "changed_models": changed_models,
        "with_changed_rows": with_changed_rows,
        "classes_drifted": classes_drifted,
        "most_drifted": most_drifted,
        "moved_parts": moved_parts,
        "metric_figure": metric_figure,
        "shown_metrics": shown_metrics,
        "shown_parts": shown_parts,
        "sorted_metrics": sorted_metrics,
        "curve_figure": curve_figure,
        "curve_set_figures": curve_set_figures,
        "confusion_figures": confusion_figures,
        "terms_of": terms_of,
        "explained": {term.name: term.key for term in (INTERVAL, HOLM)},
        "column_figure": column_figure,
        "ROWS": ROWS,
        "FOLDED_ROWS": FOLDED_ROWS,
        "CHARTS": CHARTS,
    }
    return environment


def escaped(value: Any, limit: int = CELL) -> Markup:
    """Write a value as text that is inert, cut to `limit` characters.

    It is set apart, so that text from right to left leaves its surroundings alone.
    """
    text = single_line(value, limit)
    if not text:
        return Markup("<i>empty</i>")
    return Markup("<bdi>{}</bdi>").format(text)
