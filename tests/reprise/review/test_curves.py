"""Plots with a line a class: which of them are shown, and which lines."""

from typing import Any

from reprise.dvc.history.plots import Plot
from reprise.dvc.history.revision import Revision
from reprise.review.curves import LINES, CurveSet, compare_curve_sets, compare_curves

OLD, NEW = Revision("main", "a" * 40), Revision("the working tree", None)


def points(side: str, name: object, ys: list[object]) -> list[dict[str | None, Any]]:
    return [
        {"rev": side, "field": "tpr", "class": name, "fpr": x / 2, "tpr": y}
        for x, y in enumerate(ys)
    ]


def plot(*lines: list[dict[str | None, Any]], series: str | None = "class") -> Plot:
    flat = [point for line in lines for point in line]
    return Plot("ROC", "classes", "fpr", "tpr", "fpr", "tpr", series, flat)


def test_a_line_is_compared_with_that_of_its_class() -> None:
    lines = [
        points("a" * 40, 0, [0, 0.5, 1]),
        points("workspace", 0, [0, 0.5, 1]),
        points("a" * 40, 1, [0, 0.6, 1]),
        points("workspace", 1, [0, "nan", 1]),
        points("workspace", 2, [0, 0.9, 1]),
    ]
    assert compare_curve_sets([plot(*lines)], OLD, NEW) == [
        CurveSet(
            "ROC",
            "fpr",
            "tpr",
            ["2", "1", "0"],
            [[], [(0, 0), (0.5, 0.6), (1, 1)], [(0, 0), (0.5, 0.5), (1, 1)]],
            [[(0, 0), (0.5, 0.9), (1, 1)], [(0, 0), (1, 1)], [(0, 0), (0.5, 0.5), (1, 1)]],
            0,
        )
    ]
    assert compare_curves([plot(*lines)], OLD, NEW) == []
    assert compare_curve_sets([plot(*lines[:2])], OLD, NEW) == []  # they are the same
    assert compare_curve_sets([plot(*lines, series=None), plot()], OLD, NEW) == []


def test_of_many_lines_those_that_moved_most_are_shown() -> None:
    lines = []
    for n in range(200):
        lines += [points("a" * 40, n, [0, 0.5, 1]), points("workspace", n, [0, 0.5 + n / 1000, 1])]
    (found,) = compare_curve_sets([plot(*lines)], OLD, NEW)
    assert found.names == [str(n) for n in range(199, 199 - LINES, -1)]
    assert found.hidden == 200 - LINES


def test_long_lines_are_thinned() -> None:
    lines = [points("a" * 40, 0, [0.5] * 5000), points("workspace", 0, [*[0.5] * 4999, 1])]
    (found,) = compare_curve_sets([plot(*lines)], OLD, NEW)
    assert max(map(len, found.old + found.new)) <= 202
