"""Retraining, end to end: real git, a real DVC remote, real processes; a stand-in of GitHub."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from reprise.retrain.decision import Outcome
from reprise.retrain.gate import decide
from reprise.retrain.options import Gate
from reprise.review.declared import MetricSpec, PredictionsSpec
from reprise.review.predictions import ComparedPredictions
from reprise.review.report import Report, RevisionLabel
from reprise.review.stats.verdicts import compare_metrics
from tests.reprise.retrain.project import Retrainable, rows
from tests.reprise.runner.repository import is_gone
from tests.reprise.stand_in import TOKEN, StandIn

pytestmark = pytest.mark.xdist_group("retrain")
GOOD, WORSE = rows(range(40)), rows(range(2))


@pytest.fixture(scope="module")
def first(commands: str, tmp_path_factory: pytest.TempPathFactory) -> Retrainable:
    return Retrainable(tmp_path_factory.mktemp("retrain"), commands).create()


@pytest.fixture
def made(first: Retrainable, tmp_path: Path) -> Retrainable:
    """A copy. Its paths are in git's and DVC's files."""
    shutil.copytree(first.folder, tmp_path / "all", symlinks=True)
    copy = Retrainable(tmp_path / "all", first.path)
    for file in (
        copy.checkout / ".git" / "config",
        copy.checkout / ".dvc" / "config",
        copy.checkout / "rows.csv.dvc",
    ):
        file.write_text(file.read_text().replace(str(first.folder), str(copy.folder)))
    copy.run("dvc", "update", "-q", "rows.csv.dvc", cwd=copy.checkout)
    copy.publish_code("moved")  # the store is a copy as well: it has the data
    return copy


def on(stand_in: StandIn) -> dict[str, str]:
    return {"GITHUB_REPOSITORY": "o/r", "GITHUB_API_URL": stand_in.address, "GITHUB_TOKEN": TOKEN}


def test_good_new_data_becomes_one_pull_request(made: Retrainable, stand_in: StandIn) -> None:
    made.source.write_text(GOOD)
    before = made.branches()
    said = made.retrain("--out", "decision.json", "--report", "report.md", more=on(stand_in))
    assert TOKEN not in said
    decision = json.loads((made.folder / "decision.json").read_text())
    assert decision["outcome"] == "promoted"
    assert decision["verdict"] == "better"
    assert (decision["old"], decision["new"]) == (0.625, 1.0)
    (branch,) = made.branches().keys() - before.keys()
    assert branch == decision["branch"]
    (pull,) = stand_in.pulls
    assert (pull["head"], pull["base"]) == (branch, "main")
    assert pull["body"] == (made.folder / "report.md").read_text()
    changed = made.run("git", "diff", "--name-only", f"main..{branch}", cwd=made.origin).split()
    assert changed == ["dvc.lock", "metrics.json", "rows.csv.dvc"]
    # The branch is whole: a clone of it gets data and models from the remote, and has no work.
    made.run("git", "clone", "-q", "-b", branch, made.origin, made.folder / "clone")
    made.run("dvc", "pull", "-q", cwd=made.folder / "clone")
    made.run("reprise", "plan", "--exit-code", cwd=made.folder / "clone")
    # The same data again is the same branch, commit and pull request.
    state = made.branches()
    made.retrain(more=on(stand_in))
    assert made.branches() == state
    assert len(stand_in.pulls) == 1


@pytest.mark.slow
def test_other_bits_of_the_same_inputs_are_the_same_branch(
    made: Retrainable, stand_in: StandIn
) -> None:
    """From a new workplace they are restored, or trained to other bits and given up for those."""
    train = made.checkout / "train.py"
    train.write_text(f"{train.read_text()}import os; open('weights', 'wb').write(os.urandom(9))\n")
    pipeline = made.checkout / "dvc.yaml"
    pipeline.write_text(
        pipeline.read_text().replace("outs: [model.json]", "outs: [model.json, weights]")
    )
    made.run("dvc", "repro", "-q", cwd=made.checkout)
    made.publish("random")
    made.source.write_text(GOOD)
    made.retrain(more=on(stand_in))
    state = made.branches()
    shutil.rmtree(made.folder / "work")
    assert "train: restored" in made.retrain(more=on(stand_in))
    shutil.rmtree(made.folder / "work")
    shutil.rmtree(made.store / "files" / "md5" / "runs", ignore_errors=True)
    shutil.rmtree(made.store / "runs", ignore_errors=True)
    assert "was made of the same inputs: its outs are taken" in made.retrain(more=on(stand_in))
    assert (made.branches(), len(state), len(stand_in.pulls)) == (state, 2, 1)
    made.source.write_text(GOOD + "z,1,1,train\n")
    made.retrain(more=on(stand_in))
    assert len(made.branches()) == 3


def test_nothing_new_is_unchanged(made: Retrainable) -> None:
    state = made.branches()
    assert made.retrain().splitlines()[-1] == "unchanged: nothing new since the base was trained"
    assert made.branches() == state


def test_worse_data_keeps_the_champion(made: Retrainable) -> None:
    made.source.write_text(WORSE)
    state = made.branches()
    said = made.retrain("--out", "d.json").splitlines()
    assert said[-1] == "kept: accuracy is worse"
    assert said.count(said[-1]) == 1
    assert json.loads((made.folder / "d.json").read_text())["verdict"] == "worse"
    assert made.branches() == state


@pytest.mark.slow
def test_without_a_token_the_branch_is_pushed(made: Retrainable) -> None:
    made.source.write_text(GOOD)
    assert "no token of a forge: the branch is pushed" in made.retrain()
    assert len(made.branches()) == 2


@pytest.mark.slow
def test_a_dry_run_pushes_nothing(made: Retrainable) -> None:
    made.source.write_text(GOOD)
    state = made.branches()
    assert made.retrain("--dry-run").splitlines()[-1].startswith("promoted: accuracy is better")
    assert made.branches() == state


@pytest.mark.slow
def test_push_replaces_the_base(made: Retrainable) -> None:
    made.source.write_text(GOOD)
    before = made.branches()
    made.retrain("--publish", "push")
    after = made.branches()
    assert after.keys() == {"main"}
    assert after["main"] != before["main"]
    assert made.retrain().splitlines()[-1] == "unchanged: nothing new since the base was trained"


@pytest.mark.slow
def test_the_least_effect_and_not_worse(made: Retrainable) -> None:
    made.source.write_text(GOOD)
    said = made.retrain("--min-effect", "0.37").splitlines()[-1]
    assert re.fullmatch("kept: accuracy is better by at least 0.3[0-9]+, less than 0.37", said)
    made.source.write_text(rows(range(10), range(8)))
    assert "kept: accuracy: no detectable difference" in made.retrain()
    not_worse = ("--promote-when", "not-worse", "--dry-run")
    assert "found no margin; expected --margin X" in made.retrain(*not_worse, code=1)
    assert "the margin is 0.1" in made.retrain(*not_worse, "--margin", "0.1")


def test_data_that_breaks_an_expectation_fails_the_run(made: Retrainable) -> None:
    made.source.write_text(GOOD.replace("a1-0,1,1", "a1-0,1,7"))
    state = made.branches()
    said = made.retrain(code=1).splitlines()[-1]
    assert said.startswith("reprise: reprise run: failed: ")
    assert "validate: y: 1 of 800 rows unexpected; expected one of 0, 1" in said
    assert made.branches() == state


@pytest.mark.slow
def test_what_stages_print_is_not_taken_for_what_reprise_says(made: Retrainable) -> None:
    """Their lines look like those of another stage, and like errors of reprise and DVC."""
    code = "for line in ('train: failed: x', 'train | x', 'ERROR: x', 'reprise: x'): print(line)\n"
    for name in ("split.py", "train.py"):
        script = made.checkout / name
        script.write_text(code + script.read_text())
    with (made.checkout / "train.py").open("a") as file:
        file.write("raise SystemExit('no model')\n")
    made.run("git", "commit", "-qam", "lines", cwd=made.checkout)
    made.run("git", "push", "-q", "origin", "HEAD:main", cwd=made.checkout)
    printed = ["train: failed: x", "train | x", "ERROR: x", "reprise: x", "no model"]
    lines = [f"train | {line}" for line in printed]
    expected = "; ".join([*lines, "train: failed: exit status 1: python train.py"])
    output = made.retrain(code=1).splitlines()
    assert output[-1] == f"reprise: reprise run: failed: {expected}"
    assert "split | train: failed: x" in output


@pytest.mark.slow
def test_the_base_moved_meanwhile(made: Retrainable) -> None:
    """Somebody pushes to main while the challenger trains: it is tried again from the new tip."""
    made.source.write_text(GOOD)
    (made.checkout / "NOTES").write_text("hello\n")
    made.run("git", "add", "NOTES", cwd=made.checkout)
    made.run("git", "commit", "-qm", "notes", cwd=made.checkout)
    # Pushed by the stage itself, which is the surest meanwhile there is.
    command = ["git", "push", "-q", "origin", "HEAD:main"]
    hook = f"import subprocess; subprocess.run({command!r}, cwd={str(made.checkout)!r})\n"
    push = made.folder / "sitecustomize.py"
    is_train = "sys.argv[0] == 'train.py' or sys.orig_argv[1:] == ['train.py']"
    push.write_text(f"import sys\nif {is_train}:\n    {hook}")
    said = made.retrain("--publish", "branch", more={"PYTHONPATH": str(made.folder)})
    assert "main moved meanwhile: once more, from its new tip" in said
    (branch,) = made.branches().keys() - {"main"}
    assert (
        made.run("git", "merge-base", "main", branch, cwd=made.origin).strip()
        == made.branches()["main"]
    )


@pytest.mark.slow
def test_two_at_once(made: Retrainable) -> None:
    """One works; the other waits, or skips if told to."""
    made.source.write_text(GOOD)
    lock = made.folder / "work"
    command = ["reprise", "retrain", str(made.origin), "--workplace", str(lock)]
    with subprocess.Popen(
        command, env=made.environment, text=True, stdout=subprocess.PIPE
    ) as working:
        assert working.stdout is not None
        working.stdout.readline()
        assert made.retrain("--no-wait") == "skipped: another retraining is at work\n"
        made.retrain()
        working.communicate()
    assert len(made.branches()) == 2


@pytest.mark.slow
def test_lucky_noise_keeps_the_champion() -> None:
    """Two models of the same skill, on rows drawn alike, 100 times: few are let through."""
    dice = np.random.default_rng(5)
    spec = PredictionsSpec(metrics={"accuracy": MetricSpec(column="correct", better="higher")})
    promoted = 0
    for _ in range(100):
        sides = [
            pa.table({"id": range(500), "correct": (dice.random(500) < 0.8).astype("int8")})
            for _ in range(2)
        ]
        compared = [ComparedPredictions("p", compare_metrics([sides[0]], [sides[1]], spec), None)]
        report = Report(
            RevisionLabel("main", None),
            RevisionLabel("new", None),
            compared,
            [],
            [],
            [],
            [],
            [],
            [],
        )
        promoted += decide(report, Gate(), "0").outcome is Outcome.PROMOTED
    assert promoted <= 5


STEPS = [
    r"^main is at",
    r"^\$ dvc pull",
    r"^\$ dvc update",
    r"^\$ reprise run",
    r"^split: started",
    r"^train: started",
    r"^evaluate: done",
    r"^promoted:",
    r"^\$ dvc push",
    r"^pushed [0-9a-f]{12} to",
]


def started(made: Retrainable, variables: dict[str, str]) -> "subprocess.Popen[str]":
    """Start a retraining in a process of its own, which takes signals itself."""
    options = [str(made.origin), "--workplace", str(made.folder / "work")]
    return subprocess.Popen(
        [sys.executable, "-m", "reprise.cli", "retrain", *options],
        env={**made.environment, **variables},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def signal_at(step: str, process: "subprocess.Popen[str]", number: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if re.search(step, line):
            os.kill(process.pid, number)
            return
    pytest.fail(f"no line of the output has {step!r}")


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_and_run_again(step: str, made: Retrainable, stand_in: StandIn) -> None:
    made.source.write_text(GOOD)
    with started(made, on(stand_in)) as process:
        signal_at(step, process, signal.SIGKILL)
    made.retrain(more=on(stand_in))
    assert len(made.branches()) == 2
    assert len(stand_in.pulls) == 1
    (branch,) = made.branches().keys() - {"main"}
    made.run("git", "clone", "-q", "-b", branch, made.origin, made.folder / "clone")
    made.run("dvc", "pull", "-q", cwd=made.folder / "clone")
    made.run("reprise", "plan", "--exit-code", cwd=made.folder / "clone")
    assert [p.name for p in (made.folder / "work").iterdir() if p.suffix == ".part"] == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_commands(number: int, made: Retrainable) -> None:
    note = made.folder / "pid"
    waits = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid()))\n"
    waits += "print('waiting', flush=True); time.sleep(600)\n"
    (made.checkout / "train.py").write_text(waits)
    made.run("git", "commit", "-qam", "wait", cwd=made.checkout)
    made.run("git", "push", "-q", "origin", "HEAD:main", cwd=made.checkout)
    with started(made, {}) as process:
        signal_at(r"^train \| waiting", process, number)
        process.communicate()  # its last lines: a closed pipe would be another end
    assert process.returncode == 128 + number
    assert is_gone(int(note.read_text()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("breakage", "said"),
    [
        (
            "no-remote",
            r"reprise: .*checkout: found no git remote 'origin'; expected one to push to",
        ),
        (
            "no-dvc-remote",
            r"reprise: .*origin\.git: found no default DVC remote; "
            "expected one to pull from and push to",
        ),
        ("no-source", r"reprise: dvc update: failed: .*rows\.csv.*"),
        ("no-branch", r"reprise: nope: found no such branch at the remote; expected the base"),
        (
            "no-folder",
            r"reprise: .*nowhere: found no such folder; expected a git repository or its address",
        ),
        ("metric", r"reprise: --metric: found 'f1'; expected one of accuracy"),
    ],
)
def test_failures_are_one_line(breakage: str, said: str, made: Retrainable) -> None:
    made.source.write_text(GOOD)
    repository, options = str(made.origin), []
    match breakage:
        case "no-remote":
            made.run("git", "remote", "remove", "origin", cwd=made.checkout)
            repository = str(made.checkout)
        case "no-dvc-remote":
            (made.checkout / ".dvc" / "config").write_text("")
            made.run("git", "commit", "-qam", "no remote", cwd=made.checkout)
            made.run("git", "push", "-q", "origin", "HEAD:main", cwd=made.checkout)
        case "no-source":
            made.source.unlink()
        case "no-branch":
            options = ["--base", "nope"]
        case "no-folder":
            repository = str(made.folder / "nowhere")
        case "metric":
            options = ["--metric", "f1"]
    command = ["reprise", "retrain", repository, "--workplace", str(made.folder / "work"), *options]
    output = made.run(*command, code=1).splitlines()
    assert re.fullmatch(said, output[-1]), output[-1]
    assert "Traceback" not in "\n".join(output)
