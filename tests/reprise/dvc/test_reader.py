"""The metrics of HEAD and of the working tree, as a flow run shows them."""

from pathlib import Path

import pytest

from tests.reprise.corpus import Made

PIPELINE = """
stages:
  a: {cmd: cp m.in m.json, deps: [m.in], metrics: [m.json: {cache: false}]}
  b: {cmd: cp m.in n.json, deps: [m.in], metrics: [n.json: {cache: false}]}
"""
SHOW = """
from pathlib import Path
from reprise.dvc.history.reader import RevisionReader
for metric in RevisionReader(Path("unused")).metrics():
    print(*metric)
"""


@pytest.mark.slow
def test_metrics_are_those_of_head_and_now(tmp_path: Path, commands: str) -> None:
    """Without git, and before the first commit, there is nothing to go by."""
    files = {"dvc.yaml": PIPELINE, "m.in": '{"acc": 0.5, "by": {"a": 1}}', "show.py": SHOW}
    made = Made(tmp_path, {"files": files}, commands).create()
    made.run("reprise", "run")
    alone = [
        "m.json acc None 0.5",
        "m.json by.a None 1",
        "n.json acc None 0.5",
        "n.json by.a None 1",
    ]
    assert made.run("python", "show.py").splitlines() == alone
    made.run("dvc", "config", "core.no_scm", "true")
    assert made.run("python", "show.py").splitlines() == alone
    made.run("dvc", "config", "--unset", "core.no_scm")
    made.run("git", "add", "-A")
    made.run("git", "commit", "-qm", "first")
    made.edit({"m.json": '{"acc": NaN, "new": 2}', "n.json": None})
    assert made.run("python", "show.py").splitlines() == [
        "m.json acc 0.5 nan",
        "m.json by.a 1 None",
        "m.json new None 2",
        "n.json acc 0.5 None",
        "n.json by.a 1 None",
    ]
