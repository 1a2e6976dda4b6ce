"""A cut YAML params file has the declared keys and no others, in their notation.

Their values and types are the same for every reader.
"""

from pathlib import Path

import pytest

from tests.reprise.params.readers import check

YAML_VALUES = [
    *(
        "1e-3",
        "1E-3",
        "1.0e-3",
        "1.2345678901234567e-10",
        "1.7976931348623157e+308",
        "-0.0",
        "1.",
        ".inf",
        "-.nan",
    ),
    *(
        "017",
        "0o17",
        "0x1F",
        "0b11",
        "1_000",
        "+1",
        "9007199254740993",
        "12:30:45",
        "190:20:30",
        "!!int '7'",
    ),
    *(
        "yes",
        "no",
        "on",
        "Off",
        "true",
        "False",
        "null",
        "~",
        "",
        "'yes'",
        '"1e-3"',
        "!!str 1",
        "!!float 1",
        "{}",
        "[]",
    ),
    *(
        "2001-12-14",
        "2001-12-14t21:59:43.10-05:00",
        "2001-12-14 21:59:43.10 -5",
        "!!binary aGVsbG8=",
    ),
    *(
        "http://x.y/z",
        "x:y",
        "a#b",
        "é",
        "漢🙂",
        "'#'",
        "'it''s'",
        "'-'",
        "a, b [c] {d}",
        "/abs/path",
        "$HOME",
        "-x",
    ),
    *(r'"a\tb\u00e9\n\x85"', '"a: b"', "'two  \n\n    lines'", "two\n    lines", "x" * 300 + " y"),
]


@pytest.mark.parametrize("value", YAML_VALUES)
def test_a_yaml_value_means_the_same_to_every_reader(value: str, tmp_path: Path) -> None:
    written = (
        f"other: &x\n  k: {value}\n  l: 1\n"
        f"train:\n  drop: 1\n  keep: {value}\n  alias: *x\n  <<: *x\n"
    )
    for keys in (
        ["train.keep"],
        ["train.alias"],
        ["train.k"],
        ["train.k", "train.alias.k"],
        ["train"],
        ["other.k"],
    ):
        made = check(written, "yaml", keys, tmp_path)
        assert "drop" not in made or keys == ["train"]


YAML_TEXTS = {
    "comments": (
        "# head\na: 1 # of a\n# of b\nb:\n  # of c\n  c: 1\n\n  # of d\n  d: 2\n# of e\ne: 3\n",
        ["b.c", "e"],
        "# head\nb:\n  # of c\n  c: 1\n\n  # of d\ne: 3\n",
    ),
    "the last of a mapping goes": (
        "a:\n  b: 1\n  c: 2\nd: 3\n",
        ["a.b", "d"],
        "a:\n  b: 1\nd: 3\n",
    ),
    "no line end": ("a: 1\nb: 1e-3", ["b"], "b: 1e-3"),
    "windows": (
        "a: 1\r\nb:\r\n  c: 2\r\n  d: |\r\n    x\r\n    y\r\n",
        ["b.d"],
        "b:\r\n  d: |\r\n    x\r\n    y\r\n",
    ),
    "document marks": ("---\na: 1\nb: 2\n...\n", ["b"], "---\nb: 2\n...\n"),
    "directive": ("%YAML 1.2\n---\na: yes\nb: no\n", ["b"], "%YAML 1.2\n---\nb: no\n"),
    "byte order mark": ("\ufeffa: 1\nb: 2\n", ["a"], "a: 1\n"),
    "flow": (
        "{a: 1e-3, b: {c: yes, d: [1, {e: 010}]}, f: 'x'}\n",
        ["b.d", "f"],
        'b:\n  d:\n    - 1\n    -\n      e: 010\nf: "x"\n',
    ),
    "flow inside": ("a: {b: 1e-3,\n  c: 1} # of a\nd: 1\n", ["a.b"], "a:\n  b: 1e-3\n"),
    "literal": (
        "a: |+\n  x: 1\n\n  # no comment\n\nb: >-\n  one\n  two\nc: 1\n",
        ["a", "b"],
        "a: |+\n  x: 1\n\n  # no comment\n\nb: >-\n  one\n  two\n",
    ),
    "lists": (
        "a:\n- b: 1\n  c: 1e-3\n- [1, 2]\nd:\n  - 1\ne: 1\n",
        ["a", "d"],
        "a:\n- b: 1\n  c: 1e-3\n- [1, 2]\nd:\n  - 1\n",
    ),
    "an item of a list": ("a:\n- b: 1\n- c: 1\nd: 1\n", ["a.0.b"], "a:\n- b: 1\n- c: 1\n"),
    "anchor kept": ("a: &x 1e-3\nb: *x\nc: 1\n", ["a", "b"], "a: &x 1e-3\nb: 1e-3\n"),
    "anchor gone": (
        "a: &x\n  k: [1e-3, &y yes]\nb: *x\nc: *y\nd: 1\n",
        ["b", "c"],
        "b:\n  k:\n    - 1e-3\n    - yes\nc: yes\n",
    ),
    "merge": (
        "a: &x {lr: 1e-3, w: 2}\nb:\n  <<: *x\n  lr: 2e-3\n  n: 3\n",
        ["b.lr", "b.w"],
        "b:\n  <<:\n    -\n      lr: 1e-3\n      w: 2\n  lr: 2e-3\n",
    ),
    "merges": (
        "a: &x {lr: 1}\nc: &y {lr: 2, w: 2}\nb: {<<: [*x, *y], n: 3}\n",
        ["b.lr", "b.w"],
        "b:\n  <<:\n    -\n      lr: 1\n    -\n      lr: 2\n      w: 2\n",
    ),
    "pattern": (
        "models:\n  a: {lr: 1, n: 2}\n  b: {n: 3}\nlr: 4\n",
        ["models.*.lr"],
        "models:\n  a:\n    lr: 1\n",
    ),
    "part of a name": ("lr: 1\nlr_max: 2\nl:\n  r: 3\n", ["lr"], "lr: 1\n"),
    "explicit keys": ("? a\n: 1\n? b\n: c: 1\n  d: 2\n", ["b.d"], "b:\n  d: 2\n"),
    "other keys": (
        "'a b': 1\n1: 2\n\"é\": {x: 1}\n2: 3\n",
        ["1", "é.x"],
        '1: 2\n"é":\n  x: 1\n',
    ),
}


@pytest.mark.parametrize("name", YAML_TEXTS)
def test_yaml_keeps_its_notation_and_loses_undeclared_keys(name: str, tmp_path: Path) -> None:
    text, keys, expected = YAML_TEXTS[name]
    assert check(text, "yaml", keys, tmp_path) == expected
