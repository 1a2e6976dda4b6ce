"""A copy of the project to break, and its commands run as a user runs them."""

import fcntl
import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests import warm

ROOT = Path(__file__).parent.parent
YAML_ = YAML(typ="safe", pure=True)
YAML_.default_flow_style = False  # a user writes `module:Class` in a line of its own
# A shell's background jobs ignore Ctrl-C, and under nohup all ignores SIGHUP; so would the commands
# that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# Of this machine perhaps, and not of a user's: they hide what Python leaves, and what it buffers.
for variable in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
    os.environ.pop(variable, None)
gc.set_threshold(warm.GARBAGE_THRESHOLD)  # what imports make stays
# Before torch is imported: threads of several workers wait for each other's cores, and burn them.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["DVC_NO_ANALYTICS"] = "1"  # each `dvc` starts a process for it, of a second
TRACKED = (
    "src",
    ".dvc/config",
    ".dvc/plots",
    ".dvcignore",
    ".gitignore",
    "dvc.yaml",
    "params.yaml",
    "data/reference.json",
)


SHORT = {
    "train.epochs": 2,
    "train.batch_size": 100,
    "validate.expectations": [{"expect_column_to_exist": {"column": "pixel_00"}}],
}


class Project:
    """A folder with the project's files, under git and DVC."""

    def __init__(self, root: Path, path: str) -> None:
        self.root, self.path = root, path

    def run(self, *command: str, code: int | None = 0, env: dict[str, str] | None = None) -> str:
        """Run a command and return its output, stderr too. code: its exit status, if any."""
        full = {**os.environ, "PATH": self.path, "OMP_NUM_THREADS": "1", **(env or {})}
        with tempfile.TemporaryFile("w+") as stderr:
            output, status = warm.run(command, self.root, full, stderr.fileno())
            stderr.seek(0)
            output += stderr.read()
        assert code is None or status == code, output
        return output

    def stage(self, name: str, *paths: str, code: int | None = 0) -> str:
        return self.run("python", "-m", f"src.{name}", *paths, code=code)

    def repro(self, code: int | None = 0, *more: str) -> set[str]:
        """Runs `dvc repro`; the stages whose commands ran."""
        lines = self.run("dvc", "repro", *more, code=code).splitlines()
        return {line.split("'")[1] for line in lines if line.startswith("Running stage")}

    @property
    def params(self) -> dict[str, Any]:
        loaded: dict[str, Any] = YAML_.load(self.root / "params.yaml")
        return loaded

    def set(self, changes: dict[str, Any]) -> None:
        """Writes params.yaml with dotted keys changed."""
        params = self.params
        for key, value in changes.items():
            *sections, last = key.split(".")
            holder = params
            for section in sections:
                holder = holder[section]
            holder[last] = value
        with (self.root / "params.yaml").open("w") as file:
            YAML_.dump(params, file)

    def commit(self) -> str:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "a state")
        return self.run("git", "rev-parse", "HEAD").strip()


def one_in(share: int, cases: Iterable[Any]) -> list[Any]:
    """Mark all cases as slow but one in `share` of them, beginning with the first.

    A case that is a tuple holds the values of several parameters.
    """
    marked = []
    for i, case in enumerate(cases):
        values = case if isinstance(case, tuple) else (case,)
        marked.append(pytest.param(*values, marks=[] if i % share == 0 else pytest.mark.slow))
    return marked


def pytest_collection_finish() -> None:
    """Let the collector pass over what imports made: nothing of it will be garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return a folder that all workers of this run have in common."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


def made_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """Return the folder, which the first worker makes while the others wait for it."""
    done = folder.with_suffix(".done")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def commands(shared_folder: Path, worker_id: str) -> str:
    """Return a PATH with `python`, `dvc` and `reprise` commands that fork one warm process."""
    run = os.getpid() if worker_id == "master" else os.getppid()
    folder = made_once(shared_folder / "warm", lambda folder: warm.start(folder, run))
    return f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"


def new_project(root: Path, path: str) -> Project:
    for name in TRACKED:
        source, target = ROOT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    project = Project(root, path)
    for command in (
        ["init", "-q"],
        ["config", "user.name", "a"],
        ["config", "user.email", "a@example.org"],
    ):
        project.run("git", *command)
    (root / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    return project


@pytest.fixture(scope="session")
def finished(shared_folder: Path, commands: str) -> Project:
    """Return a project that has run once, to read or to copy; all workers have the same one."""

    def make(folder: Path) -> None:
        project = new_project(folder, commands)
        project.set(SHORT)
        assert project.repro() == set(YAML_.load(ROOT / "dvc.yaml")["stages"])  # all of them

    return Project(made_once(shared_folder / "finished", make), commands)


def copied(project: Project, root: Path) -> Project:
    """The project as it is, in a folder of its own."""
    shutil.copytree(project.root, root, dirs_exist_ok=True)
    return Project(root, project.path)


@pytest.fixture
def project(tmp_path: Path, commands: str) -> Project:
    """A fresh copy with the default params, two short epochs and one declared expectation."""
    made = new_project(tmp_path, commands)
    made.set(SHORT)
    return made
