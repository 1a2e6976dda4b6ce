"""Expectations see the declared types, any name of a column, and what GX raises is one line."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.errors import InputError
from src.prepare import Params as PrepareParams
from src.prepare import run as prepare
from src.validate import Params, run

ROWS = 200
NO_FILE = Path("none")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # conditions that are text
ODD = ['do"uble', "sin'gle", "back`tick", "[1] 50 %s", "%(x)s;", "a.b ö中:c"]


def table() -> pa.Table:
    days = [date(2024, 1, 1) + timedelta(days=i % 90) for i in range(ROWS)]
    times = [datetime(2024, 1, 1, 3, tzinfo=UTC) + timedelta(hours=i) for i in range(ROWS)]
    columns: dict[str, Any] = {
        "key": [f"k{i}" for i in range(ROWS)],
        "day": days,
        "later": [day + timedelta(days=3) for day in days],
        "time": times,
        "text": ["ab"[i % 2] for i in range(ROWS)],
        "y": [i % 2 for i in range(ROWS)],
    }
    return pa.table({**columns, **{name: [i % 7 + 0.5 for i in range(ROWS)] for name in ODD}})


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dates")
    pq.write_table(table(), folder / "a.parquet")
    section = {"target": "y", "task": "classification", "id": "key"}
    params = PrepareParams.model_validate({"prepare": {"seed": 1, **section}})
    prepare(params, folder / "a.parquet", folder / "prepared")
    return folder / "prepared"


def results(entries: list[dict[str, Any]], prepared: Path, out: Path) -> list[dict[str, Any]]:
    section = {"derived": False, "reference": None, "expectations": entries}
    try:
        run(Params.model_validate({"validate": section}), prepared, NO_FILE, out)
    except InputError as e:
        assert str(e).endswith(f"see {out}/report.json")
    found: list[dict[str, Any]] = json.loads((out / "report.json").read_text())["results"]
    return found


BETWEEN = "expect_column_values_to_be_between"
FIRST, LAST = date(2024, 1, 1), "2024-03-31"
# An expectation on dates or times, and whether it holds.
DATES: list[tuple[str, dict[str, Any], bool]] = [
    (BETWEEN, {"column": "day", "min_value": "2024-01-01", "max_value": LAST}, True),
    (BETWEEN, {"column": "day", "min_value": FIRST, "max_value": LAST}, True),
    (BETWEEN, {"column": "day", "min_value": "2024-01-02"}, False),
    (BETWEEN, {"column": "time", "min_value": "2024-01-01 03:00:00"}, True),
    (BETWEEN, {"column": "time", "min_value": "2024-01-01T04:00:00+01:00"}, True),
    (BETWEEN, {"column": "time", "min_value": "2024-01-01T03:00:01Z"}, False),
    ("expect_column_min_to_be_between", {"column": "day", "max_value": "2024-01-01"}, True),
    ("expect_column_min_to_be_between", {"column": "time", "min_value": "2024-01-01T03Z"}, True),
    ("expect_column_max_to_be_between", {"column": "day", "max_value": "2024-01-31"}, False),
    ("expect_column_values_to_be_in_set", {"column": "day", "value_set": ["2024-01-01"]}, False),
    ("expect_column_values_to_not_be_in_set", {"column": "day", "value_set": [FIRST]}, False),
    ("expect_column_values_to_not_be_in_set", {"column": "day", "value_set": ["2023-1-1"]}, True),
    ("expect_column_distinct_values_to_contain_set", {"column": "day", "value_set": [LAST]}, False),
    (
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "later", "column_B": "day"},
        True,
    ),
    ("expect_column_values_to_be_of_type", {"column": "day", "type_": "Date"}, True),
    ("expect_column_type_to_be", {"column": "time", "type_": "DateTime"}, True),
    (
        BETWEEN,
        {
            "column": "day",
            "min_value": "2024-02-01",
            "row_condition": {
                "type": "comparison",
                "column": {"name": "day"},
                "operator": ">=",
                "parameter": "2024-02-01",
            },
        },
        True,
    ),
    (
        "unexpected_rows_expectation",
        {"unexpected_rows_query": "SELECT id FROM {batch} WHERE day > DATE '2024-03-31'"},
        True,
    ),
]


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where times without an offset would be nine hours off."""
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("tokyo")
def test_dates_compare_with_dates(prepared: Path, tmp_path: Path) -> None:
    found = results([{name: kwargs} for name, kwargs, _ in DATES], prepared, tmp_path)
    assert [entry["success"] for entry in found] == [holds for _, _, holds in DATES]
    assert [entry["error"] for entry in found if "error" in entry] == []


def about(name: str) -> list[dict[str, Any]]:
    """List an expectation of each kind about the column, all of which hold."""
    quoted = '"' + name.replace('"', '""') + '"'
    of = {"column": name, "min_value": 0, "max_value": 7}
    values = [i + 0.5 for i in range(7)]
    is_there = {"type": "nullity", "column": {"name": name}, "is_null": False}
    return [
        {BETWEEN: {**of, "row_condition": is_there}},
        {"expect_column_mean_to_be_between": of},
        {"expect_column_median_to_be_between": of},
        {"expect_column_distinct_values_to_be_in_set": {"column": name, "value_set": values}},
        {"expect_column_value_z_scores_to_be_less_than": {**scores(name), "double_sided": True}},
        {"expect_column_proportion_of_unique_values_to_be_between": {**of, "max_value": 1}},
        {"expect_column_pair_values_to_be_equal": {"column_A": name, "column_B": name}},
        {"expect_compound_columns_to_be_unique": {"column_list": [name, "id"]}},
        {"expect_column_values_to_not_be_null": {"columns": name}},
        {
            "unexpected_rows_expectation": {
                "unexpected_rows_query": f"SELECT {quoted} FROM {{batch}} WHERE {quoted} < 0"
            }
        },
    ]


def scores(name: str) -> dict[str, Any]:
    return {"column": name, "threshold": 5}


def test_any_name_of_a_column_will_do(prepared: Path, tmp_path: Path) -> None:
    entries = [entry for name in ODD for entry in about(name)]
    assert [e for e in results(entries, prepared, tmp_path) if not e["success"]] == []


CONDITION = {"column": "day", "min_value": "2024-01-01"}
TEXT = {"column": "text"}


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        (
            BETWEEN,
            {**CONDITION, "row_condition": "day > 3", "condition_parser": "great_expectations"},
            "(unable to parse condition: day > 3)",
        ),
        (
            BETWEEN,
            {**CONDITION, "row_condition": {"type": "comparison"}},
            "row_condition: found {'type': 'comparison'}",
        ),
        (
            BETWEEN,
            {"column": "day", "min_value": "31.01.2024"},
            "min_value: found '31.01.2024'; expected a number, or a date such as '2024-01-31'",
        ),
        (
            "expect_column_kl_divergence_to_be_less_than",
            {**TEXT, "threshold": 1, "partition_object": {"values": ["a"]}},
            "(Invalid partition_object provided)",
        ),
    ],
)
def test_what_gx_raises_of_arguments_is_one_line(
    name: str, kwargs: dict[str, Any], message: str, prepared: Path, tmp_path: Path
) -> None:
    section = {"derived": False, "reference": None, "expectations": [{name: kwargs}]}
    with pytest.raises(InputError) as e:
        run(Params.model_validate({"validate": section}), prepared, NO_FILE, tmp_path)
    assert name in str(e.value)
    assert message in str(e.value)
    assert "\n" not in str(e.value)


def test_what_gx_raises_of_rows_is_one_line_of_its_expectation(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = {"values": ["a", "b"], "weights": [0.5, 0.5]}
    entries: list[dict[str, Any]] = [
        {BETWEEN: {**CONDITION, "row_condition": "day > 3"}},
        {BETWEEN: {"column": "day", "min_value": 5}},
        {"expect_column_sum_to_be_between": {"column": "day", "min_value": 5}},
        {
            "expect_column_kl_divergence_to_be_less_than": {
                "column": "text",
                "threshold": 1,
                "partition_object": weights,
            }
        },
    ]
    found = results(entries, prepared, tmp_path)
    assert ["error" in entry for entry in found] == [True, True, True, False]
    assert found[3]["success"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("validate: expect_") for line in lines)
