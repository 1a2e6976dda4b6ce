"""What the workflows promise to pull requests from forks, by their YAML and their two scripts."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, YAML_

FOLDER = ROOT / ".github" / "workflows"
NAMES = sorted(p.name for p in FOLDER.glob("*.yml"))
SHA, OTHER = "a" * 40, "b" * 40


def workflow(name: str) -> dict[str, Any]:
    return dict(YAML_.load(FOLDER / name))


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in workflow(name)["jobs"].values() for step in job["steps"]]


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


@pytest.mark.parametrize("name", NAMES)
def test_no_script_is_built_from_what_a_pull_request_says(name: str) -> None:
    """`${{ }}` is put into a script before a shell reads it: a branch may be named `$(…)`."""
    for step in steps(name):
        assert "${{" not in step.get("run", ""), step


@pytest.mark.parametrize("name", NAMES)
def test_actions_are_github_s_own_and_of_a_major_version(name: str) -> None:
    for step in steps(name):
        assert "uses" not in step or re.fullmatch(r"actions/[a-z-]+@v[0-9]+", step["uses"]), step


@pytest.mark.parametrize("name", NAMES)
def test_no_workflow_runs_a_fork_s_code_with_the_base_s_rights(name: str) -> None:
    triggers = workflow(name)["on"]
    assert "pull_request_target" not in triggers
    if "workflow_run" in triggers:
        checkouts = [s for s in steps(name) if s.get("uses", "").startswith("actions/checkout")]
        # no ref, no repository: our own
        assert [s["with"] for s in checkouts] == [{"persist-credentials": False}]


def test_the_report_may_only_read_and_is_given_no_secret() -> None:
    report = workflow("report.yml")
    assert [*report["on"]] == ["pull_request"]
    assert report["permissions"] == {"contents": "read"}
    assert [*keys(report)].count("permissions") == 1
    text = (FOLDER / "report.yml").read_text()
    assert "secrets" not in text
    assert "github.token" not in text
    assert "GITHUB_TOKEN" not in text


def test_the_report_sees_the_base_and_fails_on_worse_after_it_was_written() -> None:
    checkout, *_ = steps("report.yml")
    assert checkout["with"] == {"fetch-depth": 2, "persist-credentials": False}
    scripts = [step["run"] for step in steps("report.yml") if "run" in step]
    assert "reprise report HEAD^1 --format md --out report.md --fail-on worse" in scripts
    after = steps("report.yml")[-2:]
    for step in after:  # the report is shown when the check fails
        assert step["if"].startswith("${{ !cancelled() ")
    assert after[0]["run"] == 'cat report.md >> "$GITHUB_STEP_SUMMARY"'
    assert after[1]["with"]["path"].split() == ["report.md", "report.html"]


def test_only_the_comment_s_job_may_write_and_only_to_pull_requests() -> None:
    comment = workflow("comment.yml")
    assert comment["on"] == {
        "workflow_run": {"workflows": [workflow("report.yml")["name"]], "types": ["completed"]}
    }
    assert comment["permissions"] == {}
    job = comment["jobs"]["comment"]
    assert job["permissions"] == {"actions": "read", "contents": "read", "pull-requests": "write"}
    assert "github.event.workflow_run.event == 'pull_request'" in job["if"]
    assert "secrets" not in (FOLDER / "comment.yml").read_text()


def test_the_comment_s_artifact_stays_out_of_what_runs() -> None:
    download = next(
        s for s in steps("comment.yml") if s.get("uses", "").startswith("actions/download-artifact")
    )
    assert download["with"]["path"] == "${{ runner.temp }}/report"
    assert download["with"]["run-id"] == "${{ github.event.workflow_run.id }}"
    after = steps("comment.yml")[steps("comment.yml").index(download) + 1 :]
    # nothing is installed or run with it beside
    assert [s["name"] for s in after] == ["post, or update"]


@pytest.mark.parametrize(
    ("pulls", "repository", "expected"),
    [
        (f"{OTHER} o/r 1\n{SHA} o/r 2\n", "o/r", "2"),
        (f"{SHA} o/r 2\n{SHA} fork/r 3\n", "fork/r", "3"),
        (f"{OTHER} o/r 1\n", "o/r", ""),  # pushed to since
        (f"{SHA} null 4\n", "", ""),  # the fork is gone
        (f"{SHA} o/r 2\n", '$(touch bad) "; touch bad; #', ""),
        ("", "o/r", ""),
    ],
)
def test_the_pull_request_is_found_by_its_head(
    pulls: str, repository: str, expected: str, tmp_path: Path
) -> None:
    script = next(s["run"] for s in steps("comment.yml") if s.get("id") == "find")
    (tmp_path / "answer").write_text(pulls)
    done = run(
        script, tmp_path, "gh", f'cat "{tmp_path}/answer"', HEAD_SHA=SHA, HEAD_REPOSITORY=repository
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "output").read_text() == f"number={expected}\n"
    assert not (tmp_path / "bad").exists()


def test_no_pull_request_is_found_when_github_does_not_answer(tmp_path: Path) -> None:
    script = next(s["run"] for s in steps("comment.yml") if s.get("id") == "find")
    assert (
        run(script, tmp_path, "gh", "exit 1", HEAD_SHA=SHA, HEAD_REPOSITORY="o/r").returncode == 1
    )


def test_an_artifact_that_is_a_link_is_not_posted(tmp_path: Path) -> None:
    """It might lead to where the token stands."""
    script = steps("comment.yml")[-1]["run"]
    report = tmp_path / "report" / "report.md"
    report.parent.mkdir()
    report.symlink_to("/proc/self/environ")
    echo = f'echo "$@" > "{tmp_path}/posted"'
    assert run(script, tmp_path, "reprise", echo, NUMBER="7").returncode == 1
    assert not (tmp_path / "posted").exists()
    report.unlink()
    report.write_text("text")
    assert run(script, tmp_path, "reprise", echo, NUMBER="7").returncode == 0
    assert (tmp_path / "posted").read_text() == f"comment {report} --pull-request 7\n"


def run(
    script: str, folder: Path, command: str, body: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """As a step does, with a stand-in for one command."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / command).write_text(f"#!/bin/sh\n{body}\n")
    (folder / "bin" / command).chmod(0o755)
    paths = {
        "RUNNER_TEMP": str(folder),
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_REPOSITORY": "o/r",
    }
    environment = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", **paths, **variables}
    shell = ["bash", "--noprofile", "--norc", "-e", "-c", script]
    return subprocess.run(
        shell, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_gitlab_s_token_is_in_no_job_that_runs_the_merge_request_s_code() -> None:
    jobs = YAML_.load(ROOT / ".gitlab-ci.example.yml")
    report, comment = jobs["report"], jobs["comment"]
    assert "environment" not in report
    assert comment["environment"] == {"name": "reprise-comment", "action": "access"}
    assert comment["script"] == [
        'git fetch --depth 1 origin "$CI_MERGE_REQUEST_TARGET_BRANCH_NAME"',
        "git worktree add --detach ../reprise FETCH_HEAD",
        "cd ../reprise",
        "python -m pip install -c constraints.txt .",
        'test ! -L "$CI_PROJECT_DIR/report.md"',
        'reprise comment "$CI_PROJECT_DIR/report.md" --pull-request "$CI_MERGE_REQUEST_IID"',
    ]
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID" in comment["rules"][0]["if"]
    assert comment["rules"][0]["when"] == "always"  # after a report that says worse, too


@pytest.mark.parametrize("name", ["ci.yml", "report.yml", "retrain.yml"])
def test_stages_run_where_namespaces_are_allowed(name: str) -> None:
    scripts = [step.get("run", "") for step in steps(name)]
    allowing = [i for i, script in enumerate(scripts) if "apparmor_restrict" in script]
    running = [i for i, script in enumerate(scripts) if script.startswith(("reprise", ".ci/run"))]
    assert len(allowing) == 1
    assert allowing < running


def test_allowing_namespaces_does_no_harm_where_there_is_no_such_key(tmp_path: Path) -> None:
    for name in ("ci.yml", "report.yml", "retrain.yml"):
        [script] = [s["run"] for s in steps(name) if "apparmor_restrict" in s.get("run", "")]
        script = script.replace("/proc/sys", str(tmp_path))
        subprocess.run(["/bin/sh", "-e", "-c", script], check=True, env={"PATH": ""})
