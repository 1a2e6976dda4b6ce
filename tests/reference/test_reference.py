"""The gate knows what good data are like: each kind of bad night fails with its line."""

import json
from pathlib import Path
from typing import Any

import pytest

from src.errors import InputError
from src.prepare import Params as PrepareParams
from src.prepare import run as prepare
from src.reference.__main__ import run as write_reference
from src.validate import Params, run
from tests.reference.nights import BAD, SECTION, Row, customers, write

GOOD = customers(1600)
NIGHT = customers(400, start=1600)


def prepared(raw: Path, out: Path, **changes: Any) -> Path:
    section = {**SECTION, **changes}
    prepare(PrepareParams.model_validate({"prepare": {"seed": 1, **section}}), raw, out)
    return out


def validate(data: Path, reference: Path, out: Path, **bounds: Any) -> dict[str, Any]:
    """Validate by the reference alone; the report."""
    section = {"derived": False, "reference": bounds}
    run(Params.model_validate({"validate": section}), data, reference, out)
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    return report


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a first table."""
    folder = tmp_path_factory.mktemp("reference")
    write(folder / "raw" / "0.csv", GOOD)
    write_reference(prepared(folder / "raw", folder / "prepared"), folder / "reference.json")
    return folder / "reference.json"


def after(nights: list[list[Row]], reference: Path, folder: Path, **bounds: Any) -> dict[str, Any]:
    """Prepare and validate the first table and those nights."""
    for i, rows in enumerate([GOOD, *nights]):
        write(folder / "raw" / f"{i}.csv", rows)
    data = prepared(folder / "raw", folder / "prepared")
    return validate(data, reference, folder / "out", **bounds)


def test_good_nights_pass_without_a_word(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = after([NIGHT, customers(20, start=2000)], reference, tmp_path)
    assert (report["departures"], report["drift"]) == ([], [])
    assert capsys.readouterr().out.splitlines()[-1] == "0 expectations passed"
    assert (tmp_path / "out" / "passed.json").exists()


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_night_fails_with_its_line(
    kind: str, reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, line = BAD[kind]
    with pytest.raises(InputError) as e:
        after([spoil(NIGHT)], reference, tmp_path)
    assert line in f"{capsys.readouterr().err}{e.value}"
    assert "\n" not in str(e.value)
    assert not (tmp_path / "out" / "passed.json").exists()


@pytest.mark.parametrize("kind", sorted(BAD.keys() - {"no targets"}))
def test_a_table_that_is_bad_altogether_fails_too(
    kind: str, reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, _ = BAD[kind]
    write(tmp_path / "a.csv", spoil(GOOD))
    with pytest.raises(InputError) as e:
        data = prepared(tmp_path / "a.csv", tmp_path / "prepared")
        validate(data, reference, tmp_path / "out")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) <= 2
    assert bool(lines) == ("a review of its diff" in str(e.value))


def test_a_column_of_another_kind_fails(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ages = [{**row, "age": "old" if row["age"] > 50 else "young"} for row in GOOD]
    write(tmp_path / "a.csv", ages)
    data = prepared(tmp_path / "a.csv", tmp_path / "prepared")
    with pytest.raises(InputError):
        validate(data, reference, tmp_path / "out")
    line = "validate: column 'age': found a category, such as 'young'; expected a number\n"
    assert capsys.readouterr().err == line


def test_a_slow_drift_passes_and_is_reported(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nights = [customers(100, start=1600 + 100 * i, drift=0.06 * i) for i in range(12)]
    report = after(nights, reference, tmp_path)
    (line,) = report["drift"]
    assert line.startswith("column 'income': rows with at most ")
    assert line.endswith("in the 1200 rows since the reference")
    assert f"drift: {line}" in capsys.readouterr().out.splitlines()
    assert report["departures"] == []


def test_new_categories_and_gaps_pass_within_the_bounds(reference: Path, tmp_path: Path) -> None:
    night = [{**row, "plan": "trial" if i < 10 else row["plan"]} for i, row in enumerate(NIGHT)]
    report = after([night], reference, tmp_path)
    assert report["drift"] == ["column 'plan': new: 'trial'"]
    spoil, _ = BAD["an empty column"]
    after([spoil(NIGHT)], reference, tmp_path, missing=1)
    spoil, _ = BAD["other units"]
    after([spoil(NIGHT)], reference, tmp_path, free=["income"])
    with pytest.raises(InputError, match=r"reference.free: found no column 'incom'.*'income'"):
        after([NIGHT], reference, tmp_path, free=["incom"])


def test_a_table_of_half_its_rows_or_of_twice_the_same_fails(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a.csv", GOOD[:500])
    data = prepared(tmp_path / "a.csv", tmp_path / "few")
    with pytest.raises(InputError):
        validate(data, reference, tmp_path / "out")
    line = "validate: rows: found 500; expected 50 % of the reference's 1600 at least\n"
    assert capsys.readouterr().err == line
    write(tmp_path / "raw" / "a.csv", GOOD)
    once = prepared(tmp_path / "raw", tmp_path / "once", id=None, drop=["key"])
    write_reference(once, tmp_path / "reference.json")
    write(tmp_path / "raw" / "b.csv", GOOD)
    twice = prepared(tmp_path / "raw", tmp_path / "twice", id=None, drop=["key"])
    with pytest.raises(InputError):
        validate(twice, tmp_path / "reference.json", tmp_path / "out")
    assert (
        "id None: found 1600 of 3200 rows whose id another row has; expected 10 % at most"
        in capsys.readouterr().err
    )


def test_the_target_of_a_regression_is_looked_at_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"target": "income", "task": "regression", "drop": ["churned"]}
    write(tmp_path / "a.csv", GOOD)
    data = prepared(tmp_path / "a.csv", tmp_path / "prepared", **changes)
    write_reference(data, tmp_path / "reference.json")
    write(tmp_path / "a.csv", BAD["other units"][0](GOOD))
    data = prepared(tmp_path / "a.csv", tmp_path / "prepared", **changes)
    with pytest.raises(InputError):
        validate(data, tmp_path / "reference.json", tmp_path / "out")
    line = "validate: column 'income': found numbers 1,000 times larger; expected about"
    assert line in capsys.readouterr().err


def test_the_order_of_rows_and_columns_changes_no_byte(reference: Path, tmp_path: Path) -> None:
    rows = [dict(reversed(row.items())) for row in reversed(GOOD)]
    write(tmp_path / "a.csv", rows)
    write_reference(prepared(tmp_path / "a.csv", tmp_path / "prepared"), tmp_path / "other.json")
    assert (tmp_path / "other.json").read_bytes() == reference.read_bytes()
    lines = reference.read_text().splitlines()
    assert sum(line.startswith('    "') for line in lines) == 6  # one a column


def test_a_new_reference_says_where_it_differs(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reference.json").write_bytes(reference.read_bytes())
    write(tmp_path / "a.csv", BAD["other units"][0](GOOD))
    data = prepared(tmp_path / "a.csv", tmp_path / "prepared")
    write_reference(data, tmp_path / "reference.json")
    differs, written = capsys.readouterr().out.splitlines()[-2:]
    assert differs.startswith("differs: column 'income': found numbers 1,000 times larger")
    assert written.endswith("reference.json: 1600 rows, 6 columns; now review and commit it")
    assert validate(data, tmp_path / "reference.json", tmp_path / "out")["departures"] == []


def test_without_a_reference_it_is_said(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a.csv", GOOD)
    data = prepared(tmp_path / "a.csv", tmp_path / "prepared")
    with pytest.raises(InputError, match=r"none.json: found no such file; expected .* -m src.refe"):
        validate(data, tmp_path / "none.json", tmp_path / "out")
    (tmp_path / "cut.json").write_text(reference.read_text()[:900])
    with pytest.raises(InputError, match=r"cut.json: found .*; expected a reference of good data"):
        validate(data, tmp_path / "cut.json", tmp_path / "out")
    params = Params.model_validate({"validate": {"derived": False, "reference": None}})
    run(params, data, tmp_path / "none.json", tmp_path / "out")
    assert "no reference: validate.reference is null" in capsys.readouterr().out
    other = prepared(tmp_path / "a.csv", tmp_path / "prepared", target="plan")
    validate(other, reference, tmp_path / "out")
    assert "reference.json is of target 'churned'; run `python -m" in capsys.readouterr().out
