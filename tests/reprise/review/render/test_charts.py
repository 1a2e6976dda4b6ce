"""SVG charts: round ticks, points where they belong, and numbers of any size."""

import re
from xml.etree import ElementTree

import pytest

from reprise.review.render.charts import Line, interval_plot, line_chart, thinned, tick_label, ticks
from reprise.review.render.histograms import categories, histogram


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
    found = ticks(low, high)
    assert [tick_label(v, found[1] - found[0]) for v in found] == expected
    assert found[0] <= low <= high <= found[-1]


def svg(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def test_a_line_runs_from_its_first_to_its_last_point() -> None:
    lines = [Line("new", "a", [(0, 0), (1, 10), (2, 5)]), Line("old", "b", [])]
    chart = svg(line_chart("loss", "epoch", "loss", lines))
    drawn = [p.get("d") for p in chart.iter("path") if (p.get("class") or "").startswith("line")]
    assert drawn == ["M48.0 172.0L200.0 10.0L352.0 91.0"]
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
    ],
)
def test_points_of_any_size_are_drawn_inside(points: list[tuple[float, float]]) -> None:
    chart = svg(line_chart("t", "x", "y", [Line("new", "n", points)]))
    drawn = [p.get("d") or "" for p in chart.iter("path") if p.get("class") == "line new"]
    numbers = [float(n) for d in drawn for n in re.findall(r"[-\d.]+", d)]
    assert all(10 <= n <= 352 for n in numbers)
    assert "nan" not in "".join(chart.itertext())


def test_a_spike_of_a_long_line_is_not_thinned_out() -> None:
    points = [(float(n), 1.0 + n % 3 / 10) for n in range(100_000)]
    points[61_234] = (61_234.0, 9.0)
    found = thinned(points)
    assert len(found) <= 202
    assert points[61_234] in found
    assert (found[0][0], found[-1]) == (0.0, points[-1])
    assert found == sorted(found)


def test_an_interval_is_drawn_around_zero() -> None:
    chart = svg(interval_plot("accuracy", -0.5, 1.0, 0.25, 0.1, "better"))
    zero = next(p.get("d") for p in chart.iter("path") if p.get("class") == "zero")
    dot = next(chart.iter("circle"))
    assert zero == "M70.0 2v24"
    assert (dot.get("class"), dot.get("cx")) == ("dot better", "85.0")


def test_bars_show_shares_of_rows_whatever_the_rows() -> None:
    chart = svg(categories("colour", ["a", "b"], [1, 3], [100, 100]))
    assert [t for t in chart.itertext() if "%" in t and ":" not in t] == [
        "25.0%",
        "50.0%",
        "75.0%",
        "50.0%",
    ]
    assert chart.findtext("desc") == "a: 25.0% old, 50.0% new; b: 75.0% old, 50.0% new"


def test_a_histogram_of_a_side_without_rows_is_flat() -> None:
    chart = svg(histogram("age", [0, 1, 2], [0, 0], [2, 2]))
    outline = next(p.get("d") for p in chart.iter("path") if p.get("class") == "line old")
    assert outline == "M4 100V100.0H178.0V100.0H352.0V100"


def test_bins_of_one_width_stand_side_by_side() -> None:
    chart = svg(histogram("age", [0, 0.1, 0.2, 0.30000000000000004], [1, 2, 1], [2, 1, 1]))
    outline = next(p.get("d") for p in chart.iter("path") if p.get("class") == "line old")
    assert outline == "M4 100V53.0H120.0V6.0H236.0V53.0H352.0V100"
    assert [t.text for t in chart.iter("text")] == ["0", "0.2", "0.3"]


def test_bins_of_long_tails_stand_apart_and_say_so() -> None:
    """They hold what the others don't, however far away: drawn to scale, they would leave the others no room."""
    chart = svg(histogram("income", [-100, 0, 1, 2, 500], [1, 2, 2, 1], [1, 2, 2, 1]))
    outline = next(p.get("d") for p in chart.iter("path") if p.get("class") == "line old")
    assert outline == "M4 100V53.0H76.5V100H105.5V6.0H178.0V6.0H250.5V100H279.5V53.0H352.0V100"
    labels = {t.text: float(t.get("x") or 0) for t in chart.iter("text")}
    assert labels == {
        "0": 105.5,
        "1": 178,
        "2": 250.5,
        "first bar: −100 to 0": 4,
        "last bar: 2 to 500": 352,
    }


def test_one_long_tail_leaves_the_other_end_alone() -> None:
    chart = svg(histogram("income", [0, 1, 2, 500], [2, 2, 1], [2, 2, 1]))
    assert [t.text for t in chart.iter("text")] == ["0", "1", "2", "last bar: 2 to 500"]


def test_labels_are_escaped() -> None:
    bad = '</text><script>"&'
    for text in (
        line_chart(bad, bad, bad, [Line("old", bad, [(0, 0), (1, 1)])]),
        categories(bad, [bad], [1], [1]),
        histogram(bad, [0, 1], [1], [1]),
        interval_plot(bad, 0, 1, 0.5, None, "better"),
    ):
        chart = svg(text)
        assert bad in (chart.findtext("title") or "")
        assert "script" not in {e.tag for e in chart.iter()}
