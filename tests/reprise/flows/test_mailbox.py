"""Messages between a runner and a task run, and how the task run learns that the runner is gone."""

import dataclasses
import os
import socket
import subprocess
from pathlib import Path

import pytest

from reprise.flows.mailbox import Mailbox, RunnerGoneError, remove_stale_mailboxes


def dead() -> int:
    """The number of a process that ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_message_is_there_for_who_waits(tmp_path: Path) -> None:
    mailbox = Mailbox.create(tmp_path, 0)
    assert mailbox.receive("start-1") is None
    mailbox.send("start-1", {"folder": "/a"})
    assert mailbox.wait("end", "start-1") == "start-1"
    assert mailbox.receive("start-1") == {"folder": "/a"}
    mailbox.send("end", ["ran", None])
    assert mailbox.wait("end", "start-1") == "end"


def test_one_alone_claims(tmp_path: Path) -> None:
    mailbox = Mailbox.create(tmp_path, 0)
    assert [mailbox.claim("claim-1"), mailbox.claim("claim-1")] == [True, False]


def test_a_runner_that_died_on_this_host_is_gone(tmp_path: Path) -> None:
    mailbox = dataclasses.replace(Mailbox.create(tmp_path, 0), pid=dead())
    with pytest.raises(RunnerGoneError):
        mailbox.wait("end")


def test_a_runner_on_another_host_is_gone_once_its_next_one_cleans_up(tmp_path: Path) -> None:
    host = socket.gethostname()
    killed = Mailbox(tmp_path / f"{host}-{dead()}-0", "as seen elsewhere", 1)
    killed.folder.mkdir()
    killed.check_runner()
    remove_stale_mailboxes(tmp_path)
    with pytest.raises(RunnerGoneError):
        killed.wait("end")
    with pytest.raises(RunnerGoneError):
        killed.send("result-1", None)


def test_a_box_of_a_process_that_lives_or_of_another_host_stays(tmp_path: Path) -> None:
    host = socket.gethostname()
    there = {f"{host}-{os.getppid()}-0", f"{host}-b-{dead()}-0", f"a-{host}-{dead()}-0"}
    for name in there:
        (tmp_path / name).mkdir()
    remove_stale_mailboxes(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == there


def test_what_is_not_shaped_like_a_mailbox_stays(tmp_path: Path) -> None:
    host = socket.gethostname()
    others = {f"{host}-x-0", f"{host}-{dead()}-0.part", "a-b-c", f"{host}-{'9' * 30}-0", "x"}
    for name in others:
        (tmp_path / name).mkdir()
    remove_stale_mailboxes(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == others
