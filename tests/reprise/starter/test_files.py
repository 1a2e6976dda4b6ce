"""`reprise init` adds what reports need, overwrites nothing, and asks nothing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reprise.cli import make_parser
from reprise.starter import files
from reprise.starter.files import add_files, requirement
from tests.conftest import ROOT, YAML_
from tests.reprise.corpus import Made
from tests.test_docs import blocks

STAGES = "stages:\n  copy:\n    cmd: cp a.txt b.txt\n    deps: [a.txt]\n    outs: [b.txt]\n"
REPORT = ".github/workflows/reprise-report.yml"
COMMENT = ".github/workflows/reprise-comment.yml"


def made(commands: str, folder: Path, **others: str) -> Made:
    return Made(
        folder, {"files": {"dvc.yaml": STAGES, "a.txt": "1\n", **others}}, commands
    ).create()


def init(repository: Made, *options: str) -> dict[str, str]:
    """Run it; return the word that it has for each file."""
    printed = repository.run("reprise", "init", *options)
    lines = (line.split() for line in printed.splitlines() if line.startswith("  "))
    return {path: word for word, path, *_ in lines}


def workflow(root: Path, name: str) -> dict[str, Any]:
    return dict(YAML_.load(root / name))


def scripts(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_it_adds_workflows_ignored_lines_and_an_example(commands: str, tmp_path: Path) -> None:
    repository = made(commands, tmp_path, **{".gitignore": "/b.txt\n"})
    before = repository.run("reprise", "plan")
    assert init(repository) == {
        REPORT: "written",
        COMMENT: "written",
        ".gitignore": "extended",
        "dvc.yaml": "extended",
    }
    [shown] = [block.shown for block in blocks() if block.name == "init"]
    assert repository.output.splitlines()[: len(shown)] == shown
    assert "/.prefect/" in (repository.root / ".gitignore").read_text().splitlines()
    assert (repository.root / "dvc.yaml").read_text().startswith(f"{STAGES}\n#")
    assert repository.run("reprise", "plan") == before


def test_a_second_time_changes_nothing(commands: str, tmp_path: Path) -> None:
    repository = made(commands, tmp_path, **{".gitignore": "/b.txt"})
    init(repository)
    repository.run("git", "add", ".")
    tree = repository.run("git", "write-tree")
    assert {*init(repository).values()} == {"kept"}
    assert "CI installs" not in repository.output
    repository.run("git", "add", ".")
    assert repository.run("git", "write-tree") == tree


def test_what_is_there_stays(commands: str, tmp_path: Path) -> None:
    own = {REPORT: "name: mine\n", ".gitignore": "/b.txt", "dvc.yaml": f"# reprise: {STAGES}"}
    repository = made(commands, tmp_path)
    repository.edit(dict(own))
    words = init(repository)
    assert (words[REPORT], words["dvc.yaml"], words[COMMENT]) == ("kept", "kept", "written")
    assert (repository.root / REPORT).read_text() == own[REPORT]
    assert (repository.root / "dvc.yaml").read_text() == own["dvc.yaml"]
    assert (repository.root / ".gitignore").read_text().splitlines()[:2] == ["/b.txt", "/.prefect/"]


def test_lines_are_added_in_the_file_s_own_line_ends(commands: str, tmp_path: Path) -> None:
    repository = made(commands, tmp_path)
    (repository.root / "dvc.yaml").write_bytes(STAGES.replace("\n", "\r\n").encode())
    init(repository)
    content = (repository.root / "dvc.yaml").read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n") > len(STAGES.splitlines())


def test_the_example_is_what_reprise_reads(commands: str, tmp_path: Path) -> None:
    repository = made(commands, tmp_path)
    init(repository)
    text = (repository.root / "dvc.yaml").read_text()
    example = "\n".join(re.findall(r"^# ( .*)", text, re.MULTILINE))
    command = "    cmd: echo 1,1 > predictions.csv\n    params: [train.seed]\n    meta:"
    example = example.replace("    meta:", command, 1)
    repository.edit({"dvc.yaml": f"stages:\n{example}\n", "params.yaml": "train: {seed: 1}\n"})
    assert "train" in repository.run("reprise", "run")
    repository.run("git", "add", ".")
    repository.run("git", "commit", "-qm", "first")
    assert "9 trainings" in repository.run("reprise", "replicate", "HEAD")


def test_a_subfolder_s_workflow_is_at_the_top_and_works_there(
    commands: str, tmp_path: Path
) -> None:
    repository = made(commands, tmp_path)
    folder = repository.root / "a b"
    folder.mkdir()
    environment = {**os.environ, "PATH": commands}
    subprocess.run(["dvc", "init", "--subdir", "-q"], cwd=folder, check=True, env=environment)
    words = init(repository, "-C", "a b")
    assert words[f"../{REPORT}"] == "written"
    job = workflow(repository.root, REPORT)["jobs"]["report"]
    assert job["defaults"]["run"]["working-directory"] == "a b"


@pytest.mark.parametrize(
    "origin", ["git@gitlab.com:o/r.git", "https://gitlab.example.org/o/r", "ssh://git@gitlab/o/r"]
)
def test_at_gitlab_it_writes_its_jobs(origin: str, commands: str, tmp_path: Path) -> None:
    repository = made(commands, tmp_path)
    repository.run("git", "remote", "add", "origin", origin)
    assert init(repository)[".gitlab-ci.yml"] == "written"
    assert not (repository.root / ".github").exists()
    assert workflow(repository.root, ".gitlab-ci.yml") == {
        "include": [{"local": "/.gitlab/reprise.yml"}]
    }
    jobs = workflow(repository.root, ".gitlab/reprise.yml")
    own = YAML_.load(ROOT / ".gitlab-ci.example.yml")
    assert jobs["reprise-comment"]["rules"] == own["comment"]["rules"]
    assert jobs["reprise-comment"]["environment"] == own["comment"]["environment"]
    assert jobs["reprise-comment"]["script"][-2:] == own["comment"]["script"][-2:]
    assert "environment" not in jobs["reprise-report"]


def test_a_gitlab_ci_yml_that_is_there_is_named_with_what_to_add(
    commands: str, tmp_path: Path
) -> None:
    repository = made(commands, tmp_path, **{".gitlab-ci.yml": "test: {script: [make]}\n"})
    repository.run("git", "remote", "add", "origin", "git@gitlab.com:o/r.git")
    printed = repository.run("reprise", "init")
    assert "kept      .gitlab-ci.yml  add to it: include: - local: /.gitlab/reprise.yml" in printed


def test_its_workflows_are_those_of_this_project(commands: str, tmp_path: Path) -> None:
    """The scripts beside a token, the actions and what each job may do are the same."""
    repository = made(commands, tmp_path)
    init(repository)
    own_text, text = "", ""
    for name, path in (("report", REPORT), ("comment", COMMENT)):
        own = workflow(ROOT, f".github/workflows/{name}.yml")
        found = workflow(repository.root, path)
        assert found["permissions"] == own["permissions"]
        assert found["jobs"][name].get("permissions") == own["jobs"][name].get("permissions")
        own_text += (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()
        text += (repository.root / path).read_text()
    pins = re.compile(r"uses: (\S+  # \S+)")
    assert {*pins.findall(text)} == {*pins.findall(own_text)}
    own, found = (
        workflow(*where)["jobs"]["comment"]
        for where in ((ROOT, ".github/workflows/comment.yml"), (repository.root, COMMENT))
    )
    assert scripts(found)[0] == scripts(own)[0]
    assert scripts(found)[-1] == scripts(own)[-1]
    assert found["if"] == own["if"]
    listened = workflow(repository.root, COMMENT)["on"]["workflow_run"]["workflows"]
    assert listened == [workflow(repository.root, REPORT)["name"]]


def test_its_workflows_have_commands_that_reprise_has(commands: str, tmp_path: Path) -> None:
    repository = made(commands, tmp_path)
    init(repository)
    for name, path in (("report", REPORT), ("comment", COMMENT)):
        for script in scripts(workflow(repository.root, path)["jobs"][name]):
            for call in re.findall(r"^ *reprise (.*)$", script, re.MULTILINE):
                words = [word.strip('"').replace("$NUMBER", "1") for word in call.split()]
                make_parser().parse_args(words)


def test_zizmor_finds_nothing_in_them(commands: str, tmp_path: Path) -> None:
    repository = made(commands, tmp_path)
    init(repository)
    zizmor = Path(sys.executable).with_name("zizmor")
    options = ["--offline", "--color=never", "--persona=auditor"]
    command = [str(zizmor), *options, str(repository.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("others", "installed"),
    [
        ({}, '"$REPRISE"'),
        ({"requirements.txt": ""}, '"$REPRISE" -r requirements.txt'),
        ({"pyproject.toml": ""}, '"$REPRISE" .'),
        ({"requirements.txt": "", "setup.py": ""}, '"$REPRISE" -r requirements.txt'),
    ],
)
def test_it_installs_what_the_repository_says(
    others: dict[str, str], installed: str, commands: str, tmp_path: Path
) -> None:
    repository = made(commands, tmp_path, **others)
    init(repository)
    job = workflow(repository.root, REPORT)["jobs"]["report"]
    assert scripts(job)[0] == f"python -m pip install {installed}"


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ({"url": "file:///home/a/reprise", "dir_info": {}}, "dvc-reprise==0.2.0"),
        (None, "dvc-reprise==0.2.0"),
        (
            {
                "url": "https://me:secret@example.org/reprise.git",
                "vcs_info": {"vcs": "git", "commit_id": "a" * 40},
            },
            f"dvc-reprise @ git+https://example.org/reprise.git@{'a' * 40}",
        ),
    ],
)
def test_ci_installs_the_reprise_that_is_installed_here(
    origin: dict[str, Any] | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = None if origin is None else json.dumps(origin)
    installed = SimpleNamespace(version="0.2.0", read_text={"direct_url.json": text}.get)
    monkeypatch.setattr(files, "distribution", {"dvc-reprise": installed}.get)
    assert requirement() == expected


def test_no_dvc_repository_or_no_git_is_one_line(commands: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": commands}
    command = ["reprise", "init"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    subprocess.run(["dvc", "init", "--no-scm", "-q"], cwd=tmp_path, env=environment, check=True)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert not (tmp_path / ".github").exists()


def test_a_folder_that_cannot_be_written_is_one_line(commands: str, tmp_path: Path) -> None:
    repository = made(commands, tmp_path, **{".github": "a file\n"})
    printed = repository.run("reprise", "init", code=1)
    assert printed.splitlines()[-1].startswith("reprise: ")
    assert "Traceback" not in printed


def test_changes_are_told_as_they_are_made(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    changes = add_files(tmp_path)
    assert next(changes).path == REPORT
    assert (tmp_path / REPORT).exists()
    assert not (tmp_path / COMMENT).exists()
