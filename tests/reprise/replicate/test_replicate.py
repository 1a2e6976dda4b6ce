"""Replicates are run aside, and are entries of the run-cache that a later run restores."""

from pathlib import Path

import pytest

from tests.reprise.review.repository import PIPELINE, commit, repository

DECLARED = PIPELINE.replace(
    "    params: [train]\n",
    "    params: [train]\n"
    "    meta: {reprise: {replicates: {param: train.epochs, base: 3, change: 2}}}\n",
)


def state(root: Path) -> dict[str, bytes]:
    """Read the workspace, as git and DVC leave it."""
    files = (path for path in root.rglob("*") if path.is_file())
    mine = (path for path in files if not {".git", ".dvc"} & {*path.relative_to(root).parts})
    return {str(path): path.read_bytes() for path in mine}


@pytest.mark.parametrize("rev", ["HEAD", None])
def test_replicates_leave_the_workspace_and_are_restored(
    rev: str | None, tmp_path: Path, commands: str
) -> None:
    made = repository(tmp_path, commands)
    (made.root / "dvc.yaml").write_text(DECLARED)
    commit(made, "declare")
    before = state(made.root)
    arguments = [] if rev is None else [rev]
    output = made.run("reprise", "replicate", *arguments)
    assert "train with seed 6: done" in output
    assert ("train with seed 7: done" in output) == (rev is not None)
    assert state(made.root) == before
    params = made.root / "params.yaml"
    params.write_text(params.read_text().replace("epochs: 5", "epochs: 6"))
    assert "restored" in made.run("reprise", "plan", "train")


def test_without_a_declaration_it_says_what_to_write(tmp_path: Path, commands: str) -> None:
    made = repository(tmp_path, commands)
    output = made.run("reprise", "replicate", code=1)
    assert "found no stage with replicates; expected `meta: {reprise:" in output
