"""What the workflows promise to pull requests from forks, by their YAML and their two scripts."""

import os
import re
import subprocess
import sys
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


def test_actions_are_github_s_own_pinned_by_commit_and_each_in_one_version() -> None:
    """A tag can be moved to other code. The comment says which version the commit is."""
    pin = re.compile(r"uses: actions/([a-z-]+)@([0-9a-f]{40}  # v\d+\.\d+\.\d+)")
    pins: dict[str, set[str]] = {}
    for name in NAMES:
        for line in (FOLDER / name).read_text().splitlines():
            if "uses:" in line:
                found = pin.search(line)
                assert found, line
                pins.setdefault(found[1], set()).add(found[2])
    assert {action: len(found) for action, found in pins.items()} == dict.fromkeys(pins, 1)


def test_zizmor_finds_nothing() -> None:
    """What it is told to ignore is one trigger, for the reason beside it."""
    zizmor = Path(sys.executable).with_name("zizmor")
    command = [str(zizmor), "--offline", "--color=never", "--persona=auditor", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "No findings to report. Good job! (1 ignored)" in done.stdout + done.stderr


def test_pip_installs_by_the_constraints_file_everywhere() -> None:
    files = [*FOLDER.glob("*.yml"), ROOT / ".gitlab-ci.example.yml", ROOT / "Makefile"]
    installing = []
    for file in files:
        rule = ""
        for line in file.read_text().splitlines():
            rule = line if re.match(r"[\w.]\S*:", line) else rule
            if "pip install" in line and not rule.startswith("constraints:"):  # which makes it
                installing.append(line)
    assert len(installing) >= 7
    for line in installing:
        assert "pip install -c constraints.txt " in line.replace(
            "--quiet --disable-pip-version-check ", ""
        ), line


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


def test_stages_never_see_a_token_that_may_write() -> None:
    """In every job that runs them; and what may write takes the handover out of what runs."""
    for name in NAMES:
        text = workflow(name)
        for job in text["jobs"].values():
            scripts = "\n".join(step.get("run", "") for step in job["steps"])
            if re.search(r"^(reprise (run|retrain|report|check|verify)|\.ci/run)", scripts, re.M):
                permissions = job.get("permissions", text["permissions"])
                assert permissions == {"contents": "read"}, name
                assert "secrets" not in str(job)
    train, publish = (workflow("retrain.yml")["jobs"][job] for job in ("train", "publish"))
    assert publish["permissions"] == {"contents": "write", "pull-requests": "write"}
    assert publish["needs"] == "train"
    assert publish["if"] == "needs.train.outputs.outcome == 'promoted'"
    assert [*train["outputs"].values()] == ["${{ steps.outcome.outputs.outcome }}"]
    *_, install, download, last = publish["steps"]
    assert install["run"] == "python -m pip install -c constraints.txt ."
    assert download["with"] == {"name": "handover", "path": "${{ runner.temp }}/handover"}
    assert last["run"] == 'reprise publish "$RUNNER_TEMP/handover"'
    tokens = [step["run"] for step in publish["steps"] if "GITHUB_TOKEN" in step.get("env", {})]
    assert tokens == [last["run"]]


def test_the_outcome_of_a_retraining_is_read_from_its_decision(tmp_path: Path) -> None:
    [script] = [s["run"] for s in steps("retrain.yml") if s.get("id") == "outcome"]
    (tmp_path / "decision.json").write_text('{"outcome": "promoted", "reason": "x"}')
    prints = 'import json; print(json.load(open("decision.json"))["outcome"])'
    body = f"exec {sys.executable} -c '{prints}'"
    assert run(script, tmp_path, "jq", body).returncode == 0
    assert (tmp_path / "output").read_text() == "outcome=promoted\n"


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
    commands = ("reprise", ".ci/run", "python -m tests")
    jobs = 0
    for job in workflow(name)["jobs"].values():
        scripts = [step.get("run", "") for step in job["steps"]]
        allowing = [i for i, script in enumerate(scripts) if "apparmor_restrict" in script]
        running = []
        for i, script in enumerate(scripts):
            if script.startswith(commands) and not script.startswith("reprise publish"):
                running.append(i)  # publish runs no stage
        assert len(allowing) == bool(running)
        assert allowing <= running[:1]
        jobs += bool(running)
    assert jobs >= 1


def test_allowing_namespaces_does_no_harm_where_there_is_no_such_key(tmp_path: Path) -> None:
    for name in ("ci.yml", "report.yml", "retrain.yml"):
        scripts = {s["run"] for s in steps(name) if "apparmor_restrict" in s.get("run", "")}
        [script] = scripts
        script = script.replace("/proc/sys", str(tmp_path))
        subprocess.run(["/bin/sh", "-e", "-c", script], check=True, env={"PATH": ""})
