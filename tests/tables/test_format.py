"""One format from `prepare` to `predict`: a table of dates, in a folder whose name is a pattern."""

import csv
from pathlib import Path

import pytest

from src import predict, prepare, train, validate
from src.schema import Schema

ROWS = 240
PARAMS = {
    "prepare": {
        "seed": 1,
        "target": "y",
        "task": "regression",
        "id": "key",
        "csv": {"decimal": ","},
    },
    "validate": {"min_rows": 1, "reference": None},
    "train": {
        "seed": 1,
        "model": {"name": "linear"},
        "loss": {"name": "MSELoss"},
        "optimizer": {"name": "Adam", "lr": 0.1},
        "epochs": 2,
        "batch_size": 50,
        "scale": "column",
    },
}


def table(path: Path, first: int, last: int, target: bool = True) -> None:
    """Write rows whose day and month would swap unnoticed wherever the day is 12 or less."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, delimiter=";")
        out.writerow(["key", "day", "x", *(["y"] if target else [])])
        for row in range(first, last):
            day, month = row % 28 + 1, row // 28 + 1
            values = [f"{row:05}", f"{day:02}/{month:02}/2024", f"{row},5"]
            out.writerow([*values, *([month * 100 + day] if target else [])])


def predicted(folder: Path, rows: Path) -> list[dict[str, str]]:
    """Predict a file; return the rows that come out."""
    out = folder / "out.csv"
    predict.run(folder / "model/model.safetensors", rows, out, None, strict=False, trusted=[])
    with out.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_small_batches_of_dates_are_predicted_as_all_rows_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, decoy = tmp_path / "x[1]", tmp_path / "x1"
    for place, rows in ((folder, ROWS), (decoy, 30)):
        table(place / "raw/a[b]*.csv", 0, rows)
        prepare.run(prepare.Params.model_validate(PARAMS), place / "raw", place / "prepared")
    schema = Schema.read(folder / "prepared")
    assert schema.rows.read == ROWS
    assert schema.format.dates == {"day": "%d/%m/%Y"}
    checks = validate.Params.model_validate(PARAMS)
    validate.run(checks, folder / "prepared", folder / "reference.json", folder / "validated")
    train.run(
        train.Params.model_validate(PARAMS),
        folder / "prepared",
        folder / "validated",
        folder / "model",
    )
    table(folder / "all?.csv", 0, ROWS, target=False)
    whole = predicted(folder, folder / "all?.csv")
    assert [row["id"] for row in whole] == [f"{row:05}" for row in range(ROWS)]
    monkeypatch.chdir(folder)
    for first, last in ((0, 1), (28, 40), (56, 59)):  # of all these, the day is 12 or less
        table(Path("few[1].csv"), first, last, target=False)
        assert predicted(folder, Path("few[1].csv")) == whole[first:last]
