"""Test that what is kept of a dvc.lock is what DVC parses, or is not kept."""

import random
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import parse_yaml

from reprise.dvc.parsed import locks
from reprise.dvc.parsed.locks import LEAST, ParsedLocks
from tests.reprise.corpus import Made
from tests.reprise.random_dags import text

LONG = "x" * LEAST
PLAIN = [
    "a: 1\n",
    "a: 1.0\n",
    "a: 0.1234567890123456\n",
    "a: 1e-300\n",
    "a: true\nb: null\nc: 'no'\n",
    "z: [1, [2, {y: 3}], []]\na: {}\n",
    "ü: 'ÿ\\n\\u0085 \\ud83d'\n",
    "a: 123456789012345678901234567890\n",
    "a: '1'\nb: ~\n",
]
# JSON has no dates, no keys but text, no NaN, no values that are shared, no bytes and no sets.
OTHER = [
    "a: 2020-01-01\n",
    "1: a\n",
    "true: a\n",
    "a: .nan\n",
    "a: -.inf\n",
    "a: &x [1]\nb: *x\n",
    "a: &x {c: 1}\nb: {<<: *x, d: *x}\n",
    "a: !!binary aGk=\n",
    "a: !!set {b}\n",
]


def kept(folder: Path, content: str) -> Any:
    """Keep what the content holds, with a long comment; return what is found of it then."""
    lock = f"{content}# {LONG}\n"
    parsed = ParsedLocks(folder)
    parsed.keep("dvc.lock", lock, parse_yaml(lock, "dvc.lock"))
    return ParsedLocks(folder).find("dvc.lock", lock)


@pytest.mark.parametrize("content", PLAIN)
def test_what_is_kept_is_what_was_parsed(content: str, tmp_path: Path) -> None:
    parsed = parse_yaml(content, "dvc.lock")
    assert repr(kept(tmp_path, content)) == repr(parsed)  # order and types, too


@pytest.mark.parametrize("content", OTHER)
def test_what_json_has_no_form_for_is_not_kept(content: str, tmp_path: Path) -> None:
    assert kept(tmp_path, content) is None
    assert not [*tmp_path.iterdir()]


def test_another_text_file_or_version_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = ParsedLocks(tmp_path)
    parsed.keep("a/dvc.lock", LONG, {"a": 1})
    assert parsed.find("a/dvc.lock", LONG) == {"a": 1}
    assert parsed.find("a/dvc.lock", f"{LONG}\n") is None
    assert parsed.find("b/dvc.lock", LONG) is None
    monkeypatch.setattr(locks, "__version__", "0")
    assert parsed.find("a/dvc.lock", LONG) is None


def test_a_damaged_file_is_none(tmp_path: Path) -> None:
    parsed = ParsedLocks(tmp_path)
    parsed.keep("dvc.lock", LONG, {"a": [1, 2.5, "x"]})
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    rng = random.Random(1)
    for _ in range(500):
        index = rng.randrange(len(content))
        damaged = rng.choice([content[:index], content[index:]])
        damaged = rng.choice([damaged, content[:index] + b"7" + content[index + 1 :]])
        file.write_bytes(damaged)
        assert parsed.find("dvc.lock", LONG) in (None, {"a": [1, 2.5, "x"]})
    file.unlink()
    file.mkdir()
    assert parsed.find("dvc.lock", LONG) is None
    parsed.keep("dvc.lock", LONG, {})


def test_a_plan_is_the_same_by_it(tmp_path: Path, commands: str) -> None:
    stages = {}
    for number in range(60):
        stages[f"s{number}"] = {
            "cmd": f"echo {number} > o{number} # {'x' * 100}",
            "deps": ["a.in"],
            "params": ["p"],
            "outs": [f"o{number}"],
        }
    files = {"dvc.yaml": text({"stages": stages}), "a.in": "1\n", "params.yaml": "p: 1.50\n"}
    made = Made(tmp_path, {"files": files}, commands).create()
    made.run("reprise", "run", "--no-sandbox", "-j4")
    folder = made.root / ".dvc/tmp/reprise/parsed"
    for content in ("1\n", "2\n"):
        made.edit({"a.in": content})
        answers = []
        for _ in range(2):
            answers.append(made.run("reprise", "plan", "--json"))
            assert len([*folder.iterdir()]) == 1
        (next(folder.iterdir())).unlink()
        answers.append(made.run("reprise", "plan", "--json"))
        assert len(set(answers)) == 1
