"""Test that a plan with nothing to do is said again without DVC, and only as long as it is true."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reprise.cli import main, make_parser
from reprise.commands.options import plan_question
from reprise.runner.plan_format import format_plan
from reprise.state.folders import StateFolders
from reprise.state.trace.answer import Answer, recall
from reprise.state.trace.signature import TICK, WHOLE_SECONDS, Look
from tests.conftest import made_once, one_in
from tests.reprise.corpus import Made
from tests.reprise.random_dags import text
from tests.reprise.runner.repository import Make, make, stage, variables
from tests.reprise.runner.test_disk import NAMESPACE, READ_ONLY, RUN, can_mount

__all__ = ["make"]  # the fixture
STAGES = {
    "folder": stage("mkdir -p f; cat in/* > f/a; echo 2 > f/b", ["in"], "f"),
    "file": {**stage("cat a.in ${v} > ${v}.o", ["a.in", "${v}"], "${v}.o"), "params": ["p"]},
    "plain": {"cmd": "cat f/a > plain", "deps": ["f"], "outs": [{"plain": {"cache": False}}]},
}
FILES = {
    "dvc.yaml": text({"vars": ["vars.json"], "stages": STAGES}),
    "vars.json": '{"v": "b.in"}\n',
    "params.yaml": "p: 1\nq: 1\n",
    "b.in": "2\n",
    "in/c.in": "3\n",
    "in/deep/d.in": "4\n",
    "empty/x": "",
}
DEBUG = "REPRISE_DEBUG"  # of the environment, and without an effect here


def answer_file(made: Made) -> Path:
    return StateFolders.in_repository(made.root).answer


def ask(made: Made, *command: str, env: dict[str, str] | None = None) -> tuple[str, bool]:
    """Run `reprise` and return its output, and whether that is an answer of before.

    Who asks DVC touches the folder first.
    """
    folder = answer_file(made).parent
    os.utime(folder, (0, 0))
    variables = [f"{name}={value}" for name, value in (env or {}).items()]
    output = made.run(*(["env", *variables] if variables else []), "reprise", *command, code=None)
    return output, folder.stat().st_mtime == 0


def settle(made: Made, *command: str) -> str:
    """Ask until the answer is one of before: until then, files may be too young."""
    for _ in range(50):
        output, is_recalled = ask(made, *(command or ("plan",)))
        if is_recalled:
            return output
        time.sleep(0.05)
    raise AssertionError(output)


def forget(made: Made) -> None:
    """Remove what is kept of plans."""
    folders = StateFolders.in_repository(made.root)
    for file in (folders.answer, folders.standing):
        file.unlink(missing_ok=True)


def check(made: Made, *command: str) -> bool:
    """Check that the answer is the one without a file. Return whether it was one of before."""
    command = command or ("plan", "--json")
    output, is_recalled = ask(made, *command)
    forget(made)
    fresh, _ = ask(made, *command)
    assert output == fresh
    return is_recalled


@pytest.fixture(scope="session")
def finished_stages(shared_folder: Path, commands: str) -> Made:
    """Return a repository that has run once, to copy; all workers have the same one."""
    spec = {"files": {"a.in": "1\n", **FILES}}

    def finish(folder: Path) -> None:
        Made(folder, spec, commands).create().run("reprise", "run")

    return Made(made_once(shared_folder / "idle", finish), spec, commands)


@pytest.fixture
def idle(finished_stages: Made, tmp_path: Path) -> Made:
    """Return a repository in which nothing is to be done, and which has said so."""
    shutil.copytree(finished_stages.root, tmp_path / "repo", symlinks=True)
    made = Made(tmp_path, finished_stages.spec, finished_stages.path)
    assert settle(made) == "  unchanged  file, folder, plain\n"
    return made


def test_a_plan_and_a_run_with_nothing_to_do_are_said_again(idle: Made) -> None:
    output, is_recalled = ask(idle, "run")
    assert is_recalled
    assert output.startswith("  unchanged  file, folder, plain\n3 unchanged in 0.")
    assert ask(idle, "run", "--dry") == ("  unchanged  file, folder, plain\n", True)
    assert ask(idle, "plan", "--exit-code") == ("  unchanged  file, folder, plain\n", True)
    document, is_recalled = ask(idle, "plan", "--json")
    assert is_recalled
    assert [entry["kind"] for entry in json.loads(document)["stages"]] == ["unchanged"] * 3


def test_what_a_run_found_is_said_again_by_a_plan(idle: Made) -> None:
    answer_file(idle).unlink()
    settle(idle, "run")
    assert check(idle)


def test_the_answer_of_before_takes_neither_dvc_nor_yaml(idle: Made) -> None:
    code = (
        "import sys; from reprise.__main__ import main\n"
        "try: main()\n"
        "finally: print(*{name.split('.')[0] for name in sys.modules})"
    )
    for command in (["plan"], ["run"]):
        idle.run(sys.executable, "-c", code, *command)
        output = idle.run(sys.executable, "-c", code, *command)
        assert output.startswith("  unchanged  file, folder, plain\n")
        heavy = {"dvc", "ruamel", "yaml", "numpy", "pydantic", "psutil", "rich", "subprocess"}
        assert not heavy & set(output.splitlines()[-1].split())


def rewrite(path: Path, content: str) -> None:
    """Write into the file, as long as it was, and set its time back."""
    status = path.stat()
    path.chmod(0o644)
    with path.open("r+") as file:
        file.write(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def swap(one: Path, other: Path) -> None:
    """Swap two files of the same size, and give both the same time."""
    part = one.with_name("part")
    one.rename(part)
    other.rename(one)
    part.rename(other)
    for path in (one, other):
        os.utime(path, ns=(10**18, 10**18))


def replace(path: Path, content: str) -> None:
    """Put another file in the place of this one, with the same time."""
    part = path.with_name("part")
    part.write_text(content)
    shutil.copystat(path, part)
    part.replace(path)


def removed(path: Path) -> Path:
    path.unlink()
    return path


def cached(root: Path, suffix: str) -> Path:
    """Return the first object of the cache whose name ends so."""
    return sorted((root / ".dvc/cache/files/md5").glob(f"*/*{suffix}"))[0]


def remove_objects(root: Path) -> None:
    for path in (root / ".dvc/cache/files/md5").glob("*/*[!r]"):
        path.unlink()


EDITS: dict[str, Callable[[Path], object]] = {
    "dep": lambda root: rewrite(root / "a.in", "7\n"),
    "dep replaced": lambda root: replace(root / "a.in", "7\n"),
    "dep removed": lambda root: (root / "a.in").unlink(),
    "deps swapped": lambda root: swap(root / "a.in", root / "b.in"),
    "dep a folder": lambda root: removed(root / "a.in").mkdir(),
    "dep a link": lambda root: removed(root / "a.in").symlink_to("b.in"),
    "in folder": lambda root: rewrite(root / "in/deep/d.in", "7\n"),
    "more in folder": lambda root: (root / "in/deep/new").write_text("1\n"),
    "less in folder": lambda root: (root / "in/deep/d.in").unlink(),
    "renamed in folder": lambda root: (root / "in/c.in").rename(root / "in/e.in"),
    "params": lambda root: rewrite(root / "params.yaml", "p: 2\nq: 1\n"),
    "another param": lambda root: rewrite(root / "params.yaml", "p: 1\nq: 2\n"),
    "vars": lambda root: rewrite(root / "vars.json", '{"v": "a.in"}\n'),
    "dvc.yaml": lambda root: replace(
        root / "dvc.yaml", (root / "dvc.yaml").read_text().replace("echo 2", "echo 3")
    ),
    "dvc.lock": lambda root: replace(
        root / "dvc.lock", (root / "dvc.lock").read_text().replace("echo 2", "echo 3")
    ),
    "no dvc.lock": lambda root: (root / "dvc.lock").unlink(),
    "out": lambda root: rewrite(root / "b.in.o", "7\n"),
    "out in folder": lambda root: rewrite(root / "f/b", "7\n"),
    "out removed": lambda root: shutil.rmtree(root / "f"),
    "out not cached": lambda root: rewrite(root / "plain", "7\n"),
    "objects": remove_objects,
    "tree object": lambda root: cached(root, ".dir").unlink(),
    "object damaged": lambda root: rewrite(cached(root, "[!r]"), "7"),
    "a stage elsewhere": lambda root: (root / "empty/dvc.yaml").write_text(
        "stages: {s: {cmd: echo, outs: [../f/b]}}"
    ),
    "a broken dvc.yaml elsewhere": lambda root: (root / "empty/dvc.yaml").write_text("stages: ]"),
    "a .dvc file": lambda root: (root / "a.in.dvc").write_text("outs: [{path: a.in}]"),
    ".dvcignore": lambda root: (root / "in/.dvcignore").write_text("deep\n"),
    "the first .dvcignore": lambda root: (root / ".dvcignore").write_text("in/c.in\n"),
    ".gitignore": lambda root: (root / "empty/.gitignore").write_text("*\n"),
    "config": lambda root: (root / ".dvc/config.local").write_text("[cache]\ndir = elsewhere\n"),
    "no git": lambda root: (root / ".dvc/config").write_text("[core]\nno_scm = true\n"),
    "a folder less": lambda root: shutil.rmtree(root / "empty"),
}


@pytest.mark.parametrize("name", one_in(3, EDITS))
def test_an_edit_is_seen(name: str, idle: Made) -> None:
    EDITS[name](idle.root)
    assert not check(idle)


def test_what_decides_nothing_changes_nothing(idle: Made) -> None:
    (idle.root / "empty/x").write_text("edited")
    (idle.root / ".dvc/tmp/x").write_text("")
    idle.run("dvc", "status")
    assert check(idle)


def test_a_repository_without_git(idle: Made) -> None:
    idle.run("dvc", "config", "core.no_scm", "true")
    shutil.rmtree(idle.root / ".git")
    settle(idle)
    assert check(idle)


LINKS = ["symlink", "hardlink", "copy"]


@pytest.mark.parametrize("link", LINKS)
def test_a_linked_out_that_leads_elsewhere_is_seen(link: str, make: Make) -> None:
    made = make({"s": stage("cat a.in > o", ["a.in"], "o")})
    made.run("dvc", "config", "cache.type", link)
    made.run("reprise", "run")
    settle(made)
    assert check(made)
    settle(made)
    rewrite((made.root / "o").resolve(), "7\n")
    assert not check(made)
    (made.root / "o").unlink()
    (made.root / "o").symlink_to("a.in")  # as it was, by another way
    check(made)
    settle(made)
    assert check(made)


def test_a_branch_switched_back_and_forth(idle: Made) -> None:
    """Git writes files anew, as long as they were."""
    idle.run("git", "add", "-A")
    idle.run("git", "commit", "-qm", "one")
    idle.run("git", "checkout", "-qb", "two")
    idle.edit({"a.in": "2\n"})
    idle.run("git", "commit", "-qam", "two")
    assert not check(idle)
    idle.run("git", "checkout", "-q", "-")
    settle(idle)
    for _ in range(4):
        idle.run("git", "checkout", "-q", "-")
        assert not check(idle)


def test_stages_that_dvc_always_asks_about_are_asked_about(make: Make) -> None:
    made = make(
        {
            "always": {**stage("cat a.in > o", ["a.in"], "o"), "always_changed": True},
            "callback": {"cmd": "true"},
        }
    )
    made.run("reprise", "run")
    for _ in range(3):
        assert not check(made)
    made.run("reprise", "plan", "-s", "callback")


def test_a_frozen_stage_is_planned_again_but_its_note_is_not_lost(make: Make) -> None:
    stages = {"s": stage("cat a.in > o", ["a.in"], "o")}
    made = make(stages)
    made.run("reprise", "run")
    made.run("dvc", "freeze", "s")
    settle(made)
    output, is_recalled = ask(made, "run")
    assert not is_recalled
    assert "s: it is frozen; its dependencies are not looked at" in output
    assert ask(made, "run", "--dry")[1]
    rewrite(made.root / "o", "7\n")
    assert not check(made)


@pytest.mark.parametrize("kind", ["import", "import-url", "dep", "out"])
def test_what_lies_elsewhere_is_asked_each_time(kind: str, make: Make) -> None:
    made = make({"s": stage("cat a.in > o", ["a.in"], "o")})
    other = make({}, {"x": "1\n"}, "other")
    other.run("dvc", "add", "-q", "x")
    other.run("git", "add", "-A")
    other.run("git", "commit", "-qm", "all")
    match kind:
        case "import":
            made.run("dvc", "import", str(other.root), "x")
        case "import-url":
            made.run("dvc", "import-url", str(other.root / "x"), "y")
        case "dep":
            made.run("dvc", "remote", "add", "r", str(other.root))
            made.edit({"dvc.yaml": text({"stages": {"s": stage("cat a.in > o", ["a.in"], "o")}})})
            made.run("dvc", "import-url", "remote://r/x", "y")
        case "out":
            outside = made.folder / "outside"
            made.edit({"dvc.yaml": text({"stages": {"s": {"cmd": f"cat a.in > {outside}"}}})})
    made.run("reprise", "run", "-P", code=None)
    for _ in range(3):
        assert not check(made, "plan", "-P")


@pytest.mark.parametrize(
    "question",
    [["plan", "file"], ["plan", "-s", "plain"], ["plan", "--allow-missing"], ["plan", "-f"]],
    ids=" ".join,
)
def test_another_question_has_another_answer(question: list[str], idle: Made) -> None:
    assert not check(idle, *question)
    if "-f" not in question:
        settle(idle, *question)
        assert check(idle, *question)
    assert not check(idle)


def test_the_folder_is_part_of_the_question(idle: Made) -> None:
    settle(idle, "plan", "../repo/dvc.yaml")
    assert ask(idle, "plan", "../repo/dvc.yaml", "-C", "in")[1] is False
    settle(idle, "plan", "-C", "in", "-P")
    assert ask(idle, "plan", "-P", "-C", str(idle.root / "in"))[1]


@pytest.mark.parametrize("variable", ["DVC_X", "LC_ALL", "HOME", "XDG_CONFIG_HOME", DEBUG])
def test_variables_that_dvc_reads_are_part_of_the_question(variable: str, idle: Made) -> None:
    assert not ask(idle, "plan", env={variable: str(idle.folder)})[1]


def test_options_of_a_run_that_decide_nothing_are_not(idle: Made) -> None:
    for options in (["-j3"], ["-k"], ["--no-sandbox"], ["-i"], ["--no-commit"]):
        assert ask(idle, "run", *options)[1]
    assert not ask(idle, "run", "--pull")[1]


def test_an_unfinished_run_is_taken_over_and_not_passed_over(idle: Made) -> None:
    folders = StateFolders.in_repository(idle.root)
    for folder in (folders.journals, folders.groups, folders.sandboxes):
        path = folder / "999999-1.jsonl"
        path.touch()
        assert not ask(idle, "run")[1]
        path.unlink(missing_ok=True)
        settle(idle, "run")


def test_where_nothing_can_be_written_nothing_is_kept_and_nothing_said(idle: Made) -> None:
    answer_file(idle).unlink()
    answer_file(idle).mkdir()
    for _ in range(3):
        assert ask(idle, "plan") == ("  unchanged  file, folder, plain\n", False)


@pytest.mark.skipif(not can_mount(Path.cwd()), reason="needs a right to mount")
def test_a_read_only_repository_is_no_error(idle: Made) -> None:
    plan = [*RUN[:-2], "plan", "-C"]
    command = [*NAMESPACE, READ_ONLY, "sh", str(idle.root), *plan, str(idle.root)]
    assert idle.run(*command) == "  unchanged  file, folder, plain\n"
    answer_file(idle).unlink()
    assert idle.run(*command) == "  unchanged  file, folder, plain\n"


def test_several_processes_at_once(idle: Made) -> None:
    answer_file(idle).unlink()
    command = [sys.executable, "-m", "reprise", "plan"]
    options: dict[str, Any] = {"cwd": idle.root, "env": variables(idle), "text": True}
    started = [subprocess.Popen(command, stdout=-1, stderr=-2, **options) for _ in range(4)]
    outputs = {process.communicate()[0] for process in started}
    assert outputs == {"  unchanged  file, folder, plain\n"}
    assert not list(answer_file(idle).parent.glob("*.part"))
    settle(idle)
    assert check(idle)


# In this process


@pytest.fixture
def here(idle: Made, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> tuple[Path, Any, Answer]:
    """Keep an answer from this process. Return its file, the question and the answer."""
    monkeypatch.chdir(idle.root)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(idle.folder.parent / "site"))
    question = plan_question(make_parser().parse_args(["plan"]))
    with pytest.raises(SystemExit):
        main(["plan"])
    answer = recall(question)
    assert answer is not None
    assert answer.lines == ["unchanged  file, folder, plain"]
    return answer_file(idle), question, answer


def damaged(rng: random.Random, content: bytes) -> bytes:
    """Cut, flip, drop or repeat some bytes."""
    start = rng.randrange(len(content))
    end = min(len(content), start + rng.choice([1, 1, 2, 10, 1000]))
    match rng.choice(["cut", "flip", "drop", "repeat"]):
        case "cut":
            return content[:start]
        case "flip":
            return content[:start] + rng.randbytes(end - start) + content[end:]
        case "drop":
            return content[:start] + content[end:]
    return content[:end] + content[start:]


def test_a_damaged_answer_is_none(here: tuple[Path, Any, Answer]) -> None:
    path, question, answer = here
    content = path.read_bytes()
    rng = random.Random(1)
    for _ in range(1000):
        path.write_bytes(damaged(rng, content))
        assert recall(question) in (None, answer)
    path.write_bytes(content)
    assert recall(question) == answer


FOREIGN: list[Any] = [None, 1, "x", [], {}, True, {"x": 1}, [1], -1, 10**30]


def test_a_foreign_answer_is_none(here: tuple[Path, Any, Answer]) -> None:
    """Replace each value by one of another type, with a checksum that is right."""
    path, question, _ = here
    record = json.loads(path.read_bytes().partition(b"\n")[2])
    documents: list[Any] = [*FOREIGN]
    for key in record:
        for value in FOREIGN:
            documents.append({**record, key: value})
        documents.append({name: record[name] for name in record if name != key})
    for key in record["answer"]:
        for value in FOREIGN:
            if type(value) is not type(record["answer"][key]):
                documents.append({**record, "answer": {**record["answer"], key: value}})
    for path_name in list(record["looked"])[:3]:
        for value in FOREIGN:
            documents.append({**record, "looked": {**record["looked"], path_name: value}})
    assert len(documents) > 100
    for document in documents:
        content = json.dumps(document).encode()
        path.write_bytes(b"%08x\n%s" % (zlib.crc32(content), content))
        assert recall(question) is None or document["looked"] in ({}, record["looked"])
    for content in (b"", b"\n", b"x\n{}", b"0\n", b"\xff" * 100, b"[" * 100_000):
        path.write_bytes(content)
        assert recall(question) is None


def test_a_clock_that_was_set_back_is_not_trusted(
    here: tuple[Path, Any, Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, question, _ = here
    monkeypatch.setattr(time, "time_ns", lambda: 10**18)
    assert recall(question) is None


def test_another_user_has_another_question(
    here: tuple[Path, Any, Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, question, _ = here
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    args = make_parser().parse_args(["plan"])
    assert plan_question(args) != question
    assert recall(plan_question(args)) is None


@pytest.mark.parametrize("where", ["a.in", "in/deep/d.in", "params.yaml", "f/b", "plain"])
def test_a_time_in_the_future_is_never_trusted(where: str, idle: Made) -> None:
    later = time.time() + 1000
    os.utime(idle.root / where, (later, later))
    for _ in range(3):
        assert not check(idle)


def test_a_file_that_is_as_young_as_the_answer_may_be_written_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    now = path.stat().st_ctime_ns
    assert Look(str(path)).may_be_written_since(now)
    assert Look(str(path)).may_be_written_since(now + int(TICK * 1e9))
    assert not Look(str(path)).may_be_written_since(now + int(TICK * 1e9) + 1)
    os.utime(path, (10**9, 10**9))
    changed = path.stat().st_ctime_ns
    assert not Look(str(path)).may_be_written_since(changed + int(TICK * 1e9) + 1)
    assert Look(str(path)).may_be_written_since(changed)


def test_a_file_system_of_whole_seconds_has_longer_ticks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.touch()
    times = {"st_mtime_ns": 7 * 10**9, "st_ctime_ns": 7 * 10**9}
    status = SimpleNamespace(st_mode=0o100644, st_ino=0, st_size=5, **times)
    monkeypatch.setattr("reprise.state.trace.signature._lstat", lambda _: status)
    look = Look(str(path))
    assert look.signature == [0o100644, 0, 5, 7 * 10**9, 7 * 10**9]
    assert look.may_be_written_since(int((7 + WHOLE_SECONDS) * 10**9))
    assert not look.may_be_written_since(int((7 + WHOLE_SECONDS) * 10**9) + 1)


def removed_file(root: Path) -> None:
    (root / "a.in").unlink()


def folder_for_a_file(root: Path) -> None:
    removed(root / "params.yaml").mkdir()


@pytest.mark.parametrize(
    "edit",
    [
        removed_file,
        folder_for_a_file,
        lambda root: rewrite(root / "a.in", "7\n"),
        lambda root: (root / "in/new").touch(),
        lambda root: (root / "in/deep/d.in").unlink(),
        lambda root: (root / "empty/dvc.yaml").touch(),
    ],
)
def test_what_moves_while_an_answer_is_found_is_not_kept(
    edit: Callable[[Path], object],
    here: tuple[Path, Any, Answer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Edit after DVC has answered, and before the answer is kept."""
    path, question, _ = here
    for file in path.parent.glob("*.json"):
        file.unlink()

    def edit_and_format(*arguments: Any) -> Any:
        edit(path.parents[3])
        return format_plan(*arguments)

    monkeypatch.setattr("reprise.runner.kept_plan.format_plan", edit_and_format)
    with pytest.raises(SystemExit):
        main(["plan"])
    assert recall(question) is None
