"""Test that all that planning looks at is noted: beside what the kernel sees of it."""
# ruff: noqa: PTH110, PTH114, PTH115, PTH123

import builtins
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reprise.state.folders import StateFolders
from reprise.state.trace.tracing import Trace, tracing
from tests.conftest import one_in
from tests.reprise.corpus import REPOSITORIES, Made
from tests.reprise.runner.repository import variables

# Of corpus.yaml: each with files of another kind.
KINDS = ["directory_dep", "directory_out", "templating", "dvcignore", "data_source", "symlinks"]
# A call of the kernel with a path, as strace prints it.
CALL = re.compile(r'(?:stat|lstat|newfstatat|statx|openat?|access|readlink)\(.*?"(/[^"]*)"')


def test_each_way_to_look_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f").mkdir()
    (tmp_path / "f/l").symlink_to("nowhere")
    Path("open").touch()
    Path("os.open").touch()
    with tracing() as trace:
        from dvc_data.fsutils import _localfs_info  # of its own: `from os import stat`

        Path("open").open().close()
        os.close(os.open("os.open", os.O_RDONLY))
        os.path.exists("exists")
        os.path.islink(b"islink")
        Path("is_dir").is_dir()
        os.access("access", os.R_OK)
        os.readlink(Path("f/l"))
        with pytest.raises(FileNotFoundError):
            _localfs_info("info")
        with pytest.raises(FileNotFoundError):
            open(file="absent")  # noqa: SIM115
        list(os.walk("f"))
        list(Path().glob("*/x"))
        os.fstat(0)
    names = {os.path.relpath(path, tmp_path) for path in trace.looked}
    assert names >= {"open", "os.open", "exists", "islink", "is_dir", "access", "f/l", "info"}
    assert "absent" in names
    assert {os.path.relpath(path, tmp_path) for path in trace.listed} >= {"f", "."}


def test_afterwards_nothing_is_noted_and_all_is_as_before(tmp_path: Path) -> None:
    before = [builtins.open, io.open, os.stat, os.lstat, os.scandir, os.listdir, os.open]
    with pytest.raises(KeyError), tracing() as trace:
        assert os.stat is not before[2]
        raise KeyError
    os.path.exists(tmp_path)
    assert trace.looked == {}
    assert [builtins.open, io.open, os.stat, os.lstat, os.scandir, os.listdir, os.open] == before


def test_a_tree_is_all_that_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").touch()
    (tmp_path / "a/l").symlink_to(tmp_path)
    trace = Trace()
    trace.add_tree(str(tmp_path / "a"))
    assert {os.path.relpath(path, tmp_path) for path in trace.looked} == {
        *("a", "a/b", "a/b/c", "a/l"),
    }
    assert {os.path.relpath(path, tmp_path) for path in trace.listed} == {"a", "a/b"}


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("name", one_in(3, KINDS))
def test_what_the_kernel_sees_is_noted(name: str, tmp_path: Path, commands: str) -> None:
    """Compare with the paths of the repository that a plan's system calls name."""
    made = Made(tmp_path, REPOSITORIES[name], commands).create()
    made.run("reprise", "run")
    made.run("reprise", "plan")
    answer = StateFolders.in_repository(made.root).answer
    answer.unlink(missing_ok=True)
    log = tmp_path / "log"
    command = ["strace", "-f", "-qq", "-s", "4000", "-e", "trace=%file", "-o", str(log)]
    plan = [sys.executable, "-B", "-m", "reprise", "plan"]
    done = subprocess.run([*command, *plan], cwd=made.root, env=variables(made), check=False)
    if done.returncode != 0 and not answer.exists():
        pytest.skip("strace has no right to trace")
    record = json.loads(answer.read_bytes().partition(b"\n")[2])
    noted = record["looked"].keys() | record["listed"].keys()
    seen = set(CALL.findall(log.read_text(errors="surrogateescape")))
    own = {path for path in seen if Path(path).is_relative_to(made.root)}
    passing = f"{made.root}/.dvc/tmp/"
    missed = {path for path in own - noted if not path.startswith(passing)}
    assert len(own) > 10
    # Python's own look for a package `reprise` and other modules, in the current folder.
    assert {path for path in missed if Path(path).exists() and Path(path) != made.root} == set()
