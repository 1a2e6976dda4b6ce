"""SVG charts have round ticks, points where they belong, and take numbers of any size."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from reprise.review.confusion import Confusion
from reprise.review.curves import CurveSet, thinned
from reprise.review.data.column_types import ColumnKind
from reprise.review.data.columns import Histogram
from reprise.review.render.confusion_matrix import confusion_matrix
from reprise.review.render.figures import column_figure, confusion_figures, curve_set_figures
from reprise.review.render.histograms import category_bars, histogram
from reprise.review.render.interval_plot import interval_plot
from reprise.review.render.line_chart import Line, line_chart
from reprise.review.render.ticks import tick_label, ticks
from tests.reprise.review.reports import column


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, ["0", "0.5", "1.0"]),
        (0.02, 0.97, ["0", "0.5", "1.0"]),
        (1, 30, ["0", "10", "20", "30"]),
        (-3, 2, ["−4", "−2", "0", "2"]),
        (0.971, 0.9715, ["0.9710", "0.9712", "0.9714", "0.9716"]),
        (0, 4, ["0", "1", "2", "3", "4"]),
        (7, 7, ["2", "4", "6", "8", "10", "12"]),
        (0, 0, ["−0.5", "0", "0.5"]),
        (0, 2.5e7, ["0", "1e+07", "2e+07", "3e+07"]),
    ],
)
def test_ticks_are_round_and_enclose_the_values(
    low: float, high: float, expected: list[str]
) -> None:
    values = ticks(low, high)
    step = values[1] - values[0]
    assert [tick_label(value, step) for value in values] == expected
    assert values[0] <= low <= high <= values[-1]


def parsed(chart: str) -> ElementTree.Element:
    return ElementTree.fromstring(chart)


def lines(chart: ElementTree.Element, side: str) -> list[str]:
    """Return the paths of a side's lines."""
    paths = [path for path in chart.iter("path") if path.get("class") == f"line {side}"]
    return [path.get("d") or "" for path in paths]


def test_a_line_runs_from_its_first_to_its_last_point() -> None:
    sides = [Line("new", "a", [(0, 0), (1, 10), (2, 5)]), Line("old", "b", [])]
    chart = parsed(line_chart("loss", "epoch", "loss", sides))
    assert lines(chart, "new") == ["M48.0 172.0L200.0 10.0L352.0 91.0"]
    assert lines(chart, "old") == []
    assert chart.findtext("title") == "loss"
    assert chart.findtext("desc") == "loss by epoch. a: 3 points, first 0, last 5"


@pytest.mark.parametrize(
    "points",
    [
        [(0.0, 1e308), (1.0, -1e308)],
        [(0.0, 5e-324), (1.0, 0.0)],
        [(1.0, 3.0), (1.0, 4.0)],
        [(1e15, 1e15), (1e15 + 1, 1e15 + 1)],
        [(2.0, 2.0)],
        [(0.0, 1e308), (1.0, 1e308)],
        [(0.0, -1e308), (1.0, -1e308)],
        [(0.0, 5e-324), (1.0, 5e-324)],
        [(0.0, 1.0), (1.0, 1.0 + 2e-12)],
        [(1.7e18, 1.0), (1.7e18, 2.0)],
        [(1e308, 1.0), (1e308, 2.0)],
    ],
)
def test_points_of_any_size_are_drawn_inside(points: list[tuple[float, float]]) -> None:
    chart = parsed(line_chart("t", "x", "y", [Line("new", "n", points)]))
    numbers = re.findall(r"[-\d.]+", " ".join(lines(chart, "new")))
    assert all(10 <= float(number) <= 352 for number in numbers)
    assert "nan" not in "".join(chart.itertext())


def test_a_spike_of_a_long_line_is_not_thinned_out() -> None:
    points = [(float(n), 1.0 + n % 3 / 10) for n in range(100_000)]
    points[61_234] = (61_234.0, 9.0)
    kept = thinned(points)
    assert len(kept) <= 202
    assert points[61_234] in kept
    assert (kept[0][0], kept[-1]) == (0.0, points[-1])
    assert kept == sorted(kept)


def test_an_interval_is_drawn_around_zero() -> None:
    chart = parsed(interval_plot("accuracy", -0.5, 1.0, 0.25, 0.1, "better"))
    zero = next(p.get("d") for p in chart.iter("path") if p.get("class") == "zero")
    dot = next(chart.iter("circle"))
    assert zero == "M70.0 2v24"
    assert (dot.get("class"), dot.get("cx")) == ("dot better", "85.0")


def test_bars_show_shares_of_rows_whatever_the_rows() -> None:
    chart = parsed(category_bars("colour", ["a", "b"], [1, 3], [100, 100]))
    shares = [text for text in chart.itertext() if "%" in text and ":" not in text]
    assert shares == ["25.0 %", "50.0 %", "75.0 %", "50.0 %"]
    assert chart.findtext("desc") == "a: 25.0 % old, 50.0 % new; b: 75.0 % old, 50.0 % new"


def test_a_histogram_of_a_side_without_rows_is_flat() -> None:
    chart = parsed(histogram("age", [0, 1, 2], [0, 0], [2, 2]))
    assert lines(chart, "old") == ["M4 100V100.0H178.0V100.0H352.0V100"]


def test_bins_of_one_width_stand_side_by_side() -> None:
    chart = parsed(histogram("age", [0, 0.1, 0.2, 0.30000000000000004], [1, 2, 1], [2, 1, 1]))
    assert lines(chart, "old") == ["M4 100V53.0H120.0V6.0H236.0V53.0H352.0V100"]
    assert [label.text for label in chart.iter("text")] == ["0", "0.2", "0.3"]


def test_bins_of_long_tails_stand_apart_and_say_so() -> None:
    """Drawn to scale, a bin that reaches far away would leave the others no room."""
    chart = parsed(histogram("income", [-100, 0, 1, 2, 500], [1, 2, 2, 1], [1, 2, 2, 1]))
    assert lines(chart, "old") == [
        "M4 100V53.0H76.5V100H105.5V6.0H178.0V6.0H250.5V100H279.5V53.0H352.0V100"
    ]
    labels = {label.text: float(label.get("x") or 0) for label in chart.iter("text")}
    assert labels == {
        "0": 105.5,
        "1": 178,
        "2": 250.5,
        "first bar: −100 to 0": 4,
        "last bar: 2 to 500": 352,
    }


def test_one_long_tail_leaves_the_other_end_alone() -> None:
    chart = parsed(histogram("income", [0, 1, 2, 500], [2, 2, 1], [2, 2, 1]))
    assert [label.text for label in chart.iter("text")] == ["0", "1", "2", "last bar: 2 to 500"]


def test_labels_are_escaped() -> None:
    bad = '</text><script>"&'
    for text in (
        line_chart(bad, bad, bad, [Line("old", bad, [(0, 0), (1, 1)])]),
        category_bars(bad, [bad], [1], [1]),
        histogram(bad, [0, 1], [1], [1]),
        interval_plot(bad, 0, 1, 0.5, None, "better"),
        confusion_matrix(bad, [bad], [[1]], [[1]]),
    ):
        chart = parsed(text)
        assert bad in (chart.findtext("title") or "")
        assert "script" not in {e.tag for e in chart.iter()}


def test_dates_are_shown_as_dates() -> None:
    days = replace(
        column("day"),
        kind=ColumnKind.DATE,
        histogram=Histogram([1767225600.0, 1767312000.0, 1767398400.0], None, [1, 2], [2, 1]),
    )
    drawn = str(column_figure(days))
    assert "2026-01-01" in drawn
    assert "2026-01-03" in drawn
    assert "1.77e" not in drawn


def cells(chart: ElementTree.Element) -> list[tuple[str, str]]:
    """Return the style and the fill of each cell, row by row."""
    found = [cell for cell in chart.iter("rect") if (cell.get("class") or "").startswith("cell")]
    return [((cell.get("class") or "")[5:], cell.get("fill-opacity") or "") for cell in found]


def test_cells_are_filled_by_their_share_of_the_class_and_framed_where_they_moved() -> None:
    both = Confusion(["no", "yes"], [[6, 2], [0, 0]], [[7, 1], [0, 0]])
    (old_side, old), (new_side, new) = confusion_figures(both)
    assert (old_side, new_side) == ("old", "new")
    assert cells(parsed(old)) == [
        ("right moved", "0.38"),
        ("wrong moved", "0.12"),
        ("wrong", "0.00"),
        ("right", "0.00"),
    ]
    texts = [text.text for text in parsed(new).iter("text")]
    assert texts == ["predicted", "no", "7", "1", "yes", "no", "yes"]  # 0 is left out
    assert parsed(new).findtext("desc") == "no: 7 of 8 right; yes: 0 of 0 right"


@pytest.mark.parametrize("count", [1, 2, 10, 21])
@pytest.mark.parametrize("length", [1, 9, 40])
def test_a_matrix_of_any_size_stays_in_its_frame(count: int, length: int) -> None:
    names = [f"{n}".ljust(length, "w") for n in range(count)]
    counts = [[1_000_000] * count for _ in names]
    chart = parsed(confusion_matrix("t", names, counts, counts))
    _, _, width, height = map(float, (chart.get("viewBox") or "").split())
    for cell in chart.iter("rect"):
        left, top, size = (float(cell.get(name) or 0) for name in ("x", "y", "width"))
        assert 0 <= left < left + size <= width
        assert 0 <= top < top + size <= height
    for text in chart.iter("text"):
        reach = (6 if text.get("class") else 7) * len(text.text or "")
        x = float(text.get("x") or 0)
        room = {"end": x, "middle": 2 * min(x, width - x)}[text.get("text-anchor") or ""]
        assert reach <= room, text.text


def test_lines_of_both_sides_have_the_same_axes() -> None:
    roc = CurveSet("ROC", "fpr", "tpr", ["a"], [[(0, 0), (1, 4)]], [[(0, 0), (2, 2)]], 0)
    (_, old), (_, new) = curve_set_figures(roc)
    assert [
        path.get("d") for path in parsed(old).iter("path") if path.get("class") == "line l0"
    ] == ["M48.0 172.0L200.0 10.0"]
    assert [
        path.get("d") for path in parsed(new).iter("path") if path.get("class") == "line l0"
    ] == ["M48.0 172.0L352.0 91.0"]
    gone = CurveSet("ROC", "fpr", "tpr", ["a"], [[(0, 0), (1, 4)]], [[]], 0)
    (_, old), (_, new) = curve_set_figures(gone)
    assert "line l0" in old
    assert "line l0" not in new
