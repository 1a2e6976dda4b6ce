"""Checks the prepared tables with Great Expectations; `passed.json` says which data passed."""

import sys
from pathlib import Path
from typing import Any

from pydantic import Field

from src.cli import main
from src.errors import InputError, shown
from src.files import sha256, write_json
from src.params import Params as BaseParams
from src.params import Runtime, Section
from src.schema import SPLITS, Schema
from src.tables import ident

Entry = dict[str, dict[str, Any] | None]  # expectation name: its arguments


class Validate(Section):
    derived: bool = True
    min_rows: int = Field(1, ge=0, le=10**12)
    expectations: list[Entry] = []


class Params(BaseParams):
    validate_: Validate = Field(alias="validate")
    runtime: Runtime = Runtime()


def derived(schema: Schema, min_rows: int) -> list[Entry]:
    """Expectations that follow from schema.json, in params.yaml's own form."""
    target, column = schema.target, ident(schema.target)
    splits = "(SELECT unnest(['train', 'val', 'test']) AS split)"
    rows = schema.rows.train + schema.rows.val + schema.rows.test
    entries: list[Entry] = [
        {"expect_table_row_count_to_equal": {"value": rows}},
        {"expect_column_values_to_not_be_null": {"column": target}},
        _no_rows(
            f"at least {min_rows} rows in every split",
            f"SELECT s.split, count(b.id) AS rows FROM {splits} s LEFT JOIN {{batch}} b ON b.split = s.split "
            f"GROUP BY s.split HAVING count(b.id) < {min_rows} ORDER BY s.split",
        ),
        _no_rows(
            "no id in two splits",
            "SELECT id, min(split) AS one, max(split) AS other FROM {batch} "
            "GROUP BY id HAVING min(split) < max(split) ORDER BY id",
        ),
    ]
    if schema.classes is not None:
        pairs = f"SELECT c.{column}, s.split FROM (SELECT DISTINCT {column} FROM {{batch}}) c, {splits} s"
        entries += [
            {
                "expect_column_distinct_values_to_be_in_set": {
                    "column": target,
                    "value_set": schema.classes,
                }
            },
            _no_rows(
                "every class in every split",
                f"{pairs} EXCEPT SELECT DISTINCT {column}, split FROM {{batch}} ORDER BY 1, 2",
            ),
        ]
    return entries


def _no_rows(description: str, query: str) -> Entry:
    return {
        "unexpected_rows_expectation": {"description": description, "unexpected_rows_query": query}
    }


def suite(params: Validate, schema: Schema) -> list[Any]:
    """The derived and the declared expectations, as GX's objects."""
    from src import gx

    columns = [*(c.name for c in schema.columns), schema.target]
    own = gx.expectations(
        "params.yaml: validate.expectations", params.expectations, ["id", *columns, "split"]
    )
    if params.derived:
        return gx.expectations("derived", derived(schema, params.min_rows), columns) + own
    return own


def failure(entry: dict[str, Any]) -> str:
    """One line: expectation, column, observed, expected, how many rows."""
    kwargs = {k: v for k, v in entry["kwargs"].items() if k != "unexpected_rows_query"}
    column = kwargs.pop("column", None)
    name = entry.get("description") or entry["expectation"]
    where = f"{name}: column {column}" if column else name
    if "error" in entry:
        return f"{where}: could not be checked: {entry['error'][:200]}"
    found = f"observed {shown(entry['observed'])}" if "observed" in entry else "not so"
    if "unexpected" in entry:
        of = f" of {entry['rows']} rows" if "rows" in entry else ""
        found = f"{entry['unexpected']}{of} unexpected"
    if "examples" in entry:
        found += f", such as {', '.join(map(shown, entry['examples']))}"
    expected = ", ".join(
        f"{k} {shown(v)}" for k, v in kwargs.items() if k != "description" and v is not None
    )
    return f"{where}: {found}" + (f"; expected {expected}" if expected else "")


def run(params: Params, prepared: Path, validated: Path) -> None:
    from src import gx  # 4 s to import: after the params are known to be right

    (validated / "passed.json").unlink(missing_ok=True)
    schema = Schema.read(prepared)
    splits = {s: prepared / f"{s}.parquet" for s in SPLITS}
    checks = suite(params.validate_, schema)
    with gx.rows_of(splits, params.runtime.workers) as (_, batch):
        entries = gx.validate(batch, checks) if checks else []
    failed = [e for e in entries if not e["success"]]
    write_json(
        validated / "report.json",
        {"checked": len(entries), "failed": len(failed), "results": entries},
    )
    for entry in failed:
        print(f"validate: {failure(entry)}", file=sys.stderr)
    if failed:
        raise InputError(
            prepared,
            f"{len(failed)} of {len(entries)} expectations failed",
            f"none; see {validated}/report.json",
        )
    write_json(
        validated / "passed.json",
        {p.name: sha256(p) for p in [*splits.values(), prepared / "schema.json"]},
    )
    print(f"{len(entries)} expectations passed")


if __name__ == "__main__":
    main(run)
