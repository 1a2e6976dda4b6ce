"""Results of `repro` last: what a run publishes from the checkout, or the clone, that it ran in."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from reprise.errors import PipelineError
from reprise.flows.publication import _is_on_volume, open_publication
from reprise.retrain.push import _push_uncached_outs
from tests.conftest import ROOT, YAML_
from tests.reprise.flows.prefect_server import api, post
from tests.reprise.retrain.project import Retrainable
from tests.reprise.retrain.test_retrain import first, made

__all__ = ["api", "first", "made"]  # fixtures
pytestmark = pytest.mark.xdist_group("prefect")
PATIENCE = 300.0  # seconds for flow runs on a busy machine
BETTER = (
    "import json\njson.dump({str(x): str(x % 2) for x in range(40)}, open('model.json', 'w'))\n"
)


@pytest.fixture(autouse=True)
def warm_commands(commands: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a publication, which runs in this process, start the warm `dvc` beside `python`."""
    monkeypatch.setattr(sys, "executable", shutil.which("python", path=commands))


def change(made: Retrainable) -> None:
    """Push a commit of another train.py, which nobody ran."""
    (made.checkout / "train.py").write_text(BETTER)
    made.run("git", "commit", "-qam", "better", cwd=made.checkout)
    made.run("git", "push", "-q", "origin", "HEAD:main", cwd=made.checkout)


def clone(made: Retrainable, name: str, branch: str = "main") -> Path:
    """As Prefect clones for a run."""
    folder = made.folder / name
    address = f"file://{made.origin}"
    made.run("git", "clone", "-q", "--branch", branch, "--depth", "1", address, folder)
    return folder


def check_whole(made: Retrainable, branch: str) -> None:
    """A clone of the branch gets all from the remote, and has no work."""
    folder = clone(made, f"whole-{time.monotonic_ns()}", branch)
    made.run("dvc", "pull", "-q", cwd=folder)
    made.run("reprise", "plan", "--exit-code", cwd=folder)
    assert json.loads((folder / "metrics.json").read_text()) == {"accuracy": 1.0}


class Run:
    """A run of the stages by the command line, in the place of the flow's."""

    def __init__(self, made: Retrainable, folder: Path, publish: str) -> None:
        self.made = made
        self.folder = folder
        self.lines: list[str] = []
        with chdir(folder):
            self.publication = open_publication(publish, self.lines.append, commit=True)

    def go(self, code: int = 0) -> str:
        return self.made.run("reprise", "run", "--pull", cwd=self.folder, code=code)

    def finish(self, *, failed: bool = False) -> None:
        assert self.publication is not None
        with chdir(self.folder):
            self.publication.finish(["train", "evaluate"], failed=failed)


@pytest.mark.parametrize("publish", ["branch", "push"])
def test_results_are_in_the_remote_and_then_in_the_branch(made: Retrainable, publish: str) -> None:
    change(made)
    before = made.branches()
    run = Run(made, clone(made, "one"), publish)
    run.go()
    run.finish()
    after = made.branches()
    if publish == "push":
        assert after.keys() == before.keys()
        branch = "main"
    else:
        assert after["main"] == before["main"]
        (branch,) = after.keys() - before.keys()
        assert branch.startswith("repro/")
    check_whole(made, branch)
    listing = made.run("git", "log", "-1", "--format=%s", "--name-only", branch, cwd=made.origin)
    assert listing.split("\n") == ["repro: train, evaluate", "", "dvc.lock", "metrics.json", ""]
    # Another clone runs nothing, though git keeps an out of evaluate, and ends in the same commit.
    again = Run(made, clone(made, "two"), publish)
    said = again.go()
    assert ("2 restored, 2 unchanged in" if publish == "branch" else "4 unchanged in") in said
    again.finish()
    assert made.branches() == after
    said = "nothing to publish" if publish == "push" else f"{branch} has"
    assert again.lines[-1].startswith(said)


def test_a_remote_that_can_have_no_runs_is_no_failure(made: Retrainable) -> None:
    """DVC pushes all else there: the commit names nothing that is nowhere."""
    change(made)
    made.run("reprise", "run", cwd=made.checkout)
    lines: list[str] = []
    for address in ("http://127.0.0.1:9/remote", None):
        if address is None:
            made.run("dvc", "remote", "default", "--unset", cwd=made.checkout)
        else:
            made.run("dvc", "remote", "modify", "store", "url", address, cwd=made.checkout)
        _push_uncached_outs(made.checkout, lines.append)
    assert lines == []


def test_a_failed_run_keeps_what_finished(made: Retrainable) -> None:
    change(made)
    evaluate = made.checkout / "evaluate.py"
    evaluate.write_text("raise SystemExit(1)")
    made.run("git", "commit", "-qam", "broken", cwd=made.checkout)
    made.run("git", "push", "-q", "origin", "HEAD:main", cwd=made.checkout)
    state = made.branches()
    run = Run(made, clone(made, "one"), "branch")
    run.go(code=1)
    run.finish(failed=True)
    assert made.branches() == state
    again = clone(made, "two")
    assert "train: restored" in made.run("reprise", "run", "--pull", cwd=again, code=1)


def test_without_the_data_nothing_is_in_the_branch(made: Retrainable) -> None:
    change(made)
    state = made.branches()
    run = Run(made, clone(made, "one"), "push")
    run.go()
    shutil.rmtree(made.store)
    made.store.write_text("no folder")
    with pytest.raises(PipelineError, match="dvc push: failed"):
        run.finish()
    assert made.branches() == state


def test_a_branch_that_moved_meanwhile_is_one_line(made: Retrainable) -> None:
    change(made)
    run = Run(made, clone(made, "one"), "push")
    run.go()
    (made.checkout / "notes").write_text("")
    made.publish("meanwhile")
    state = made.branches()
    with pytest.raises(PipelineError, match=r"main got other commits meanwhile; .*run once more"):
        run.finish()
    assert made.branches() == state
    again = Run(made, clone(made, "two"), "push")
    assert "train: restored" in made.run("reprise", "run", "--pull", cwd=again.folder)
    again.finish()
    check_whole(made, "main")


def test_commits_of_others_on_the_branch_stay(made: Retrainable) -> None:
    change(made)
    run = Run(made, clone(made, "one"), "branch")
    run.go()
    run.finish()
    (branch,) = made.branches().keys() - {"main"}
    other = clone(made, "other", branch)
    amend = ("commit", "--amend", "-qm", "x", "--author=b <b@c>")
    made.run("git", "-c", "user.name=b", "-c", "user.email=b@c", *amend, cwd=other)
    made.run("git", "push", "-qf", "origin", f"HEAD:{branch}", cwd=other)
    state = made.branches()
    again = Run(made, clone(made, "two"), "branch")
    again.go()
    with pytest.raises(PipelineError, match="has commits of others, and stays as it is; expected"):
        again.finish()
    assert made.branches() == state


def test_a_checkout_that_stays_is_at_what_it_pushed(made: Retrainable) -> None:
    change(made)
    for _ in range(2):
        run = Run(made, made.checkout, "push")
        run.go()
        run.finish()
    assert made.run("git", "status", "--porcelain", "-uno", cwd=made.checkout) == ""
    head = made.run("git", "rev-parse", "HEAD", cwd=made.checkout).strip()
    assert made.branches()["main"] == head
    check_whole(made, "main")


@pytest.mark.parametrize("publish", ["branch", "push"])
@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (["echo '# other' >> train.py"], r"found uncommitted changes \(train.py\)"),
        (["echo '# other' >> train.py", "git add train.py"], "found uncommitted changes"),
        (["touch new.py", "git add new.py"], r"found uncommitted changes \(new.py\)"),
        (["git checkout -qb feature", "touch f", "git add f", "git commit -qm mine"], "meanwhile"),
        (["touch f", "git add f", "git commit -qm mine"], "checked out meanwhile; expected"),
    ],
)
def test_what_a_user_does_meanwhile_is_neither_pushed_nor_lost(
    made: Retrainable, steps: list[str], said: str, publish: str
) -> None:
    change(made)
    run = Run(made, made.checkout, publish)
    run.go()
    for command in steps:
        made.run("sh", "-c", command, cwd=made.checkout)
    state = made.branches()
    before = made.run("git", "status", "--porcelain", cwd=made.checkout)
    head = made.run("git", "log", "-1", "--format=%H %s", cwd=made.checkout)
    with pytest.raises(PipelineError, match=said):
        run.finish()
    assert made.branches() == state
    assert made.run("git", "status", "--porcelain", cwd=made.checkout) == before
    assert made.run("git", "log", "-1", "--format=%H %s", cwd=made.checkout) == head


def test_a_branch_of_its_own_leaves_index_and_branch_of_a_checkout(made: Retrainable) -> None:
    change(made)
    run = Run(made, made.checkout, "branch")
    run.go()
    before = made.run("git", "status", "--porcelain", cwd=made.checkout)
    run.finish()
    assert made.run("git", "status", "--porcelain", cwd=made.checkout) == before
    (branch,) = made.branches().keys() - {"main"}
    check_whole(made, branch)


def test_folders_that_git_keeps_are_results_too(made: Retrainable) -> None:
    """Of a run before, which nobody committed, as of this one."""
    pipeline = YAML_.load(made.checkout / "dvc.yaml")
    evaluate = pipeline["stages"]["evaluate"]
    evaluate["cmd"] += " && mkdir -p plots && cp metrics.json plots"
    evaluate["plots"] = [{"plots": {"cache": False}}]
    (made.checkout / "dvc.yaml").write_text(json.dumps(pipeline))
    made.publish("plots")
    for content in (BETTER, BETTER + "#\n"):
        (made.checkout / "train.py").write_text(content)
        made.publish("train")
        run = Run(made, made.checkout, "branch")
        run.go()
        run.finish()
    for branch in made.branches().keys() - {"main"}:
        listing = made.run("git", "ls-tree", "-r", "--name-only", branch, cwd=made.origin)
        assert "plots/metrics.json" in listing.splitlines()


def test_data_are_pushed_where_git_has_the_results_already(made: Retrainable) -> None:
    change(made)
    made.run("reprise", "run", cwd=made.checkout)
    made.run("git", "commit", "-qam", "by hand", cwd=made.checkout)
    made.run("git", "push", "-q", "origin", "HEAD:main", cwd=made.checkout)
    run = Run(made, made.checkout, "push")
    run.go()
    run.finish()
    assert run.lines[-1].startswith("nothing to publish")
    check_whole(made, "main")


@pytest.mark.parametrize(
    ("command", "publish", "said"),
    [
        ("git remote remove origin", "branch", "found no git remote 'origin'; expected one"),
        ("git checkout -q --detach", "push", "found no branch that is checked out; expected one"),
        ("git commit -q --allow-empty -m x", "push", "found main at .* at the remote; expected "),
        ("git checkout -qb new", "push", "found new at no commit at the remote; expected "),
        ("git remote set-url origin ext::x", "push", "makes git run a command"),
        ("dvc remote default --unset", "push", "found no default DVC remote; expected one"),
        ("sed -i $a# train.py", "branch", r"found uncommitted changes \(train.py\); expected"),
        ("git rm -q --cached train.py", "branch", r"found uncommitted changes \(train.py\)"),
    ],
)
def test_what_stands_in_its_way_is_said_before_anything_runs(
    made: Retrainable, command: str, publish: str, said: str
) -> None:
    state = made.branches()
    made.run(*command.split(), cwd=made.checkout)
    if command.startswith("dvc"):
        made.run("git", "commit", "-qam", "no remote", cwd=made.checkout)
        made.run("git", "push", "-q", "origin", "HEAD:main", cwd=made.checkout)
        state = made.branches()
    with pytest.raises(PipelineError, match=said) as error:
        Run(made, made.checkout, publish)
    assert len(str(error.value).splitlines()) == 1
    assert made.branches() == state


def declare(made: Retrainable, **evaluate: Any) -> None:
    """Push other keys of the stage `evaluate`."""
    pipeline = YAML_.load(made.checkout / "dvc.yaml")
    pipeline["stages"]["evaluate"] |= evaluate
    (made.checkout / "dvc.yaml").write_text(json.dumps(pipeline))
    made.publish("declared")


DEPS = ["evaluate.py", "model.json", "test.csv"]


@pytest.mark.parametrize(
    ("keys", "files", "found"),
    [
        ({"deps": [*DEPS, "new.py"]}, ["new.py"], "new.py"),
        ({"params": [{"p.yaml": None}]}, ["p.yaml"], "p.yaml"),
        ({"deps": [*DEPS, "ignored.py"]}, ["ignored.py"], "ignored.py"),
        ({"deps": [*DEPS, "lib"]}, ["lib/a.py", "lib/ignored.py", "lib/left_out.py"], "lib/a.py"),
        ({}, ["sub/dvc.yaml"], "sub/dvc.yaml"),
    ],
)
def test_what_stages_read_and_git_does_not_have_is_refused(
    made: Retrainable, keys: dict[str, Any], files: list[str], found: str
) -> None:
    """The commit would name results of what nobody has."""
    ignored = made.checkout / ".gitignore"
    ignored.write_text(ignored.read_text() + "ignored.py\n")
    (made.checkout / ".dvcignore").write_text("left_out.py\n")
    declare(made, **keys)
    (made.checkout / "notes").write_text("nobody reads them")
    for name in files:
        file = made.checkout / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("stages: {s: {cmd: 'true'}}" if file.name == "dvc.yaml" else "{}")
    state = made.branches()
    said = rf"found files that stages read and git does not have \({found}\); expected them in a"
    with pytest.raises(PipelineError, match=said):
        Run(made, made.checkout, "branch")
    assert made.branches() == state


def test_what_stages_write_need_not_be_git_s(made: Retrainable) -> None:
    """Whether DVC or git is to keep it, nor data beside its .dvc file, nor what nobody reads."""
    other = {"cmd": "cat lib/a.py data/x metrics.json; cp metrics.json lib/copy.json"}
    other["deps"] = ["lib/a.py", "data", "metrics.json"]  # type: ignore[assignment]
    other["outs"] = [{"lib/copy.json": {"cache": False}}]  # type: ignore[assignment]
    pipeline = YAML_.load(made.checkout / "dvc.yaml")
    pipeline["stages"]["other"] = other
    (made.checkout / "dvc.yaml").write_text(json.dumps(pipeline))
    for name in ("lib/a.py", "data/x"):
        (made.checkout / name).parent.mkdir()
        (made.checkout / name).write_text("1\n")
    made.run("git", "add", "lib", "dvc.yaml", cwd=made.checkout)
    made.run("git", "commit", "-qm", "other", cwd=made.checkout)
    made.run("git", "push", "-q", "origin", "HEAD:main", cwd=made.checkout)
    made.run("dvc", "add", "-q", "data/x", cwd=made.checkout)
    change(made)
    (made.checkout / "notes").write_text("")
    run = Run(made, made.checkout, "branch")
    run.go()
    run.finish()
    (branch,) = made.branches().keys() - {"main"}
    listing = made.run("git", "diff", "--name-only", f"main..{branch}", cwd=made.origin)
    assert {"data/.gitignore", "data/x.dvc", "lib/copy.json"} < set(listing.split())
    check_whole(made, branch)


def test_outs_that_are_not_kept_are_not_published(made: Retrainable) -> None:
    with chdir(made.checkout), pytest.raises(PipelineError, match="found push with commit: false"):
        open_publication("push", print, commit=False)


def test_a_volume_is_another_file_system() -> None:
    assert _is_on_volume(Path("/proc/self"))
    assert not _is_on_volume(Path("/"))


# Workers without a checkout, by the README's recipe


class Cloning:
    """The project with its own prefect.yaml, whose runs clone; and workers, each in a folder."""

    def __init__(self, api: str, made: Retrainable, **parameters: Any) -> None:
        self.api = api
        self.made = made
        name = f"clones-{time.monotonic_ns()}"
        text = (ROOT / "prefect.yaml").read_text()
        text = re.sub(r"^# (pull:|  .*)$", r"\1", text, flags=re.MULTILINE)  # the recipe
        text = text.replace("https://github.com/me/project", f"file://{made.origin}")
        file = YAML_.load(text)
        file["name"] = name
        for deployment in file["deployments"]:
            deployment["work_pool"]["name"] = name
            deployment["name"] = deployment["name"].replace("reprise", name)
        (repro,) = [one for one in file["deployments"] if one["name"] == f"{name}-repro"]
        repro["parameters"] |= {"report": False, **parameters}
        del repro["concurrency_limit"]
        (made.checkout / "prefect.yaml").write_text(json.dumps(file))
        shutil.copytree(
            ROOT / "pipeline",
            made.checkout / "pipeline",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        made.publish("flows")
        change(made)
        self.name = name
        self.call("work-pool", "create", name, "--type", "process")
        self.call("deploy", "--all")

    @property
    def environment(self) -> dict[str, str]:
        own = {"PREFECT_API_URL": self.api, "PREFECT_WORKER_QUERY_SECONDS": "1"}
        return {**self.made.environment, **own}

    def call(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
        self.made.run(*command, cwd=self.made.checkout, more=self.environment)

    def start(self) -> None:
        self.call("deployment", "run", f"repro/{self.name}-repro")

    @contextmanager
    def worker(self, name: str) -> Iterator["subprocess.Popen[bytes]"]:
        folder = self.made.folder / name
        folder.mkdir()
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", self.name]
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
        assert [path.name for path in folder.iterdir()] == ["log"]  # its clones are gone

    def runs(self) -> list[dict[str, Any]]:
        deployments = {"name": {"any_": [f"{self.name}-repro"]}}
        return post(self.api, "flow_runs", deployments=deployments, sort="EXPECTED_START_TIME_ASC")

    def ended(self, number: int) -> list[str]:
        """So many runs, once they ended: the states' names, and the failed ones' messages."""
        deadline = time.monotonic() + PATIENCE
        final = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        while True:
            states = [run["state"] for run in self.runs() if run["state"]["type"] in final]
            if len(states) >= number:
                return [
                    state["message"] if state["type"] == "FAILED" else state["name"]
                    for state in states
                ]
            assert time.monotonic() < deadline, self.runs()
            time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.parametrize(("publish", "second"), [("push", "Unchanged"), ("branch", "Restored")])
def test_the_second_worker_finds_what_the_first_one_made(
    api: str, made: Retrainable, publish: str, second: str
) -> None:
    cloning = Cloning(api, made, pull=True, publish=publish)
    before = made.branches()
    with cloning.worker("first"):
        cloning.start()
        assert cloning.ended(1) == ["Completed"]
    after = made.branches()
    assert after != before
    with cloning.worker("second"):
        cloning.start()
        assert cloning.ended(2) == ["Completed", second]
    assert made.branches() == after
    (branch,) = (after.keys() - before.keys()) or ["main"]
    check_whole(made, branch)


@pytest.mark.slow
def test_a_clone_whose_results_would_be_lost_is_refused(api: str, made: Retrainable) -> None:
    cloning = Cloning(api, made, pull=True, publish="none")
    with cloning.worker("first"):
        cloning.start()
        (said,) = cloning.ended(1)
    assert "publish: found none in a deployment with the step prefect.deployments.steps" in said
    assert said.endswith(
        "thrown away after the run; expected branch or push, which keep the results"
    )


@pytest.mark.slow
def test_killed_before_the_branch_is_pushed_nothing_is_half(api: str, made: Retrainable) -> None:
    cloning = Cloning(api, made, pull=True, publish="push")
    hook, reached = made.origin / "hooks" / "pre-receive", made.folder / "reached"
    hook.write_text(f"#!/bin/sh\ntest -e {reached} && exit 0\ntouch {reached}\nsleep 600\n")
    hook.chmod(0o755)
    before = made.branches()
    with cloning.worker("first") as worker:
        cloning.start()
        deadline = time.monotonic() + PATIENCE
        while not reached.exists():
            assert time.monotonic() < deadline, cloning.runs()
            time.sleep(0.1)
        first = psutil.Process(worker.pid)
        for process in [*first.children(recursive=True), first]:
            process.kill()
    assert made.branches() == before
    with cloning.worker("second"):
        cloning.start()
        assert cloning.ended(1) == ["Restored"]
    check_whole(made, "main")
