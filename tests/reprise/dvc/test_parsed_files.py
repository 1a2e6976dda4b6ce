"""Test that what is kept of DVC's files is what DVC parses, or is not kept."""

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dvc.fs import localfs
from dvc.utils.serialize import parse_yaml

from reprise.dvc.file_cache import FileCache
from reprise.dvc.parsed import files
from reprise.dvc.parsed.files import LEAST, ParsedFiles
from reprise.dvc.parsed.runs import read_runs
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
    "a: -.inf\n",
]
# JSON has no dates, no keys but text, no NaN, no values that are shared, no bytes and no sets.
OTHER = [
    "a: 2020-01-01\n",
    "1: a\n",
    "true: a\n",
    "a: .nan\n",
    "a: &x [1]\nb: *x\n",
    "a: &x {c: 1}\nb: {<<: *x, d: *x}\n",
    "a: !!binary aGk=\n",
    "a: !!set {b}\n",
]


def kept(folder: Path, content: str) -> Any:
    """Keep what the content holds, with a long comment; return what is found of it then."""
    lock = f"{content}# {LONG}\n"
    parsed = ParsedFiles(folder)
    parsed.keep("dvc.lock", lock, parse_yaml(lock, "dvc.lock"))
    return ParsedFiles(folder).find("dvc.lock", lock)


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
    parsed = ParsedFiles(tmp_path)
    parsed.keep("a/dvc.lock", LONG, {"a": 1})
    assert parsed.find("a/dvc.lock", LONG) == {"a": 1}
    assert parsed.find("a/dvc.lock", f"{LONG}\n") is None
    assert parsed.find("b/dvc.lock", LONG) is None
    monkeypatch.setattr(files, "__version__", "0")
    assert parsed.find("a/dvc.lock", LONG) is None


def test_a_damaged_file_is_none(tmp_path: Path) -> None:
    parsed = ParsedFiles(tmp_path)
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
            assert len([*folder.iterdir()]) == 2  # of dvc.yaml and dvc.lock
        (next(folder.iterdir())).unlink()
        answers.append(made.run("reprise", "plan", "--json"))
        assert len(set(answers)) == 1


def test_a_long_dvc_yaml_is_parsed_once_and_a_shorter_one_each_time(tmp_path: Path) -> None:
    file = tmp_path / "dvc.yaml"
    asked = []

    def load(loaded: Any) -> tuple[Any, str]:
        asked.append(loaded)
        content = file.read_text()
        return parse_yaml(content, "dvc.yaml"), content

    stands_for_it: Any = SimpleNamespace(path=str(file), repo=SimpleNamespace(fs=localfs))
    for stages, times in ((1000, 1), (1, 3)):
        file.write_text(text({"stages": {f"s{i}": {"cmd": "true"} for i in range(stages)}}))
        asked.clear()
        for _ in range(3):
            cache = FileCache(ParsedFiles(tmp_path / "parsed"))  # of another process
            data, content = cache.parse(stands_for_it, load)
            assert (data, content) == (parse_yaml(file.read_text(), ""), file.read_text())
        assert len(asked) == times


def test_runs_are_parsed_once_until_another_file_is_in_the_place(tmp_path: Path) -> None:
    runs, kept = tmp_path / "runs", tmp_path / "runs.json"
    asked = []

    def load(path: Path) -> dict[str, Any] | None:
        asked.append(path.name)
        content = path.read_text()
        return {"cmd": content} if content else None

    for name, content in {"ab/abc/1": "one", "ab/abc/2": "two", "cd/cde/3": ""}.items():
        path = runs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def read() -> tuple[list[str], list[str]]:
        asked.clear()
        return sorted(entry["cmd"] for entry in read_runs(runs, kept, load)), sorted(asked)

    assert read() == (["one", "two"], ["1", "2", "3"])
    assert read() == (["one", "two"], ["3"])
    (runs / "ab/abc/1").unlink()
    (runs / "ab/abc/2").write_text("another")
    assert read() == (["another"], ["2", "3"])
    kept.write_text("damaged")
    assert read() == (["another"], ["2", "3"])
    kept.unlink()
    kept.mkdir()
    assert read() == (["another"], ["2", "3"])
    assert list(read_runs(tmp_path / "none", kept, load)) == []
