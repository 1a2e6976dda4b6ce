"""Inputs tell what a command may have read, wherever an edit lands, and DVC records just that."""

import os
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import pytest

from reprise.dvc import Inputs, Repository, Stage
from reprise.sandbox.folder import FolderSandbox
from reprise.sandbox.sandbox import Contents
from tests.reprise.corpus import Made
from tests.reprise.runner.repository import Make, make

__all__ = ["make"]  # a fixture
# DVC's own use of pygtrie.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")
STAGE = {
    "cmd": "cat a.in d/b.txt > a",
    "deps": ["a.in", "d"],
    "params": ["x"],
    "outs": ["a"],
}
FILES = {"d/b.txt": "1\n", "d/c.txt": "1\n", "params.yaml": "x: 1\ny: 1\n"}


@pytest.fixture
def made(make: Make) -> Made:
    return make({"a": STAGE}, FILES)  # type: ignore[no-any-return]


@contextmanager
def opened(made: Made, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Open the repository and lock it, as a run does."""
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(made.folder / "site"))
    with chdir(made.root), Repository() as repository, repository.lock(pytest.fail):
        (stage,) = repository.collect_stages([])
        yield stage


def in_place(path: Path, text: str = "2\n") -> None:
    with path.open("r+") as file:
        file.write(text)


def by_rename(path: Path, text: str = "2\n") -> None:
    part = path.with_name("part")
    part.write_text(text)
    part.replace(path)


def with_its_time(path: Path) -> None:
    """Write to the file and set its time back: size and time are as before."""
    status = path.stat()
    in_place(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def touch(path: Path) -> None:
    path.chmod(0o755)
    os.link(path, path.parent.parent / "link")
    (path.parent.parent / "link").unlink()


def said(inputs: Inputs) -> list[str]:
    return [str(change) for change in inputs.changes()]


Edit = Callable[[Path], None]


@pytest.mark.parametrize("edit", [in_place, by_rename, with_its_time, Path.unlink])
@pytest.mark.parametrize("name", ["a.in", "d/b.txt"])
def test_an_edit_of_the_workspace_is_a_change_without_a_sandbox(
    made: Made, monkeypatch: pytest.MonkeyPatch, edit: Edit, name: str
) -> None:
    with opened(made, monkeypatch) as stage:
        inputs = stage.take_inputs()
        assert said(inputs) == []
        edit(made.root / name)
        what = "deleted" if edit is Path.unlink else "modified"
        assert said(inputs) == [f"{name} {what}"]


def test_a_new_file_is_a_change(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(made, monkeypatch) as stage:
        inputs = stage.take_inputs()
        made.edit({"d/e/new.txt": "1\n"})
        assert said(inputs) == ["d/e/new.txt added"]


@pytest.mark.parametrize("name", ["a.in", "d/b.txt"])
def test_links_and_modes_are_no_changes(
    made: Made, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with opened(made, monkeypatch) as stage:
        inputs = stage.take_inputs()
        touch(made.root / name)
        assert said(inputs) == []


@pytest.mark.parametrize("built_first", [True, False])
@pytest.mark.parametrize(
    ("edit", "is_change"), [(in_place, True), (by_rename, False), (with_its_time, True)]
)
def test_an_edit_of_a_file_beside_a_sandbox(
    made: Made,
    monkeypatch: pytest.MonkeyPatch,
    edit: Edit,
    is_change: bool,
    built_first: bool,
) -> None:
    """Once the sandbox is built, a file that takes another's place does not reach the command."""
    with opened(made, monkeypatch) as stage:
        inputs = stage.take_inputs()
        sandbox = FolderSandbox(stage, made.folder / "sandbox", Contents(inputs=inputs))
        if built_first:
            sandbox.build()
        edit(made.root / "a.in")
        if not built_first:
            sandbox.build()
            is_change = edit is not with_its_time  # which looks like a link that was just made
        assert said(inputs) == (["a.in modified"] if is_change else [])
        if not is_change and edit is by_rename:
            assert sandbox.written(made.root / "a.in").read_text() == "1\n"


def test_a_file_that_was_away_while_the_sandbox_was_built_is_a_change(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the end the workspace is as it was, but the command had something else."""
    path = made.root / "a.in"
    with opened(made, monkeypatch) as stage:
        inputs = stage.take_inputs()
        path.rename(made.root / "old")
        path.write_text("2\n")
        FolderSandbox(stage, made.folder / "sandbox", Contents(inputs=inputs)).build()
        (made.root / "old").replace(path)
        assert said(inputs) == ["a.in modified"]


def test_a_sandbox_has_the_params_that_are_recorded(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(made, monkeypatch) as stage:
        inputs = stage.take_inputs()
        sandbox = FolderSandbox(stage, made.folder / "sandbox", Contents(inputs=inputs))
        made.edit({"params.yaml": "x: 2\ny: 1\n"})
        sandbox.build()
        made.edit({"params.yaml": "x: 3\ny: 1\n"})
        assert sandbox.written(made.root / "params.yaml").read_text() == "x: 1\n"
        assert said(inputs) == []
        assert saved(made, stage, inputs)["params"] == {"params.yaml": {"x": 1}}


def test_params_that_no_stage_declares_do_not_matter_without_a_sandbox(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(made, monkeypatch) as stage:
        inputs = stage.take_inputs()
        made.edit({"params.yaml": "y: 2\nx: 1\n"})
        assert said(inputs) == []
        made.edit({"params.yaml": "x: 2\ny: 1\n"})
        assert said(inputs) == ["params.yaml: x 1 → 2"]


def saved(made: Made, stage: Stage, inputs: Inputs) -> dict[str, Any]:
    """Save the stage as after its command, and return its entry."""
    made.edit({"a": "1\n"})
    stage.save(inputs)
    return stage.entry()


def test_an_edit_after_the_end_is_not_recorded(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(made, monkeypatch) as stage:
        before = saved(made, stage, stage.take_inputs())
        inputs = stage.take_inputs()
        made.edit({"a.in": "22\n", "d/b.txt": None, "d/e.txt": "2\n", "params.yaml": "x: 2\n"})
        assert saved(made, stage, inputs) == before
        runs = list((made.root / ".dvc/cache/runs").rglob("*/*/*"))
        assert len(runs) == 1
        assert said(inputs) != []  # the workspace is seen as it is again
        assert stage.changes() != []


def test_a_run_is_restored_for_the_inputs_by_which_it_was_found(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.run("reprise", "run")
    (made.root / "dvc.lock").unlink()
    with opened(made, monkeypatch) as stage:
        inputs = stage.take_inputs()
        made.edit({"a.in": "2\n"})
        with inputs.in_force():
            run = stage.find_run()
        assert run is not None
        made.edit({"d/b.txt": "2\n", "params.yaml": "x: 2\n"})
        stage.restore(run, inputs)
        assert stage.entry()["params"] == {"params.yaml": {"x": 1}}
        stage.refresh_folders()
        stage.adopt(stage.entry())
        assert [str(change) for change in stage.changes()] == [
            "a.in modified",
            "d modified",
            "params.yaml: x 1 → 2",
        ]


def test_a_folder_that_was_hashed_is_looked_at_again(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.run("reprise", "run")
    with opened(made, monkeypatch) as stage:
        assert stage.changes() == []
        made.edit({"d/b.txt": "2\n"})
        stage.refresh_folders()
        assert [str(change) for change in stage.changes()] == ["d modified"]


def test_two_writes_in_a_tick_are_two_files(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(made, monkeypatch) as stage:
        in_place(made.root / "a.in", "3\n")
        in_place(made.root / "d/b.txt", "3\n")
        inputs = stage.take_inputs()
        in_place(made.root / "a.in", "4\n")
        in_place(made.root / "d/b.txt", "4\n")
        assert said(inputs) == ["a.in modified", "d/b.txt modified"]


def test_links_of_other_sandboxes_make_no_file_be_read_again(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large file may be read by many stages, each with a link to it while it runs."""
    with opened(made, monkeypatch) as stage:
        workspace = stage.workspace
        first = FolderSandbox(
            stage, workspace.temporary / "first", Contents(inputs=stage.take_inputs())
        )
        first.build()
        inputs = stage.take_inputs()
        second = FolderSandbox(stage, workspace.temporary / "second", Contents(inputs=inputs))
        second.build()
        others = stage.take_inputs()
        third = FolderSandbox(stage, workspace.temporary / "third", Contents(inputs=others))
        third.build()
        third.remove()
        others.note_unlinked()  # as many links as before, and another time

        def fail(*_: object, **__: object) -> str:
            raise AssertionError("it was read again")

        monkeypatch.setattr("reprise.dvc.inputs.data_input.file_md5", fail)
        assert inputs.changes() == []
