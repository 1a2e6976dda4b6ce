"""Draw the screenshot of docs/reviews.md: the report of a real change of this project.

`make screenshot`: it trains 10 and 5 times in a copy of the project, and opens the report in
Chromium.
"""

import base64
import os
import sys
import tempfile
from pathlib import Path

from selenium import webdriver

from tests.conftest import ROOT, Project, new_project
from tests.reprise.chromium import chromium

CHANGE = {"train.model.hidden": [8]}
WIDTH, HEIGHT, SCALE = 1110, 1300, 0.75  # pixels, and how many of the picture make one


def make_report(folder: Path) -> Path:
    """Train with the params of the project, and with another network; return the report's file."""
    project = new_project(folder, os.environ["PATH"])
    project.run("git", "checkout", "-qb", "main")
    project.run("git", "config", "user.name", "Ann Example")
    project.run("reprise", "run")
    project.commit()
    project.set(CHANGE)
    project.run("reprise", "run")
    project.run("git", "remote", "add", "origin", "https://github.com/me/digits.git")
    project.run("reprise", "report", "main", "--replicates", "-j2", "--out", "report.html")
    return Project(folder, project.path).root / "report.html"


def shoot(browser: webdriver.Chrome, page: Path, target: Path) -> None:
    """Write what a screen of WIDTH × HEIGHT shows of the page, as PNG."""
    screen = {
        "width": WIDTH,
        "height": HEIGHT,
        "deviceScaleFactor": 1,
        "mobile": True,
    }  # no scroll bars
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(page.as_uri())
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT, "scale": SCALE}
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "clip": clip})
    target.write_bytes(base64.b64decode(shot["data"]))


def main() -> None:
    """Draw it anew into docs/, or into the file that is named."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "report.png"
    with tempfile.TemporaryDirectory() as temporary:
        page = make_report(Path(temporary, "digits"))
        with chromium(Path(temporary, "profile")) as browser:
            shoot(browser, page, target)
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
