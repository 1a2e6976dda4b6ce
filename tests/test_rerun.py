"""The rerun table: which stages a change to each key of params.yaml reruns."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, YAML_, Project, copied

STAGES: dict[str, Any] = YAML_.load(ROOT / "dvc.yaml")["stages"]


def outs(stage: str) -> set[str]:
    """Name what a stage writes: an entry is a path, or {path: settings}."""
    entries = [*STAGES[stage].get("outs", []), *STAGES[stage].get("metrics", [])]
    return {path for entry in entries for path in (entry if isinstance(entry, dict) else [entry])}


def downstream(stage: str) -> set[str]:
    """Name the stage and all those that read what it writes, directly or not."""
    found = {stage}
    while True:
        written = {out for one in found for out in outs(one)}
        more = {name for name, entry in STAGES.items() if written & {*entry["deps"]}}
        if more <= found:
            return found
        found |= more


ALL = {*STAGES}
DATA = downstream("prepare")
MODEL = downstream("train")
REGRESSION = {"train.loss.name": "MSELoss"}
NO_REFERENCE = {"validate.reference": None}
NO_CHECKS: dict[str, Any] = {"validate.derived": False, "validate.expectations": [], **NO_REFERENCE}
WIDE = {  # each bound another than the default
    "rows": 0.4,
    "missing": 0.2,
    "without_target": 0.2,
    "categories": 0.2,
    "outside": 0.02,
    "scale": 50,
    "shift": 0.6,
    "free": ["pixel_00"],
}

# key: (its new value, other keys that the value needs, the stages that run)
TABLE: dict[str, tuple[Any, dict[str, Any], set[str]]] = {
    "fetch.dataset": (
        "diabetes",
        {"prepare.target": "progression", "prepare.task": "regression", **NO_CHECKS, **REGRESSION},
        ALL,
    ),
    "fetch.folder": ("elsewhere", {}, {"fetch"}),  # digits reads no folder: the same raw data
    "prepare.target": ("pixel_36", NO_CHECKS, DATA),
    "prepare.task": ("regression", {**NO_CHECKS, **REGRESSION}, DATA),
    "prepare.id": ("pixel_36", NO_CHECKS, DATA),
    "prepare.seed": (7, {}, DATA),
    "prepare.drop": (["pixel_63"], NO_REFERENCE, DATA),
    "prepare.types": ({"pixel_63": "INTEGER"}, {}, DATA),
    "prepare.csv": ({"decimal": ","}, {}, DATA),  # schema.json says so, though digits is Parquet
    "prepare.max_categories": (50, {}, {"prepare"}),  # digits has no text: the same tables
    "prepare.split.column": (
        "pixel_36",
        {},
        {"prepare"},
    ),  # says no split: prepare fails, nothing follows
    "prepare.split.names": ({"dev": "val"}, {}, {"prepare"}),  # of no column: the same tables
    "prepare.split.val": (0.2, {}, DATA),
    "prepare.split.test": (0.3, {}, DATA),
    "validate.derived": (False, {}, {"validate"}),
    "validate.min_rows": (20, {}, {"validate"}),
    "validate.reference": (WIDE, {}, {"validate"}),
    "validate.expectations": (
        [{"expect_column_to_exist": {"column": "pixel_01"}}],
        {},
        {"validate"},
    ),
    "train.seed": (7, {}, MODEL),
    "train.model.name": ("linear", {"train.model": {"name": "linear"}}, MODEL),
    "train.model.hidden": ([64, 32], {}, MODEL),
    "train.loss.name": ("MultiMarginLoss", {}, MODEL),
    "train.optimizer.name": ("Adagrad", {}, MODEL),
    "train.optimizer.lr": (0.05, {}, MODEL),
    "train.scheduler": ({"name": "StepLR", "step_size": 1}, {}, MODEL),
    "train.epochs": (3, {}, MODEL),
    "train.batch_size": (20, {}, MODEL),
    "train.shuffle": (False, {}, MODEL),
    "train.scale": ("column", {}, MODEL),
    "train.monitor": (
        "accuracy",
        {},
        {"train"},
    ),  # the second epoch is best by both: the same model
    "train.patience": (5, {}, {"train"}),  # more than there are epochs: the same model
    "train.clip_norm": (0.5, {}, MODEL),
    "train.average": ({"decay": 0.5}, {}, MODEL),
    "train.augment": (
        {"flip": True},
        {"train.model": {"name": "cnn", "channels": [1]}},
        MODEL,
    ),
    "train.device": ("auto", {}, {"train"}),  # without a GPU: the same model
    "train.compile": ("default", {}, MODEL),
    "train.precision": ("bf16", {}, MODEL),
    "train.processes": (2, {}, MODEL),
    "train.threads": (
        2,
        {"train.epochs": 4},
        MODEL,
    ),  # alone it changes the model on some CPUs only
    "evaluate.metric": ("log_loss", {}, {"evaluate"}),
    "evaluate.precision": (0.5, {}, {"evaluate"}),
    "evaluate.bins": (5, {}, {"evaluate"}),
    "evaluate.plot_points": (50, {}, {"evaluate"}),
    "runtime.log_every": (10, {}, set()),
    "runtime.track": ("tensorboard", {}, set()),
    "runtime.progress": (False, {}, set()),
    "runtime.checkpoint": (None, {}, set()),
    "runtime.keep_last": (False, {}, set()),
    "runtime.workers": (1, {}, set()),
    "runtime.memory": (100, {}, set()),
}


def leaves(section: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of the keys whose values are no sections. An empty section is a value."""
    found = []
    for key, value in section.items():
        found += (
            leaves(value, f"{prefix}{key}.")
            if isinstance(value, dict) and value and f"{prefix}{key}" not in TABLE
            else [f"{prefix}{key}"]
        )
    return found


def test_every_key_has_a_row() -> None:
    assert leaves(YAML_.load(ROOT / "params.yaml")) == list(TABLE)


def test_a_second_run_does_nothing(finished: Project, tmp_path: Path) -> None:
    assert copied(finished, tmp_path).repro() == set()


def cache_of(project: Project) -> dict[Path, bytes | set[str]]:
    """Read the cache: the bytes of each file, and the names in each folder of a run's key.

    Of the runs with one key, DVC restores the newest.
    """
    cache = project.root / ".dvc" / "cache"
    files = {path: path.read_bytes() for path in cache.rglob("*") if path.is_file()}
    keys = {path.parent for path in files if cache / "runs" in path.parents}
    return {**files, **{key: {path.name for path in key.iterdir()} for key in keys}}


def stages_run(project: Project, runner: str, code: int) -> set[str]:
    """Run the pipeline; return the stages whose commands ran. code: the exit status of DVC."""
    if runner == "dvc repro":
        return project.repro(code)
    lines = project.run("reprise", "run", code=min(code, 1)).splitlines()
    return {line.removesuffix(": started") for line in lines if line.endswith(": started")}


RUNNERS = ["reprise run", pytest.param("dvc repro", marks=pytest.mark.slow)]


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("section", {key.split(".")[0]: None for key in TABLE})
def test_a_changed_key_reruns_what_depends_on_it_and_changed_back_nothing(
    section: str, runner: str, finished: Project, tmp_path: Path
) -> None:
    """Run a quarter of the rows by `reprise run`; all of them by `dvc repro`, as a slow proof.

    What a change back restores is in the cache: after each row all of it is as before. So one
    change back at the end does for all rows of the section.
    """
    project = copied(finished, tmp_path)
    before = {name: (project.root / name).read_bytes() for name in ("params.yaml", "dvc.lock")}
    cache = cache_of(project)
    rows = [key for key in TABLE if key.split(".")[0] == section]
    for key in rows if runner == "dvc repro" else rows[::4]:
        value, needs, stages = TABLE[key]
        (project.root / "params.yaml").write_bytes(before["params.yaml"])
        project.set({**needs, key: value})
        ran = stages_run(project, runner, 255 if key == "prepare.split.column" else 0)
        assert (key, ran) == (key, stages)
        after = cache_of(project)
        assert (key, {path: after.get(path) for path in cache}) == (key, cache)
    (project.root / "params.yaml").write_bytes(before["params.yaml"])
    assert project.repro() == set()
    assert (project.root / "dvc.lock").read_bytes() == before["dvc.lock"]
