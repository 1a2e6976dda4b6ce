"""`reprise` beside `dvc repro` and `dvc status`, in one run: medians, ratios, and how cost grows with the stages.

python -m benchmarks.runner [STAGES …]    (default: 100 1000 4000, then the default pipeline)

At 100 stages commands take 30 ms and `dvc repro` runs them all too; beyond, commands take no time, and only what
`dvc repro` does when nothing changed is compared, since the time it takes to run them all grows with their square.
At 4,000 each command runs once. PARAFFIN=path/to/paraffin compares with it as well, at 100 stages.
Seconds are of the clock; in brackets those of the processor, which other work on the machine changes less.
"""

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
REPEATS = 3
WIDTH = 20  # stages that can run at a time


def make(folder: Path, stages: int, seconds: float) -> Path:
    """A DVC repository; each stage reads the outs of two stages of the row above, and one param of ten."""
    folder.mkdir(parents=True)
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    lines = ["stages:"]
    for i in range(stages):
        deps = ["a.txt"] if i < WIDTH else sorted({f"o/{i - WIDTH}", f"o/{max(0, i - WIDTH - 1)}"})
        wait = f"sleep {seconds}; " if seconds else ""
        lines += [f"  s{i}:", f"    cmd: {wait}cat {' '.join(deps)} | head -c 100 > o/{i}"]
        lines += [
            f"    deps: [{', '.join(deps)}]",
            f"    params: [p{i % 10}]",
            f"    outs: [o/{i}]",
        ]
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n")
    (folder / "params.yaml").write_text("".join(f"p{i}: {i}\n" for i in range(10)))
    (folder / "a.txt").write_text("1\n")
    (folder / "o").mkdir()
    return folder


class Took(NamedTuple):
    """Seconds of a command, of the clock and of the processor."""

    wall: float
    cpu: float


def cpu() -> float:
    """Seconds of the processor that commands have taken until now."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(folder: Path, *command: str) -> Took:
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    env["DVC_SITE_CACHE_DIR"] = str(folder.parent / f"site-{folder.name}")
    start, before = time.perf_counter(), cpu()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return Took(time.perf_counter() - start, cpu() - before)


def clear(folder: Path) -> None:
    """As before the first run."""
    for name in (".dvc/cache", ".dvc/tmp", "o"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "dvc.lock").unlink(missing_ok=True)
    (folder / "o").mkdir()


def middle(times: list[Took]) -> Took:
    return Took(median(t.wall for t in times), median(t.cpu for t in times))


def compare(title: str, ours: list[Took], theirs: list[Took], name: str = "dvc repro") -> None:
    line = f"{title:<34} {middle(ours).wall:8.2f} s ({middle(ours).cpu:.2f})"
    if theirs:
        ratio = middle(theirs).wall / middle(ours).wall
        line += f"   {name} {middle(theirs).wall:8.2f} s ({middle(theirs).cpu:.2f})   ratio {ratio:5.1f}"
    print(line, flush=True)


def paraffin(repo: Path) -> list[Took]:
    """From scratch, by eight workers; the timeout is how long they wait for more to do, and is taken off."""
    clear(repo)
    (repo / "paraffin.db").unlink(missing_ok=True)
    run(repo, "git", "add", "-A")
    run(
        repo,
        "git",
        "-c",
        "user.name=b",
        "-c",
        "user.email=b@localhost",
        "commit",
        "-qm",
        "all",
        "--allow-empty",
    )
    submit = run(repo, os.environ["PARAFFIN"], "submit")
    work = run(repo, os.environ["PARAFFIN"], "worker", "-j8", "--timeout", "1")
    return [Took(submit.wall + work.wall - 1, submit.cpu + work.cpu)]


def measure(folder: Path, stages: int) -> None:
    repo = make(folder / f"r{stages}", stages, 0.03 if stages <= 100 else 0)
    full: dict[str, list[Took]] = {"reprise": [], "dvc": []}
    repeats = REPEATS if stages < 4000 else 1
    for _ in range(REPEATS if stages <= 100 else 1):
        clear(repo)
        full["reprise"].append(run(repo, "reprise", "run", "-j8"))
        if stages <= 100:
            ours = (repo / "dvc.lock").read_bytes()
            clear(repo)
            full["dvc"].append(run(repo, "dvc", "repro"))
            assert (repo / "dvc.lock").read_bytes() == ours
    idle: dict[str, list[Took]] = {
        "reprise run": [],
        "reprise plan": [],
        "dvc repro": [],
        "dvc status": [],
    }
    for _ in range(repeats):
        for command, times in idle.items():
            times.append(run(repo, *command.split()))
    compare(f"{stages} stages: run -j8", full["reprise"], full["dvc"])
    compare(f"{stages} stages: nothing to do", idle["reprise run"], idle["dvc repro"])
    compare(f"{stages} stages: plan", idle["reprise plan"], idle["dvc status"], "dvc status")
    if stages <= 100 and "PARAFFIN" in os.environ:
        compare(f"{stages} stages: run -j8", full["reprise"], paraffin(repo), "paraffin")
    waited = stages * 0.03 / 8 if stages <= 100 else 0
    each = (middle(full["reprise"]).wall - middle(idle["reprise run"]).wall - waited) / stages
    print(f"{'':<34} {each * 1000:8.1f} ms a stage beyond its command and the start", flush=True)


def default_pipeline(folder: Path) -> None:
    """An edit of `evaluate`, beside its bare command."""
    run(ROOT, "git", "clone", "-q", str(ROOT), str(folder / "default"))
    project = folder / "default"
    run(project, "reprise", "run")
    params, bare, whole = (project / "params.yaml").read_text(), [], []
    for bins in (11, 12, 13):
        (project / "params.yaml").write_text(params.replace("bins: 10", f"bins: {bins}"))
        bare.append(
            run(
                project,
                "python",
                "-m",
                "src.evaluate",
                "data/model",
                "data/prepared",
                str(folder / "aside"),
            )
        )
        whole.append(run(project, "reprise", "run"))
    compare("default pipeline, evaluate edited", whole, bare, "its bare command")


def main(sizes: list[int]) -> None:
    with TemporaryDirectory() as temporary:
        for stages in sizes:
            measure(Path(temporary), stages)
        default_pipeline(Path(temporary))


if __name__ == "__main__":
    main([int(a) for a in sys.argv[1:]] or [100, 1000, 4000])
