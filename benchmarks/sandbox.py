"""What the sandbox costs: a stage, a folder dep of 100,000 files, and one of 2 GB.

python -m benchmarks.sandbox [FILES [GIGABYTES]]    (default: 100000 2)

Each case is a first run and then runs after the command alone was edited, so that all hashes are known: with the
sandbox, with --no-sandbox, and by `dvc repro`, in turn. Seconds as in benchmarks.runner.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.runner import REPEATS, Took, compare, middle, run

STAGES = 20
COMMANDS = ("reprise run", "reprise run --no-sandbox", "dvc repro")


def empty(folder: Path, command: str) -> None:
    """A repository whose one stage reads the folder `data`."""
    (folder / "data").mkdir(parents=True)
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    (folder / "dvc.yaml").write_text(
        f"stages:\n  read: {{cmd: {command}, deps: [data], outs: [o]}}\n"
    )


def edited(folder: Path, commands: Sequence[str]) -> dict[str, list[Took]]:
    """Each command after an edit that runs the stages again."""
    run(folder, "reprise", "run")
    times: dict[str, list[Took]] = {command: [] for command in commands}
    text = (folder / "dvc.yaml").read_text()
    for i in range(REPEATS):
        for command, took in times.items():
            (folder / "dvc.yaml").write_text(text.replace("cmd: ", f"cmd: true {i} {command}; "))
            took.append(run(folder, *command.split()))
    return times


def show(title: str, times: dict[str, list[Took]]) -> None:
    ours = times[COMMANDS[0]]
    compare(f"{title}: sandbox", ours, times[COMMANDS[1]], "none")
    compare("", ours, times[COMMANDS[2]], COMMANDS[2])


def stages(folder: Path) -> None:
    """Stages that do nothing, one after the other: what a sandbox costs each."""
    empty(folder, "ls data > o")
    (folder / "data" / "a").write_text("1\n")
    chain = [
        f"  s{i}: {{cmd: echo > o{i}, deps: [{f'o{i - 1}' if i else 'data'}], outs: [o{i}]}}"
        for i in range(STAGES)
    ]
    (folder / "dvc.yaml").write_text("stages:\n" + "\n".join(chain) + "\n")
    times = edited(folder, COMMANDS)
    show(f"{STAGES} stages", times)
    ours, bare = middle(times[COMMANDS[0]]), middle(times[COMMANDS[1]])
    wall, used = ((a - b) / STAGES * 1000 for a, b in zip(ours, bare, strict=True))
    print(f"{'':<34} {wall:8.1f} ms ({used:.1f}) a stage", flush=True)


def many(folder: Path, files: int) -> None:
    empty(folder, "ls data > o")
    for i in range(files):
        place = folder / "data" / f"{i % 100}"
        place.mkdir(exist_ok=True)
        (place / f"{i}").write_text(f"{i}\n")
    show(f"{files} files", edited(folder, COMMANDS))


def large(folder: Path, gigabytes: float) -> None:
    empty(folder, "ls data > o")
    block = bytes(range(256)) * 4096  # 1 MiB
    for i in range(20):
        with (folder / "data" / f"{i}").open("wb") as file:
            for _ in range(int(gigabytes * 1000**3 / 20 / len(block))):
                file.write(block)
    show(f"{gigabytes:g} GB in 20 files", edited(folder, COMMANDS))


def main(files: int, gigabytes: float) -> None:
    with TemporaryDirectory() as temporary:
        stages(Path(temporary) / "stages")
        many(Path(temporary) / "many", files)
        large(Path(temporary) / "large", gigabytes)


if __name__ == "__main__":
    wanted = [*sys.argv[1:], *("100000", "2")[len(sys.argv) - 1 :]]
    main(int(wanted[0]), float(wanted[1]))
