"""A cut JSON, TOML or Python params file has the declared keys and no others.

Their values and types are the same for every reader.
"""

import random
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from reprise.params.keys import key_paths, select_declared
from reprise.params.toml import cut_toml
from tests.reprise.params.readers import READERS, all_names, check, cut_text


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
        '{"b":{"c":1.2345678901234567e-10},'
        '"g":[0.00001,1E+2,12345678901234567890123,-0.0,true,[],{}]}'
    )


def test_toml_keeps_its_order_notation_and_comments(tmp_path: Path) -> None:
    text = """\
# of the file
title = 'lit'  # of the title

# of a
a . "b c" = 0x1F  # hex
[train] # comment
lr = 1_0.0e-3
sizes = [ # of [
  1, "]",  # one
  2,
]
opt = {name = 'Adam', "k=1".betas = [0.9, {b = 1}], n = { x = 1, y = 2 } }
text = \"\"\"
[other]  # no table
\\\"\"\"\"\"
[other]
y = 2
[[rows]]
a = 1
[rows.deep]
b = 07:32:00
"""
    keys = ["a", "train.sizes", "train.opt.k=1", "train.opt.n.y", "train.text", "rows.a"]
    made = cut_text(text, "toml", keys, tmp_path)
    assert (
        made
        == """\
# of the file
a . "b c" = 0x1F  # hex
[train] # comment
sizes = [ # of [
  1, "]",  # one
  2,
]
opt = { "k=1".betas = [0.9, {b = 1}], n = { y = 2 } }
text = \"\"\"
[other]  # no table
\\\"\"\"\"\"
[[rows]]
a = 1
[rows.deep]
b = 07:32:00
"""
    )
    windows = text.replace("\n", "\r\n")
    assert cut_text(windows, "toml", keys, tmp_path) == made.replace("\n", "\r\n")


TOML_KEYS = ["a", "b", "c-1", '"q k"', "'l=x'", '"d#"', "1", "opt", "a . 'x y'", "b.sub"]
TOML_SCALARS = ["0x1F", "1_000", "true", "'lit # ['", '"b \\" = ]"', "07:32:00", "[]", "{}"]
TOML_SCALARS += ['[{a = 1}, {b = [1, "}"]}]', "1979-05-27T07:32:00Z", "-inf"]
TOML_LINES = ['"""m\n[x]\n"""" # ]', "'''l\n'q' '''", "[1, 2,\n # c ]\n 3]"]


def toml_value(rng: random.Random, depth: int = 0) -> str:
    if depth == 3 or rng.random() < 0.5:
        return rng.choice(TOML_SCALARS)
    names = rng.sample(TOML_KEYS, rng.randint(0, 3))
    return "{" + ", ".join(f"{name} = {toml_value(rng, depth + 1)}" for name in names) + "}"


def toml_entries(rng: random.Random) -> list[str]:
    lines = []
    for name in rng.sample(TOML_KEYS, rng.randint(0, 3)):
        value = toml_value(rng) if rng.random() < 0.5 else rng.choice(TOML_SCALARS + TOML_LINES)
        lines.append(rng.choice(["", "  "]) + f"{name} = {value}" + rng.choice(["", "  # c ]"]))
        lines += rng.choice([[], [], ["# [no]"], [""]])
    return lines


@pytest.mark.parametrize("seed", range(20))
def test_random_toml_keeps_the_declared_keys_alone(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(50):
        lines = toml_entries(rng)
        for _ in range(rng.randint(0, 4)):
            parts = [rng.choice(["t", "u", "'v w'", "x.y"]) for _ in range(rng.randint(1, 3))]
            lines.append(rng.choice(["[%s]", "[ %s ] # h", "[[%s]]"]) % ".".join(parts))
            lines += toml_entries(rng)
        text = rng.choice(["\n", "\r\n"]).join(lines) + rng.choice(["", "\n"])
        with suppress(tomllib.TOMLDecodeError):  # a key twice
            document = tomllib.loads(text)
            names = [".".join(path) for path in key_paths(document)]
            keys = rng.sample(names, min(len(names), rng.randint(1, 3)))
            if keys:
                made = tomllib.loads(cut_toml(text, keys))
                assert made == select_declared(document, keys)


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
