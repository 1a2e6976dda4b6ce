"""Measure what Prefect adds to `dvc repro` and `reprise run`, with a warm and a cold server.

python -m benchmarks.flow [STAGES]

The default is 100 stages, whose commands take 30 ms. Beside them the default pipeline is measured.

Commands take turns, all in one run. Shown are medians of their wall time and CPU time, with
that of their children, but not that of the warm server. CPU time is the steadier on a machine with
other work. A cold server is the temporary one that a flow starts, on a home that has a database. It
is measured once, as is what takes a minute. Prefect's own share is shown by a flow that does
nothing, on the warm server. What a stage adds is what the flow adds to a full run, less what it
adds to one with nothing to do.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.runner import ROOT, Cost, clear, make, median_cost, run
from reprise.flows.serve import wait_for_server

ROUNDS = 3
DVC, OURS, WARM, COLD = "dvc repro", "reprise run", "flow, warm server", "flow, cold server"
EMPTY = "empty flow, warm server"
FLOW = ["reprise", "run", "--prefect"]
EMPTY_FLOW = "from prefect import flow\n@flow\ndef empty(): pass\nempty()"
COMMANDS = {
    DVC: ["dvc", "repro"],
    OURS: ["reprise", "run"],
    WARM: FLOW,
    COLD: FLOW,
    EMPTY: [sys.executable, "-c", EMPTY_FLOW],
}
Costs = dict[tuple[str, str], list[Cost]]  # by command, and by "full" or "no-op"


@contextmanager
def server(home: Path) -> Iterator[str]:
    """Start a warm server on a free port, and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    url = f"http://127.0.0.1:{port}/api"
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        port,
    ]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for_server(process, url)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def timed(repo: Path, name: str, url: str) -> Cost:
    """Measure one run of the command of that name. `url`: of the warm server."""
    if name in (WARM, EMPTY):
        os.environ["PREFECT_API_URL"] = url
    took = run(repo, *COMMANDS[name])
    os.environ.pop("PREFECT_API_URL", None)
    return took


def measure(repo: Path, url: str, reset: Callable[[Path], None], once: set[str]) -> Costs:
    """Measure all commands in turn; those of `once` one time.

    reset: makes the repository as it was before its first run.
    """
    costs: Costs = {}
    for i in range(ROUNDS):
        for name in COMMANDS:
            if name != EMPTY and (i == 0 or name not in once):
                reset(repo)
                costs.setdefault((name, "full"), []).append(timed(repo, name, url))
        for name in COMMANDS:
            if i == 0 or name != COLD:
                costs.setdefault((name, "no-op"), []).append(timed(repo, name, url))
    return costs


def show(title: str, stages: int, costs: Costs) -> None:
    """Print a table of the costs, and what the flow adds to `reprise run`."""
    print(f"\n{title:<24} {'full: wall':>12} {'CPU':>8} {'no-op: wall':>14} {'CPU':>8}   seconds")
    for name in COMMANDS:
        full = ""
        if name != EMPTY:
            cost = median_cost(costs[name, "full"])
            full = f"{cost.wall:12.2f} {cost.cpu:8.2f}"
        idle = median_cost(costs[name, "no-op"])
        print(f"{name:<24} {full:21} {idle.wall:14.2f} {idle.cpu:8.2f}")
    added = {}
    for kind in ("no-op", "full"):
        ours, flow = median_cost(costs[OURS, kind]), median_cost(costs[WARM, kind])
        added[kind] = wall = flow.wall - ours.wall
        cpu, ratio = flow.cpu - ours.cpu, flow.wall / ours.wall
        print(f"the flow adds to {kind}: {wall:.2f} s; CPU {cpu:.2f} s; ratio {ratio:.2f}")
    each = (added["full"] - added["no-op"]) / stages * 1000
    print(f"the flow adds {each:.0f} ms a stage", flush=True)


def clean(clone: Path) -> None:
    """Make the clone as it was before its first run."""
    run(clone, "git", "clean", "-qxfd")
    run(clone, "git", "checkout", "-q", ".")


def main(stages: int) -> None:
    """Measure the default pipeline, and a repository of so many stages."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        home = folder / "prefect"
        home.mkdir()
        os.environ |= {
            "PREFECT_HOME": str(home),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        os.environ.pop("PREFECT_API_URL", None)
        run(ROOT, "git", "clone", "-q", str(ROOT), str(folder / "default"))
        with server(home) as url:
            print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
            show("default pipeline", 5, measure(folder / "default", url, clean, {COLD, DVC}))
            many = make(folder / "many", stages, 0.03)
            show(f"{stages} stages", stages, measure(many, url, clear, {COLD, DVC}))
            print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
