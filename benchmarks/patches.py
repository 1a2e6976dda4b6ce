"""Measures what each patch of DVC gains, for the table in `reprise/dvc/patches.py`.

python -m benchmarks.patches [REPEATS [NAME...]]    (default: 5, all that can be switched off)

A repository of 100 small stages is run from scratch, restored from the run-cache, and run with
nothing to do, and one of 1,000 that never ran is planned: with all patches, and without one of
them, in turn. The figures are milliseconds a stage that reprise's own process took of the
processor, which other work on the machine changes less than the clock; in brackets those of the
clock. A gain is the median of the differences between the two runs of a turn; in percent, of the
median without the patch.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.runner import BIN, ROOT, clear, make
from reprise.dvc.patches import PATCHES

STAGES = 100
MANY = 1000
SCENARIOS = ("from scratch", "restored", "nothing to do", "planned")
RUN = ("run", "-j2")
ALL = ""  # no patch is switched off
# Without the first, DVC waits for our own claims and lock; by the second, a params file's text is
# kept with its values.
NEEDED = ("dvc.rwlock.rwlock", "dvc.dependency.param.load_path")

COMMAND = """
import resource, sys, time
start = time.perf_counter()
from reprise.cli import main
from reprise.dvc import patches
patches.PATCHES = tuple(patch for patch in patches.PATCHES if patch.name != sys.argv[1])
try:
    main(sys.argv[2:])
except SystemExit as e:
    assert not e.code, e.code
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, time.perf_counter() - start, file=sys.stderr)
"""


class Times(NamedTuple):
    """Holds what a run took a stage, in milliseconds: of the processor, and of the clock."""

    cpu: float
    wall: float


@dataclass
class Pairs:
    """Holds the times of one scenario: with all patches, and in the same turn without one."""

    full: list[Times] = field(default_factory=list)
    without: list[Times] = field(default_factory=list)

    def line(self) -> str:
        """Format the row's figures."""
        cpu = median(times.cpu for times in self.full)
        cpu_without = median(times.cpu for times in self.without)
        turns = list(zip(self.full, self.without, strict=True))
        cpu_gain = median(without.cpu - full.cpu for full, without in turns)
        wall_gain = median(without.wall - full.wall for full, without in turns)
        share = 100 * cpu_gain / cpu_without
        figures = f"{cpu:8.2f} {cpu_without:9.2f} {cpu_gain:8.2f} ms ({wall_gain:7.2f})"
        return f"{figures} {share:7.1f} %"


def run(repository: Path, stages: int, without: str, *arguments: str) -> Times:
    """Run a command of reprise once without the patch."""
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    env["DVC_SITE_CACHE_DIR"] = str(repository.parent / "site")
    env["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-c", COMMAND, without, *arguments]
    result = subprocess.run(command, cwd=repository, env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    cpu, wall = result.stderr.splitlines()[-1].split()
    return Times(1000 * float(cpu) / stages, 1000 * float(wall) / stages)


def run_all(small: Path, large: Path, without: str) -> list[Times]:
    """Run the scenarios one after the other, in the order of SCENARIOS."""
    clear(small)
    from_scratch = run(small, STAGES, without, *RUN)
    shutil.rmtree(small / "o")
    (small / "o").mkdir()
    (small / "dvc.lock").unlink()
    restored = run(small, STAGES, without, *RUN)
    nothing_to_do = run(small, STAGES, without, *RUN)
    planned = run(large, MANY, without, "plan")
    return [from_scratch, restored, nothing_to_do, planned]


def main(repeats: int, names: Sequence[str]) -> None:
    """Print the table of the named patches."""
    pairs = {(name, scenario): Pairs() for name in names for scenario in SCENARIOS}
    with TemporaryDirectory() as temporary:
        small = make(Path(temporary) / "small", STAGES, 0)
        large = make(Path(temporary) / "large", MANY, 0)
        for _ in range(repeats):
            for name in names:
                full = run_all(small, large, ALL)
                without = run_all(small, large, name)
                for i, scenario in enumerate(SCENARIOS):
                    pairs[name, scenario].full.append(full[i])
                    pairs[name, scenario].without.append(without[i])
    for scenario in SCENARIOS:
        print(f"\n{scenario:<48} {'all':>8} {'without':>9} {'gain':>8}")
        for name in names:
            print(f"{name:<48} {pairs[name, scenario].line()}")


if __name__ == "__main__":
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    main(repeats, sys.argv[2:] or [patch.name for patch in PATCHES if patch.name not in NEEDED])
