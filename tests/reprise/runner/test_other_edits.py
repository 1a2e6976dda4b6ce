"""Nothing is recorded that was not used, whatever is done to the repository while a stage runs."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.reprise.corpus import Made
from tests.reprise.random_dags import text
from tests.reprise.runner.repository import Make, make, meta, stage, start, wait_for

__all__ = ["make"]  # a fixture
MD5 = {n: hashlib.md5(f"{n}\n".encode()).hexdigest() for n in (1, 2)}
OUTS = ("first", "a", "b", "c")
FILES = {
    "a.in": "1\n",
    "f.in": "1\n",
    "m/lib.py": "1\n",
    "other": "2\n",
    "params.yaml": "x: 1\n",
    "data": "1\n",
}
BEFORE = [["dvc", "add", "-q", "data"], ["git", "add", "."], ["git", "commit", "-qm", "one"]]


def pipeline(folder: Path, *, late: bool = True, word: str = "1", **more: Any) -> dict[str, Any]:
    """Return stages of which `a` waits before or after it reads. word: a part of its command."""
    wait = f"touch {folder}/word; while [ ! -e {folder}/go ]; do sleep 0.05; done"
    read = f"cat a.in first m/*.py data params.yaml > a; echo {word} >> a"
    cmd = f"{wait}; {read}" if late else f"{read}; {wait}"
    deps = ["a.in", "first", "m", "data"]
    return {
        "first": stage("cat f.in > first", ["f.in"], "first", **more),
        "a": stage(cmd, deps, "a", params=["x"], **more),
        "b": stage("cat a > b", ["a"], "b", **more),
        "c": stage("cat a.in data b > c", ["a.in", "data", "b"], "c", **more),
    }


@dataclass(frozen=True)
class Change:
    """Holds what is done while `a` runs, and what takes it back."""

    do: Callable[[Made], object]
    undo: Callable[[Made], object]


def write(**files: str | None) -> Callable[[Made], object]:
    return lambda made: made.edit(files)


def link(made: Made) -> None:
    (made.root / "a.in").unlink()
    (made.root / "a.in").symlink_to("other")


def edit_command(word: str) -> Callable[[Made], object]:
    def edit(made: Made) -> None:
        path = made.root / "dvc.yaml"
        path.write_text(path.read_text().replace("echo 1 >>", f"echo {word} >>"))

    return edit


def undo_command(made: Made) -> None:
    path = made.root / "dvc.yaml"
    path.write_text(path.read_text().replace("echo 2 >>", "echo 1 >>"))


def add_data(number: int) -> Callable[[Made], object]:
    def add(made: Made) -> None:
        made.edit({"data": f"{number}\n"})
        made.run("dvc", "add", "-q", "data", code=None)  # refused while a stage reads it

    return add


def edit_data_file(made: Made) -> None:
    """Give data.dvc the hash of `2`, and not the workspace: as a `git pull` does."""
    path = made.root / "data.dvc"
    path.write_text(path.read_text().replace(MD5[1], MD5[2]))


def undo_data_file(made: Made) -> None:
    path = made.root / "data.dvc"
    path.write_text(path.read_text().replace(MD5[2], MD5[1]))


def switch(branch: str) -> Callable[[Made], object]:
    def checkout(made: Made) -> None:
        made.run("git", "checkout", "-qf", branch)

    return checkout


def checkout(made: Made) -> None:
    """Edit what a .dvc file and a stage have, and let DVC put both back."""
    made.edit({"data": "2\n", "first": "2\n"})
    made.run("dvc", "checkout", "-q", "--force", "data.dvc", code=None)


def delete_lock(made: Made) -> None:
    (made.root / "dvc.lock").unlink(missing_ok=True)


def nothing(_: Made) -> None:
    pass


CHANGES = {
    "dep becomes a link": Change(link, write(**{"a.in": "1\n"})),
    "params deleted": Change(write(**{"params.yaml": None}), write(**{"params.yaml": "x: 1\n"})),
    "shared dep": Change(write(**{"a.in": "2\n"}), write(**{"a.in": "1\n"})),
    "file added to a folder": Change(write(**{"m/new.py": "2\n"}), write(**{"m/new.py": None})),
    "module": Change(write(**{"m/lib.py": "2\n"}), write(**{"m/lib.py": "1\n"})),
    "upstream out": Change(write(first="2\n"), write(first="1\n")),
    "command": Change(edit_command("2"), undo_command),
    "data added": Change(add_data(2), add_data(1)),
    "data file": Change(edit_data_file, undo_data_file),
    "lock deleted": Change(delete_lock, nothing),
    "branch": Change(switch("two"), switch("one")),
    "dvc checkout": Change(checkout, nothing),
}


CASES = []
for name in CHANGES:
    for late in (True, False):
        for sandbox in (True, False):
            is_quick = name == "command" and late and sandbox
            CASES.append(
                pytest.param(name, late, sandbox, marks=[] if is_quick else pytest.mark.slow)
            )


@pytest.mark.parametrize(("name", "late", "sandbox"), CASES)
def test_nothing_is_stale_after_a_change_while_a_stage_runs(
    make: Make, name: str, late: bool, sandbox: bool
) -> None:
    made = make({}, FILES)
    prepare(made, late=late, **meta(sandbox=sandbox))
    with start(made, "-j2") as process:
        wait_for(made.folder / "word", 60)
        try:
            CHANGES[name].do(made)
        finally:
            (made.folder / "go").touch()
        output, _ = process.communicate(timeout=60)
    print(output)
    assert "Traceback" not in output
    check(made)
    CHANGES[name].undo(made)
    check(made)
    CHANGES[name].do(made)
    check(made)


def prepare(made: Made, **more: Any) -> None:
    """Commit a branch with other inputs, and one with these; then let all stages be outdated."""
    made.edit({"dvc.yaml": text({"stages": pipeline(made.folder, **more)})})
    for command in BEFORE:
        made.run(*command)
    (made.folder / "go").touch()
    made.run("reprise", "run")
    made.run("git", "add", ".")
    made.run("git", "commit", "-qm", "run")
    made.run("git", "checkout", "-qb", "two")
    made.edit({"a.in": "4\n", "params.yaml": "x: 4\n"})
    made.run("git", "commit", "-qam", "two")
    made.run("git", "checkout", "-qb", "one", "HEAD~1")
    made.edit({"params.yaml": "x: 3\n"})
    made.run("git", "commit", "-qam", "one")
    (made.folder / "go").unlink()
    (made.folder / "word").unlink()


def check(made: Made) -> None:
    """Check that what counts as up to date is what running everything anew leaves."""
    made.run("reprise", "run", "-k", code=None)
    fresh = Made(made.folder / "fresh", made.spec, made.path)
    shutil.copytree(made.root, fresh.root, symlinks=True)
    fresh.run("dvc", "repro", "-f", "-k", code=None)
    changed = made.run("dvc", "status")
    for out in OUTS:
        ours, theirs = made.root / out, fresh.root / out
        if f"{out}:" not in changed and theirs.exists():
            assert ours.read_text() == theirs.read_text(), f"{out}: {changed}"
    shutil.rmtree(fresh.folder)
