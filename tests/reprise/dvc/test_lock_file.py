"""The text of lock entries is what DVC's YAML writer makes of them."""

import copy
import random
import string
from datetime import date, datetime
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml, parse_yaml_for_update

from reprise.dvc import lock_file
from reprise.dvc.lock_file import format_run, parse_run, replace_entries, replace_parsed
from tests.conftest import one_in

# Text that needs quotes, folding, escapes or none of them.
TEXTS = [
    "",
    "a b",
    "1e-3",
    "yes",
    "null",
    "~",
    "0x10",
    "1_000",
    "010",
    "0o7",
    "2020-01-01",
    "12:30:00",
]
TEXTS += [
    "a: b",
    "a:",
    ":a",
    ":",
    "# x",
    "a#b",
    "- y",
    "-",
    "---",
    "...",
    "--- x",
    "?",
    "? a",
    "=",
    "<<",
]
TEXTS += [
    "'q'",
    '"dq"',
    "..",
    "../x",
    "./y",
    ".5",
    ".inf",
    "&a",
    "*a",
    "!t",
    "%d",
    "@a",
    "{a}",
    "[b]",
]
TEXTS += [
    "é",
    "é " * 50,
    "a" * 200,
    "word " * 40,
    "ab c" * 60,
    "x  y",
    "C:\\x",
    "s3://b/c",
    "1" * 32,
]
TEXTS += [
    "l1\nl2\n",
    "a\n b",
    "trail \nx",
    "\ttab",
    "tab\there",
    "\x85",
    "a\u2028b",
    "\x07",
    "1e" + "2" * 30,
    "0b" + "1" * 30,
    "0x" + "1" * 30,
    "../" * 42 + "a",
]
WORDS = [
    "python",
    "-m",
    "src/train.py",
    "--lr",
    "0.001",
    "a:b",
    "b:",
    ":",
    "#",
    "c#d",
    "'x'",
    '"y z"',
]
WORDS += [
    "|",
    "> o/1",
    "&&",
    "&x",
    "*",
    "{a}",
    "[1]",
    "%s",
    "@",
    "`d`",
    "!",
    "~",
    "k=v",
    "true",
    ",",
    "-",
]
WORDS += ["?", "$HOME", "\\n", ";", "é", "", "x" * 30, "x" * 90]
NUMBERS = [
    0.1,
    1e-5,
    1e20,
    1e16,
    -2.5,
    -0.0,
    123456.789,
    0.30000000000000004,
    float("inf"),
    float("nan"),
]
DATES = [date(2020, 1, 1), datetime(2020, 1, 2, 3, 4, 5), datetime(2020, 1, 2, 3, 4, 5, 678)]
KEYS = [1, True, None, 1.5, "a b", "é", "x" * 70, "y" * 130, "yes", "1", DATES[0], "a: b", ""]
PATHS = [
    "a b/c d.txt",
    "x" * 90,
    "1",
    "é.csv",
    "../o",
    "name " * 20 + "x",
    "true",
    "a:b",
    "-x",
    "#y",
    "@z",
]
NAMES = [
    "train",
    "a-b_c",
    "s@1",
    "1",
    "yes",
    "x" * 150,
    "p@a b",
    "name_" * 12,
    "q@é",
    "t@1.5",
    "null",
]


def scalar(rng: random.Random) -> Any:
    letters = string.printable[:95] + "   "
    return rng.choice(
        [
            rng.choice(NUMBERS),
            rng.randint(-(10**12), 10**12),
            rng.choice([True, False, None]),
            rng.choice(TEXTS),
            rng.choice(DATES),
            " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 25))),
            "".join(rng.choice(letters) for _ in range(rng.randint(1, 120))),
        ]
    )


def value(rng: random.Random, shared: list[Any], depth: int = 0) -> Any:
    """Make a value, or take a shared one, which DVC writes as an alias."""
    if shared and rng.random() < 0.1:
        return rng.choice(shared)
    kind = rng.randrange(9)
    made: Any
    if kind < 5 or depth == 3:
        made = scalar(rng)
    elif kind < 7:
        made = [value(rng, shared, depth + 1) for _ in range(rng.randint(0, 3))]
    else:
        keys = [rng.choice([f"k{i}", f"l.{i}", rng.choice(KEYS)]) for i in range(rng.randint(0, 3))]
        made = {key: value(rng, shared, depth + 1) for key in keys}
    if rng.random() < 0.2:
        shared.append(made)
    return made


def item(rng: random.Random, *, plain: bool) -> dict[str, Any]:
    path = f"d/{rng.randint(0, 99)}.txt" if plain else rng.choice(PATHS)
    md5 = "".join(rng.choice("0123456789abcdef") for _ in range(32)) + rng.choice(["", ".dir"])
    return {"path": path, "hash": "md5", "md5": md5, "size": rng.randint(0, 10**9)}


def command(rng: random.Random, *, plain: bool) -> Any:
    words = WORDS[:6] + WORDS[-2:] if plain else WORDS
    line = "run " + " ".join(rng.choice(words) for _ in range(rng.randint(1, 30)))
    if plain:
        return line
    return rng.choice([line, [line, "x: y"], f"{line}\n{line}", line[4:] or "x"])


def entry(rng: random.Random, *, plain: bool = False) -> dict[str, Any]:
    """Make an entry. plain: one that is written without ruamel.yaml."""
    made: dict[str, Any] = {"cmd": command(rng, plain=plain)}
    made["deps"] = [item(rng, plain=plain) for _ in range(rng.randint(1, 3))]
    shared: list[Any] = []
    params: dict[str, Any] = {}
    for i in range(rng.randint(0, 3)):
        params[f"p.{i}"] = value(rng, shared)
        if plain:
            params[f"p.{i}"] = rng.choice([1, 0.5, "adam", [1, None, "a b"], {"a": [{"b": True}]}])
    if params:
        made["params"] = {"params.yaml": params}
    made["outs"] = [item(rng, plain=plain)]
    return made


def by_dvc(text: str, entries: dict[str, Any]) -> str:
    """Write the entries as Lockfile.dump does, one after the other."""
    for name, made in entries.items():
        document: Any = parse_yaml_for_update(text, "dvc.lock") if text else {"schema": "2.0"}
        document["stages"] = document.get("stages", {})
        document["stages"][name] = copy.deepcopy(made)  # each stage parses its params anew
        text = dumps_yaml(document)
    return text


def replaced(text: str, entries: dict[str, Any]) -> str:
    parsed = loads_yaml(text) or {}
    new = replace_entries(text, parsed, entries)
    data = replace_parsed(new, parsed, entries)
    assert repr(data) in ("None", repr(loads_yaml(new)))
    return new


@pytest.mark.parametrize("seed", one_in(4, range(40)))
def test_entries_are_written_as_dvc_writes_them(seed: int) -> None:
    """A new file, then some of its stages again, then one that somebody edited."""
    rng = random.Random(seed)
    text = ""
    for _ in range(3):
        names = rng.sample(NAMES, 2)
        entries = {name: entry(rng, plain=rng.random() < 0.5) for name in names}
        for made in entries.values():
            assert format_run(made) == dumps_yaml(made)
        theirs = by_dvc(text, entries)
        assert replaced(text, entries) == theirs
        assert replaced(theirs, entries) == theirs
        text = rng.choice(
            [
                theirs,
                theirs.replace("size: ", "size:   "),
                theirs.replace("\n    outs", "\n    # more\n    outs", 1),
                f"# of us\n{theirs}",
                theirs if "datasets" in theirs else f"{theirs}datasets:\n- name: x\n",
            ]
        )


@pytest.mark.parametrize("seed", one_in(3, range(10)))
def test_commands_are_written_as_dvc_writes_them(seed: int) -> None:
    """In lines of 80 columns; by ruamel.yaml where they need quotes."""
    rng = random.Random(seed)
    for _ in range(40):
        words = " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 30)))
        letters = "".join(
            rng.choice(string.printable[:95] + "    ") for _ in range(rng.randint(1, 200))
        )
        for line in (words, f"run {words}", letters):
            made = {"cmd": line, "outs": [{"path": "o", "size": 1}]}
            assert format_run(made) == dumps_yaml(made)
            assert replaced("", {"s": made}) == by_dvc("", {"s": made})


@pytest.mark.parametrize("depth", range(8))
def test_long_keys_and_numbers_are_folded_as_dvc_folds_them(depth: int) -> None:
    for length in range(1, 70, 3):
        for value in (0.0012345678901234567, True, -1e-300, 10**40, None, 12, [10**70, False]):
            params: dict[str, Any] = {"k" * length: value}
            for _ in range(depth):
                params = {"a": params}
            made = {"cmd": "x", "params": params}
            assert format_run(made) == dumps_yaml(made)


def test_plain_entries_need_no_yaml_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(0)
    entries = {f"stage{i}": entry(rng, plain=True) for i in range(30)}
    text = dumps_yaml({"schema": "2.0", "stages": entries})
    monkeypatch.delattr(lock_file, "dumps_yaml")
    assert replaced("", entries) == text
    assert replaced(text, {"stage7": entries["stage7"]}) == text


def test_what_two_params_share_is_numbered_over_the_whole_file() -> None:
    """DVC parses params anew for each stage: what two stages have in common is no alias."""
    layers = [1, 2]
    params = {"params.yaml": {"a": layers, "b": {"c": layers}}}
    made = {"cmd": "x", "params": params, "outs": [{"path": "o", "size": 1}]}
    text = replaced(replaced("", {"s": made, "t": made}), {"u": made, "s": made})
    assert text == by_dvc("", {"s": made, "t": made, "u": made})
    for number in (1, 2, 3):
        assert text.count(f"a: &id00{number}\n") == text.count(f"c: *id00{number}\n") == 1


def test_numbers_keep_their_value_where_dvc_drops_a_digit() -> None:
    made = {"cmd": "x", "params": {"params.yaml": {"a": 7.400000000000001e-16}}}
    odd = {"cmd": "x", "params": {"params.yaml": {"a": 7.400000000000001e-16, "b": "1"}}}
    old = {"s": made, "odd": odd}
    assert "7.400000000000000e-16" in by_dvc(by_dvc("", old), {"t": made})
    text = replaced(replaced("", old), {"t": made})
    assert text.count("a: 7.400000000000001e-16\n") == 3
    assert replaced(f"# of us\n{text}", {"t": made}) == f"# of us\n{text}"


def test_a_journal_gets_back_what_it_wrote() -> None:
    layers = [1, DATES[0], {2: None}]
    made = {"cmd": "x", "params": {"params.yaml": {"a": layers, "b": layers}}}
    assert parse_run(format_run(made)) == made
    assert format_run(parse_run(format_run(made))) == format_run(made)


def test_other_stages_stay_as_they_are() -> None:
    rng = random.Random(0)
    long = ("x" * 150, "y" * 150)  # names that ruamel writes on lines of their own
    old = {name: entry(rng) for name in ("a", long[0], "b", long[1])}
    new = {name: entry(rng) for name in (long[0], "b", "c")}
    assert replaced(by_dvc("", old), new) == by_dvc(by_dvc("", old), new)


def test_a_lock_file_with_more_than_stages_keeps_it() -> None:
    rng = random.Random(0)
    old: dict[str, Any] = {
        "schema": "2.0",
        "stages": {"a": entry(rng)},
        "datasets": [{"name": "x"}],
    }
    new = {"b": entry(rng)}
    text = replaced(dumps_yaml(old), new)
    assert text == dumps_yaml({**old, "stages": {**old["stages"], **new}})


def test_what_was_written_is_known_without_parsing_it_all() -> None:
    rng = random.Random(0)

    def made() -> dict[str, Any]:
        return {"cmd": f"run {rng.random()}", "outs": [item(rng, plain=True)]}

    old = {name: made() for name in ("a", "b", "c")}
    new = {name: made() for name in ("b", "d", "e")}
    text = replaced("", old)
    parsed = loads_yaml(text)
    written = replace_entries(text, parsed, new, {"b"})
    data = replace_parsed(written, parsed, new, {"b"})
    assert data is not None
    assert repr(data) == repr(loads_yaml(written))
    assert [*data["stages"]] == ["a", "c", "b", "d", "e"]
    with_comment = f"# of us\n{written}"
    assert replace_parsed(with_comment, parsed, new, {"b"}) is None
