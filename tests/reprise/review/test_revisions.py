"""Reviews folders, imports and paths elsewhere, in every form in which revisions can be named."""

import json
import shutil
from contextlib import chdir
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from reprise.dvc.history.reader import RevisionReader
from tests.conftest import made_once
from tests.reprise.corpus import Made
from tests.reprise.review.repository import branch_off, commit, rows, with_remote

PIPELINE = """
stages:
  work:
    cmd: python work.py
    deps: [work.py, data, imported, feed.csv, ../feed/direct.csv]
    params: [shift]
    outs:
      - out: {meta: {reprise: {table: {id: id}}}}
      - predictions.csv:
          meta: {reprise: {predictions: {metrics: {accuracy: {column: correct, better: higher}}}}}
    metrics: [m.json: {cache: false}]
"""
WORK = """
import json, os
os.makedirs("out", exist_ok=True)
shift = open("params.yaml").read().count("1")
for name in ("a", "b"):
    with open(f"out/{name}.csv", "w") as file:
        file.write("id,x\\n" + "".join(f"{name}{i},{i + shift}\\n" for i in range(30)))
with open("predictions.csv", "w") as file:
    file.write("id,correct\\n" + "".join(f"{i},{(i + shift) % 3 % 2}\\n" for i in range(60)))
json.dump({"shift": shift}, open("m.json", "w"))
"""
HEADER = ["data", "rows", "added", "removed", "changed", "columns", "drift"]


@pytest.fixture(scope="module")
def first(commands: str, shared_folder: Path) -> Made:
    folder = made_once(shared_folder / "revisions", lambda path: make(path, commands))
    return Made(folder, {}, commands)


def make(folder: Path, commands: str) -> Made:
    """Make one commit on main, in which everything has run."""
    files = {
        "dvc.yaml": PIPELINE,
        "work.py": WORK,
        "params.yaml": "shift: 0\n",
        "data/a.csv": rows(30),
        "data/b.csv": rows(31),
    }
    for name in ("folder/a.csv", "feed/a.csv", "feed/direct.csv"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rows(20))
    made = Made(folder, {"files": files}, commands).create()
    made.run("git", "checkout", "-qb", "main")
    made.run("dvc", "add", "-q", "data")
    made.run("dvc", "import-url", "-q", "../folder", "imported")
    made.run("dvc", "import-url", "-q", "../feed/a.csv", "feed.csv")
    made.run("dvc", "repro")
    commit(made, "first")
    return made


@pytest.fixture
def made(first: Made, tmp_path: Path) -> Made:
    """A branch of it, to change."""
    return branch_off(first, tmp_path / "copy")


def change_data(made: Made) -> None:
    """Change every folder, and every file outside of the repository."""
    made.edit({"data/a.csv": rows(40), "params.yaml": "shift: 1\n"})
    (made.folder / "folder" / "a.csv").write_text(rows(26))
    (made.folder / "feed" / "a.csv").write_text(rows(27))
    (made.folder / "feed" / "direct.csv").write_text(rows(28))
    made.run("dvc", "add", "-q", "data")
    made.run("dvc", "update", "-q", "imported.dvc", "feed.csv.dvc")
    made.run("dvc", "repro")


def remove_folders(made: Made) -> None:
    shutil.rmtree(made.root / "data")
    without = PIPELINE.replace("data, imported, ", "")
    table = "      - out: {meta: {reprise: {table: {id: id}}}}\n"
    made.edit({"data.dvc": None, "dvc.yaml": without.replace(table, "")})
    made.run("dvc", "remove", "-q", "--outs", "imported.dvc")
    made.run("dvc", "repro")


CHANGED = {
    "data": ["61 → 71", "10", "0"],
    "out": ["60", "0", "0"],
    "feed.csv": ["20 → 27", "7", "0"],
    "imported": ["20 → 26", "6", "0"],
}


def data_lines(text: str) -> dict[str, list[str]]:
    """Return the cells of the report's table of data, by the path in its first."""
    lines = {}
    for line in text.partition("### Data\n")[2].partition("\n#")[0].splitlines():
        cells = [cell.strip(" `") for cell in line.strip("|").split("|")]
        if len(cells) == len(HEADER) and cells != HEADER and "---" not in cells[0]:
            lines[cells[0]] = cells[1:]
    return lines


def report(made: Made, *arguments: str) -> dict[str, list[str]]:
    return data_lines(made.run("reprise", "report", *arguments))


def counts(lines: dict[str, list[str]]) -> dict[str, list[str]]:
    return {path: cells[:3] for path, cells in lines.items()}


def test_folders_that_changed_are_told_once_in_every_form(made: Made) -> None:
    change_data(made)
    uncommitted = report(made)
    commit(made, "change")
    named = report(made, "main", "feature")
    assert counts(named) | {"../feed/direct.csv": []} == CHANGED | {"../feed/direct.csv": []}
    assert named["../feed/direct.csv"][0].startswith(
        "../feed/direct.csv of main: it lies outside of the repository"
    )
    assert report(made, "main") == named
    assert {line: cells for line, cells in uncommitted.items() if line in CHANGED} == {
        line: cells for line, cells in named.items() if line in CHANGED
    }


def test_folders_that_are_gone_or_new_are_told_once(made: Made) -> None:
    remove_folders(made)
    uncommitted = report(made)
    commit(made, "change")
    gone = {path: ["removed", "–", "–", "–", "–", "–"] for path in ("data", "out", "imported")}
    assert uncommitted == gone
    assert report(made, "main", "feature") == gone
    made.run("git", "checkout", "-q", "-b", "again")
    made.run("git", "revert", "--no-edit", "HEAD")
    new = {path: ["added", *cells[1:]] for path, cells in gone.items()}
    assert report(made, "feature", "again") == new


@pytest.mark.slow
def test_what_the_cache_lacks_of_a_folder_is_fetched(made: Made) -> None:
    """Do so for the listing too, from any folder: the commit's own objects are gone by then."""
    with_remote(made, made.folder)
    change_data(made)
    commit(made, "change")
    made.run("dvc", "push", "-q", "--all-commits")
    (made.root / "sub" / "folder").mkdir(parents=True)
    shutil.rmtree(made.root / ".dvc" / "cache")
    arguments = ("-C", "sub/folder", "main", "feature")
    assert counts(report(made, *arguments))["data"] == CHANGED["data"]
    assert counts(report(made, *arguments))["out"] == CHANGED["out"]
    shutil.rmtree(made.root / ".dvc" / "cache")
    shutil.rmtree(made.folder / "store")
    lines = report(made, "main", "feature")
    assert "neither DVC's cache nor" in lines["data"][0] or "not in DVC's cache" in lines["data"][0]


@pytest.mark.slow
def test_a_subfolder_sees_the_same(made: Made) -> None:
    change_data(made)
    (made.root / "sub" / "folder").mkdir(parents=True)
    whole = made.run("reprise", "report", "--format", "json")
    assert made.run("reprise", "report", "-C", "sub/folder", "--format", "json") == whole
    assert made.run("reprise", "report", "-C", "data", "--format", "json") == whole
    commit(made, "change")
    whole = made.run("reprise", "report", "main", "feature", "--format", "json")
    inside = ("reprise", "report", "-C", "out", "main", "feature", "--format", "json")
    assert made.run(*inside) == whole
    assert [change["file"] for change in json.loads(whole)["metrics"]] == ["m.json"]


def test_the_first_line_names_what_mends_the_working_tree(made: Made) -> None:
    """Files of another revision are checked out; edits of data are added; others are run again."""
    change_data(made)
    commit(made, "change")
    made.run("git", "checkout", "-q", "main")
    (made.folder / "feed" / "direct.csv").write_text(rows(20))
    assert mended_by(made) == "dvc checkout"
    made.run("dvc", "checkout", "-q")
    assert mended_by(made) is None
    made.edit({"data/a.csv": rows(41)})
    assert mended_by(made) == "dvc add data && reprise run"
    made.run("dvc", "checkout", "-q", "--force", "data.dvc")
    made.edit({"m.json": '{"shift": 7}'})
    assert mended_by(made) == "reprise run"
    made.run("reprise", "run")
    assert mended_by(made) is None


@pytest.mark.parametrize(
    ("edits", "command"),
    [
        (["data/a.csv"], "dvc checkout out predictions.csv && dvc add data && reprise run"),
        (["m.json"], "dvc checkout out predictions.csv && reprise run"),
        (
            ["m.json", "feed.csv", "data/a.csv"],
            "dvc checkout out predictions.csv && dvc add data feed.csv && reprise run",
        ),
    ],
)
def test_the_commands_mend_all_that_is_stale(made: Made, edits: list[str], command: str) -> None:
    """Outs of another revision lie beside edits of data, and of what a stage wrote."""
    made.edit({"params.yaml": "shift: 1\n"})
    made.run("dvc", "repro")
    commit(made, "change")
    made.run("git", "checkout", "-q", "main")
    made.edit({"m.json": '{"shift": 0}', **dict.fromkeys(edits, rows(41))})
    assert mended_by(made) == command
    made.run("sh", "-c", command)
    assert mended_by(made) is None


def mended_by(made: Made) -> str | None:
    stale = json.loads(made.run("reprise", "report", "--format", "json"))["stale"]
    command: str | None = stale and stale["command"]
    return command


def test_a_revision_is_plain_values(made: Made) -> None:
    """An object of DVC that outlived the switch would stand for files of another revision."""
    with chdir(made.root), RevisionReader(made.folder) as reader:
        for commit_ in (reader.commit("main"), None):
            revision = reader.read("name", commit_)
            assert {"data", "out", "imported", "feed.csv"} < revision.outs.keys()
            assert_plain(revision)


def assert_plain(value: Any) -> None:
    if is_dataclass(value):
        assert type(value).__module__.startswith("reprise."), type(value)
        for field in fields(value):
            assert_plain(getattr(value, field.name))
    elif isinstance(value, dict):
        assert_plain([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple):
        for item in value:
            assert_plain(item)
    else:
        assert value is None or type(value) in {str, int, float, bool}, type(value)


@pytest.mark.parametrize("options", [["--no-scm"], []])
def test_before_the_first_commit_no_other_name_is_taken_for_it(
    options: list[str], tmp_path: Path, commands: str
) -> None:
    """A branch that is misspelt would else be compared with as if it had nothing."""
    made = Made(tmp_path, {}, commands)
    made.root.mkdir()
    names = ["HEAD", "@"]
    if not options:
        made.run("git", "init", "-q", "-b", "trunk")
        names += ["trunk", "refs/heads/trunk"]
    made.run("dvc", "init", "-q", *options)
    for name in names:
        assert "the working tree against nothing" in made.run("reprise", "report", name)
    for name in ("trunc", "HEAD~1", "trunk...HEAD"):
        assert "found no such revision" in made.run("reprise", "report", name, code=1)
