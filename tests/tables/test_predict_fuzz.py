"""Rows damaged in any way: predicted as Python's csv reads them, or refused in one line."""

import csv
import math
import random
from pathlib import Path

import numpy as np
import pyarrow.csv as pc
import pytest

from src.errors import InputError
from src.model_file import Model
from src.predict import run
from src.tables.format import NULLS
from tests.test_model_file import by_hand
from tests.test_train import params, trained

NAMES = ["x0", "x1", "x2", "x3"]
PIECES = ['"', '""', ",", "\n", "\r\n", "\r", "\0", ";", "-", "e5", ".", "NA", " ", "é", "\t", "#"]


@pytest.fixture(scope="module")
def model() -> Model:
    return trained(params(epochs=1), "regression")[0]


def written(draw: random.Random, names: list[str]) -> bytes:
    """Write a few rows with one to three changes at random places."""
    rows = [",".join(names)]
    for i in range(draw.randint(1, 6)):
        values = {name: f"{draw.gauss(0, 1):.3g}" for name in NAMES} | {"id": f"00{i}"}
        rows.append(
            ",".join(
                draw.choice([values.get(name, "t"), f'"{values.get(name, "")}"']) for name in names
            )
        )
    content = bytearray("\n".join(rows).encode() + draw.choice([b"", b"\n"]))
    for _ in range(draw.randint(0, 3)):
        place = draw.randrange(len(content) + 1)
        match draw.choice(["insert", "byte", "delete", "cut"]):
            case "insert":
                content[place:place] = draw.choice(PIECES).encode()
            case "byte":
                content[place : place + 1] = bytes([draw.randrange(256)])
            case "delete":
                del content[place : place + draw.randint(1, 8)]
            case "cut" if place:
                del content[place:]
    return bytes(content)


def number(text: str) -> float:
    """Read a number as float32; NaN where it is missing."""
    value = math.nan if text in NULLS else float(text)
    return float(np.float32(value)) if math.isfinite(value) else math.nan


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(500))
def test_damaged_rows_are_predicted_as_csv_reads_them_or_refused(
    seed: int, model: Model, tmp_path: Path
) -> None:
    draw = random.Random(seed)
    names = draw.sample([*NAMES, "id", "other"], 6)
    (tmp_path / "rows.csv").write_bytes(written(draw, names))
    model.save(tmp_path / "model")
    try:
        run(tmp_path / "model", tmp_path / "rows.csv", tmp_path / "out.csv", None, False, [])
    except InputError as e:
        assert "\n" not in str(e)
        assert not (tmp_path / "out.csv").exists()
        return
    with (tmp_path / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        header, *records = [record for record in csv.reader(file) if record]
    rows = [dict(zip(header, record, strict=True)) for record in records]
    x = np.array([[number(row[name]) for name in NAMES] for row in rows])
    mean = model.encoder.mean.double().numpy()
    expected = by_hand(tmp_path / "model", np.where(np.isnan(x), mean, x))[:, 0]
    found = pc.read_csv(tmp_path / "out.csv")
    assert np.allclose(found["prediction"].to_numpy(), expected, rtol=1e-3, atol=1e-4)
    if "id" in header:
        with (tmp_path / "out.csv").open(newline="") as file:
            ids = [row["id"] for row in csv.DictReader(file)]
        assert ids == ["" if row["id"] in NULLS else row["id"] for row in rows]
