"""Test that a message names what the user has to change."""

from pathlib import Path

import pytest

from tests.reprise.runner.repository import Make, make, stage

__all__ = ["make"]  # the fixture
LONG = "x" * 300


@pytest.mark.parametrize("sandbox", ["", "folder"])
def test_a_missing_out_names_what_was_written_in_its_place(
    make: Make, sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_SANDBOX", sandbox)
    made = make({"a": stage("echo 1 > models.pkl", ["a.in"], "model.pkl")})
    output = made.run("reprise", "run", code=1)
    message = "a: failed: the command wrote no model.pkl, but models.pkl, which no out names\n"
    assert message in output


def test_a_missing_out_names_the_absolute_path_that_was_written(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_SANDBOX", "folder")
    made = make({"a": stage(f"echo 1 > {tmp_path}/repo/o", ["a.in"], "o")})
    output = made.run("reprise", "run", code=1)
    assert f"it wrote {made.root / 'o'}, outside of its sandbox" in output
    assert "sandbox: false" in output


def test_no_hint_says_to_declare_what_lies_in_a_declared_folder(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_SANDBOX", "folder")  # without what .dvcignore hides
    files = {"d/x": "x\n", "d/hidden": "h\n", ".dvcignore": "hidden\n"}
    made = make({"a": stage("cat d/hidden > o", ["d"], "o")}, files)
    output = made.run("reprise", "run", code=1)
    assert "a: failed: exit status 1" in output
    assert "not declared" not in output


def test_a_misspelt_wdir_is_refused_and_not_made(make: Make) -> None:
    made = make({"a": {**stage("cp ../a.in o", ["../a.in"], "o"), "wdir": "sub"}})
    for command in ("run", "check"):
        assert "dvc.yaml: wdir: found no folder 'sub'" in made.run("reprise", command, code=1)
        assert not (made.root / "sub").exists()


def test_a_wdir_that_an_earlier_stage_makes_is_there(make: Make) -> None:
    below = {**stage("cp x/y o", ["x"], "o"), "wdir": "sub"}
    made = make({"a": stage("mkdir -p sub/x && cp a.in sub/x/y", ["a.in"], "sub/x"), "b": below})
    made.run("reprise", "run")
    assert (made.root / "sub/o").read_text() == "1\n"


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("tran", "train"),
        ("modle.pkl", "model.pkl"),
        ("each@c", "each@a"),
        ("dvc.yaml:trian", "train"),
        ("sub/dvc.yaml:trian", "sub/dvc.yaml:train"),
        ("./dvc.yaml:trian", "train"),
    ],
)
def test_an_unknown_target_is_compared_with_the_known_ones(
    make: Make, target: str, meant: str
) -> None:
    each = {"foreach": ["a"], "do": {"cmd": "echo > ${item}.o", "outs": ["${item}.o"]}}
    made = make({"train": stage("cp a.in model.pkl", ["a.in"], "model.pkl"), "each": each})
    made.edit({"sub/dvc.yaml": "stages: {train: {cmd: echo > o, outs: [o]}}\n"})
    for command in ("plan", "run"):
        said = made.run("reprise", command, "train", target, code=1)  # another one that is known
        assert f"did you mean '{meant}'?\n" in said


@pytest.mark.parametrize("target", ["zzz", "sub/dvc.yaml:zzz", "dvc.yaml:", "none/dvc.yaml:train"])
def test_a_target_like_no_other_is_compared_with_none(make: Make, target: str) -> None:
    made = make({"train": stage("cp a.in model.pkl", ["a.in"], "model.pkl")})
    made.edit({"sub/dvc.yaml": "stages: {train: {cmd: echo > o, outs: [o]}}\n"})
    assert "did you mean" not in made.run("reprise", "plan", "train", target, code=None)


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("how", [f"cat {LONG}", f"cat {LONG}/x.py", f"python {LONG}.py"])
def test_names_that_no_file_can_have_are_the_command_s_affair(
    make: Make, command: str, how: str
) -> None:
    made = make({"a": stage(f"{how}; cat a.in > o; exit 1", ["a.in"], "o")})
    output = made.run("reprise", command, code=1)
    assert "a: failed: exit status 1" in output
    assert "reprise/cli.py" not in output  # no traceback of ours
    assert not list(Path(made.root).glob("x*"))
