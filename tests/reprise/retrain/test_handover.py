"""A model handed over from a job without rights to one that runs no stage."""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reprise.errors import PipelineError
from reprise.retrain.handover import publish_handover
from reprise.retrain.options import RetrainOptions
from tests.reprise.retrain.project import Retrainable
from tests.reprise.retrain.test_retrain import GOOD, WORSE, first, made, on
from tests.reprise.stand_in import StandIn
from tests.reprise.without_review import WITHOUT_REVIEW

__all__ = ["first", "made"]  # fixtures
pytestmark = pytest.mark.xdist_group("retrain")


DECISION = {
    "outcome": "promoted",
    "reason": "accuracy is better",
    "base": "a" * 40,
    "branch": "retrain/0123456789ab",
    "commit": "b" * 40,
}


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("branch", "main", "branch: found 'main'"),
        ("branch", "retrain/../main", "branch: found 'retrain/../main'"),
        ("branch", None, "branch: found 'None'"),
        ("commit", "--upload-pack=x", "commit: found '--upload-pack=x'"),
        ("base", "HEAD", "base: found 'HEAD'"),
        ("outcome", "kept", "outcome: found 'kept'; expected promoted"),
        ("outcome", "other", "outcome: Input should be 'unchanged', "),
        ("reason", [], "reason: Input should be a valid string"),
    ],
)
def test_a_decision_that_is_not_of_our_form_is_refused(
    name: str, value: object, found: str, tmp_path: Path
) -> None:
    """Before anything is cloned."""
    (tmp_path / "decision.json").write_text(json.dumps({**DECISION, name: value}))
    expected = re.escape(f"{tmp_path}/decision.json: {found}")
    with pytest.raises(PipelineError, match=f"^{expected}"):
        publish_handover(RetrainOptions("nowhere", tmp_path), tmp_path, print)


def as_link(path: Path) -> None:
    path.symlink_to("/proc/self/environ")


@pytest.mark.parametrize("name", ["decision.json", "report.md"])
@pytest.mark.parametrize(
    ("write", "found"),
    [
        (as_link, "Too many levels of symbolic links"),
        (os.mkfifo, "found no text"),
        (Path.mkdir, "Is a directory"),
        (lambda path: path.write_bytes(b"\xff"), "not UTF-8"),
        (lambda path: path.write_text("x" * 70_000), "found no text of at most 65536"),
        (lambda path: None, "No such file or directory"),
    ],
)
def test_only_small_texts_are_read(
    name: str, write: Callable[[Path], object], found: str, tmp_path: Path
) -> None:
    """A link might lead to where the token stands; nothing waits for another process."""
    (tmp_path / "decision.json").write_text(json.dumps(DECISION))
    (tmp_path / name).unlink(missing_ok=True)
    write(tmp_path / name)
    expected = re.escape(f"{tmp_path}/{name}: {found}")
    with pytest.raises(PipelineError, match=f"^{expected}"):
        publish_handover(RetrainOptions("nowhere", tmp_path), tmp_path, print)


def handed_over(made: Retrainable) -> Path:
    made.source.write_text(GOOD)
    made.retrain("--hand-over", "handover")
    return made.folder / "handover"


def publish(made: Retrainable, code: int = 0, more: dict[str, str] | None = None) -> str:
    """From a clone of its own, as another machine has it."""
    options = (made.origin, "--workplace", made.folder / "other")
    reprise = (sys.executable, "-c", WITHOUT_REVIEW)  # so does CI, beside the token
    return made.run(*reprise, "publish", "handover", *options, code=code, more=more)


def stored(made: Retrainable) -> set[str]:
    return {str(path) for path in made.store.rglob("*") if path.is_file()}


def test_a_model_is_handed_over_and_published(made: Retrainable, stand_in: StandIn) -> None:
    """The job that trains pushes nothing; the other one runs no stage, and the branch is whole."""
    before, store = made.branches(), stored(made)
    folder = handed_over(made)
    assert (made.branches(), stored(made), stand_in.calls) == (before, store, [])
    decision = json.loads((folder / "decision.json").read_text())
    assert (decision["outcome"], decision["pushed"]) == ("promoted", False)
    shutil.rmtree(made.folder / "work")
    said = publish(made, more=on(stand_in))
    assert "split: " not in said
    assert said.splitlines()[-1] == "pull request: https://forge.test/pull/0"
    (branch,) = made.branches().keys() - before.keys()
    assert (branch, made.branches()[branch]) == (decision["branch"], decision["commit"])
    (pull,) = stand_in.pulls
    assert pull["title"] == "Retrained: accuracy 0.625 -> 1"
    assert pull["body"] == (folder / "report.md").read_text()
    made.run("git", "clone", "-q", "-b", branch, made.origin, made.folder / "clone")
    made.run("dvc", "pull", "-q", cwd=made.folder / "clone")
    made.run("reprise", "plan", "--exit-code", cwd=made.folder / "clone")
    state = made.branches()
    publish(made, more=on(stand_in))  # after a kill, say
    assert (made.branches(), len(stand_in.pulls)) == (state, 1)


@pytest.mark.slow
def test_what_is_not_promoted_is_not_handed_over(made: Retrainable) -> None:
    made.source.write_text(WORSE)
    made.retrain("--hand-over", "handover", "--out", "decision.json")
    assert not (made.folder / "handover").exists()
    said = publish(made, code=1)
    assert said == (
        "reprise: handover/decision.json: No such file or directory; "
        "expected a file of `--hand-over`\n"
    )


@pytest.mark.slow
def test_a_base_that_moved_asks_for_another_training(made: Retrainable) -> None:
    handed_over(made)
    (made.checkout / "NOTES").write_text("hello\n")
    made.publish("notes")
    state = made.branches()
    said = publish(made, code=1)
    assert said.startswith("reprise: main: found it at ")
    assert said.endswith(", on which the model was trained: retrain once more\n")
    assert made.branches() == state


@pytest.mark.slow
def test_a_commit_or_data_that_were_tampered_with_are_refused(made: Retrainable) -> None:
    """Each in one line, with nothing pushed. Stages may have been turned against the project."""
    folder = handed_over(made)
    state, store = made.branches(), stored(made)
    whole = made.folder / "whole"
    folder.rename(whole)
    work = next(path for path in (made.folder / "work").iterdir() if path.is_dir())
    decision = json.loads((whole / "decision.json").read_text())
    secret = made.folder / "secret"
    secret.write_text("s3cret")

    def refused(expected: str) -> None:
        said = publish(made, code=1).splitlines()[-1]
        assert said.startswith("reprise: ")
        assert expected in said
        assert "s3cret" not in said
        assert (made.branches(), stored(made)) == (state, store)
        shutil.rmtree(folder)
        shutil.copytree(whole, folder, symlinks=True)

    def commit(file: str, text: str, *, link: bool = False) -> None:
        """Hand over a commit with another file."""
        made.run("git", "checkout", "-qf", "--detach", decision["base"], cwd=work)
        path = work / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if link:
            path.symlink_to(text)
        else:
            path.write_text(text)
        git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")
        made.run("git", "add", "-f", file, cwd=work)
        made.run(*git, "commit", "-qm", "x", cwd=work)
        new = made.run("git", "rev-parse", "HEAD", cwd=work).strip()
        ref = "refs/reprise/handover"
        made.run("git", "update-ref", ref, new, cwd=work)
        bundle = ("git", "bundle", "create", "-q", folder / "commit.bundle", ref)
        made.run(*bundle, f"^{decision['base']}", cwd=work)
        changed = {**decision, "commit": new}
        (folder / "decision.json").write_text(json.dumps(changed))

    shutil.copytree(whole, folder, symlinks=True)
    for name, value, expected in [
        ("commit", "0" * 40, "commit and parents: found"),
        ("base", "0" * 40, "main: found it at "),
    ]:
        (folder / "decision.json").write_text(json.dumps({**decision, name: value}))
        refused(expected)
    (folder / "commit.bundle").unlink()
    (folder / "commit.bundle").symlink_to(secret)
    refused("commit.bundle: found no such file")
    for text in ("no bundle", f"gitdir: {work / '.git'}"):  # which git would follow
        (folder / "commit.bundle").write_text(text)
        refused("commit.bundle' does not look like a v2 or v3 bundle file")
    for file in (".dvc/config", ".github/workflows/x.yml", ".gitlab-ci.yml", "train.py"):
        commit(file, "x")
        refused(f"found a change of '{file}'")
    commit("metrics.json", str(secret), link=True)
    refused("found a change of 'metrics.json' (mode 120000)")
    commit("metrics.json", "{}")
    refused("found another author, time or message; expected those of a retraining")
    commit("rows.csv.dvc", (work / "rows.csv.dvc").read_text().replace(str(made.source), "other"))
    refused("rows.csv.dvc: found another import than the base's")
    lock = (work / "dvc.lock").read_text()
    commit("dvc.lock", re.sub("(?<=md5: )[0-9a-f]{32}", "30../../../../../secret", lock))
    refused("dvc.lock: stages.split.deps.0.md5: found '30../")
    assert secret.exists()  # DVC would take it for a broken file of its own

    def some_data() -> Path:
        path = next(path for path in (folder / "data").rglob("*") if path.is_file())
        path.chmod(0o644)
        return path

    path = some_data()
    path.write_text("other bytes")
    path.chmod(0o444)  # by which DVC knows files that it has checked
    refused("found other bytes; expected those of this hash")
    path = some_data()
    path.unlink()
    path.symlink_to(secret)
    refused("found no file of DVC's; expected nothing else")
    some_data().unlink()
    refused(": ")
