"""Measure `reprise` beside `dvc repro` and `dvc status`: medians, ratios, cost by number of stages.

python -m benchmarks.runner [STAGES …]    (default: 100 1000 4000, then the default pipeline)

At 100 stages commands take 30 ms; `reprise run -j1` and `dvc repro` run them all too. Beyond,
commands take no time, and only what `dvc repro` does when nothing changed is compared, since the
time it takes to run them all grows with their square. From 4,000 on each command runs once. With
more stages, DVC's own commands and snakemake are left out. `anew`: without what is kept of plans.
Of the edits, that of the source and of a param may have all stages run that come after it.
NINJA=path/to/ninja and SNAKEMAKE=path/to/snakemake (`pip install ninja snakemake` into an
environment of its own) compare with them on the same graph; PARAFFIN=path/to/paraffin at 100
stages. Seconds are of the clock; in brackets those of the processor, which other work on the
machine changes less, and the memory of the largest process.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, TemporaryFile
from typing import NamedTuple

from reprise.state.folders import StateFolders

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
REPEATS = 3
WIDTH = 20  # stages that can run at a time
SMALL = 100  # stages, up to which `dvc repro` runs them all as well
MOST_FOR_DVC = 4000  # stages, up to which its commands end in minutes
SLEEP = 0.03  # seconds that a command takes then
JOBS = 8
MANY, ONE = f"reprise run -j{JOBS}", "reprise run -j1"
DVC_COMMANDS = ("dvc repro", "dvc status")
ANEW = ", anew"  # a command without the answer that was kept


def make(folder: Path, stages: int, seconds: float) -> Path:
    """Make a DVC repository of stages that each take `seconds`.

    Each stage reads the outs of two stages of the row above, and one param of ten.
    """
    folder.mkdir(parents=True)
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    declarations = "".join(_declaration(number, seconds) for number in range(stages))
    (folder / "dvc.yaml").write_text(f"stages:\n{declarations}")
    (folder / "params.yaml").write_text("".join(f"p{i}: {i}\n" for i in range(10)))
    (folder / "a.txt").write_text("1\n")
    (folder / "o").mkdir()
    return folder


def _declaration(number: int, seconds: float) -> str:
    """Write a stage of dvc.yaml."""
    deps = _deps(number)
    wait = f"sleep {seconds}; " if seconds else ""
    return (
        f"  s{number}:\n"
        f"    cmd: {wait}cat {' '.join(deps)} | head -c 100 > o/{number}\n"
        f"    deps: [{', '.join(deps)}]\n"
        f"    params: [p{number % 10}]\n"
        f"    outs: [o/{number}]\n"
    )


def _deps(number: int) -> list[str]:
    """Name what a stage reads."""
    if number < WIDTH:
        return ["a.txt"]
    above = number - WIDTH
    return sorted({f"o/{above}", f"o/{max(0, above - 1)}"})


class Cost(NamedTuple):
    """Holds what a command took: seconds of the clock and of the processor, and MiB of memory."""

    wall: float
    cpu: float
    memory: float


def run(folder: Path, *command: str) -> Cost:
    """Run a command in a folder. It must succeed."""
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    env["DVC_SITE_CACHE_DIR"] = str(folder.parent / f"site-{folder.name}")
    with TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        assert process.returncode == 0, output.read().decode()
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def clear(folder: Path) -> None:
    """Make a repository as it was before its first run."""
    for name in (".dvc/cache", ".dvc/tmp", "o"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "dvc.lock").unlink(missing_ok=True)
    (folder / "o").mkdir()


def median_cost(costs: list[Cost]) -> Cost:
    """Return the medians of the clock, the processor and the memory."""
    return Cost(*map(median, zip(*costs, strict=True)))


def compare(title: str, ours: list[Cost], theirs: list[Cost], name: str = "dvc repro") -> None:
    """Print the medians of our command and of the one called `name`, if that ran."""
    our_cost = median_cost(ours)
    line = f"{title:<34} {_format(our_cost)}"
    if theirs:
        their_cost = median_cost(theirs)
        line += f"   {name} {_format(their_cost)}"
        line += f"   ratio {their_cost.wall / our_cost.wall:5.1f}"
    print(line, flush=True)


def _repeats(stages: int) -> int:
    """Return how often each command is run: once where DVC's own take minutes."""
    return REPEATS if stages < MOST_FOR_DVC else 1


def _format(cost: Cost) -> str:
    return f"{cost.wall:8.2f} s ({cost.cpu:.2f}; {cost.memory:.0f} MiB)"


def ninja(repo: Path, stages: int) -> list[Cost]:
    """Run all stages by ninja, and then again where there is nothing to do; cost of the latter."""
    folder = repo.with_name(f"ninja-{stages}")
    (folder / "o").mkdir(parents=True)
    for name in ("a.txt", "params.yaml"):
        shutil.copy(repo / name, folder)
    rules = ["rule cat", "  command = cat $in | head -c 100 > $out"]
    for number in range(stages):
        deps = " ".join(_deps(number))
        rules.append(f"build o/{number}: cat {deps} | params.yaml")
    (folder / "build.ninja").write_text("\n".join([*rules, ""]))
    run(folder, os.environ["NINJA"], f"-j{JOBS}")
    return [run(folder, os.environ["NINJA"]) for _ in range(REPEATS)]


def snakemake(repo: Path, stages: int) -> list[Cost]:
    """Do a dry run of snakemake where all outs are there; its cost."""
    folder = repo.with_name(f"snakemake-{stages}")
    folder.mkdir()
    shutil.copy(repo / "a.txt", folder)
    shutil.copytree(repo / "o", folder / "o")
    rules = ["rule all:", f"    input: expand('o/{{n}}', n=range({stages}))"]
    for number in range(stages):
        deps = ", ".join(f"'{dep}'" for dep in _deps(number))
        rules += [f"rule s{number}:", f"    input: {deps}", f"    output: 'o/{number}'"]
        rules.append("    shell: 'cat {input} | head -c 100 > {output}'")
    (folder / "Snakefile").write_text("\n".join([*rules, ""]))
    command = (os.environ["SNAKEMAKE"], "-n", "-q", "--rerun-triggers", "mtime")
    return [run(folder, *command) for _ in range(_repeats(stages))]


def paraffin(repo: Path) -> Cost:
    """Run all stages by paraffin's workers.

    They wait a second for more to do before they end, which is taken off.
    """
    clear(repo)
    (repo / "paraffin.db").unlink(missing_ok=True)
    run(repo, "git", "add", "-A")
    author = ("-c", "user.name=b", "-c", "user.email=b@localhost")
    run(repo, "git", *author, "commit", "-qm", "all", "--allow-empty")
    submit = run(repo, os.environ["PARAFFIN"], "submit")
    work = run(repo, os.environ["PARAFFIN"], "worker", f"-j{JOBS}", "--timeout", "1")
    memory = max(submit.memory, work.memory)
    return Cost(submit.wall + work.wall - 1, submit.cpu + work.cpu, memory)


def measure(folder: Path, stages: int) -> None:
    """Print what all stages cost, what a run with nothing to do costs, and what a stage does."""
    small = stages <= SMALL
    repo = make(folder / f"r{stages}", stages, SLEEP if small else 0)
    full = _full_runs(repo, small)
    idle = _idle_runs(repo, _repeats(stages), with_dvc=stages <= MOST_FOR_DVC)
    theirs = full.pop("dvc repro", [])
    for command, costs in full.items():
        compare(f"{stages} stages: {command}", costs, theirs)
    _compare_idle(f"{stages} stages", idle)
    for name, others in {"ninja": ninja, "snakemake": snakemake}.items():
        if name.upper() in os.environ and (stages <= MOST_FOR_DVC or name == "ninja"):
            compare(f"{stages} stages: plan", idle["reprise plan"], others(repo, stages), name)
    for edited, costs in _edits(repo, stages).items():
        compare(f"{stages} stages: plan, {edited} edited", costs, idle["dvc status"], "dvc status")
    clone = repo.with_name(f"clone-{stages}")
    run(repo, "git", "add", "-A")
    run(repo, "git", "-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-qm", "all")
    run(repo, "git", "clone", "-q", str(repo), str(clone))
    first = [run(clone, "reprise", "plan")]
    compare(f"{stages} stages: first plan of a clone", first, idle["dvc status"], "dvc status")
    if small and "PARAFFIN" in os.environ:
        compare(f"{stages} stages: {MANY}", full[MANY], [paraffin(repo)], "paraffin")
    slept = stages * SLEEP / JOBS if small else 0
    beyond = median_cost(full[MANY]).wall - median_cost(idle["reprise run" + ANEW]).wall - slept
    each = beyond / stages * 1000
    print(f"{'':<34} {each:8.1f} ms a stage beyond its command and the start", flush=True)


def _full_runs(repo: Path, small: bool) -> dict[str, list[Cost]]:
    """Run all stages; if they are few, also one at a time and by `dvc repro`. Locks must agree."""
    commands = [MANY, ONE, "dvc repro"]
    repeats = REPEATS
    if not small:
        commands, repeats = [MANY], 1
    costs: dict[str, list[Cost]] = {command: [] for command in commands}
    locks = set()
    for _ in range(repeats):
        for command in commands:
            clear(repo)
            costs[command].append(run(repo, *command.split()))
            locks.add((repo / "dvc.lock").read_bytes())
    assert len(locks) == 1
    return costs


def _idle_runs(repo: Path, repeats: int, *, with_dvc: bool) -> dict[str, list[Cost]]:
    """Run each command in turn where there is nothing to do."""
    commands = ["reprise run" + ANEW, "reprise run", "reprise plan" + ANEW, "reprise plan"]
    costs: dict[str, list[Cost]] = {command: [] for command in (*commands, *DVC_COMMANDS)}
    if with_dvc:
        commands += DVC_COMMANDS
    folders = StateFolders.in_repository(repo)
    for _ in range(repeats):
        for command in commands:
            if command.endswith(ANEW):
                folders.answer.unlink(missing_ok=True)
                folders.standing.unlink(missing_ok=True)
            else:
                assert folders.answer.exists()
            costs[command].append(run(repo, *command.removesuffix(ANEW).split()))
    return costs


def _edits(repo: Path, stages: int) -> dict[str, list[Cost]]:
    """Plan after an edit of the source, of a param and of the last out; each is taken back."""
    edits = {"source": "a.txt", "param": "params.yaml", "last out": f"o/{stages - 1}"}
    costs: dict[str, list[Cost]] = {edited: [] for edited in edits}
    for _ in range(REPEATS):
        for edited, name in edits.items():
            path = repo / name
            before = path.read_text()
            path.unlink()  # it may be a link of the cache's
            path.write_text(before.replace("p3: 3", "p3: 4") if edited == "param" else "7\n")
            time.sleep(0.1)  # what is as young as a plan is not kept
            costs[edited].append(run(repo, "reprise", "plan"))
            path.write_text(before)
            time.sleep(0.1)
            run(repo, "reprise", "plan")
    return costs


def _compare_idle(title: str, idle: dict[str, list[Cost]]) -> None:
    """Print what it costs to find out that there is nothing to do."""
    for way in ("", ANEW):
        compare(f"{title}: nothing to do{way}", idle["reprise run" + way], idle["dvc repro"])
        plan = idle["reprise plan" + way]
        compare(f"{title}: plan{way}", plan, idle["dvc status"], "dvc status")


def default_pipeline(folder: Path) -> None:
    """Print what an edit of `evaluate` costs in this project, and what no edit does."""
    project = folder / "default"
    run(ROOT, "git", "clone", "-q", str(ROOT), str(project))
    run(project, "reprise", "run")
    evaluate = ("python", "-m", "src.evaluate", "data/model", "data/prepared")
    params = (project / "params.yaml").read_text()
    bare: list[Cost] = []
    whole: list[Cost] = []
    for bins in (11, 12, 13):
        (project / "params.yaml").write_text(params.replace("bins: 10", f"bins: {bins}"))
        bare.append(run(project, *evaluate, str(folder / "evaluation")))
        whole.append(run(project, "reprise", "run"))
    compare("default pipeline, evaluate edited", whole, bare, "its bare command")
    _compare_idle("default pipeline", _idle_runs(project, REPEATS, with_dvc=True))


def main(sizes: list[int]) -> None:
    """Measure repositories of so many stages, and then this project."""
    with TemporaryDirectory() as temporary:
        for stages in sizes:
            measure(Path(temporary), stages)
        default_pipeline(Path(temporary))


if __name__ == "__main__":
    main(list(map(int, sys.argv[1:])) or [100, 1000, 4000])
