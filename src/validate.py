"""Checks the prepared tables with Great Expectations; `passed.json` says which data passed."""

import sys
from pathlib import Path
from typing import Any

from pydantic import Field

from src.cli import main
from src.errors import InputError, shown
from src.files import scratch, write_json
from src.params import Runtime, Section, StageParams
from src.passed import write_passed
from src.reference.bounds import Bounds
from src.reference.compare import departures, drift
from src.reference.measure import measure, open_rows
from src.reference.model import Reference
from src.schema import SPLITS, Schema
from src.tables.connection import connect
from src.tables.sql import ident

Entry = dict[str, dict[str, Any] | None]  # expectation name: its arguments


class Validate(Section):
    """Holds the section `validate` of params.yaml."""

    derived: bool = True
    min_rows: int = Field(1, ge=0, le=10**12)
    reference: Bounds | None = Bounds()  # how far data may depart from it; null: not compared
    expectations: list[Entry] = []


class Params(StageParams):
    """Holds what the stage reads of params.yaml."""

    validate_: Validate = Field(alias="validate")
    runtime: Runtime = Runtime()


def derived(schema: Schema, min_rows: int) -> list[Entry]:
    """Derive expectations from schema.json, in params.yaml's own form."""
    target, column = schema.target, ident(schema.target)
    names = "['train', 'val', 'test']"
    splits = f"(SELECT unnest({names}) AS split)"
    rows = schema.rows.train + schema.rows.val + schema.rows.test
    entries: list[Entry] = [
        {"expect_table_row_count_to_equal": {"value": rows}},
        {"expect_column_values_to_not_be_null": {"column": target}},
        no_rows(
            f"at least {min_rows} rows in every split",
            f"SELECT s.split, count(b.id) AS rows "
            f"FROM {splits} s LEFT JOIN {{batch}} b ON b.split = s.split "
            f"GROUP BY s.split HAVING count(b.id) < {min_rows} ORDER BY s.split",
        ),
        no_rows(
            "no id in two splits",
            # Numbers, since DuckDB can't spill the least and greatest of text: 50 million ids.
            f"SELECT id, {names}[min(code)] AS one, {names}[max(code)] AS other "
            f"FROM (SELECT id, CAST(list_position({names}, split) AS UTINYINT) AS code "
            "FROM {batch}) "
            "GROUP BY id HAVING min(code) < max(code) ORDER BY id",
        ),
    ]
    if schema.classes is None:
        return entries
    labels = {"column": target, "value_set": schema.classes}
    return [
        *entries,
        {"expect_column_distinct_values_to_be_in_set": labels},
        no_rows(
            "every class in every split (drop or merge rare ones, name a prepare.split.column, "
            "or set validate.derived: false)",
            f"SELECT c.{column}, s.split "
            f"FROM (SELECT DISTINCT {column} FROM {{batch}}) c, {splits} s "
            f"EXCEPT SELECT DISTINCT {column}, split FROM {{batch}} ORDER BY 1, 2",
        ),
    ]


def no_rows(description: str, query: str) -> Entry:
    """Expect a query to find no rows."""
    arguments = {"description": description, "unexpected_rows_query": query}
    return {"unexpected_rows_expectation": arguments}


def suite(params: Validate, schema: Schema) -> list[Any]:
    """Make the derived and the declared expectations, as GX's objects."""
    from src.gx.suite import expectations

    columns = [*(column.name for column in schema.columns), schema.target]
    where = "params.yaml: validate.expectations"
    declared = expectations(where, params.expectations, ["id", *columns, "split"])
    if not params.derived:
        return declared
    return expectations("derived", derived(schema, params.min_rows), columns) + declared


def failure(entry: dict[str, Any]) -> str:
    """Describe a failed expectation in one line: column, observed, expected, how many rows."""
    kwargs = {name: value for name, value in entry["kwargs"].items() if value is not None}
    kwargs.pop("unexpected_rows_query", None)
    kwargs.pop("description", None)
    column = kwargs.pop("column", None)
    where = entry.get("description") or entry["expectation"]
    if column:
        where += f": column {column}"
    if "error" in entry:
        return f"{where}: could not be checked: {entry['error'][:200]}"
    line = f"{where}: {observation(entry)}"
    expected = ", ".join(f"{name} {shown(value)}" for name, value in kwargs.items())
    if not expected:
        return line
    return f"{line}; expected {expected}"


def observation(entry: dict[str, Any]) -> str:
    """Describe what was observed in place of what was expected."""
    if "unexpected" in entry:
        found = str(entry["unexpected"])
        if "rows" in entry:
            found += f" of {entry['rows']} rows"
        found += " unexpected"
    elif "observed" in entry:
        found = f"observed {shown(entry['observed'])}"
    else:
        found = "not so"
    if "examples" in entry:
        found += f", such as {', '.join(map(shown, entry['examples']))}"
    return found


def check_report(
    prepared: Path, report: dict[str, Any], reference: Path, command: str, file: Path
) -> None:
    """Raise InputError where expectations failed, or the data depart from the reference.

    command: it renews the reference; file: where the report is.
    """
    failed, departures = report["failed"], report["departures"]
    if not failed and not departures:
        return
    found, expected = f"{failed} of {report['checked']} expectations failed", "none"
    if departures:
        found += f" and {len(departures)} departures from {reference}"
        expected += f", or `{command}` and a review of its diff if the data are right"
    raise InputError(prepared, found, f"{expected}; see {file}")


def run(params: Params, prepared: Path, reference: Path, validated: Path) -> None:
    """Check the prepared data, and write report.json, and passed.json if all of it is as expected.

    Raises InputError otherwise, after a line on stderr for each expectation that failed and each
    departure from the reference.
    """
    # GX takes 4 s to import: after the params are known to be right.
    from src.gx.engine import rows_of
    from src.gx.results import validate

    (validated / "passed.json").unlink(missing_ok=True)
    schema = Schema.read(prepared)
    bounds = params.validate_.reference
    command = f"python -m src.reference {prepared} {reference}"
    departed: list[str] = []
    drifted: list[str] = []
    if bounds is None:
        print("no reference: validate.reference is null, so that other data than usual pass")
    elif (good := Reference.read(reference, command)).target != schema.target:
        print(f"no reference: {reference} is of target {good.target!r}; run `{command}`")
    else:
        validated.mkdir(parents=True, exist_ok=True)
        with scratch(validated) as spill, connect(spill, params.runtime.workers) as con:
            open_rows(con, prepared)
            found = measure(con, schema, good.edges, good.far)
        departed = [finding.line for finding in departures(good, found, schema.ignored, bounds)]
        drifted = drift(good, found)
    checks = suite(params.validate_, schema)
    splits = {split: prepared / f"{split}.parquet" for split in SPLITS}
    with rows_of(splits, schema, params.runtime.workers) as (_, batch):
        entries = validate(batch, checks) if checks else []
    failed = [entry for entry in entries if not entry["success"]]
    report = {
        "checked": len(entries),
        "failed": len(failed),
        "departures": departed,
        "drift": drifted,
        "results": entries,
    }
    write_json(validated / "report.json", report)
    for line in drifted:
        print(f"drift: {line}")
    for line in [*departed, *map(failure, failed)]:
        print(f"validate: {line}", file=sys.stderr)
    check_report(prepared, report, reference, command, validated / "report.json")
    write_passed(prepared, validated)
    print(f"{len(entries)} expectations passed")


if __name__ == "__main__":
    main(run)
