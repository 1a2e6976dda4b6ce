"""What is read without ruamel.yaml is what ruamel.yaml reads, and mostly that is how it is read."""

import random
from typing import Any

import pytest
from dvc.utils.serialize import ParseError, dumps_yaml, parse_yaml

from reprise.dvc.lock_file import replace_entries
from reprise.dvc.yaml.plain import read_plain
from tests.reprise.dvc.test_lock_file import KEYS, NUMBERS, PATHS, TEXTS, WORDS

HASH = "d3b07384d113edec49eaa6238ad5ff00"
ENTRY = {
    "cmd": "python -m src.train --lr 0.001 'a:b' && echo " + "word " * 30 + "> o/1",
    "deps": [{"path": "../a-b.csv", "hash": "md5", "md5": HASH, "size": 2}, {"path": "c"}],
    "params": {"params.yaml": {"lr": 0.001, "model": {"size": [1, 2, "x", None, True]}, "e": -3}},
    "outs": [{"path": "o/1", "hash": "md5", "md5": f"{HASH}.dir", "size": 0, "nfiles": 12}],
}
# What comes of an edit: another indent, key, value, comment, or end of a line.
PIECES = [" ", "  ", "\n", "\r", "\t", "- ", ":", ": ", " #", "'"]
PIECES += ['"', "[]", "{}", "&a ", "*a", "!t ", "a", "0", "1.0", "1e3"]
PIECES += ["true", "no", "~", "null", "?", "|", ">", "<<: ", "\u00e9", "\u0085"]
PIECES += ["...", "x: 1\n", "\n\n", "  y", "--- ", "%", "0x1", "0b1", "1_0", "2020-01-01", "12:30"]
PIECES += [".5", "-0", "11111111111111111111"]


def read_by_dvc(text: str) -> Any:
    """Parse it; the error in place of data where DVC can't."""
    try:
        return parse_yaml(text, "file")
    except ParseError:
        return "error"


def values(rng: random.Random, depth: int) -> Any:
    kind = rng.randrange(8) if depth else rng.randrange(6)
    if kind == 6:
        return [values(rng, depth - 1) for _ in range(rng.randrange(3))]
    if kind == 7:
        return {
            rng.choice(["a", "b.c", 1, rng.choice(KEYS)]): values(rng, depth - 1) for _ in range(3)
        }
    simple = [
        "x",
        "a b",
        HASH,
        0,
        -7,
        10**17,
        10**30,
        0.5,
        -2.25,
        1e-05,
        1e16,
        1.5e-7,
        True,
        False,
        None,
    ]
    if rng.random() < 0.95:
        return rng.choice(simple)
    choices = [*NUMBERS, rng.choice(TEXTS), rng.choice(PATHS)]
    words = " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 25)))
    return rng.choice([*choices, words])


def test_entries_and_locks_are_read_by_lines() -> None:
    lock = replace_entries("", {}, {"one": ENTRY, "a-b_2": ENTRY})
    for text in (dumps_yaml(ENTRY), lock):
        data = read_plain(text)
        assert data is not None
        assert repr(data) == repr(parse_yaml(text, "file"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: 1",
        "a: 1\na: 2\n",
        "a: x: y\n",
        "a: x # y\n",
        "a: 010\n",
        "a: 1.50\n",
        "a: '1'\n",
        "a: yes\n",
        "a: 2020-01-01\n",
        "a:   x\n",
        "a:\n- 1\n\n",
        "a:\n    b: 1\n",
        "a: &x b\n",
        "- 1\n",
        "a: []\n",
        f"a: {'1' * 5000}\n",
        "a:\n  <<: b\n",
        "schema: '2.0'\nstages:\n",
        "schema: '2.0'\nstages: {}\n",
        f"a: 0b{'1' * 30}\n",
        f"{'../' * 342}a: 1\n",
    ],
)
def test_what_is_written_in_another_way_is_left_to_ruamel_yaml(text: str) -> None:
    assert read_plain(text) is None


def test_what_nests_too_deep_for_us_is_left_to_ruamel_yaml() -> None:
    assert read_plain("".join(f"{' ' * 2 * depth}a:\n" for depth in range(1200))) is None


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_read_is_what_dvc_reads(seed: int) -> None:
    rng = random.Random(seed)
    by_lines = 0
    for _ in range(60):
        count = rng.randrange(1, 4)
        document = {"cmd": "x", **{f"k{number}": values(rng, 3) for number in range(count)}}
        text = dumps_yaml(document)
        edits = rng.randrange(3)
        if rng.random() < 0.3:
            text, edits = dumps_yaml(ENTRY), 1
        for _ in range(edits):
            place = rng.randrange(len(text) + 1)
            text = text[:place] + rng.choice(PIECES) + text[place + rng.randrange(2) :]
        data = read_plain(text)
        if data is not None:
            by_lines += text != dumps_yaml(ENTRY)
            assert repr(data) == repr(read_by_dvc(text)), text
    assert by_lines >= 5
