"""A no-op and a full run of stages: `dvc repro`, `reprise run`, and the flow with a warm and a cold Prefect server.

python -m benchmarks.flow [STAGES]    (default: 100 stages, whose commands take 30 ms)
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.runner import clear, make, run
from pipeline.serve import wait_for_server


@contextmanager
def server(home: Path) -> Iterator[None]:
    """A warm server on a free port, for the commands started meanwhile."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    url = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for_server(process, url)
        os.environ["PREFECT_API_URL"] = url
        yield
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        process.terminate()
        process.wait(30)


def measure(title: str, repo: Path, stages: int, *command: str) -> None:
    clear(repo)
    full, idle = run(repo, *command).wall, run(repo, *command).wall
    print(f"{title:<20} full {full:7.2f} s ({full / stages * 1000:6.1f} ms a stage)   no-op {idle:6.2f} s", flush=True)


def main() -> None:
    stages = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with TemporaryDirectory() as folder:
        home = Path(folder) / "prefect"
        home.mkdir()
        os.environ |= {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        repo = make(Path(folder) / "repo", stages, 0.03)
        measure("dvc repro", repo, stages, "dvc", "repro")
        measure("reprise run", repo, stages, "reprise", "run")
        measure("flow, cold server", repo, stages, "reprise", "run", "--prefect")
        with server(home):
            measure("flow, warm server", repo, stages, "reprise", "run", "--prefect")


if __name__ == "__main__":
    main()
