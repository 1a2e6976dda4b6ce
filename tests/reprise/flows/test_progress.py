"""How far a command is, by the rows that it keeps while it runs."""

from pathlib import Path

import pytest

from reprise.dvc import Repository, Selection
from reprise.flows.progress import LiveRows, how_far, live_rows
from tests.reprise.runner.repository import Make, make, stage

__all__ = ["make"]  # a fixture
pytestmark = pytest.mark.xdist_group("prefect")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epoch,loss\n1,0.5\n2,0.4\n", (20.0, "epoch 2 of 10")),
        ("epoch\n" + "1\n" * 10, (100.0, "epoch 10 of 10")),
        ("epoch\n" + "1\n" * 12, (100.0, "epoch 12 of 10")),  # of a longer training before
        ("epoch,loss\n", None),
        ("", None),
        ("step,loss\n1,0.5\n", None),  # no param is named `steps`
        ("none,loss\n1,0.5\n", None),
        ("\0\xff", None),
        (None, None),
    ],
)
def test_rows_are_counted_against_the_param_of_that_name(
    tmp_path: Path, text: str | None, expected: tuple[float, str] | None
) -> None:
    file = tmp_path / "train.csv"
    if text is not None:
        file.write_text(text)
    assert how_far(LiveRows(file, "digits-train", {"epochs": 10, "nones": 0})) == expected


def test_the_param_is_one_that_the_stage_declares(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    params = "train: {epochs: 6, deep: {steps: 9}, lr: 0.1, flag: true}\nother: {epochs: 3}\n"
    made = make(
        {
            "section": stage("true", [], "a", params=["train"]),
            "key": stage("true", [], "b", params=["train.epochs"]),
            "gone": stage("true", [], "c", params=["train.lr"]),
            "file": stage("true", [], "d", params=[{"params.yaml": None}]),
        },
        {"params.yaml": params},
    )
    monkeypatch.chdir(made.root)
    with Repository() as repository:
        stages = repository.collect_stages([], Selection())
        found = {stage.name: live_rows(stage, tmp_path, "key") for stage in stages}
    assert {name: rows.counts for name, rows in found.items()} == {
        "section": {"epochs": 6, "steps": 9},
        "key": {"epochs": 6},
        "gone": {},
        "file": {"epochs": 3, "steps": 9},
    }
    assert found["key"].file == tmp_path / "key.csv"
