"""Measure what the sandbox costs: a stage, 1,000 file deps, a folder of 100,000 files, and 2 GB.

python -m benchmarks.sandbox [FILES [GIGABYTES]]    (default: 100000 2)

Each case is a first run and then runs after the command alone was edited, so that all hashes are
known: with the sandbox in a namespace, with one in a folder of hard links, with --no-sandbox, and
by `dvc repro`, in turn. Seconds as in benchmarks.runner; a ratio above 1 says that the namespace is
faster.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.runner import REPEATS, Cost, compare, median_cost, run

STAGES = 20
DEPS = 1000
SANDBOX = "reprise run"
FOLDER = "env REPRISE_SANDBOX=folder reprise run"
NO_SANDBOX = "reprise run --no-sandbox"
DVC = "dvc repro"
COMMANDS = (SANDBOX, FOLDER, NO_SANDBOX, DVC)


def make(folder: Path, command: str) -> None:
    """Make a repository whose one stage reads the folder `data`."""
    (folder / "data").mkdir(parents=True)
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    (folder / "dvc.yaml").write_text(
        f"stages:\n  read: {{cmd: {command}, deps: [data], outs: [o]}}\n"
    )


def run_edited(folder: Path) -> dict[str, list[Cost]]:
    """Run each of COMMANDS in turn, after an edit that makes the stages run again."""
    run(folder, "reprise", "run")
    costs: dict[str, list[Cost]] = {command: [] for command in COMMANDS}
    text = (folder / "dvc.yaml").read_text()
    for attempt in range(REPEATS):
        for command in COMMANDS:
            edit = f"cmd: true {attempt} {command}; "
            (folder / "dvc.yaml").write_text(text.replace("cmd: ", edit))
            costs[command].append(run(folder, *command.split()))
    return costs


def show(title: str, costs: dict[str, list[Cost]]) -> None:
    """Print the cost with the sandbox beside that of the other commands."""
    with_sandbox = costs[SANDBOX]
    compare(f"{title}: namespace", with_sandbox, costs[FOLDER], "folder   ")
    compare("", with_sandbox, costs[NO_SANDBOX], "none     ")
    compare("", with_sandbox, costs[DVC], DVC)


def stages(folder: Path) -> None:
    """Measure stages that do nothing, one after the other: what a sandbox costs each."""
    make(folder, "ls data > o")
    (folder / "data" / "a").write_text("1\n")
    text, dep = "stages:\n", "data"
    for number in range(STAGES):
        out = f"o{number}"
        text += f"  s{number}: {{cmd: echo > {out}, deps: [{dep}], outs: [{out}]}}\n"
        dep = out
    (folder / "dvc.yaml").write_text(text)
    costs = run_edited(folder)
    show(f"{STAGES} stages", costs)
    with_sandbox, without = median_cost(costs[SANDBOX]), median_cost(costs[NO_SANDBOX])
    wall = (with_sandbox.wall - without.wall) / STAGES * 1000
    cpu = (with_sandbox.cpu - without.cpu) / STAGES * 1000
    print(f"{'':<34} {wall:8.1f} ms ({cpu:.1f}) a stage", flush=True)


def deps(folder: Path) -> None:
    """Measure a stage of many file deps."""
    make(folder, "ls data > o")
    names = [f"data/{number}" for number in range(DEPS)]
    for name in names:
        (folder / name).write_text(f"{name}\n")
    text = (folder / "dvc.yaml").read_text()
    (folder / "dvc.yaml").write_text(text.replace("[data]", f"[{', '.join(names)}]"))
    show(f"{DEPS} file deps", run_edited(folder))


def many(folder: Path, files: int) -> None:
    """Measure a folder dep of many small files."""
    make(folder, "ls data > o")
    for number in range(files):
        subfolder = folder / "data" / f"{number % 100}"
        subfolder.mkdir(exist_ok=True)
        (subfolder / f"{number}").write_text(f"{number}\n")
    show(f"{files} files", run_edited(folder))


def large(folder: Path, gigabytes: float) -> None:
    """Measure a folder dep of 20 large files."""
    make(folder, "ls data > o")
    block = bytes(range(256)) * 4096  # 1 MiB
    blocks = int(gigabytes * 1000**3 / 20 / len(block))
    for number in range(20):
        with (folder / "data" / f"{number}").open("wb") as file:
            for _ in range(blocks):
                file.write(block)
    show(f"{gigabytes:g} GB in 20 files", run_edited(folder))


def main(files: int, gigabytes: float) -> None:
    """Measure the cases, each in a repository of its own."""
    assert "REPRISE_SANDBOX" not in os.environ
    with TemporaryDirectory() as temporary:
        stages(Path(temporary) / "stages")
        deps(Path(temporary) / "deps")
        many(Path(temporary) / "many", files)
        large(Path(temporary) / "large", gigabytes)


if __name__ == "__main__":
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    gigabytes = float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
    main(files, gigabytes)
