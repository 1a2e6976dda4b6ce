"""A command that deletes its own deps changes nothing; one that deletes others' files fails."""

import pytest

from reprise.sandbox.choice import VARIABLE, try_overlay
from tests.conftest import one_in
from tests.reprise.runner.repository import Make, make, stage  # noqa: F401

DELETIONS = {
    "a file": ("cat a > o; rm a", "a"),
    "a file renamed": ("cat a > o; mv a b", "a"),
    "a file in a folder": ("cat d/* > o; rm d/x", "d"),
    "a folder in a folder": ("cat d/* > o; rm -r d/sub", "d"),
    "a folder made anew": ("cat d/* > o; rm -r d/sub; mkdir d/sub; echo > d/sub/new", "d"),
    "a file replaced": ("cat a > o; rm a; echo new > a", "a"),
    "cut params": ("cat a > o; rm params.yaml", "params.yaml"),
}
FILES = {"a": "1\n", "d/x": "2\n", "d/sub/y": "3\n", "params.yaml": "p: 1\n"}


@pytest.mark.parametrize("kind", ["namespace", "folder"])
@pytest.mark.parametrize("name", one_in(3, DELETIONS))
def test_a_command_that_deletes_its_dep_leaves_it(
    name: str,
    kind: str,
    make: Make,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command, dep = DELETIONS[name]
    if kind == "folder":
        monkeypatch.setenv(VARIABLE, "folder")
    made = make({"s": stage(command, ["a", "d"], "o", params=["p"])}, FILES)
    output = made.run("reprise", "run")
    expected = f"s: changed its own dependency {dep}: not kept; declare an out, or `sandbox: false`"
    assert expected in output
    for file, text in FILES.items():
        assert (made.root / file).read_text() == text
    assert "Data and pipelines are up to date" in made.run("dvc", "status")


def test_a_command_that_deletes_what_git_tracks_fails(make: Make) -> None:  # noqa: F811
    made = make({"s": stage("cat a.in > o; rm setup.cfg", ["a.in"], "o")}, {"setup.cfg": ""})
    if refused := try_overlay(made.root, made.folder / "trial"):
        pytest.skip(f"needs mount namespaces: {refused}")
    made.run("git", "add", "setup.cfg")
    output = made.run("reprise", "run", code=1)
    assert "s: failed: the command deleted setup.cfg, which git tracks\n" in output
    assert (made.root / "setup.cfg").exists()


def test_a_folder_that_cannot_be_removed_is_explained(make: Make) -> None:  # noqa: F811
    command = "rm -rf scratch && mkdir scratch && cat a.in > o"
    files = {".gitignore": "/scratch\n", "scratch/old": "1\n"}
    made = make({"s": stage(command, ["a.in"], "o")}, files)
    if refused := try_overlay(made.root, made.folder / "trial"):
        pytest.skip(f"needs mount namespaces: {refused}")
    output = made.run("reprise", "run", code=1)
    assert "can be emptied, but not removed or renamed: expected `rm -rf folder/*`" in output
