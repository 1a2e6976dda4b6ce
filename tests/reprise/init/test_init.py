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
from reprise.init import files, source
from reprise.init.changes import Outcome, add_file, add_lines
from reprise.init.files import add_files, describe_install, find_forge
from reprise.init.source import find_requirements, find_source
from tests.conftest import ROOT, YAML_
from tests.reprise.corpus import Made
from tests.reprise.test_workflows import run
from tests.test_docs import blocks

STAGES = "stages:\n  copy:\n    cmd: cp a.txt b.txt\n    deps: [a.txt]\n    outs: [b.txt]\n"
REPORT = ".github/workflows/reprise-report.yml"
COMMENT = ".github/workflows/reprise-comment.yml"
GITHUB, GITLAB = "git@github.com:o/r.git", "https://gitlab.com/o/r.git"
Words = dict[str, str]


def made(commands: str, folder: Path, origin: str | None = GITHUB, **others: str) -> Made:
    contents = {"dvc.yaml": STAGES, "a.txt": "1\n", **others}
    repository = Made(folder, {"files": contents}, commands).create()
    if origin is not None:
        repository.run("git", "remote", "add", "origin", origin)
    return repository


def init(repository: Made, *options: str) -> Words:
    """Run it; return the word that it has for each file."""
    printed = repository.run("reprise", "init", *options)
    lines = (line.split() for line in printed.splitlines() if line.startswith("  "))
    return {path: word for word, path, *_ in lines}


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A git repository with a dvc.yaml, whose origin is at GitHub."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "remote", "add", "origin", GITHUB], cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text(STAGES)
    return tmp_path


def outcomes(root: Path, forge: str | None = None) -> dict[str, Outcome]:
    found = {}
    for change in add_files(root, forge):
        found[os.path.relpath(change.path, root)] = change.outcome
    return found


def document(root: Path, name: str) -> dict[str, Any]:
    return dict(YAML_.load(root / name))


def scripts(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


# What it writes


def test_it_adds_what_the_docs_show(commands: str, tmp_path: Path) -> None:
    repository = made(commands, tmp_path, **{".gitignore": "/b.txt\n"})
    before = repository.run("reprise", "plan")
    words = {REPORT: "written", COMMENT: "written", ".gitignore": "extended"}
    assert init(repository) == {**words, "dvc.yaml": "extended"}
    [shown] = [block.shown for block in blocks() if block.name == "init"]
    assert repository.output.splitlines() == shown
    assert (repository.root / ".gitignore").read_text() == "/b.txt\n/.prefect/\n"
    assert (repository.root / "dvc.yaml").read_text().startswith(f"{STAGES}\n#")
    assert repository.run("reprise", "plan") == before


@pytest.mark.parametrize("origin", [GITHUB, GITLAB])
def test_a_second_time_changes_nothing(origin: str, commands: str, tmp_path: Path) -> None:
    repository = made(commands, tmp_path, origin)
    init(repository)
    repository.run("git", "add", ".")
    tree = repository.run("git", "write-tree")
    assert {*init(repository).values()} == {"kept"}
    repository.run("git", "add", ".")
    assert repository.run("git", "write-tree") == tree


def test_what_is_there_stays(top: Path) -> None:
    own = {
        REPORT: "name: mine\n",
        ".gitignore": ".prefect\n",
        "dvc.yaml": f"# reprise: x\n{STAGES}",
    }
    (top / REPORT).parent.mkdir(parents=True)
    for name, text in own.items():
        (top / name).write_text(text)
    assert outcomes(top) == dict.fromkeys(own, Outcome.KEPT) | {COMMENT: Outcome.WRITTEN}
    for name, text in own.items():
        assert (top / name).read_text() == text
    [report] = [
        change for change in add_files(top, None) if change.path.name.endswith("report.yml")
    ]
    assert report.remark == "not as this version writes it"


def test_the_example_is_what_reprise_reads(commands: str, tmp_path: Path) -> None:
    repository = made(commands, tmp_path)
    init(repository)
    text = (repository.root / "dvc.yaml").read_text()
    example = "\n".join(re.findall(r"^# ( .*)", text, re.MULTILINE))
    command = "    cmd: echo 1,1 > predictions.csv\n    params: [train.seed]\n    meta:"
    example = example.replace("    meta:", command, 1)
    repository.edit({"dvc.yaml": f"stages:\n{example}\n", "params.yaml": "train: {seed: 1}\n"})
    repository.run("reprise", "run")
    repository.run("git", "add", ".")
    repository.run("git", "commit", "-qm", "first")
    assert "9 trainings" in repository.run("reprise", "replicate", "HEAD")


def test_two_dvc_repositories_in_one_have_files_each(commands: str, tmp_path: Path) -> None:
    repository = made(commands, tmp_path)
    environment = {**os.environ, "PATH": commands}
    for name in ("a b", "ü/c"):
        (repository.root / name).mkdir(parents=True)
        subprocess.run(
            ["dvc", "init", "--subdir", "-q"],
            cwd=repository.root / name,
            check=True,
            env=environment,
        )
    init(repository)
    for name, suffix in (("a b", "-a-b"), ("ü/c", "-c")):
        repository.run("reprise", "init", "-C", name)
        report = document(repository.root, REPORT.replace(".yml", f"{suffix}.yml"))
        comment = document(repository.root, COMMENT.replace(".yml", f"{suffix}.yml"))
        assert report["jobs"]["report"]["defaults"]["run"]["working-directory"] == name
        assert comment["on"]["workflow_run"]["workflows"] == [report["name"]]
        assert report["name"] == f"reprise report{suffix}"
        marker = comment["jobs"]["comment"]["steps"][-1]["env"]["MARKER"]
        assert marker == f"<!-- reprise report{suffix} -->"


# Lines at the end of files


def example_of(path: Path, text: bytes) -> Outcome:
    path.write_bytes(text)
    return add_lines(path, lambda _: "\n# one\n# two\n", "").outcome


@pytest.mark.parametrize(
    "text",
    [
        b"a: {b: 1}",
        b"a:\n  b: |\n    x\n",
        b"a:\r\n  b: 1\r\n",
        b"a: 1\n...\n",
        "a: ü\n".encode(),
    ],
)
def test_an_example_changes_nothing_that_the_file_says(text: bytes, tmp_path: Path) -> None:
    file = tmp_path / "dvc.yaml"
    assert example_of(file, text) is Outcome.EXTENDED
    assert file.read_bytes().startswith(text)
    assert YAML_.load(file) == YAML_.load(text)
    assert file.read_bytes().count(b"\r\n") in (0, file.read_bytes().count(b"\n"))


@pytest.mark.parametrize(
    "text", [b"a:\n  b: |+\n    x\n", b"a:\n  b: |\n    x", b"a: [", b"a: \xff\n", b"# none\n"]
)
def test_where_it_would_it_is_left_out(text: bytes, tmp_path: Path) -> None:
    file = tmp_path / "dvc.yaml"
    assert example_of(file, text) is Outcome.SKIPPED
    assert file.read_bytes() == text


def test_ignored_names_may_be_any_bytes(tmp_path: Path) -> None:
    file = tmp_path / ".gitignore"
    file.write_bytes(b"/caf\xe9")
    file.chmod(0o600)
    assert add_lines(file, lambda _: "/x\n", "").outcome is Outcome.EXTENDED
    assert file.read_bytes() == b"/caf\xe9\n/x\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("a\n")
    (tmp_path / "link").symlink_to("real")
    add_lines(tmp_path / "link", lambda _: "b\n", "")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "a\nb\n"


def test_a_file_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "b").write_text("b\n")
    monkeypatch.setattr(os, "fdopen", fail)
    with pytest.raises(OSError, match="No space left"):
        add_file(tmp_path / "a", "text", "")
    with pytest.raises(OSError, match="No space left"):
        add_lines(tmp_path / "b", lambda _: "c\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert (tmp_path / "b").read_text() == "b\n"


# Which forge


@pytest.mark.parametrize(
    ("origin", "forge"),
    [
        (GITHUB, "github"),
        ("https://GitHub.com/o/r", "github"),
        ("https://gitlab-ci-token:x@github.com/o/r", "github"),
        (GITLAB, "gitlab"),
        ("ssh://git@gitlab.com:22/o/r", "gitlab"),
        ("https://gitlab.example.org/o/r", None),
        ("/srv/gitlab-backup/r.git", None),
        ("../gitlab.com/r", None),
        (None, None),
    ],
)
def test_the_forge_is_that_of_origin(origin: str | None, forge: str | None, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    if origin is not None:
        subprocess.run(["git", "remote", "add", "origin", origin], cwd=tmp_path, check=True)
    assert find_forge(tmp_path) == forge


def test_where_none_is_known_it_says_so_and_takes_an_option(commands: str, tmp_path: Path) -> None:
    repository = made(commands, tmp_path, None)
    assert init(repository)["."] == "skipped"
    assert "--forge github or --forge gitlab says which" in repository.output
    assert not (repository.root / ".github").exists()
    assert init(repository, "--forge", "github")[REPORT] == "written"


# GitLab


@pytest.mark.parametrize(
    ("ci", "stage", "remark"),
    [
        (None, "test", "includes it"),
        ("stages: [build, deploy]\n", "deploy", "add to its `include`"),
        ("job: {script: [make]}\n", "test", "add to its `include`"),
        ("job: {script: !reference [a]}\n", "test", "add to its `include`"),
    ],
)
@pytest.mark.parametrize("subfolder", ["", "sub"])
def test_at_gitlab_it_writes_jobs_of_a_stage_that_is_there(
    ci: str | None, stage: str, remark: str, subfolder: str, top: Path
) -> None:
    root = top / subfolder
    root.mkdir(exist_ok=True)
    if ci is not None:
        (top / ".gitlab-ci.yml").write_text(ci)
    suffix = f"-{subfolder}" if subfolder else ""
    for _ in range(2):
        [found] = [c for c in add_files(root, "gitlab") if c.path == top / ".gitlab-ci.yml"]
    if ci is None:
        assert document(top, ".gitlab-ci.yml") == {
            "include": [{"local": f"/.gitlab/reprise{suffix}.yml"}]
        }
    else:
        assert found.remark.startswith(remark)
        words = YAML_.load(found.remark.partition(": ")[2])
        assert words == [{"local": f"/.gitlab/reprise{suffix}.yml"}]
        assert (top / ".gitlab-ci.yml").read_text() == ci
    jobs = document(top, f".gitlab/reprise{suffix}.yml")
    assert jobs[f".reprise{suffix}"]["stage"] == stage
    assert ("cd sub" in jobs[f"reprise-report{suffix}"]["script"]) == bool(subfolder)


def test_gitlab_s_token_is_in_no_job_that_runs_the_merge_request_s_code(top: Path) -> None:
    outcomes(top, "gitlab")
    jobs = document(top, ".gitlab/reprise.yml")
    own = YAML_.load(ROOT / ".gitlab-ci.example.yml")["comment"]
    comment = jobs["reprise-comment"]
    assert "environment" not in jobs["reprise-report"]
    assert (comment["rules"], comment["environment"]) == (own["rules"], own["environment"])
    assert comment["variables"] == {"GIT_STRATEGY": "none"}
    assert comment["script"][0] == 'cd "$(mktemp -d)"'


# The workflows of GitHub


def test_its_workflows_may_do_no_more_than_this_project_s(top: Path) -> None:
    outcomes(top)
    text, own_text = "", ""
    for name, path in (("report", REPORT), ("comment", COMMENT)):
        own = document(ROOT, f".github/workflows/{name}.yml")
        found = document(top, path)
        assert found["permissions"] == own["permissions"]
        allowed = own["jobs"][name].get("permissions", {})
        assert found["jobs"][name].get("permissions", {}).items() <= allowed.items()
        own_text += (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()
        text += (top / path).read_text()
    pins = re.compile(r"uses: (\S+  # \S+)")
    assert {*pins.findall(text)} == {*pins.findall(own_text)} != set()
    own = document(ROOT, ".github/workflows/comment.yml")["jobs"]["comment"]
    comment = document(top, COMMENT)["jobs"]["comment"]
    assert comment["if"] == own["if"]
    assert scripts(comment)[0] == scripts(own)[0]
    assert "pip" not in str(comment)


@pytest.mark.parametrize(
    ("known", "call"),
    [
        ("7\n9\n", "api --silent --method PATCH repos/o/r/issues/comments/7"),
        ("", "api --silent repos/o/r/issues/12/comments"),
    ],
)
def test_the_comment_is_posted_once_and_then_updated(
    known: str, call: str, top: Path, tmp_path: Path
) -> None:
    outcomes(top)
    post = document(top, COMMENT)["jobs"]["comment"]["steps"][-1]
    report = tmp_path / "report" / "report.md"
    report.parent.mkdir()
    report.write_text("the report\n")
    (tmp_path / "known").write_text(known)
    listing = f'case "$*" in *--paginate*) cat "{tmp_path}/known";; *) '
    body = f'{listing} echo "$@" > "{tmp_path}/called";; esac'
    marker = post["env"]["MARKER"]
    done = run(post["run"], tmp_path, "gh", body, NUMBER="12", MARKER=marker)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "called").read_text().startswith(f"{call} --field body=@{tmp_path}/body")
    assert (tmp_path / "body").read_text() == f"{marker}\nthe report\n"


def test_a_report_that_is_a_link_is_not_posted(top: Path, tmp_path: Path) -> None:
    outcomes(top)
    post = document(top, COMMENT)["jobs"]["comment"]["steps"][-1]
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.md").symlink_to("/proc/self/environ")
    called = f'echo "$@" > "{tmp_path}/called"'
    done = run(post["run"], tmp_path, "gh", called, NUMBER="12", MARKER="m")
    assert done.returncode == 1
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize(("forge", "name"), [("github", REPORT), ("gitlab", ".gitlab/reprise.yml")])
def test_the_commands_are_those_that_reprise_has(forge: str, name: str, top: Path) -> None:
    outcomes(top, forge)
    calls = re.findall(r"^ +- (?:run: )?reprise (.*)$", (top / name).read_text(), re.MULTILINE)
    assert len(calls) == (2 if forge == "github" else 3)
    for call in calls:
        words = call.replace("$CI_MERGE_REQUEST_IID", "1").replace('"', "").split()
        make_parser().parse_args(words)


def test_zizmor_finds_nothing_in_them(top: Path) -> None:
    outcomes(top)
    zizmor = Path(sys.executable).with_name("zizmor")
    options = ["--offline", "--color=never", "--persona=auditor"]
    command = [str(zizmor), *options, str(top)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# What they install


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({}, ""),
        ({"requirements.txt": ""}, "-r requirements.txt"),
        ({"pyproject.toml": "[project]\nname = 'a'\n"}, "."),
        ({"pyproject.toml": "[tool.ruff]\n"}, ""),
        ({"pyproject.toml": "["}, ""),
        ({"setup.cfg": ""}, "."),
        ({"requirements.txt": "", "setup.py": ""}, "-r requirements.txt"),
    ],
)
def test_it_installs_what_the_repository_says(
    others: dict[str, str], expected: str, top: Path
) -> None:
    for name, text in others.items():
        (top / name).write_text(text)
    assert find_requirements(top) == expected
    outcomes(top)
    install = scripts(document(top, REPORT)["jobs"]["report"])[0]
    assert install.removesuffix(expected).rstrip().endswith('by}"')
    said = f"`pip install {expected}`" if expected else "CI installs reprise alone"
    assert said in describe_install(top)


COMMIT = "a" * 40
VCS = {"vcs_info": {"vcs": "git", "commit_id": COMMIT}}
KNOWN = f"dvc-reprise[review] @ git+https://example.org/reprise.git@{COMMIT}"


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ({"url": "https://example.org/reprise.git", **VCS}, KNOWN),
        ({"url": "https://me:secret@example.org/reprise.git", **VCS}, KNOWN),
        ({"url": "ssh://git@example.org/reprise.git", **VCS}, None),
        ({"url": "file:///home/me/reprise", **VCS}, None),
        ({"url": "https://example.org/a.whl", "archive_info": {}}, None),
        ({"url": "file:///no/such/folder", "dir_info": {}}, None),
        (None, None),
    ],
)
def test_ci_installs_the_reprise_that_is_installed_here_or_none(
    origin: dict[str, Any] | None,
    expected: str | None,
    top: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The index may have another project of the name: it stands beside a token that may write."""
    installed_as(origin, monkeypatch)
    assert find_source() == expected
    outcomes(top)
    report = document(top, REPORT)["jobs"]["report"]["steps"]
    [install] = [step for step in report if "pip install" in step.get("run", "")]
    assert install["env"]["REPRISE"] == (expected or "")
    assert ("Set REPRISE" in describe_install(top)) == (expected is None)


def test_a_clone_s_own_origin_and_commit_are_taken(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    commit = ["git", *identity, "commit", "-q", "--allow-empty", "-m", "a"]
    subprocess.run(commit, cwd=top, check=True)
    address = "https://example.org/reprise.git"
    subprocess.run(["git", "remote", "set-url", "origin", address], cwd=top, check=True)
    installed_as({"url": top.as_uri(), "dir_info": {"editable": True}}, monkeypatch)
    found = find_source()
    assert found is not None
    assert re.fullmatch(rf"dvc-reprise\[review\] @ git\+{address}@[0-9a-f]{{40}}", found)


def installed_as(origin: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    text = None if origin is None else json.dumps(origin)
    installed = SimpleNamespace(read_text={"direct_url.json": text}.get)
    monkeypatch.setattr(source, "distribution", {"dvc-reprise": installed}.get)


def test_without_an_address_the_first_step_says_what_to_set(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed_as(None, monkeypatch)
    outcomes(top)
    install = scripts(document(top, REPORT)["jobs"]["report"])[0]
    done = run(install, tmp_path, "python", "exit 0", REPRISE="")
    assert done.returncode != 0
    assert "set it in this file to what pip installs reprise by" in done.stderr


# Where it can't


def test_no_dvc_repository_or_no_git_is_one_line(commands: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": commands}
    options: dict[str, Any] = {"cwd": tmp_path, "env": environment, "text": True}
    done = subprocess.run(["reprise", "init"], capture_output=True, **options)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "you are not inside of a DVC repository" in done.stderr
    subprocess.run(["dvc", "init", "--no-scm", "-q"], check=True, **options)
    done = subprocess.run(["reprise", "init"], capture_output=True, **options)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "git rev-parse: fatal: not a git repository" in done.stderr
    assert not (tmp_path / ".github").exists()


def test_a_folder_that_cannot_be_made_is_one_line(commands: str, tmp_path: Path) -> None:
    repository = made(commands, tmp_path, **{".github": "a file\n"})
    printed = repository.run("reprise", "init", code=1)
    assert re.fullmatch(
        r"reprise: .*\.github.*: Not a directory|reprise: .*File exists.*", printed.strip()
    )


def test_no_dvc_yaml_is_said(top: Path) -> None:
    (top / "dvc.yaml").unlink()
    assert outcomes(top)["dvc.yaml"] is Outcome.SKIPPED
    assert files.FORGES.keys() == {"github", "gitlab"}
