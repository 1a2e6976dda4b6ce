"""How much memory is free, by the machine and by the limits that hold the process."""

import ctypes
import resource
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from src.training import memory
from src.training.memory import free_memory, left_in, own_groups
from tests.conftest import ROOT

STAT = "cache 9\ninactive_file 100\ntotal_inactive_file 100\n"


def write_group(folder: Path, limit: str, used: str, most: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.stat").write_text(STAT)
    (folder / used).write_text("700\n")
    (folder / limit).write_text(f"{most}\n")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of that of control groups."""
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    monkeypatch.setattr(memory, "OWN", tmp_path / "own")
    return tmp_path


V2 = ("memory.max", "memory.current")
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes")


@pytest.mark.parametrize(
    ("own", "group", "files"),
    [
        ("0::/jobs/a\n", "jobs/a", V2),
        ("0::/jobs/a\n", "jobs", V2),  # a limit of the group above
        ("0::/\n", "", V2),  # in a container
        ("0::/../host\n", "", V2),
        ("5:cpu:/x\n4:memory:/jobs/a\n0::/\n", "memory/jobs/a", V1),
        ("4:memory:/docker/1f\n", "memory", V1),  # the path is the machine's
    ],
)
def test_the_limits_of_control_groups_count(
    own: str, group: str, files: tuple[str, str], machine: Path
) -> None:
    (machine / "own").write_text(own)
    write_group(machine / group, *files, "1000")
    assert free_memory() == 1000 - 700 + 100


def test_no_limit_is_none(machine: Path) -> None:
    write_group(machine, *V2, "max")
    assert left_in(machine) is None
    assert left_in(machine / "other") is None
    assert own_groups(machine / "missing", machine) == []


def test_a_group_that_is_full_leaves_nothing(machine: Path) -> None:
    (machine / "own").write_text("0::/\n")
    write_group(machine, *V2, "500")
    assert free_memory() == 0


@pytest.mark.parametrize(
    ("limit", "used"), [(resource.RLIMIT_AS, "vms"), (resource.RLIMIT_DATA, "data")]
)
def test_ulimits_count(
    limit: int, used: str, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = getattr(psutil.Process().memory_info(), used)
    room = 50 << 20
    monkeypatch.setattr(
        resource, "getrlimit", lambda name: (taken + room if name == limit else -1, -1)
    )
    assert 0 < free_memory() <= room + (20 << 20)


def test_this_machine_has_memory() -> None:
    assert 0 < free_memory() <= psutil.virtual_memory().total


ACTIVATIONS = 30 << 20  # bytes
STEP = """
import ctypes
import sys

import torch

from src.training.memory import keep_memory


class Mallinfo(ctypes.Structure):  # of glibc's malloc.h
    _fields_ = [(name, ctypes.c_size_t) for name in "abcdefgh"]
    _fields_ += [("free", ctypes.c_size_t), ("top", ctypes.c_size_t)]


if "keep" in sys.argv:
    keep_memory()
activations = torch.ones(ACTIVATIONS // 4)
del activations
mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Mallinfo
print(mallinfo().free)
"""


def kept_bytes(*arguments: str) -> int:
    """Count the bytes that glibc has for the next step."""
    step = STEP.replace("ACTIVATIONS", str(ACTIVATIONS))
    command = [sys.executable, "-c", step, *arguments]
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="of glibc from 2.33 alone")
def test_a_step_takes_the_memory_of_the_one_before() -> None:
    assert kept_bytes() < ACTIVATIONS
    assert kept_bytes("keep") >= ACTIVATIONS
