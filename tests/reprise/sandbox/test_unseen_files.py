"""Test that no file of the workspace is lost to a command that could not see it."""

from pathlib import Path

import pytest

from reprise.sandbox.exchange import exchange
from tests.reprise.corpus import Made
from tests.reprise.runner.repository import Make, make, meta, stage

__all__ = ["make"]  # the fixture
APPEND = "cat a.in > a && echo run >> history.log"


@pytest.fixture(params=["namespace", "folder"], autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "folder":
        monkeypatch.setenv("REPRISE_SANDBOX", "folder")


def history(made: Made) -> str:
    return (made.root / "history.log").read_text()


def test_a_file_that_was_there_is_not_replaced(make: Make) -> None:
    made = make({"a": stage(APPEND, ["a.in"], "a")}, {"history.log": "precious\n"})
    output = made.run("reprise", "run", code=1)
    assert "the command wrote history.log, which was there and which it could not see" in output
    assert "`sandbox: false`" in output
    assert history(made) == "precious\n"


def test_a_failing_command_replaces_it_neither(make: Make) -> None:
    made = make({"a": stage(f"{APPEND}; false", ["a.in"], "a")}, {"history.log": "precious\n"})
    made.run("reprise", "run", code=1)
    assert history(made) == "precious\n"


def test_the_next_run_goes_on_with_what_a_stage_left(make: Make) -> None:
    """As `dvc repro` does."""
    made = make({"a": stage(APPEND, ["a.in"], "a")})
    for number in range(1, 4):
        made.edit({"a.in": f"{number}\n"})
        made.run("reprise", "run")
        assert history(made) == "run\n" * number


def test_a_file_that_another_stage_left_is_not_replaced(make: Make) -> None:
    made = make(
        {
            "a": stage(APPEND, ["a.in"], "a"),
            "b": stage("cat a > b && echo b >> history.log", ["a"], "b"),
        }
    )
    assert "b: failed: the command wrote history.log" in made.run("reprise", "run", code=1)
    assert history(made) == "run\n"


def test_an_ignored_file_that_two_stages_write_at_a_time_loses_no_line(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where commands see it, the second to end fails; where they don't, both do."""
    append = "sleep 0.5; cat a.in > {0} && echo {0} >> history.log"
    made = make(
        {name: stage(append.format(name), ["a.in"], name) for name in "ab"},
        {"history.log": "old\n", ".gitignore": "/history.log\n"},
    )
    output = made.run("reprise", "run", "-k", "-j2", code=1)
    assert "the command wrote history.log, which " in output
    assert history(made) in ("old\n", "old\na\n", "old\nb\n")


def test_outs_that_persist_outlive_a_retry(make: Make) -> None:
    cmd = "mkdir -p ck; echo try >> ck/log; test $(wc -l < ck/log) -ge 3"
    out = {"ck": {"persist": True}}
    made = make(
        {"a": {"cmd": cmd, "deps": ["a.in"], "outs": [out], **meta(retries=3, retry_delay=0)}}
    )
    made.run("reprise", "run")
    assert (made.root / "ck" / "log").read_text() == "try\n" * 3


def test_a_command_may_add_to_dvc_s_own_files(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """As DVCLive does. In a folder of its own it sees none."""
    monkeypatch.delenv("REPRISE_SANDBOX", raising=False)
    add = "grep -q metrics dvc.yaml || printf 'metrics:\\n- m.json\\n' >> dvc.yaml\ncat a.in > a\n"
    made = make({"a": stage("sh add.sh", ["a.in", "add.sh"], "a")}, {"add.sh": add})
    made.run("git", "add", "-A")
    made.run("reprise", "run")
    assert (made.root / "dvc.yaml").read_text().endswith("metrics:\n- m.json\n")


def test_links_that_lead_in_a_circle_show_nothing(make: Make) -> None:
    made = make({"a": stage("cat a.in undeclared > a", ["a.in"], "a")}, {"undeclared": "1\n"})
    (made.root / ".one").symlink_to(".two")
    (made.root / ".two").symlink_to(".one")
    (made.root / ".here").symlink_to(".")
    assert "undeclared is not declared" in made.run("reprise", "run", code=1)


def test_an_out_that_persists_is_never_away(tmp_path: Path) -> None:
    """A kill between two moves would lose it."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "is").write_text(name)
    assert exchange(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old/is").read_text() == "new"
    assert (tmp_path / "new/is").read_text() == "old"
    assert not exchange(tmp_path / "new", tmp_path / "none")
    assert (tmp_path / "new/is").read_text() == "old"


@pytest.mark.parametrize("dep", ["a.in", "d"])
def test_links_into_the_cache_are_not_written_through(
    make: Make, monkeypatch: pytest.MonkeyPatch, dep: str
) -> None:
    """However DVC is set by now. In a folder of its own, a command reads copies."""
    monkeypatch.delenv("REPRISE_SANDBOX", raising=False)
    file = "a.in" if dep == "a.in" else "d/sub/b"
    made = make(
        {"a": stage(f"cat {file} > a; echo evil >> {file}", [dep], "a")}, {"d/sub/b": "1\n"}
    )
    made.run("dvc", "config", "cache.type", "symlink")
    made.run("dvc", "add", dep)
    made.run("dvc", "config", "--unset", "cache.type")
    assert (made.root / file).is_symlink()
    made.run("reprise", "run", code=None)
    assert (made.root / file).read_text() == "1\n"
