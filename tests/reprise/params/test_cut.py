"""A params file in a sandbox: declared keys with their values and types, as every reader sees them; no other keys."""

import json
import random
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml as pyyaml
from dvc.utils.serialize import parse_py
from ruamel.yaml import YAML

from reprise.params.cut import cut
from reprise.params.keys import wanted

Reader = Callable[[str], Any]
READERS: dict[str, list[Reader]] = {  # YAML 1.2, as DVC and as slow ruamel read it, and YAML 1.1
    "yaml": [YAML(typ="safe").load, YAML(typ="safe", pure=True).load, pyyaml.safe_load],
    "json": [json.loads, pyyaml.safe_load],
    "toml": [tomllib.loads],
    "py": [lambda text: filled(parse_py(text, "params.py"))],
}


def filled(value: Any) -> Any:
    """Without classes that have no params."""
    made = {k: filled(v) for k, v in value.items()} if isinstance(value, dict) else value
    return {k: v for k, v in made.items() if v != {}} if isinstance(made, dict) else made


def cut_text(text: str, kind: str, keys: Sequence[str], folder: Path) -> str:
    path = folder / f"params.{kind}"
    path.write_bytes(text.encode())
    return cut(path, keys)


def declared(value: Any, keys: Sequence[str], above: tuple[str, ...] = ()) -> Any:
    """The values of the declared keys."""
    if not isinstance(value, dict):
        return value
    kept = {k: (wanted((*above, str(k)), keys), v) for k, v in value.items()}
    parts = {
        k: v if whole else declared(v, keys, (*above, str(k)))
        for k, (whole, v) in kept.items()
        if whole is not False
    }
    return {k: v for k, v in parts.items() if kept[k][0] or v or not isinstance(v, dict)}


def exact(value: Any) -> Any:
    """Comparable by type and notation: 1, 1.0 and True differ, nan equals nan; the order of keys does not count."""
    if isinstance(value, dict):
        return sorted((repr(k), exact(v)) for k, v in value.items())
    return [exact(v) for v in value] if isinstance(value, list) else repr(value)


def check(text: str, kind: str, keys: Sequence[str], folder: Path) -> str:
    made = cut_text(text, kind, keys, folder)
    for read in READERS[kind]:
        assert exact(read(made)) == exact(declared(read(text), keys)), f"{text}\n--- {keys}\n{made}"
    return made


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
    written = f"other: &x\n  k: {value}\n  l: 1\ntrain:\n  drop: 1\n  keep: {value}\n  alias: *x\n  <<: *x\n"
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
    "other keys": ("'a b': 1\n1: 2\n\"é\": {x: 1}\n2: 3\n", ["1", "é.x"], '1: 2\n"é":\n  x: 1\n'),
}


@pytest.mark.parametrize("name", YAML_TEXTS)
def test_yaml_keeps_its_notation_and_loses_undeclared_keys(name: str, tmp_path: Path) -> None:
    text, keys, expected = YAML_TEXTS[name]
    assert check(text, "yaml", keys, tmp_path) == expected


def test_without_keys_the_whole_file_is_declared(tmp_path: Path) -> None:
    assert cut_text("a: 1 # of a\r\n", "yaml", [], tmp_path) == "a: 1 # of a\r\n"


JSON = r"""{"a": 1.0, "b": {"c": 1.2345678901234567e-10, "d": [1, {"e": null}], "f": "é\u00e9"},
"g": [0.00001, 1E+2, 12345678901234567890123, -0.0, true, [], {}]}"""
TOML = """
title = 'lit \\ x'
a.b = 1e-3
a.c = 0x1F
[train] # comment
lr = 1.2345678901234567e-10
when = 1979-05-27T07:32:00.999999-08:00
day = 1979-05-27
at = 07:32:00
text = \"\"\"
two
  "lines" \\t\\u0085 é\"\"\"
inf = -inf
whole = 1_000
yes = true
mixed = [1, "a", {x = 1.0, "y z" = []}]
[train.opt."q k"]
x = 1
[other]
y = 2
[train.late]
z = 3
[[rows]]
a = 1
[[rows]]
b.c = 2
"""
PYTHON = '''"""About é."""
import os
A = 1; B = 2.0  # two
C = D = 5
ROOT = os.environ.get("ROOT", "é")  # code, which no param names
SIZES: list[int] = [1,
    2]
TEXT = """two
lines"""
TRAIN = {"lr": 1e-3, "é": 'x', "opt": {"name": "Adam", "betas": (0.9, 0.999)}, 3: {1, 2}}
class Train:
    """Train."""
    lr: float = 1e-3
    epochs = 10
    name: str
    class Inner:
        deep = None
    def __init__(self):
        self.seed, local = 1, 2
        self.rate = 0.5
        local = 3
def f():
    return A
'''


@pytest.mark.parametrize(("kind", "text"), [("json", JSON), ("toml", TOML), ("py", PYTHON)])
def test_json_toml_and_python_keep_values_and_types(kind: str, text: str, tmp_path: Path) -> None:
    names = [".".join(n) for n in all_names(READERS[kind][0](text))]
    assert len(names) >= 6
    for a in names:
        check(text, kind, [a], tmp_path)
        for b in names:
            check(text, kind, [a, b], tmp_path)


def test_json_keeps_its_notation(tmp_path: Path) -> None:
    made = cut_text(JSON, "json", ["b.c", "g"], tmp_path)
    assert made.replace("\n", "").replace(" ", "") == (
        '{"b":{"c":1.2345678901234567e-10},"g":[0.00001,1E+2,12345678901234567890123,-0.0,true,[],{}]}'
    )


def test_python_keeps_its_code(tmp_path: Path) -> None:
    made = cut_text(PYTHON, "py", ["B", "TRAIN.opt.name", "Train.epochs", "Train.rate"], tmp_path)
    assert (
        made
        == '''"""About é."""
import os
pass; B = 2.0  # two
C = D = 5
ROOT = os.environ.get("ROOT", "é")  # code, which no param names
pass
pass
TRAIN = {"opt": {"name": "Adam"}}
class Train:
    """Train."""
    pass
    epochs = 10
    name: str
    class Inner:
        pass
    def __init__(self):
        self.seed, local = 1, 2
        self.rate = 0.5
        local = 3
def f():
    return A
'''
    )


def all_names(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if "." not in str(key):
                yield (*above, str(key))
                yield from all_names(inner, (*above, str(key)))


@pytest.mark.parametrize("seed", range(20))
def test_random_yaml(seed: int, tmp_path: Path) -> None:
    r = random.Random(seed)
    for _ in range(15):
        text = Writer(r).document()
        names = [".".join(n) for n in all_names(READERS["yaml"][0](text))]
        check(text, "yaml", r.sample(names, min(len(names), r.randint(1, 3))), tmp_path)


class Writer:
    """Random mappings with comments, anchors, aliases, merge keys, and values in all notations."""

    KEYS = ["a", "b", "lr", "opt", "seed", "key one", "'q k'", '"d"', "é", "x-y"]

    def __init__(self, r: random.Random) -> None:
        self.r = r
        self.anchors: list[str] = []
        self.mappings: list[str] = []  # those of the anchors that are of a mapping

    def document(self) -> str:
        text = self.r.choice(["", "", "# head\n\n", "---\n"]) + self.mapping(
            self.r.choice([0, 0, 1]), 3
        )
        return text.replace("\n", "\r\n") if self.r.random() < 0.1 else text

    def mapping(self, indent: int, depth: int) -> str:
        return "".join(
            self.entry(" " * indent, key, depth)
            for key in self.r.sample(self.KEYS, self.r.randint(1, 5))
        )

    def entry(self, pad: str, key: str, depth: int) -> str:
        r = self.r
        anchor = f" &A{len(self.anchors)}x{r.randrange(10**6)}" if r.random() < 0.2 else ""
        kinds = ["value"] * 4 + ["flow", "block"] + ["mapping", "mapping", "list"] * bool(depth)
        kinds += ["alias"] * bool(self.anchors) + ["merge"] * bool(self.mappings and depth)
        kind = r.choice(kinds)
        match kind:
            case "mapping":
                value = f"{anchor}\n" + self.mapping(len(pad) + r.choice([2, 4]), depth - 1)
            case "merge":
                value = f"{anchor}\n{pad}  <<: [*{r.choice(self.mappings)}]\n{pad}  own: 1e-3\n"
            case "list":
                value = f"{anchor}\n{pad}- {self.flow(1)}\n{pad}- p: 1e-3\n{pad}  q: yes\n"
            case "block":
                style = f"{r.choice('|>')}{r.choice(['', '+', '-'])}"
                value = f"{anchor} {style}\n{pad}  text # no comment\n\n{pad}   more: é\n\n"
            case "alias":
                value, anchor = f" *{r.choice(self.anchors)}\n", ""
            case "flow":
                value = f"{anchor} {self.flow(2)}\n"
            case _:
                value = f"{anchor} {r.choice(YAML_VALUES)} # note\n".replace("\n  ", f"\n{pad}  ")
        if anchor:
            self.anchors.append(anchor[2:])
            self.mappings += [anchor[2:]] * (kind in ("mapping", "merge"))
        return r.choice(["", "", f"{pad}# comment {key}: x\n"]) + f"{pad}{key}:{value}"

    def flow(self, depth: int) -> str:
        kind = self.r.choice(["value", "value", "list", "mapping"]) if depth else "value"
        if kind == "list":
            return f"[{', '.join(self.flow(depth - 1) for _ in range(self.r.randint(0, 3)))}]"
        if kind == "mapping":
            keys = self.r.sample(self.KEYS, self.r.randint(0, 3))
            return f"{{{', '.join(f'{k}: {self.flow(depth - 1)}' for k in keys)}}}"
        return self.r.choice(
            ["1e-3", "yes", "'yes'", "010", "plain text", "1.2345678901234567e-10", "null", "é"]
        )
