"""Repositories to run by `dvc repro` and by `reprise run`, and what is compared of them."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

YAML_ = YAML(typ="safe", pure=True)
REPOSITORIES: dict[str, dict[str, Any]] = YAML_.load(Path(__file__).with_name("corpus.yaml"))
AS = {"NAME": "a", "EMAIL": "a@example.org"}  # who commits
AUTHOR = {f"GIT_{who}_{what}": said for who in ("AUTHOR", "COMMITTER") for what, said in AS.items()}
RUNNERS = {"dvc": ["dvc", "repro"], "reprise": ["reprise", "run"]}


@dataclass
class Made:
    """A repository of the corpus in a folder of its own."""

    folder: Path
    spec: dict[str, Any]
    path: str  # PATH
    output: str = ""

    @property
    def root(self) -> Path:
        return self.folder / "repo"

    def create(self) -> "Made":
        self.root.mkdir(parents=True)
        self.run("git", "init", "-q")
        self.run("dvc", "init", "-q")
        self.edit(self.spec["files"])
        for command in self.spec.get("before", []):
            self.run(*command)
        return self

    def edit(self, files: dict[str, str | None]) -> None:
        for name, text in files.items():
            path = self.root / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.is_symlink() or path.exists():
                    path.unlink()  # it may be a link into the cache
                path.write_text(text)

    def run(self, *command: str | Path, code: int | None = 0) -> str:
        env = {**os.environ, "PATH": self.path, "DVC_NO_ANALYTICS": "1"}
        env |= {"DVC_SITE_CACHE_DIR": str(self.folder.parent / "site"), "COLUMNS": "200", **AUTHOR}
        done = subprocess.run(
            command, cwd=self.root, env=env, text=True, stdout=-1, stderr=subprocess.STDOUT
        )
        self.output = done.stdout
        if code is not None:
            assert done.returncode == code, done.stdout
        return done.stdout

    def reproduce(self, runner: str, *options: str, fails: bool = False) -> str:
        """By `dvc` or `reprise`."""
        code = (255 if runner == "dvc" else 1) if fails else 0
        targets = self.spec.get(f"{runner}_options", self.spec.get("options", []))
        return self.run(*RUNNERS[runner], *options, *targets, code=code)

    @staticmethod
    def compare(folder: Path, spec: dict[str, Any], path: str, *options: str) -> None:
        """`dvc repro` and `reprise run` with the options, from scratch and after each edit: the same files."""
        theirs, ours = (Made(folder / name, spec, path).create() for name in ("theirs", "ours"))
        for i, edit in enumerate([{}, *spec.get("edits", [])]):
            theirs.edit(edit)
            ours.edit(edit)
            fails = i in spec.get("fails", []) or "broken" in spec
            theirs.reproduce("dvc", fails=fails)
            ours.reproduce("reprise", *options, fails=fails)
            if not fails:
                assert ours.state() == theirs.state(), f"after edit {i}"

    def state(self) -> dict[str, bytes]:
        """Every file but DVC's temporary ones and git's: lock files, .gitignore files, outs, the cache."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if path.is_file() and not name.startswith((".git/", ".dvc/tmp", ".dvc/config.local")):
                found[name] = path.read_bytes()
        return found
