"""Test that stages of which nothing moved stand as they were, without DVC, and no others do."""

import json
import os
import random
import re
import shutil
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from reprise.cli import main
from reprise.dvc.recorded.loader import RecordLoader
from reprise.dvc.recorded.recorded_stage import RecordedStage
from reprise.dvc.recorded.stage_record import record_stage
from reprise.dvc.repository import Repository
from reprise.dvc.selection import Selection
from reprise.state.folders import StateFolders
from reprise.state.standing import keep
from reprise.state.trace.signature import TICK
from tests.conftest import made_once
from tests.reprise.corpus import Made
from tests.reprise.random_dags import text
from tests.reprise.runner.repository import stage
from tests.reprise.state.test_idle_plan import forget, replace, settle

STAGES = {
    "first": stage("cat a.in > first", ["a.in"], "first"),
    "second": {**stage("cat b.in > second", ["b.in"], "second"), "params": ["p"]},
    "folder": {**stage("mkdir -p f; cat in/* > f/a", ["in"], "f"), "params": ["q.r"]},
    "whole": {**stage("cat b.in > whole", ["b.in"], "whole"), "params": [{"other.yaml": None}]},
    "both": stage("cat first second f/a > both", ["first", "second", "f"], "both"),
    "last": stage("wc -l both > last", ["both"], "last"),
}
FILES = {
    "dvc.yaml": text({"stages": STAGES}),
    "params.yaml": "p: 1\nq: {r: 1, s: 1}\n",
    "other.yaml": "x: 1\n",
    "a.in": "1\n",
    "b.in": "2\n",
    "in/c.in": "3\n",
}


@pytest.fixture(scope="session")
def finished(shared_folder: Path, commands: str) -> Made:
    """Return a repository that has run once, to copy; all workers have the same one."""
    spec = {"files": FILES}

    def finish(folder: Path) -> None:
        made = Made(folder, spec, commands).create()
        made.run("reprise", "run")
        made.run("git", "add", "-A")
        made.run("git", "commit", "-qm", "all")

    return Made(made_once(shared_folder / "standing", finish), spec, commands)


@pytest.fixture
def made(finished: Made, tmp_path: Path) -> Made:
    """Return a repository of which a plan has said that there is nothing to do."""
    shutil.copytree(finished.root, tmp_path / "repo", symlinks=True)
    copy = Made(tmp_path, finished.spec, finished.path)
    settle(copy)
    return copy


Asked = Callable[..., tuple[set[str], dict[str, str]]]


@pytest.fixture
def asked(made: Made, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Asked:
    """Return what plans, in this process: the stages that DVC was asked about, and the plan."""
    monkeypatch.chdir(made.root)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(made.folder.parent / "site"))
    loaded: set[str] = set()
    load, collect = RecordLoader.load, Repository.collect_stages

    def note(loader: RecordLoader, record: Any) -> Any:
        loaded.add(record.name)
        return load(loader, record)

    def note_all(repository: Repository, *args: Any) -> Any:
        stages = collect(repository, *args)
        loaded.update(stage.name for stage in stages)
        return stages

    monkeypatch.setattr(RecordLoader, "load", note)
    monkeypatch.setattr(Repository, "collect_stages", note_all)

    def plan(*options: str) -> tuple[set[str], dict[str, str]]:
        time.sleep(5 * TICK)  # until edits are old enough for what is found to be kept
        loaded.clear()
        with pytest.raises(SystemExit):
            main(["plan", "--json", *options])
        entries = json.loads(capsys.readouterr().out)["stages"]
        return set(loaded), {entry["stage"]: entry["kind"] for entry in entries}

    plan()
    return plan


def write(path: Path, content: str) -> None:
    """Write into the file, which may be a link of the cache's or not to be written to."""
    path.chmod(0o644)
    path.write_text(content)


ALL = {*STAGES}
EDITS: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "a dep": (lambda root: write(root / "a.in", "7\n"), {"first"}),
    "a dep of two": (lambda root: write(root / "b.in", "7\n"), {"second", "whole"}),
    "a dep, as it was": (lambda root: replace(root / "a.in", "1\n"), {"first"}),
    "in a folder": (lambda root: write(root / "in/c.in", "7\n"), {"folder"}),
    "more in a folder": (lambda root: (root / "in/new").write_text("7\n"), {"folder"}),
    "an out": (lambda root: write(root / "last", "7\n"), {"last"}),
    "an out that is a dep": (lambda root: write(root / "first", "7\n"), {"first", "both"}),
    "in an out": (lambda root: write(root / "f/a", "7\n"), {"folder", "both"}),
    "an out less": (lambda root: (root / "last").unlink(), {"last"}),
    "a param": (lambda root: replace(root / "params.yaml", "p: 2\nq: {r: 1, s: 1}\n"), {"second"}),
    "a deep param": (
        lambda root: replace(root / "params.yaml", "p: 1\nq: {r: 2, s: 1}\n"),
        {"folder"},
    ),
    "a param less": (lambda root: replace(root / "params.yaml", "q: {r: 1, s: 1}\n"), {"second"}),
    "a param of nobody": (
        lambda root: replace(root / "params.yaml", "p: 1\nq: {r: 1, s: 2}\nt: 1\n"),
        set(),
    ),
    "a whole params file": (lambda root: replace(root / "other.yaml", "x: 2\n"), {"whole"}),
    "a file's time": (lambda root: os.utime(root / "params.yaml"), set()),
    "dvc.yaml as it was": (lambda root: replace(root / "dvc.yaml", FILES["dvc.yaml"]), set()),
    "a file beside": (lambda root: (root / "notes.txt").write_text("7\n"), set()),
    "an entry": (
        lambda root: replace(
            root / "dvc.lock", (root / "dvc.lock").read_text().replace("cat a.in", "tac a.in")
        ),
        {"first"},
    ),
    "dvc.yaml": (
        lambda root: replace(root / "dvc.yaml", FILES["dvc.yaml"].replace("cat a", "tac a")),
        ALL,
    ),
    "a stage elsewhere": (
        lambda root: (root / "in/dvc.yaml").write_text("stages: {s: {cmd: 'true'}}"),
        ALL,
    ),
    "a folder more": (lambda root: (root / "in/sub").mkdir(), ALL),
    "an object": (
        lambda root: sorted((root / ".dvc/cache/files/md5").glob("*/*[!r]"))[0].unlink(),
        ALL,
    ),
    "config": (
        lambda root: (root / ".dvc/config.local").write_text("[core]\nanalytics = false\n"),
        ALL,
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_only_stages_that_an_edit_is_of_are_asked_about(
    name: str, made: Made, asked: Asked
) -> None:
    change, expected = EDITS[name]
    change(made.root)
    loaded, plan = asked()
    assert loaded == expected
    forget(made)
    assert asked() == (ALL, plan)


def test_stages_stand_from_plan_to_plan(made: Made, asked: Asked) -> None:
    made.edit({"a.in": "7\n"})
    loaded, plan = asked()
    assert loaded == {"first"}
    assert {name for name, kind in plan.items() if kind == "may run"} == {"both", "last"}
    made.edit({"other.yaml": "x: 2\n"})
    assert asked()[0] == {"first", "whole"}
    made.edit({"a.in": "1\n"})
    made.edit({"other.yaml": "x: 1\n"})
    loaded, plan = asked()
    assert loaded == {"first", "whole"}
    assert {*plan.values()} == {"unchanged"}
    assert asked()[0] == set()  # the answer of before


def test_what_may_run_stands_though_all_were_asked_about(made: Made, asked: Asked) -> None:
    made.edit({"a.in": "7\n"})
    forget(made)
    assert asked()[0] == ALL
    assert asked()[0] == {"first"}


def test_a_known_run_wakes_what_reads_its_outs(made: Made, asked: Asked) -> None:
    made.edit({"a.in": "7\n"})
    made.run("reprise", "run")
    made.edit({"a.in": "1\n"})
    made.run("reprise", "run")
    while asked()[0]:
        pass
    made.edit({"a.in": "7\n"})
    loaded, plan = asked()
    assert loaded == {"first", "both", "last"}
    assert plan == dict.fromkeys(STAGES, "unchanged") | dict.fromkeys(loaded, "restored")


def test_templates_may_take_any_value(made: Made, asked: Asked) -> None:
    stages = {**STAGES, "first": stage("cat a.in ${p} > first", ["a.in"], "first")}
    made.edit({"dvc.yaml": text({"stages": stages})})
    for _ in range(2):
        assert asked()[0] == ALL


def test_a_frozen_stage_and_one_that_always_changes(made: Made, asked: Asked) -> None:
    stages = {**STAGES, "always": {"cmd": "true", "deps": ["a.in"], "always_changed": True}}
    made.edit({"dvc.yaml": text({"stages": stages})})
    made.run("dvc", "freeze", "last")
    made.run("reprise", "run")
    for _ in range(3):
        loaded, plan = asked()
    assert loaded == {"always"}
    made.edit({"first": "7\n"})
    loaded, plan = asked()
    forget(made)
    assert asked()[1] == plan


@pytest.mark.parametrize("option", ["-f", "--force-downstream", "--allow-missing", "-s"])
def test_options_that_decide_more_ask_about_all(option: str, made: Made, asked: Asked) -> None:
    options, stages = [option], ALL
    if option == "-s":
        options, stages = [option, "whole"], {"whole"}
    made.edit({"b.in": "7\n"})
    loaded, plan = asked(*options)
    assert loaded == stages
    assert plan["whole"] == "run"
    forget(made)
    assert asked(*options)[1] == plan


def lock_and_outs(root: Path) -> dict[str, bytes]:
    names = ["dvc.lock", ".gitignore", "first", "second", "f/a", "whole", "both", "last"]
    return {name: (root / name).read_bytes() for name in names}


@pytest.mark.parametrize("edited", ["a.in", "b.in", "params.yaml", "both"])
def test_a_run_is_the_same_with_stages_that_stand(edited: str, made: Made, tmp_path: Path) -> None:
    other = Made(tmp_path / "other", made.spec, made.path)
    shutil.copytree(made.root, other.root, symlinks=True)
    content = {"params.yaml": "p: 7\nq: {r: 1, s: 1}\n"}.get(edited, "7\n")
    outputs = []
    for repository in (made, other):
        repository.edit({edited: content})
        if repository is other:
            forget(other)
        output = repository.run("reprise", "run", "-j1")
        outputs.append(re.sub(r"[0-9.]+ s\b", "", output))
    assert outputs[0] == outputs[1]
    assert lock_and_outs(made.root) == lock_and_outs(other.root)
    assert made.run("dvc", "status") == "Data and pipelines are up to date.\n"


def test_an_edit_in_the_middle_of_a_run_is_seen(made: Made) -> None:
    """Its stage stood when the run began, and its turn comes when the file has moved."""
    stages = {**STAGES, "first": stage("cat a.in > first; echo 8 > b.in", ["a.in"], "first")}
    stages["first"]["meta"] = {"reprise": {"sandbox": False}}
    made.edit({"dvc.yaml": text({"stages": stages})})
    made.run("reprise", "run")
    made.edit({"b.in": "2\n"})
    made.run("reprise", "run")
    settle(made)
    made.edit({"a.in": "7\n"})
    made.run("reprise", "run", "-j1")
    assert "6 unchanged" in made.run("reprise", "run")
    assert (made.root / "second").read_text() == "8\n"
    assert made.run("dvc", "status") == "Data and pipelines are up to date.\n"


def test_damage_is_no_answer(made: Made, asked: Asked) -> None:
    """As it was kept, one stage is asked about; of each damaged copy nothing is believed."""
    folders = StateFolders.in_repository(made.root)
    content = folders.standing.read_bytes()
    made.edit({"a.in": "7\n"})
    loaded, truth = asked()
    assert loaded == {"first"}

    def ask(kept: bytes) -> set[str]:
        folders.answer.unlink(missing_ok=True)
        folders.standing.write_bytes(kept)
        loaded, plan = asked()
        assert plan == truth
        return loaded

    assert ask(content) == {"first"}
    rng = random.Random(1)
    for _ in range(12):
        index = rng.randrange(len(content))
        other = bytes([content[index] ^ 1 << rng.randrange(8)])
        for damaged in (content[:index], content[:index] + other + content[index + 1 :]):
            assert ask(damaged) == ALL, index
    forget(made)
    folders.standing.mkdir()
    assert asked() == (ALL, truth)


def test_a_recorded_stage_has_all_that_a_stage_has(made: Made) -> None:
    made.run("dvc", "freeze", "last")
    made.edit({"data": "1\n"})
    made.run("dvc", "add", "-q", "data")
    loaded = {"dvc", "kept_by_git", "locked", "commands", "environment", "group", "item"}
    unlike = {"stands", "upstream", "relative_outside"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made.root)
        with Repository() as repository:
            stages = repository.collect_stages([], Selection(all_pipelines=True))
            assert {stage.name for stage in stages} == {*STAGES, "data.dvc"}
            for stage in stages:
                record = record_stage(stage, [])
                loader, workspace = repository.loader, repository.workspace
                recorded = RecordedStage(workspace, record, loader, lambda: True)
                compared = set()
                for name in {*dir(stage)} - loaded - unlike:
                    value = getattr(stage, name)
                    if not name.startswith("_") and not callable(value):
                        assert getattr(recorded, name) == value, (stage, name)
                        compared.add(name)
                assert compared >= {"name", "dep_paths", "params", "outputs", "never_ran"}
                assert recorded.changes() == []
                assert recorded.stands
                assert recorded.locked == stage.locked
                assert not recorded.stands
                assert recorded.changes() == stage.changes()


# What a stage reads beside its own files


def agrees(made: Made, *options: str) -> dict[str, str]:
    """Plan with what is kept and without: whole plans. Return the stages' kinds."""
    time.sleep(5 * TICK)
    plan = made.run("reprise", "plan", "--json", *options)
    forget(made)
    assert made.run("reprise", "plan", "--json", *options) == plan
    return {entry["stage"]: entry["kind"] for entry in json.loads(plan)["stages"]}


def make(made: Made, stages: dict[str, Any], files: dict[str, str], **more: Any) -> None:
    """Put other stages in the place of those that there are, run them, and let them stand."""
    made.edit({"dvc.yaml": text({**more, "stages": stages}), **files})
    made.run("reprise", "run", "-j1")
    time.sleep(5 * TICK)
    made.run("reprise", "plan")


@pytest.mark.parametrize("file", ["vars.json", "params.yaml", "in/vars.yaml", "values.conf"])
def test_a_file_of_vars_that_is_a_dep(file: str, made: Made) -> None:
    dep = "in" if "/" in file else file
    stages = {
        "a": stage(f"ls {dep} > a", [dep], "a"),
        "b": stage("echo ${x} > b", ["b.in"], "b"),
    }
    values = {"x": 1} if file.endswith("json") else None
    content = json.dumps(values) if values else "x: 1\n"
    make(made, stages, {file: content}, vars=[file])
    made.edit({file: content.replace("1", "2")})
    assert agrees(made) == {"a": "run", "b": "run"}


def test_a_list_of_stages_that_was_empty(made: Made) -> None:
    stages = {"a": {**stage("cat a.in > a", ["a.in"], "a"), "params": ["p"]}}
    each = {"foreach": "${models}", "do": {"cmd": "echo ${item}"}}
    make(made, {**stages, "m": each}, {"params.yaml": "p: 1\nmodels: []\n"})
    made.edit({"params.yaml": "p: 1\nmodels: [x]\n"})
    assert agrees(made) == {"a": "unchanged", "m@x": "run"}


def test_stages_in_a_folder_that_is_a_dep(made: Made) -> None:
    make(made, {"a": stage("ls in > a", ["in"], "a")}, {"in/dvc.yaml": "stages: {}\n"})
    made.run("reprise", "plan", "-P")
    inner = {"g": {"cmd": "echo 1 > g", "outs": ["g"]}}
    made.edit({"in/dvc.yaml": text({"stages": inner})})
    assert agrees(made, "-P") == {"a": "may run", "in/dvc.yaml:g": "run"}


def test_a_folder_from_the_future(made: Made) -> None:
    make(made, {"a": stage("ls in > a", ["in"], "a")}, {})
    os.utime(made.root / "in", (4 * 10**9, 4 * 10**9))
    made.run("reprise", "plan", "-P")
    made.edit({"in/dvc.yaml": text({"stages": {"g": {"cmd": "echo 1 > g", "outs": ["g"]}}})})
    made.run("reprise", "plan", "-P")
    assert agrees(made, "-P") == {"a": "may run", "in/dvc.yaml:g": "run"}


def test_what_was_unchanged_only_after_a_run_to_come(made: Made) -> None:
    stages = {
        "a": stage("cat a.in > a", ["a.in"], "a"),
        "b": stage("cat a > b", ["a"], "b"),
    }
    make(made, stages, {})
    made.run("git", "add", "-A")
    made.run("git", "commit", "-qm", "one")
    made.edit({"a.in": "7\n"})
    made.run("reprise", "run", "a")
    made.run("git", "commit", "-qam", "two")
    made.run("git", "checkout", "-q", "HEAD~1")
    time.sleep(5 * TICK)
    assert "restored" in made.run("reprise", "plan")
    made.run("git", "checkout", "-q", "-")
    assert agrees(made) == {"a": "unchanged", "b": "run"}


@pytest.mark.parametrize("persists", [True, False])
def test_a_folder_that_grows_while_stages_run(persists: bool, made: Made) -> None:
    write_more: dict[str, Any] = {"cmd": "mkdir -p d; echo 1 > d/$(cat a.in)", "deps": ["a.in"]}
    if persists:
        write_more["outs"] = [{"d": {"persist": True, "cache": False}}]
    write_more["meta"] = {"reprise": {"sandbox": False}}
    stages = {"a": write_more, "b": stage("ls d > b", ["d"], "b")}
    (made.root / "d").mkdir()
    make(made, stages, {"d/0": "1\n"})
    made.edit({"a.in": "7\n"})
    made.run("reprise", "run", "-j1")
    made.run("reprise", "run", "-j1")
    assert (made.root / "b").read_text().split() == ["0", "1", "7"]
    assert made.run("dvc", "status") == "Data and pipelines are up to date.\n"


def test_a_folder_of_two_stages_that_is_written_to_in_between(made: Made) -> None:
    """The one that runs first has hashed it; the other one stood."""
    write_more = {"cmd": "cat b.in > in/$(cat b.in); echo 1 > w", "deps": ["b.in"], "outs": ["w"]}
    stages = {
        "x": stage("cat a.in in/* > x", ["a.in", "in"], "x"),
        "w": {**write_more, "meta": {"reprise": {"sandbox": False}}},
        "y": stage("ls in > y", ["in"], "y"),
    }
    make(made, stages, {"in/2": "2\n"})
    made.edit({"a.in": "7\n", "b.in": "7\n"})
    made.run("reprise", "run", "-j1")
    assert "7" in (made.root / "y").read_text().split()


def test_values_of_a_stage_that_another_one_writes(made: Made, tmp_path: Path) -> None:
    stages = {
        "gen": stage("cp a.in gen.yaml", ["a.in"], "gen.yaml"),
        "use": {**stage("echo ${y} > use", ["gen.yaml"], "use"), "vars": ["gen.yaml"]},
    }
    make(made, stages, {"a.in": "y: 1\n", "gen.yaml": "y: 1\n"})
    other = Made(tmp_path / "other", made.spec, made.path)
    shutil.copytree(made.root, other.root, symlinks=True)
    for repository in (made, other):
        repository.edit({"a.in": "y: 2\n"})
    made.run("reprise", "run")
    other.run("dvc", "repro")
    assert (made.root / "dvc.lock").read_text() == (other.root / "dvc.lock").read_text()


def test_meta_of_others_may_hold_anything(made: Made) -> None:
    stages = {"a": {**stage("cat a.in > a", ["a.in"], "a"), "meta": {"reviewed": date(2024, 5, 1)}}}
    make(made, stages, {})
    made.edit({"a.in": "7\n"})
    assert agrees(made) == {"a": "run"}


POINTS = ["digest_file", "sign_walk", "record_stage", "write_kept"]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("edited", ["params.yaml", "dvc.yaml", "dvc.lock", "in/dvc.yaml"])
def test_an_edit_while_it_is_kept(
    edited: str, point: str, made: Made, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes before or after what is kept of the file, and never counts as what was there."""
    contents = {
        "params.yaml": "p: 2\nq: {r: 1, s: 1}\n",
        "dvc.yaml": FILES["dvc.yaml"].replace("cat a", "tac a"),
        "dvc.lock": (made.root / "dvc.lock").read_text().replace("cat a.in", "tac a.in"),
        "in/dvc.yaml": "stages: {s: {cmd: 'true'}}",
    }
    original = getattr(keep, point)
    done: list[int] = []

    def edit_first(*args: Any) -> Any:
        if not done:
            done.append(1)
            (made.root / edited).write_text(contents[edited])
        return original(*args)

    forget(made)
    monkeypatch.setattr(keep, point, edit_first)
    asked()
    assert done
    monkeypatch.undo()
    agrees(made)
