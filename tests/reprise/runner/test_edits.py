"""What is recorded is what was used, though inputs are edited while a stage runs."""

from pathlib import Path
from typing import Any

import pytest

from tests.reprise.runner.edits import CASES, Waiting
from tests.reprise.runner.repository import Make, make, meta

__all__ = ["make"]  # a fixture
MODES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "sandbox": ({}, []),
    "sandbox_false": (meta(sandbox=False), []),
    "no_sandbox": ({}, ["--no-sandbox"]),
}


def check_cases(waiting: Waiting, *options: str) -> str:
    """Check that nothing is stale after an edit while the stages run, nor after it is undone.

    Then it is done again. Returns what the first run printed.
    """
    output = waiting.run(2, *options)
    changed = waiting.changed()
    for case in waiting.cases:
        lines = [line for line in output.splitlines() if line.startswith(f"{case}: ")]
        print(f"{case:<24} out {waiting.out(case)}  {'changed' if case in changed else 'same'}")
        print(f"    {lines[-1] if lines else ''}")
    assert waiting.stale(2) == []
    for number in (1, 2):
        waiting.edit(number)
        waiting.made.run("reprise", "run", *options)
        assert waiting.changed() == set()
        assert waiting.stale(number) == []
    return output


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_stale_after_an_edit_while_a_stage_runs(
    make: Make, tmp_path: Path, mode: str
) -> None:
    more, options = MODES[mode]
    waiting = Waiting.make(make, CASES, tmp_path, **more)
    output = check_cases(waiting, *options)
    recorded = [case for case in CASES if f"{case}: done" in output]
    if mode == "sandbox":
        # What the command had could not be changed: it is recorded, for the inputs of before.
        assert recorded == [c for c in CASES if "param" in c or "file_by_rename" in c]
    else:
        assert recorded == []
