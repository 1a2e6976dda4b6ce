"""What Prefect adds: `dvc repro`, `reprise run`, and the flow with a warm and a cold server, in one run.

python -m benchmarks.flow [STAGES]    (default: 100 stages, whose commands take 30 ms; beside them the default pipeline)

Commands take turns, and medians of their wall time and CPU time (their own and their children's; the warm server's is
not among it) are shown: CPU time is the steadier on a machine with other work. A cold server is the temporary one that
a flow starts, on a home that has a database; it and what takes a minute are measured once.
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
COMMANDS = {DVC: DVC, OURS: OURS, WARM: "reprise run --prefect", COLD: "reprise run --prefect"}


Costs = dict[tuple[str, str], list[Cost]]  # by command, and by "full" or "no-op"


@contextmanager
def server(home: Path) -> Iterator[str]:
    """The address of a warm server on a free port."""
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
    if name == WARM:
        os.environ["PREFECT_API_URL"] = url
    took = run(repo, *COMMANDS[name].split())
    os.environ.pop("PREFECT_API_URL", None)
    return took


def measure(repo: Path, url: str, again: Callable[[Path], None], once: set[str]) -> Costs:
    """`again` makes the repository as before its first run; commands of `once` run once."""
    costs: Costs = {}
    for i in range(ROUNDS):
        for name in [c for c in COMMANDS if i == 0 or c not in once]:
            again(repo)
            costs.setdefault((name, "full"), []).append(timed(repo, name, url))
        for name in [c for c in COMMANDS if i == 0 or c != COLD]:
            costs.setdefault((name, "no-op"), []).append(timed(repo, name, url))
    return costs


def show(title: str, stages: int, costs: Costs) -> None:
    print(f"\n{title:<20} {'full: wall':>12} {'CPU':>8} {'no-op: wall':>14} {'CPU':>8}   seconds")
    for name in COMMANDS:
        full, idle = median_cost(costs[name, "full"]), median_cost(costs[name, "no-op"])
        print(f"{name:<20} {full.wall:12.2f} {full.cpu:8.2f} {idle.wall:14.2f} {idle.cpu:8.2f}")
    for what in ("no-op", "full"):
        ours, flow = median_cost(costs[OURS, what]), median_cost(costs[WARM, what])
        wall, cpu = (b - a for a, b in zip(ours, flow, strict=True))
        each = f", {wall / stages * 1000:.0f} ms a stage" if what == "full" else ""
        print(
            f"the flow adds to {what}: {wall:.2f} s{each}; CPU {cpu:.2f} s; ratio {flow.wall / ours.wall:.2f}",
            flush=True,
        )


def clean(clone: Path) -> None:
    run(clone, "git", "clean", "-qxfd")
    run(clone, "git", "checkout", "-q", ".")


def main(stages: int) -> None:
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
