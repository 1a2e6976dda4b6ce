"""The text of lock entries is what DVC's YAML writer makes of them."""

import random
import string
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml

from reprise.dvc.lock_file import format_run, replace_entries

ODD = [
    "",
    "a b",
    "1e-3",
    "yes",
    "null",
    "~",
    "0x10",
    "1_000",
    "2020-01-01",
    "a: b",
    "# x",
    "- y",
    "'q'",
    '"dq"',
]
ODD += [
    "..",
    "../x",
    "./y",
    ".5",
    ".inf",
    "é",
    "a" * 200,
    "word " * 40,
    "l1\nl2\n",
    "1" * 32,
    "1e" + "2" * 30,
    "y",
    "On",
]


def value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(9 if depth < 3 else 7)
    if kind == 0:
        return rng.choice([0.1, 1e-5, 1e20, -2.5, 123456.789, float("inf"), 3.0])
    if kind == 1:
        return rng.randint(-(10**12), 10**12)
    if kind == 2:
        return rng.choice([True, False, None])
    if kind == 3:
        return rng.choice(ODD)
    if kind <= 6:
        return "".join(
            rng.choice(string.ascii_letters + "/._-0 ") for _ in range(rng.randint(0, 30))
        )
    if kind == 7:
        return [value(rng, depth + 1) for _ in range(rng.randint(0, 3))]
    return {f"k{i}": value(rng, depth + 1) for i in range(rng.randint(0, 3))}


def entry(rng: random.Random) -> dict[str, Any]:
    def item() -> dict[str, Any]:
        md5 = "".join(rng.choice("0123456789abcdef") for _ in range(32)) + rng.choice(["", ".dir"])
        return {
            "path": f"d/{rng.randint(0, 99)}.txt",
            "hash": "md5",
            "md5": md5,
            "size": rng.randint(0, 10**9),
        }

    made: dict[str, Any] = {"cmd": rng.choice(["cat a > b", "x " * 60, ["a", "b"], "m\nn"])}
    made["deps"] = [item() for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.5:
        made["params"] = {"params.yaml": {f"p.{i}": value(rng) for i in range(rng.randint(1, 3))}}
    made["outs"] = [item()]
    return made


@pytest.mark.parametrize("seed", range(300))
def test_entries_are_written_as_dvc_writes_them(seed: int) -> None:
    rng = random.Random(seed)
    entries = {rng.choice(["train", "a-b_c", "s@1", "1", "yes"]): entry(rng) for _ in range(2)}
    assert replace_entries("", entries) == dumps_yaml({"schema": "2.0", "stages": entries})
    for made in entries.values():
        assert format_run(made) == dumps_yaml(made)


PIECES = [
    "python",
    "-m",
    "a",
    ":",
    "b:",
    "#",
    "c#d",
    "'x'",
    '"y z"',
    "|",
    "> o/1",
    "&&",
    "{a}",
    "[1]",
    "%s",
    "@",
    "`d`",
    "!",
]
PIECES += [
    "`d`",
    "!",
    "~",
    "*",
    "&x",
    "k=v",
    "1e-3",
    "true",
    "a:b",
    ",",
    "-",
    "?",
    "$HOME",
    "\\n",
    ";",
    "é",
    "  ",
    "x" * 30,
]


@pytest.mark.parametrize("seed", range(10))
def test_commands_are_written_as_dvc_writes_them(seed: int) -> None:
    """In one line where that is so, by ruamel.yaml where they need quotes or folding."""
    rng = random.Random(seed)
    for _ in range(40):
        words = " ".join(rng.choice(PIECES) for _ in range(rng.randint(1, 12)))
        letters = "".join(
            rng.choice(string.printable[:95] + "    ") for _ in range(rng.randint(1, 85))
        )
        for command in (words, f"run {words}", letters):
            made = {"cmd": command, "outs": [{"path": "o", "size": 1}]}
            assert format_run(made) == dumps_yaml(made)
            assert replace_entries("", {"s": made}) == dumps_yaml(
                {"schema": "2.0", "stages": {"s": made}}
            )


def test_other_stages_stay_as_they_are() -> None:
    rng = random.Random(0)
    long = ("x" * 150, "y" * 150)  # names that ruamel writes on lines of their own
    old = {name: entry(rng) for name in ("a", long[0], "b", long[1])}
    new = {name: entry(rng) for name in (long[0], "b", "c")}
    text = replace_entries(dumps_yaml({"schema": "2.0", "stages": old}), new)
    assert text == dumps_yaml({"schema": "2.0", "stages": {**old, **new}})


def test_a_lock_file_with_more_than_stages_keeps_it() -> None:
    rng = random.Random(0)
    old: dict[str, Any] = {
        "schema": "2.0",
        "stages": {"a": entry(rng)},
        "datasets": [{"name": "x"}],
    }
    new = {"b": entry(rng)}
    text = replace_entries(dumps_yaml(old), new)
    assert text == dumps_yaml({**old, "stages": {**old["stages"], **new}})
