"""Test that a log is read piece by piece, each byte once."""

from pathlib import Path

from reprise.process.log import Log


def test_lines_come_once_they_are_whole(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    assert log.new_lines() == []
    with log.path.open("ab", buffering=0) as file:
        file.write(b"one\ntw")
        assert log.new_lines() == ["one"]
        file.write(b"o\r\nthree\r")
        assert log.new_lines() == ["two"]
        file.write(b"\nfour")
        assert log.new_lines() == ["three"]
        assert log.new_lines() == []
        assert log.new_lines(whole=True) == ["four"]


def test_a_progress_bar_is_not_read_again(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    with log.path.open("ab", buffering=0) as file:
        for percent in range(3):
            file.write(f"{percent} %\r".encode())
        assert log.new_lines() == ["0 %", "1 %"]
        file.write(b"done")
        assert log.new_lines() == ["2 %"]
        assert log.new_lines(whole=True) == ["done"]
