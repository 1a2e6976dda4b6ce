"""Test that what can't be read of a state file is set aside, said once, and costs nothing else."""

from pathlib import Path
from typing import Any

import pytest

from reprise.state.durations import Durations
from reprise.state.json_lines import append_lines, read_lines

DAMAGED = {
    "no JSON": b"[1",
    "another type": b'"x"',
    "a number too long": b"9" * 5000,
    "nested too deeply": b"[" * 100_000,
    "not UTF-8": b"\xff\xfe[\x001\x00]\x00",
    "NUL": b"\x00" * 100,
}


def parse(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("no list")
    return value


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_line_is_kept_aside_and_said_once(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "x.jsonl"
    content = b"[1]\n" + DAMAGED[damage] + b"\n[2]\n"
    file.write_bytes(content)
    assert read_lines(file, parse) == [[1], [2]]
    (message,) = caplog.messages
    assert message.startswith(f"{file}: found in line 2 ")
    assert message.endswith("set aside as x.jsonl.damaged-1")
    assert (tmp_path / "x.jsonl.damaged-1").read_bytes() == content
    assert read_lines(file, parse) == [[1], [2]]
    assert len(caplog.messages) == 1


def test_an_earlier_damaged_file_is_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    for content in ("a\n", "b\n"):
        file.write_text(content)
        assert read_lines(file, parse) == []
    assert (tmp_path / "x.jsonl.damaged-1").read_text() == "a\n"
    assert (tmp_path / "x.jsonl.damaged-2").read_text() == "b\n"


def test_a_line_that_was_cut_off_goes_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text("[1]\n[2")
    assert read_lines(file, parse) == [[1]]
    append_lines(file, [[3]])
    assert file.read_text() == "[1]\n[3]\n"
    assert caplog.messages == []


def test_a_folder_in_place_of_the_file_is_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    (file / "y").mkdir(parents=True)
    append_lines(file, [[1]])
    assert read_lines(file, parse) == [[1]]
    assert (tmp_path / "x.jsonl.damaged-1" / "y").is_dir()


@pytest.mark.parametrize(
    "line",
    [
        '["a"]',
        '["a", "1"]',
        "[1, 1]",
        '["a", -1]',
        '["a", NaN]',
        '["a", 1e999]',
        '["a", null]',
        '["a", 1, 2]',
        '["a", 1, "b", "c"]',
        "1",
    ],
)
def test_durations_of_any_shape_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "history.jsonl").write_text(f'["a", 1.5]\n{line}\n')
    assert Durations(tmp_path).expected("a") == 1.5
    assert (tmp_path / "history.jsonl.damaged-1").exists()


def test_durations_are_found_by_what_was_recorded(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text('["a", 1.5]\n')  # of a version before
    Durations(tmp_path).add([("a", 2.0, "one"), ("a", 3.0, "other"), ("a", 4.0, None)])
    durations = Durations(tmp_path)
    assert [durations.of_entry(entry) for entry in ("one", "other", "none")] == [
        2.0,
        3.0,
        None,
    ]
    assert durations.last("a") == 4.0
