"""Tells how much memory this process may take, and gives back or keeps what it no longer uses."""

import ctypes
import resource
from pathlib import Path

import psutil
import pyarrow as pa

GROUPS = Path("/sys/fs/cgroup")  # Linux' control groups: limits of a container or a batch job
OWN = Path("/proc/self/cgroup")
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
NEVER_TRIM = -1
LARGEST_MMAP_THRESHOLD = 1 << 25  # bytes, that all versions of glibc take
# Files of a group, by version 2 and 1: its limit, its use, and the word of memory.stat for the part
# of that which makes room when it is needed.
FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory() -> int:
    """Compute the bytes that are free on the machine and within this process's own limits.

    These are `ulimit -v`, `ulimit -d` and the limits of the control groups that it is in.
    """
    process = psutil.Process().memory_info()
    free: list[int] = [psutil.virtual_memory().available]
    for limit, used in ((resource.RLIMIT_AS, process.vms), (resource.RLIMIT_DATA, process.data)):
        most, _ = resource.getrlimit(limit)
        if most != resource.RLIM_INFINITY:
            free.append(most - used)
    for group in own_groups(OWN, GROUPS):
        left = left_in(group)
        if left is not None:
            free.append(left)
    return max(min(free), 0)


def return_memory() -> None:
    """Give the system what Arrow and glibc keep of the rows that were read."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def keep_memory() -> None:
    """Have glibc keep for the next step what a step frees.

    Else the system gets the activations of a batch back, and clears every page of the next ones.
    It is for the whole process, and for good: nothing tells what was set before.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(TRIM_THRESHOLD, NEVER_TRIM)
        mallopt(MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)


def own_groups(own: Path, root: Path) -> list[Path]:
    """List the folders of the control groups that hold this process, and of those above them.

    own: what /proc says; in a container its paths may be the machine's, of which only the root is
    there.
    """
    groups = []
    lines = own.read_text().splitlines() if own.exists() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):  # version 2, version 1
            top = root / controllers
            group = top / path.lstrip("/")
            groups += [above for above in (group, *group.parents) if above.is_relative_to(top)]
    return groups


def left_in(group: Path) -> int | None:
    """Compute the bytes that a control group leaves; None where it has no limit."""
    for limit, used, reclaimable in FILES:
        if not (group / limit).exists():
            continue
        most = (group / limit).read_text().strip()
        if most == "max":
            return None
        stat = (group / "memory.stat").read_text().split()
        spare = int(stat[stat.index(reclaimable) + 1])
        return int(most) - int((group / used).read_text()) + spare
    return None
