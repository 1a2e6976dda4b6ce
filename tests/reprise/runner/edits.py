"""Make a repository whose stages wait in their commands, and edit their inputs meanwhile."""

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from tests.reprise.corpus import Made
from tests.reprise.runner.repository import Make, stage, start, wait_for

INPUTS = ("file", "folder", "param")
WAYS = ("in_place", "by_rename")
READS = ("early", "late")
CASES = ["_".join(case) for case in product(INPUTS, WAYS, READS)]


@dataclass
class Waiting:
    """Holds a repository with a stage for each case, which has an input and an out of its name.

    In a run, each stage says that it started, and waits to go on before or after it reads.
    """

    made: Made
    cases: list[str]

    @classmethod
    def make(
        cls,
        make: Make,
        cases: list[str],
        folder: Path,
        below: dict[str, Any] | None = None,
        **more: Any,
    ) -> "Waiting":
        """Make the repository.

        folder: for the stages' words; below: stages after those of the cases; more: of each of
        these in dvc.yaml.
        """
        stages = {**(below or {})}
        files = {}
        for case in cases:
            files[_file(case)] = _text(case, 1)
            stages[case] = _stage(case, folder, **more)
        made = make(stages, files)
        return cls(made, cases)

    @property
    def _words(self) -> Path:
        return self.made.folder

    def edit(self, number: int) -> None:
        """Put the number into each stage's input, in the way that the stage is named after."""
        for case in self.cases:
            path = self.made.root / _file(case)
            if "by_rename" in case:
                part = path.with_name(f".{path.name}.part")
                part.write_text(_text(case, number))
                part.replace(path)
            else:
                with path.open("r+") as file:
                    file.write(_text(case, number))

    def run(self, number: int, *options: str, code: int = 1) -> str:
        """Run all stages, and edit their inputs while they wait. Return what the run printed."""
        for word in self._words.glob("*.word"):
            word.unlink()
        with start(self.made, f"-j{len(self.cases)}", "-k", *options) as process:
            for case in self.cases:
                wait_for(self._words / f"{case}.word", 60)
            self.edit(number)
            (self._words / "go.word").touch()
            output, _ = process.communicate(timeout=120)
        assert process.returncode == code, output
        return output

    def check(self, *options: str) -> str:
        """Check that nothing is stale after an edit while the stages run, nor after it is undone.

        Then it is done again. Prints a table, and returns what the first run printed.
        """
        output = self.run(2, *options)
        changed = self.changed()
        for case in self.cases:
            lines = [line for line in output.splitlines() if line.startswith(f"{case}: ")]
            state = "changed" if case in changed else "up to date"
            print(f"{case:<21} out {self.out(case)}  then {state}  {lines[-1:]}")
        assert self.stale(2) == []
        for number in (1, 2):
            self.edit(number)
            self.made.run("reprise", "run", *options)
            assert self.changed() == set()
            assert self.stale(number) == []
        return output

    def out(self, case: str) -> int | None:
        """Return the number in the stage's out; None where there is none."""
        path = self.made.root / f"{case}.out"
        return int(path.read_text().split()[-1]) if path.exists() else None

    def changed(self) -> set[str]:
        """Name the stages that `dvc status` finds changed."""
        return set(json.loads(self.made.run("dvc", "status", "--json")))

    def stale(self, number: int) -> list[str]:
        """Name the stages that count as up to date, though their out has another number."""
        changed = self.changed()
        return [case for case in self.cases if case not in changed and self.out(case) != number]


def _file(case: str) -> str:
    """Name the file that is edited."""
    if case.startswith("param"):
        return f"{case}.yaml"
    return f"{case}.in/b.txt" if case.startswith("folder") else f"{case}.in"


def _text(case: str, number: int) -> str:
    """Return the file's text with the number; as long as with any other number of one digit."""
    return f"other: 0\nx: {number}\n" if case.startswith("param") else f"{number}\n"


def _stage(case: str, folder: Path, **more: Any) -> dict[str, Any]:
    read = f"tail -n 1 {_file(case)} > {case}.out"
    wait = f"touch {folder}/{case}.word; while [ ! -e {folder}/go.word ]; do sleep 0.05; done"
    cmd = f"{read}; {wait}" if case.endswith("early") else f"{wait}; {read}"
    if case.startswith("param"):
        params: dict[str, Any] = {"params": [{f"{case}.yaml": ["x"]}]}
        return {"cmd": cmd, **params, "outs": [f"{case}.out"], **more}
    return stage(cmd, [f"{case}.in"], f"{case}.out", **more)
