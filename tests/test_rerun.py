"""The rerun table: which stages a change to each key of params.yaml reruns."""

from typing import Any

from tests.conftest import ROOT, YAML_, Project

ALL = {"fetch", "prepare", "validate", "train", "evaluate"}
DATA = ALL - {"fetch"}
MODEL = {"train", "evaluate"}
REGRESSION = {"train.loss.name": "MSELoss"}
NO_CHECKS = {"validate.derived": False, "validate.expectations": []}

# key: (its new value, other keys that the value needs, the stages that run)
TABLE: dict[str, tuple[Any, dict[str, Any], set[str]]] = {
    "seed": (7, {}, DATA),
    "fetch.dataset": (
        "diabetes",
        {"prepare.target": "progression", "prepare.task": "regression", **NO_CHECKS, **REGRESSION},
        ALL,
    ),
    "fetch.folder": ("elsewhere", {}, {"fetch"}),  # digits reads no folder: the same raw data
    "prepare.target": ("pixel_36", NO_CHECKS, DATA),
    "prepare.task": ("regression", {**NO_CHECKS, **REGRESSION}, DATA),
    "prepare.id": ("pixel_36", NO_CHECKS, DATA),
    "prepare.drop": (["pixel_63"], {}, DATA),
    "prepare.types": ({"pixel_63": "INTEGER"}, {}, DATA),
    "prepare.max_categories": (50, {}, {"prepare"}),  # digits has no text: the same tables
    "prepare.split.column": ("pixel_36", {}, {"prepare"}),  # says no split: prepare fails, nothing follows
    "prepare.split.val": (0.2, {}, DATA),
    "prepare.split.test": (0.3, {}, DATA),
    "validate.derived": (False, {}, {"validate"}),
    "validate.min_rows": (20, {}, {"validate"}),
    "validate.expectations": ([{"expect_column_to_exist": {"column": "pixel_01"}}], {}, {"validate"}),
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
    "train.monitor": ("accuracy", {}, {"train"}),  # the second epoch is best by both: the same model
    "train.patience": (5, {}, {"train"}),  # more than there are epochs: the same model
    "train.clip_norm": (0.5, {}, MODEL),
    "evaluate.bins": (5, {}, {"evaluate"}),
    "evaluate.plot_points": (50, {}, {"evaluate"}),
    "runtime.log_every": (10, {}, set()),
    "runtime.progress": (False, {}, set()),
    "runtime.workers": (1, {}, set()),
}


def leaves(section: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of the keys whose values are no sections. An empty section is a value."""
    found = []
    for key, value in section.items():
        found += leaves(value, f"{prefix}{key}.") if isinstance(value, dict) and value else [f"{prefix}{key}"]
    return found


def test_every_key_has_a_row() -> None:
    assert leaves(YAML_.load(ROOT / "params.yaml")) == list(TABLE)


def test_a_changed_key_reruns_what_depends_on_it(project: Project) -> None:
    assert project.repro() == ALL
    assert project.repro() == set()
    before = (project.root / "params.yaml").read_text()
    lock = (project.root / "dvc.lock").read_bytes()
    ran, back = {}, {}
    for key, (value, needs, _) in TABLE.items():
        project.set({**needs, key: value})
        ran[key] = project.repro(255 if key == "prepare.split.column" else 0)
        (project.root / "params.yaml").write_text(before)
        back[key] = project.repro()
        assert (project.root / "dvc.lock").read_bytes() == lock, key
    assert ran == {key: stages for key, (_, _, stages) in TABLE.items()}
    assert back == {key: set() for key in TABLE}
