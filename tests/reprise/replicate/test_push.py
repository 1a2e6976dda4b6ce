"""Runs and their outs go where they belong; a remote that fails is said in one line."""

import socket
from pathlib import Path

import pytest

from tests.reprise.corpus import Made
from tests.reprise.random_dags import text
from tests.reprise.replicate.repository import PREDICTIONS
from tests.reprise.review.repository import commit

SEED = "sed -n 's/seed: //p' params.yaml"
STAGES = {
    "train": {
        "cmd": f"{SEED} | tee model > m.json",
        "params": ["seed"],
        "outs": ["model"],
        "metrics": [{"m.json": {"cache": False}}],
        "meta": {"reprise": {"replicates": {"param": "seed", "base": 3, "change": 2}}},
    },
    "evaluate": {
        "cmd": f"{{ echo id,correct; echo 1,1; cat model; {SEED}; }} > out.csv",
        "deps": ["model"],
        "params": ["seed"],
        "outs": [{"out.csv": {"remote": "other", "meta": {"reprise": PREDICTIONS}}}],
    },
    "unrelated": {"cmd": "cp params.yaml copy", "deps": ["params.yaml"], "outs": ["copy"]},
}


@pytest.fixture
def made(tmp_path: Path, commands: str) -> Made:
    files = {"dvc.yaml": text({"stages": STAGES}), "params.yaml": "seed: 1\n"}
    made = Made(tmp_path / "made", {"files": files}, commands).create()
    made.run("dvc", "repro")
    made.run("dvc", "remote", "add", "-qd", "store", str(tmp_path / "store"))
    made.run("dvc", "remote", "add", "-q", "other", str(tmp_path / "other"))
    commit(made, "first")
    return made


def objects(folder: Path) -> list[str]:
    return sorted(path.read_text() for path in folder.glob("files/md5/*/*"))


def test_only_these_runs_are_pushed_and_outs_to_their_remotes(made: Made, tmp_path: Path) -> None:
    made.run("reprise", "replicate", "HEAD", "--push")
    entries = [path.read_text() for path in (tmp_path / "store").glob("runs/*/*/*")]
    assert len(entries) == 4
    assert not [entry for entry in entries if "seed: 1" in entry or "copy" in entry]
    assert objects(tmp_path / "store") == ["2\n", "3\n"]
    assert objects(tmp_path / "other") == [f"id,correct\n1,1\n{n}\n{n}\n" for n in (2, 3)]
    clone = Made(tmp_path / "clone", {}, made.path)
    clone.folder.mkdir()
    made.run("git", "clone", "-q", made.root, clone.root)
    output = clone.run("reprise", "replicate", "HEAD")
    assert "2 are in the run-cache, 0 to run" in output


def test_a_push_that_fails_is_one_line(made: Made, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")
    for _ in ("trained", "known"):
        output = made.run("reprise", "replicate", "--push", code=1)
        *_, last = output.splitlines()
        assert last.startswith(
            "reprise: the working tree: train with seed 2: stage 'train' was not pushed: "
        )
        assert "Traceback" not in output
    assert "1 are in the run-cache, 0 to run" in made.run("reprise", "replicate")


def test_without_a_remote_nothing_can_be_pushed(made: Made) -> None:
    made.run("dvc", "remote", "default", "-u")
    made.run("reprise", "replicate")
    (line,) = made.run("reprise", "replicate", "--push", code=1).splitlines()
    assert "stage 'train' was not pushed: config file error: no remote specified" in line


@pytest.mark.parametrize("kind", ["no plugin", "unreachable"])
def test_a_remote_that_cannot_be_asked_is_a_note_and_what_is_missing_is_trained(
    kind: str, made: Made
) -> None:
    with socket.socket() as unused:  # nobody listens
        unused.bind(("127.0.0.1", 0))
        if kind == "no plugin":
            made.run("dvc", "remote", "modify", "store", "url", "hdfs://u@nowhere/dvc")
        else:
            made.run("dvc", "remote", "modify", "store", "url", "s3://nowhere/dvc")
            endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
            made.run("dvc", "remote", "modify", "store", "endpointurl", endpoint)
        commit(made, "remote")
        output = made.run("reprise", "replicate", "HEAD")
    notes = [line for line in output.splitlines() if "the remote is not asked" in line]
    assert len(notes) == 1
    assert output.count(": done in") == 2
    assert "2 are in the run-cache, 0 to run" in made.run("reprise", "replicate", "HEAD")
