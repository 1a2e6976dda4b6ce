"""The text of a report fits every terminal, keeps what is worse, and has colours on one alone."""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len

from reprise.review.change_state import ChangeState
from reprise.review.data.changes import DataChange
from reprise.review.render.columns import columns, cut_middle
from reprise.review.render.text import print_text, text
from reprise.review.report import Report, ValueChange
from reprise.review.stats.parts import PartComparison, PartKind
from tests.reprise.hostile import HOSTILE
from tests.reprise.review.render.test_markdown import many, poisoned, unpaired
from tests.reprise.review.reports import column, common, comparison, metric, table
from tests.reprise.review.terminal import shown_on_terminal, without_colours

WIDE = "地域別の顧客満足度と売上高の指標"
NAMES = [
    *HOSTILE[::6],
    WIDE,
    "\x1b[31mred\x1b]0;title\x07\u202eevil\u200b\r\n",
    "é" * 300,
    "👩‍🔬" * 50,
    "",
]


def test_the_common_report_has_no_markup_and_about_forty_lines() -> None:
    lines = text(common()).splitlines()
    assert len(lines) < 40
    assert not re.search(r"\*\*|\||`|<|#|\x1b", text(common()))
    assert lines[0] == "accuracy 0.9722 → 0.9782: no detectable difference"
    for expected in (
        "metric       old     new  difference       95 % interval  verdict",
        "recall    0.9722  0.9412     −3.1 pp        −4.0 to −2.3  worse",
        "params    train.optimizer.lr 0.1 → 0.05, train.model.hidden [64] → [128, 64],",
        "          other.yaml: clip none → 1",
        "stages    train (train.optimizer.lr, train.model.hidden) 12.3 s, plot (added)",
        "data      Leakage: 3 ids moved from train to test",
        "rows      7 fixed, 5 broken",
    ):
        assert expected in lines


@pytest.mark.parametrize("width", [20, 47, 80, 137])
@pytest.mark.parametrize("form", [replace, unpaired])
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_every_line_fits_whatever_the_names(
    name: str, form: Callable[[Report], Report], width: int
) -> None:
    written = text(form(poisoned(common(), name)), width)
    lines = written.splitlines()
    assert {line for line in lines if cell_len(line) > width} == set()
    assert all(line.isprintable() and line == line.rstrip() for line in lines)
    assert len(lines) < 64 or width < 80


def test_a_report_of_much_stays_short() -> None:
    """Thousands of params, metrics and tables are counted, not listed."""
    params = [ValueChange("params.yaml", f"p.{n}", ChangeState.CHANGED, n, -n) for n in range(5000)]
    wide = [column(f"c{n}") for n in range(1000)]
    data = [DataChange(f"data/{n}", ChangeState.CHANGED, table(*wide)) for n in range(200)]
    report = replace(common(), params=params, metrics=params, data=data, notes=["a note"] * 300)
    lines = text(report).splitlines()
    assert len(lines) < 45
    assert lines[-1] == "          and 296 more"
    assert "          and 196 more" in lines
    counted = re.findall(r"^ {10}.* and (\d+) more$", "\n".join(lines), flags=re.MULTILINE)
    assert [int(count) > 4900 for count in counted] == [True, True]


def test_worse_metrics_and_parts_come_first_and_are_never_cut() -> None:
    written = text(many(120, 4))
    rows = re.findall(r"^(\w+) .* worse$", written, flags=re.MULTILINE)
    assert rows == [f"m{n}" for n in range(4, 120, 4)]
    assert "and 90 more" in written
    worse = metric("recall", verdict="worse")
    parts = [PartComparison(PartKind.RECALL, f"c{n}", 9, worse) for n in range(30)]
    compared = replace(common().compared[0], parts=parts)
    written = text(replace(common(), compared=[compared]))
    assert len(re.findall(r"^recall of c\d+ .* worse$", written, flags=re.MULTILINE)) == 30


def test_a_metric_without_verdict_says_why() -> None:
    without = metric("auc", low=None, high=None, verdict=None, why="other rows")
    compared = replace(common().compared[0], comparison=comparison(metric(), without))
    lines = text(replace(common(), compared=[compared])).splitlines()
    assert "auc       0.9722  0.9782     +0.6 pp              –  no verdict" in lines
    assert "auc: other rows" in lines


def test_columns_go_before_names_and_numbers_are_never_cut() -> None:
    header, least = ["metric", "old", "new", "verdict"], ("old", "new")
    rows = [["a" * 30, "0.1234", "0.5678", "worse"]]
    widths = {}
    for width in range(20, 60):
        top, line = (part.plain for part in columns(header, rows, ["red"], width, least))
        assert line.endswith(" worse")
        assert max(cell_len(top), cell_len(line)) <= width
        widths[width] = top.split()
        for title, number in (("old", "0.1234"), ("new", "0.5678")):
            assert (number in line) == (title in widths[width])
    assert widths[59] == header
    assert widths[38] == ["metric", "new", "verdict"]
    assert widths[28] == ["metric", "verdict"]


def test_names_that_differ_at_their_end_stay_apart() -> None:
    one, other = (cut_middle(f"region = {'x' * 40}-{side}", 16) for side in ("north", "south"))
    assert one != other
    assert cell_len(one) == 16
    for width in range(1, 40):
        assert cell_len(cut_middle(WIDE, width)) <= width


def test_colours_are_for_a_terminal_that_wants_them(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")  # a pipe stays without
    report = common()
    coloured = shown_on_terminal(lambda: print_text(report), 70, monkeypatch)
    assert "\x1b[31mworse\x1b[0m" in coloured
    assert "\x1b[32mbetter\x1b[0m" in coloured
    assert without_colours(coloured) == text(report, 70)
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown_on_terminal(lambda: print_text(report), 70, monkeypatch) == text(report, 70)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("COLUMNS", "90")
    print_text(report)
    assert capsys.readouterr().out == text(report, 90)


def test_the_width_is_eighty_where_nothing_says(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda fallback: os.terminal_size(fallback))
    print_text(common())
    assert capfd.readouterr().out == text(common(), 80)
