"""Mermaid's own parser takes the charts of the golden reports, and what hostile names make of them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from reprise.review.curves import Curve
from reprise.review.render.mermaid import mermaid
from reprise.review.report import Report, Side

PARSE = """
import { JSDOM } from "jsdom";
import fs from "fs";
globalThis.window = new JSDOM("").window;
globalThis.document = window.document;
const mermaid = (await import("mermaid")).default;
for (const file of process.argv.slice(2)) console.log((await mermaid.parse(fs.readFileSync(file, "utf8"))).diagramType);
"""
REPORT = Report(Side("main", "0" * 40), Side("the working tree", None), [], [], [], [], [], [], [])
NAMES = ['a "b" ]\nline [1]', "%%{init: {}}%%", "é ünï", "", "x-axis", "`|`"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="mermaid's parser needs npm")
def test_mermaid_parses_the_charts(tmp_path: Path) -> None:
    golden = [p.read_text() for p in (Path(__file__).parent.parent / "golden").glob("*.md")]
    charts = [c for text in golden for c in re.findall(r"```mermaid\n(.*?)```", text, flags=re.S)]
    line = [(0.0, -1.5), (1.0, 1e-12), (2.0, 1e20)]
    hostile = [mermaid(Curve(name, name, name, line, line[1:]), REPORT) for name in NAMES]
    charts += [re.findall(r"```mermaid\n(.*?)```", text, flags=re.S)[0] for text in hostile]
    files = [tmp_path / f"{i}.mmd" for i in range(len(charts))]
    for file, chart in zip(files, charts, strict=True):
        file.write_text(chart)
    subprocess.run(
        ["npm", "install", "--no-audit", "--silent", "mermaid@11", "jsdom@26"],
        cwd=tmp_path,
        check=True,
    )
    (tmp_path / "parse.mjs").write_text(PARSE)
    done = subprocess.run(
        ["node", "parse.mjs", *files], cwd=tmp_path, text=True, capture_output=True, check=False
    )
    assert done.stdout.split() == ["xychart"] * len(charts), done.stderr
