"""Make repositories to run by `dvc repro` and by `reprise run`, and compare what these leave."""

import atexit
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests import warm

YAML_ = YAML(typ="safe", pure=True)
REPOSITORIES: dict[str, dict[str, Any]] = YAML_.load(Path(__file__).with_name("corpus.yaml"))
AUTHOR = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}
RUNNERS = {"dvc": ["dvc", "repro"], "reprise": ["reprise", "run"]}
FAILURE = {"dvc": 255, "reprise": 1}  # exit statuses


@cache
def _empty_repository(path: str) -> Path:
    """Return a folder after `git init` and `dvc init`, to copy. path: PATH."""
    made = Made(Path(tempfile.mkdtemp()), {}, path)
    atexit.register(shutil.rmtree, made.folder)
    made.root.mkdir()
    made.run("git", "init", "-q")
    made.run("dvc", "init", "-q")
    shutil.rmtree(made.root / ".dvc" / "tmp")  # has when and where it was made
    return made.root


@dataclass
class Made:
    """Holds a repository of the corpus in a folder of its own.

    spec: its files and edits, as corpus.yaml has them; output: what the last command printed.
    """

    folder: Path
    spec: dict[str, Any]
    path: str  # PATH
    output: str = ""

    @property
    def root(self) -> Path:
        return self.folder / "repo"

    def create(self) -> "Made":
        """Create the repository, with its files and without a run."""
        shutil.copytree(_empty_repository(self.path), self.root, symlinks=True)
        self.edit(self.spec["files"])
        for command in self.spec.get("before", []):
            self.run(*command)
        return self

    def edit(self, files: dict[str, str | None]) -> None:
        """Write files by name, and delete those whose text is None."""
        for name, text in files.items():
            path = self.root / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # it may be a link into the cache
            path.write_text(text)

    def run(self, *command: str | Path, code: int | None = 0) -> str:
        """Run a command in the repository and return its output. code: its exit status, if any."""
        env = {**os.environ, "PATH": self.path}
        env |= {"DVC_SITE_CACHE_DIR": str(self.folder.parent / "site"), "COLUMNS": "200", **AUTHOR}
        self.output, status = warm.run(command, self.root, env, subprocess.STDOUT)
        if code is not None:
            assert status == code, self.output
        return self.output

    def reproduce(self, runner: str, *options: str, fails: bool = False) -> str:
        """Run the pipeline. runner: dvc or reprise; fails: a stage is broken."""
        code = FAILURE[runner] if fails else 0
        targets = self.spec.get(f"{runner}_options", self.spec.get("options", []))
        return self.run(*RUNNERS[runner], *options, *targets, code=code)

    @staticmethod
    def compare(folder: Path, spec: dict[str, Any], path: str, *options: str) -> None:
        """Check that `dvc repro` and `reprise run` with the options leave the same files.

        They run from scratch and after each edit of the spec.
        """
        theirs = Made(folder / "theirs", spec, path).create()
        ours = Made(folder / "ours", spec, path).create()
        for number, edit in enumerate([{}, *spec.get("edits", [])]):
            theirs.edit(edit)
            ours.edit(edit)
            fails = number in spec.get("fails", []) or "broken" in spec
            theirs.reproduce("dvc", fails=fails)
            ours.reproduce("reprise", *options, fails=fails)
            if not fails:
                assert ours.state() == theirs.state(), f"after edit {number}"

    def state(self) -> dict[str, bytes]:
        """Read every file by name: lock files, .gitignore files, outs, the cache.

        Those of git and the temporary ones of DVC are left out.
        """
        contents = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if path.is_file() and not name.startswith((".git/", ".dvc/tmp", ".dvc/config.local")):
                contents[name] = path.read_bytes()
        return contents
