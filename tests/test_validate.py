"""The gate: bad data ends as clear lines, nothing downstream runs, the last good model stays."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.errors import InputError
from src.schema import Schema, Split
from tests.conftest import Project, copied, one_in

PATHS = ("data/prepared", "data/reference.json")
Break = Callable[[pa.Table], pa.Table]


def replace(name: str, make: Callable[[list[Any]], list[Any]]) -> Break:
    def change(table: pa.Table) -> pa.Table:
        i = table.column_names.index(name)
        return table.set_column(i, name, pa.array(make(table.column(name).to_pylist())))

    return change


CHECKS = [
    {
        "expect_column_values_to_be_between": {
            "columns": "pixel_1*",
            "min_value": 0,
            "max_value": 16,
        }
    },
    {
        "expect_column_distinct_values_to_be_in_set": {
            "column": "digit",
            "value_set": list(range(10)),
        }
    },
    {
        "expect_column_proportion_of_non_null_values_to_be_between": {
            "column": "digit",
            "min_value": 1,
        }
    },
    {"expect_table_row_count_to_be_between": {"min_value": 1500}},
    {"expect_column_type_to_be": {"column": "pixel_00", "type_": "UTinyInteger"}},
]

# What is wrong: how the raw table is broken, and what the output says.
BAD: dict[str, tuple[Break, str]] = {
    "out-of-range value": (
        replace("pixel_10", lambda v: [99, *v[1:]]),
        "expect_column_values_to_be_between: column pixel_10: "
        "1 of 1797 rows unexpected, such as 99; expected",
    ),
    "unknown class": (
        replace("digit", lambda v: [12, *v[1:]]),
        "distinct_values_to_be_in_set: column digit",
    ),
    "rare class": (
        replace("digit", lambda v: [12, *v[1:]]),
        "every class in every split (drop or merge rare ones",
    ),
    "missing column": (
        lambda t: t.drop_columns(["pixel_00"]),
        "expect_column_type_to_be: column pixel_00",
    ),
    "wrong type": (
        replace("pixel_00", lambda v: ["a", "b", *map(str, v[2:])]),
        "expect_column_type_to_be: column pixel_00: "
        "observed 'String'; expected type_ 'UTinyInteger'",
    ),
    "missing target column": (
        lambda t: t.drop_columns(["digit"]),
        "prepare.target: found no column 'digit'",
    ),
    "too few rows": (
        lambda t: t.slice(0, 200),
        "expect_table_row_count_to_be_between: observed 200; expected min_value 1500",
    ),
    "hardly any rows": (
        lambda t: t.slice(0, 20),
        "at least 10 rows in every split: observed 2, such as "
        "'split test, rows 1', 'split val, rows 1'",
    ),
    "no rows": (lambda t: t.slice(0, 0), "found no rows"),
}


@pytest.fixture(scope="module")
def good(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished project whose params hold the checks."""
    made = copied(finished, tmp_path_factory.mktemp("good"))
    made.set({"validate.expectations": CHECKS})
    assert made.repro() == {"validate"}
    return made


def outcome(project: Project, raw: Path) -> str:
    """Run `dvc repro` on the raw file alone, and return its output.

    Nothing may be trained, and the model stays.
    """
    model = (project.root / "data/model/model.safetensors").read_bytes()
    kept = project.root / "data/raw/digits.parquet"
    original = kept.read_bytes()
    good = {p: p.read_bytes() for p in (project.root / "dvc.lock", project.root / "dvc.yaml")}
    declared = project.root / "dvc.yaml"
    prepared = {p: p.read_bytes() for p in (project.root / "data/prepared").iterdir()}
    try:
        kept.unlink()
        (project.root / "data/raw" / raw.name).write_bytes(raw.read_bytes())
        text = declared.read_text()
        declared.write_text(text[: text.index("  fetch:")] + text[text.index("  prepare:") :])
        output = project.run("dvc", "repro", code=255)
    finally:
        (project.root / "data/raw" / raw.name).unlink(missing_ok=True)
        kept.write_bytes(original)
        for path, content in {**good, **prepared}.items():
            path.unlink(missing_ok=True)
            path.write_bytes(content)
    assert "Running stage 'train'" not in output
    assert "Traceback" not in output
    assert (project.root / "data/model/model.safetensors").read_bytes() == model
    return output


@pytest.mark.parametrize("kind", one_in(3, BAD))
def test_bad_data_is_named_and_not_trained_on(kind: str, good: Project, tmp_path: Path) -> None:
    change, message = BAD[kind]
    table = pq.read_table(good.root / "data/raw/digits.parquet")
    pq.write_table(change(table), tmp_path / "bad.parquet")
    assert message in outcome(good, tmp_path / "bad.parquet")


def test_a_null_target_is_counted_and_can_be_refused(good: Project, tmp_path: Path) -> None:
    table = pq.read_table(good.root / "data/raw/digits.parquet")
    pq.write_table(
        replace("digit", lambda v: [None] * 400 + v[400:])(table), tmp_path / "bad.parquet"
    )
    output = outcome(good, tmp_path / "bad.parquet")
    assert "without target 400" in output
    assert "expect_table_row_count_to_be_between: observed 1397; expected min_value 1500" in output


CSV = "x,digit\n" + "".join(f"{i},{i % 2}\n" for i in range(2000))
FILES: dict[str, tuple[str, bytes, str]] = {
    "empty file": ("a.csv", b"", "found an empty file"),
    "truncated Parquet": ("a.parquet", b"PAR1" + b"\0" * 100, "a.parquet: found"),
    "ragged CSV": ("a.csv", CSV.encode() + b"1,2,3,4\n", "a.csv:2002: found 4 values"),
    "latin-1 CSV": ("a.csv", CSV.replace("10,", "\xe9,").encode("latin-1"), "expected UTF-8"),
    "truncated gzip": ("a.csv.gz", gzip.compress(CSV.encode())[:-2000], "a.csv.gz: found"),
    "no table": ("a.txt", b"hello", "found no table"),
}


@pytest.mark.parametrize("kind", one_in(2, FILES))
def test_unreadable_files_are_named_and_not_trained_on(
    kind: str, good: Project, tmp_path: Path
) -> None:
    name, content, message = FILES[kind]
    (tmp_path / name).write_bytes(content)
    output = outcome(good, tmp_path / name)
    assert message in output
    assert "Running stage 'validate'" not in output


def test_an_id_in_two_splits_is_refused(good: Project, tmp_path: Path) -> None:
    good.run("python", "-m", "src.prepare", "data/raw", "data/prepared")
    train, test = (good.root / f"data/prepared/{s}.parquet" for s in ("train", "test"))
    kept = test.read_bytes()
    try:
        pq.write_table(
            pa.concat_tables([pq.read_table(test), pq.read_table(train).slice(0, 1)]), test
        )
        output = good.stage("validate", *PATHS, str(tmp_path), code=1)
    finally:
        test.write_bytes(kept)
    assert "validate: no id in two splits: observed 1" in output
    assert not (tmp_path / "passed.json").exists()
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["failed"] >= 1


def test_a_passing_report_is_the_same_every_time_and_passed_does_not_depend_on_the_suite(
    good: Project, tmp_path: Path
) -> None:
    good.stage("validate", *PATHS, str(tmp_path / "a"))
    good.stage("validate", *PATHS, str(tmp_path / "b"))
    assert (tmp_path / "a/report.json").read_bytes() == (tmp_path / "b/report.json").read_bytes()
    good.set({"validate.expectations": CHECKS[:1]})
    good.stage("validate", *PATHS, str(tmp_path / "c"))
    good.set({"validate.expectations": CHECKS})
    assert (tmp_path / "a/passed.json").read_bytes() == (tmp_path / "c/passed.json").read_bytes()
    assert (tmp_path / "a/report.json").read_bytes() != (tmp_path / "c/report.json").read_bytes()


COLUMNS = ["id", "age", "age_2", "name"]


def test_a_pattern_names_many_columns() -> None:
    from src.gx.suite import expectations

    made = expectations(
        "v", [{"expect_column_values_to_be_between": {"columns": "age*", "min_value": 0}}], COLUMNS
    )
    assert [e.configuration.kwargs["column"] for e in made] == ["age", "age_2"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"expect_column_values_to_be_betwen": {}},
            "did you mean 'expect_column_values_to_be_between'",
        ),
        (
            {"expect_column_values_to_be_between": {"column": "age", "min": 0}},
            "found an unknown argument",
        ),
        ({"expect_column_values_to_be_between": {"columns": "agee*"}}, "a pattern of columns"),
        ({"expect_column_values_to_not_be_null": {}}, "column"),
        (
            {"expect_table_row_count_to_equal": {"value": "many"}},
            "expect_table_row_count_to_equal.value: found 'many'",
        ),
        (
            {"expect_table_row_count_to_equal": {"value": {"$PARAMETER": "x"}}},
            "equal.value: found {'$PARAMETER': 'x'}",
        ),
    ],
)
def test_a_wrong_expectation_is_a_params_error(
    entry: dict[str, dict[str, object]], message: str
) -> None:
    from src.gx.suite import expectations

    with pytest.raises(InputError) as e:
        expectations("params.yaml: validate.expectations", [entry], COLUMNS)
    assert message in str(e.value)
    assert str(e.value).startswith("params.yaml: validate.expectations[0]")
    assert "\n" not in str(e.value)


def test_prepared_rows_that_cannot_be_read_are_one_line(finished: Project, tmp_path: Path) -> None:
    from src.gx.engine import rows_of

    schema = Schema.read(finished.root / "data/prepared")
    (tmp_path / "train.parquet").write_bytes(b"PAR1" + b"\0" * 100)
    splits: dict[Split, Path] = {"train": tmp_path / "train.parquet"}
    with pytest.raises(InputError) as e, rows_of(splits, schema, None):
        pass
    assert str(e.value).startswith(f"{tmp_path}: found ")
    assert "train.parquet" in str(e.value)


def test_data_docs_are_built(good: Project) -> None:
    good.stage("data_docs", "data/prepared", "docs")
    pages = list((good.root / "docs/validations").rglob("*.html"))
    assert len(pages) == 1
    assert "pixel_10" in pages[0].read_text()


def test_regex_and_types_work_on_duckdb(good: Project, tmp_path: Path) -> None:
    entries = [
        {"expect_column_values_to_match_regex": {"column": "id", "regex": "^[0-9a-f]"}},
        {"expect_column_values_to_not_match_regex": {"column": "id", "regex": "[g-z]"}},
        {"expect_column_values_to_be_of_type": {"column": "pixel_00", "type_": "UTinyInteger"}},
    ]
    good.set({"validate.expectations": entries})
    good.stage("validate", *PATHS, str(tmp_path))
    entries[0]["expect_column_values_to_match_regex"]["regex"] = "^[a-f]"
    good.set({"validate.expectations": entries})
    assert "column id" in good.stage("validate", *PATHS, str(tmp_path), code=1)
    good.set({"validate.expectations": CHECKS})


def test_an_expectation_that_duckdb_refuses_is_one_line_with_the_cause_and_spoils_no_other(
    good: Project, tmp_path: Path
) -> None:
    entries = [
        {"expect_column_values_to_be_in_set": {"column": "pixel_10", "value_set": ["a"]}},
        {"expect_column_values_to_match_regex": {"column": "id", "regex": "("}},
        {"unexpected_rows_expectation": {"description": "late", "unexpected_rows_query": LATE}},
        {"unexpected_rows_expectation": {"description": "odd", "unexpected_rows_query": ODD}},
        *CHECKS,
        {
            "expect_column_mean_to_be_between": {
                "columns": "pixel_1*",
                "min_value": 0,
                "max_value": 16,
            }
        },
        {"expect_column_mean_to_be_between": {"column": "id", "min_value": 0}},
    ]
    good.set({"validate.expectations": entries})
    output = good.stage("validate", *PATHS, str(tmp_path), code=1)
    good.set({"validate.expectations": CHECKS})
    unchecked = "could not be checked"
    assert output.splitlines() == [
        f"validate: expect_column_values_to_be_in_set: column pixel_10: {unchecked}: "
        "Conversion Error: Could not convert string 'a' to UINT8",
        f"validate: expect_column_values_to_match_regex: column id: {unchecked}: "
        "Invalid Input Error: missing ): (",
        f"validate: late: {unchecked}: Invalid Input Error: too late",
        "validate: odd: observed 1797, such as 'span 3 days, 0:00:00, one inf', "
        "'span 3 days, 0:00:00, one inf', 'span 3 days, 0:00:00, one inf'",
        f"validate: expect_column_mean_to_be_between: column id: {unchecked}: "
        "Binder Error: No function matches the given name and argument types "
        "'*(DOUBLE, VARCHAR)'. You might need to add explicit type casts.",
        "validate: data/prepared: found 5 of 35 expectations failed; "
        f"expected none; see {tmp_path}/report.json",
    ]


LATE = "SELECT CASE WHEN pixel_36 = 16 THEN error('too late') ELSE 1 END FROM {batch}"
ODD = "SELECT interval 3 day AS span, 1 / 0 AS one FROM {batch}"  # values that JSON has not


@pytest.mark.slow
def test_ctrl_c_in_a_query_ends_validation_with_130_and_nothing_passed(
    finished: Project, tmp_path: Path
) -> None:
    project = copied(finished, tmp_path / "project")
    minutes = "(SELECT count(*) AS n FROM range(100000), range(100000000))"
    slow = f"SELECT n FROM {{batch}}, {minutes} WHERE n < 0"
    entry = {"unexpected_rows_expectation": {"description": "slow", "unexpected_rows_query": slow}}
    expectations = [entry, {"expect_column_to_exist": {"column": "pixel_00"}}]
    project.set({"validate.expectations": expectations, "runtime.workers": 1})
    (tmp_path / "temporary").mkdir()
    stage = subprocess.Popen(
        [sys.executable, "-m", "src.validate", *PATHS, "out"],
        cwd=project.root,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        while not list((tmp_path / "temporary").rglob("rows.duckdb")):
            assert stage.poll() is None
            time.sleep(0.1)
        time.sleep(3)  # by now in the query
        stage.send_signal(signal.SIGINT)
        assert (stage.communicate(timeout=20)[0], stage.returncode) == ("", 130)
    finally:
        stage.kill()
    assert list((project.root / "out").iterdir()) == []
    assert list((tmp_path / "temporary").iterdir()) == []
