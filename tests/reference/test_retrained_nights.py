"""A nightly retraining of this project: bad nights fail with their line, and change nothing."""

import pytest

from tests.conftest import new_project
from tests.reference.nights import BAD, SECTION, customers, write
from tests.reprise.retrain.project import Retrainable

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nights")]
NIGHT = customers(400, start=1600)


@pytest.fixture(scope="module")
def nightly(commands: str, tmp_path_factory: pytest.TempPathFactory) -> Retrainable:
    """This project on customers, published with its champion."""
    made = Retrainable(tmp_path_factory.mktemp("nights"), commands)
    write(made.folder / "feed" / "0.csv", customers(1600))
    made.run("git", "init", "-q", "--bare", "--initial-branch", "main", made.origin)
    made.run("git", "clone", "-q", made.origin, made.checkout)
    project = new_project(made.checkout, commands)
    project.run("git", "checkout", "-qB", "main")
    declared = made.checkout / "dvc.yaml"
    text = declared.read_text()
    declared.write_text(text[: text.index("  fetch:")] + text[text.index("  prepare:") :])
    project.set({f"prepare.{key}": value for key, value in SECTION.items()})
    project.set({"validate.expectations": [], "train.scale": "column", "train.epochs": 2})
    project.run("dvc", "remote", "add", "-q", "-d", "store", str(made.store))
    project.run("dvc", "import-url", "-q", str(made.folder / "feed"), "data/raw")
    project.run("dvc", "repro", "prepare")
    project.run("python", "-m", "src.reference", "data/prepared", "data/reference.json")
    project.repro()
    made.publish("champion")
    return made


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_night_fails_and_leaves_the_champion(kind: str, nightly: Retrainable) -> None:
    spoil, line = BAD[kind]
    write(nightly.folder / "feed" / "1.csv", spoil(NIGHT))
    before = nightly.branches()
    output = nightly.retrain(code=1)
    last = output.splitlines()[-1]
    assert last.startswith("reprise: reprise run: failed: ")
    assert line in last
    assert "train: started" not in output
    assert "Traceback" not in output
    assert nightly.branches() == before


def test_good_nights_and_a_slow_drift_are_trained_on(nightly: Retrainable) -> None:
    for drift in (0.0, 0.3):
        write(nightly.folder / "feed" / "1.csv", customers(400, start=1600, drift=drift))
        output = nightly.retrain("--dry-run")
        assert "train: started" in output
        assert ("validate | drift: column 'income': rows with at most " in output) == (drift > 0)
