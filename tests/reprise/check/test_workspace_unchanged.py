"""`reprise check` and `reprise verify` leave the workspace as it was, whatever the command does.

Every byte, mode, time and link, the cache's and git's too.
"""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from reprise.sandbox.choice import VARIABLE, try_overlay
from tests.reprise.corpus import YAML_, Made
from tests.reprise.random_dags import text
from tests.reprise.runner.repository import stage

HOSTILE: dict[str, dict[str, str]] = YAML_.load(Path(__file__).with_name("hostile.yaml"))
FILES = {
    "a": "1\n",
    "d/b": "2\n",
    "d/sub/c": "3\n",
    "params.yaml": "p: 1\n",
    "mlruns/0/meta": "old\n",
    ".venv/bin/tool": "echo tool\n",
    "notes.txt": "not declared\n",
    ".gitignore": "/mlruns\n/.venv\n*.log\n",
    "run.log": "before\n",
}
CASES = [
    (kind, link) for kind in ("namespace", "folder") for link in ("symlink", "hardlink", "copy")
]


def entries(root: Path) -> dict[str, tuple[object, ...]]:
    """Read what there is of every file and folder, but for what DVC and reprise do in .dvc/tmp."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [root, *sorted(root.rglob("*"))]:
        name = str(path.relative_to(root))
        if name.startswith(".dvc/tmp"):
            continue
        status = path.lstat()
        content: object = None
        if stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(status.st_mode):
            content = path.readlink()
        # DVC makes files in .dvc, and takes them away.
        time = None if name == ".dvc" else status.st_mtime_ns
        identity = (status.st_mode, status.st_uid, status.st_gid, status.st_ino)
        found[name] = (content, time, *identity, sorted(os.listxattr(path, follow_symlinks=False)))
    return found


def repository(folder: Path, commands: str, hostile: dict[str, str], cache_type: str) -> Made:
    """Make a repository with a stage for each hostile command, which does its worst on demand."""
    deps = ["a", "d", "made", "one"]
    stages: dict[str, Any] = {"make": stage("mkdir made; cp a made/a; cp a one", ["a"], "made")}
    stages["make"]["outs"] = ["made", "one"]
    for name, command in hostile.items():
        out = f"{name}.o"
        command = f'text=$(cat a); [ -z "$HOSTILE" ] || ( {command} ); echo "$text" > {out}'
        stages[name] = stage(command, deps, out, params=["p"])
    made = Made(folder, {"files": {**FILES, "dvc.yaml": text({"stages": stages})}}, commands)
    made.create()
    made.run("dvc", "config", "cache.type", cache_type)
    made.run("ln", "-s", "d/b", "linked")
    made.run("git", "add", "-A")
    made.run("git", "commit", "-qm", "all")
    made.run("reprise", "run")
    return made


@pytest.mark.parametrize(
    ("kind", "cache_type", "share"),
    [
        ("namespace", "symlink", 3),
        ("folder", "hardlink", 3),
        *(pytest.param(*case, 1, marks=pytest.mark.slow) for case in CASES),
    ],
)
def test_hostile_commands_change_nothing(
    kind: str,
    cache_type: str,
    share: int,
    tmp_path: Path,
    commands: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One in `share` of the commands."""
    if kind == "namespace" and (refused := try_overlay(tmp_path, tmp_path / "trial")):
        pytest.skip(f"needs mount namespaces: {refused}")
    if kind == "folder":
        monkeypatch.setenv(VARIABLE, "folder")
    hostile = {**HOSTILE["anywhere"], **(HOSTILE["namespace"] if kind == "namespace" else {})}
    hostile = {name: hostile[name] for name in [*hostile][::share]}
    made = repository(tmp_path, commands, hostile, cache_type)
    before = entries(made.root)
    monkeypatch.setenv("HOSTILE", "1")
    for command in ("verify", "check"):
        output = made.run("reprise", command, code=None)
        after = entries(made.root)
        changed = [name for name in {*before, *after} if before.get(name) != after.get(name)]
        assert changed == [], output
        for name in HOSTILE["anywhere"].keys() & hostile:  # each came to its turn
            assert f"{name}: " in output, output


def test_a_check_takes_back_the_outs_that_it_needed(tmp_path: Path, commands: str) -> None:
    """Stages below read them; nothing ever ran."""
    stages = {
        "one": stage("mkdir -p deep/er && cp a deep/er/one && cp a one", ["a"], "deep/er/one"),
        "two": stage("cat deep/er/one one > two", ["deep/er/one", "one"], "two"),
    }
    stages["one"]["outs"].append("one")
    files = {"a": "1\n", "dvc.yaml": text({"stages": stages})}
    made = Made(tmp_path, {"files": files}, commands).create()
    before = entries(made.root)
    output = made.run("reprise", "check")
    assert "2 stages checked: 0 undeclared, 0 failed" in output
    assert entries(made.root) == before
