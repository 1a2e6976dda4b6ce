"""What can't be run again is refused in a line, before anything runs."""

from pathlib import Path
from typing import Any

import pytest

from tests.reprise.corpus import Made
from tests.reprise.random_dags import text
from tests.reprise.replicate.repository import PREDICTIONS

SOME_ROWS = "printf 'id,correct\\n1,1\\n2,0\\n'"


def train(out: str = "out.csv", declared: bool = True, **replicates: Any) -> dict[str, Any]:
    """Return a stage that writes predictions, if they are declared."""
    meta = {"meta": {"reprise": PREDICTIONS}} if declared else {}
    return {
        "cmd": f"{SOME_ROWS} > {out}",
        "params": ["train.seed"],
        "outs": [{out: meta}],
        "meta": {"reprise": {"replicates": {"param": "train.seed", **replicates}}},
    }


BAD = {
    "undeclared": (
        {"train": train(param="train.other")},
        "train: {seed: 1, other: 2}\n",
        "stage 'train': meta.reprise.replicates.param: found train.other; expected a param that "
        "the stage declares, and that dvc.lock has: train.seed",
    ),
    "another file": (
        {"train": train(param="other.yaml:train.seed")},
        "train: {seed: 1}\n",
        "stage 'train': meta.reprise.replicates.param: found other.yaml:train.seed; expected",
    ),
    "text": (
        {"train": train()},
        "train: {seed: one}\n",
        "params.yaml: train.seed: found 'one'; expected a whole number: it is the seed of stage "
        "'train'",
    ),
    "a truth": ({"train": train()}, "train: {seed: true}\n", "found True; expected a whole number"),
    "a fraction": ({"train": train()}, "train: {seed: 1.5}\n", "found 1.5; expected a whole"),
    "none": ({"train": train()}, "train: {seed: null}\n", "found None; expected a whole number"),
    "a section": ({"train": train()}, "train: {seed: {a: 1}}\n", "meta.reprise.replicates.param"),
    "no predictions": (
        {"train": train(declared=False)},
        "train: {seed: 1}\n",
        "the working tree: stage 'train': meta.reprise.replicates: found no predictions after the "
        "stage; expected an out with `meta: {reprise: {predictions: …}}`",
    ),
    "two seeds": (
        {
            "train": train("model", declared=False),
            "tune": {**train(), "deps": ["model"], "cmd": f"cat model; {SOME_ROWS} > out.csv"},
        },
        "train: {seed: 1}\n",
        "stage 'tune': meta.reprise.replicates: found it before out.csv, as that of stage 'train'; "
        "expected one stage whose seed varies",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_run_again_is_one_line(name: str, tmp_path: Path, commands: str) -> None:
    stages, params, message = BAD[name]
    files = {"dvc.yaml": text({"stages": stages}), "params.yaml": params}
    made = Made(tmp_path, {"files": files}, commands).create()
    made.run("dvc", "repro")
    (line,) = made.run("reprise", "replicate", code=1).splitlines()
    assert message in line
    top = made.root / ".dvc" / "tmp" / "reprise" / "replicates"
    assert not top.exists() or not list(top.iterdir())
