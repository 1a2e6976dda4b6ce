"""Test a full or read-only disk: one line, exit 1, and what was there before is still there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reprise.corpus import Made

FULL = (
    'cp -a "$1" "$1.was" && mount -t tmpfs -o size=$SIZE none "$1" && cp -a "$1.was/." "$1"'
    ' && shift && exec "$@"'
)
READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
NAMESPACE = [
    "unshare",
    "--mount",
    "--map-root-user",
    "sh",
    "-c",
]  # mounts that only the command sees
# A new process sees these mounts; a fork of one that was started without them does not.
RUN = [sys.executable, "-m", "reprise.cli", "run", "-C"]
STAGES = """stages:
  small: {cmd: cat a > small, deps: [a], outs: [small]}
  large: {cmd: "yes $(cat a) | head -c 1000000 > large", deps: [a], outs: [large]}
"""


def can_mount(folder: Path) -> bool:
    return (
        shutil.which("unshare") is not None
        and not subprocess.run([*NAMESPACE, READ_ONLY, "sh", folder, "true"]).returncode
    )


@pytest.fixture
def made(tmp_path: Path, commands: str) -> Made:
    (tmp_path / "there").mkdir()
    if not can_mount(tmp_path / "there"):
        pytest.skip("found no right to mount; expected `unshare --mount --map-root-user` to work")
    made = Made(tmp_path, {"files": {"a": "1\n", "dvc.yaml": STAGES}}, commands).create()
    made.run("reprise", "run")
    made.edit({"a": "2\n"})
    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "where", "what"),
    [
        (FULL.replace("$SIZE", "1500k"), ".dvc/cache", "No space left on device"),
        (FULL.replace("$SIZE", "500k"), ".dvc/tmp", "No space left on device"),
        (READ_ONLY, ".dvc/cache", "Read-only file system"),
        (READ_ONLY, ".dvc/tmp", "Read-only file system"),
        (READ_ONLY, ".", "Read-only file system"),
    ],
)
def test_a_full_or_read_only_disk_is_one_line_and_the_next_run_goes_on(
    script: str, where: str, what: str, made: Made
) -> None:
    lock = (made.root / "dvc.lock").read_bytes()
    output = made.run(*NAMESPACE, script, "sh", made.root / where, *RUN, made.root, code=1)
    lines = [line for line in output.splitlines() if what in line]
    assert lines, output
    assert len(lines) == len(set(lines)), output
    for line in lines:  # one for each stage, or one for the run
        assert re.search(rf"(^reprise|: failed): (DVC's cache|/\S+): {what}", line), line
    assert "Traceback" not in output
    assert where != "." or (made.root / "dvc.lock").read_bytes() == lock
    made.run("reprise", "run")
    assert made.run("dvc", "status").strip() == "Data and pipelines are up to date."
    assert (made.root / "small").read_text() == "2\n"
