"""Mermaid's own parser takes the charts of the golden reports, and of hostile names."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from reprise.review.curves import Curve
from reprise.review.render.markdown import markdown
from reprise.review.render.mermaid import mermaid
from reprise.review.report import Report, RevisionLabel

PARSE = """
import { JSDOM } from "jsdom";
import fs from "fs";
globalThis.window = new JSDOM("").window;
globalThis.document = window.document;
const mermaid = (await import("mermaid")).default;
for (const file of process.argv.slice(2)) {
    const chart = await mermaid.parse(fs.readFileSync(file, "utf8"));
    console.log(chart.diagramType);
}
"""
CHART = re.compile(r"```mermaid\n(.*?)```", flags=re.DOTALL)
GOLDEN = Path(__file__).parent.parent / "golden"
REPORT = Report(
    RevisionLabel("main", "0" * 40),
    RevisionLabel("the working tree", None),
    [],
    [],
    [],
    [],
    [],
    [],
    [],
)
NAMES = ['a "b" ]\nline [1]', "%%{init: {}}%%", "é ünï", "", "x-axis", "`|`"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="mermaid's parser needs npm")
def test_mermaid_parses_the_charts(tmp_path: Path) -> None:
    golden = [path.read_text() for path in GOLDEN.glob("*.md")]
    points = [(0.0, -1.5), (1.0, 1e-12), (2.0, 1e20)]
    hostile = [mermaid(Curve(name, name, name, points, points[1:]), REPORT) for name in NAMES]
    charts = [chart for text in golden + hostile for chart in CHART.findall(text)]
    assert len(charts) >= len(NAMES)
    files = [tmp_path / f"{number}.mmd" for number in range(len(charts))]
    for file, chart in zip(files, charts, strict=True):
        file.write_text(chart)
    install = ["npm", "install", "--no-audit", "--silent", "mermaid@11", "jsdom@26"]
    subprocess.run(install, cwd=tmp_path, check=True)
    (tmp_path / "parse.mjs").write_text(PARSE)
    parse: list[str | Path] = ["node", "parse.mjs", *files]
    result = subprocess.run(parse, cwd=tmp_path, text=True, capture_output=True, check=False)
    assert result.stdout.split() == ["xychart"] * len(charts), result.stderr


def curve(xs: list[float], old_xs: list[float] | None = None) -> Curve:
    sides = [[(x, x * x) for x in side] for side in (xs if old_xs is None else old_xs, xs)]
    return Curve("loss", "loss", "epoch", *sides)


@pytest.mark.parametrize(
    "drawn",
    [
        curve([1, 2, 3]),
        curve([0.1, 0.2, 0.30000000000000004]),
        curve([5]),
        curve([1, 2, 3, 4], old_xs=[1, 2, 3]),
        curve([*map(float, range(1000))]),
        curve([1.7e9, 1.7e9 + 60, 1.7e9 + 120]),
    ],
)
def test_even_points_are_drawn(drawn: Curve) -> None:
    assert mermaid(drawn, REPORT).startswith("```mermaid\n")


@pytest.mark.parametrize(
    "uneven",
    [
        curve([1, 2, 4]),
        curve([1, 10, 100]),
        curve([3, 2, 1]),  # Mermaid would turn them around
        curve([1, 1, 1]),
        curve([0, 1, 1, 2]),
        curve([1, 2, 3, 4], old_xs=[1, 2, 4]),  # of these, both sides have three
        curve([0.1, 0.2, 0.301]),
    ],
)
def test_points_that_mermaid_would_misplace_have_no_chart(uneven: Curve) -> None:
    assert mermaid(uneven, REPORT) == ""
    written = markdown(replace(REPORT, curves=[uneven, curve([1, 2, 3])]))
    assert written.count("```mermaid") == 1
    assert "Points of uneven x, which `--format html` draws: loss: loss" in written
