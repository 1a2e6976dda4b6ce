"""Reads the raw tables and writes typed train, val and test tables with a schema."""

from pathlib import Path

import duckdb
from pydantic import Field

from src.cli import main
from src.errors import InputError, one_of
from src.files import scratch
from src.params import Runtime, Section, Seed, StageParams
from src.schema import Column, Label, Rows, Schema, Task
from src.tables.raw import columns, connect, files, readable, source
from src.tables.split import SplitBy, content_hash, split_sql, splits_named
from src.tables.split_files import write_splits
from src.tables.sql import FLOATS, INTEGERS, TEXTS, TIMES, as_text, cast, ident, is_a, text, typed


class Prepare(Section):
    """Holds the section `prepare` of params.yaml."""

    target: str = Field(min_length=1)
    task: Task
    id: str | None = None  # key column; null: a hash of the row, so that equal rows share a split
    drop: list[str] = []
    types: dict[str, str] = {}  # column: DuckDB type, in place of the stored or inferred one
    max_categories: int = Field(100, ge=2, le=10_000)  # text of more distinct values is no feature
    split: SplitBy = SplitBy()


class Params(StageParams):
    """Holds what the stage reads of params.yaml."""

    seed: Seed
    prepare: Prepare
    runtime: Runtime = Runtime()


WHERE = "params.yaml: prepare"
Types = dict[str, str]  # raw column: DuckDB's name of its type


def named_columns(p: Prepare) -> list[tuple[str, str]]:
    """List the columns that the params name, each after the key that names it."""
    named = [("target", p.target)]
    if p.id is not None:
        named.append(("id", p.id))
    for name in p.drop:
        named.append(("drop", name))
    if p.split.column is not None:
        named.append(("split.column", p.split.column))
    return named


def check_named(p: Prepare, types: Types) -> None:
    """Raise InputError for a column that the raw table has not, or the target in another role."""
    for key, name in named_columns(p):
        if name not in types:
            raise InputError(f"{WHERE}.{key}", f"no column {name!r}", one_of(types, name))
        if key != "target" and name == p.target:
            raise InputError(f"{WHERE}.{key}", "the target", "another column")


def check_taken(p: Prepare, types: Types) -> None:
    """Raise InputError for a raw column of a name that prepared rows have for themselves.

    One that the params name for this very use, or drop, is fine. To DuckDB, names are the same in
    upper and lower case.
    """
    for name, key, holder in (("id", "id", p.id), ("split", "split.column", p.split.column)):
        allowed = {holder, *p.drop}
        for column in types:
            if column.lower() == name and column not in allowed:
                found = f"a column {column!r} of another use"
                raise InputError(f"{WHERE}.{key}", found, f"it named here, or in {WHERE}.drop")


def candidates(p: Prepare, types: Types) -> list[str]:
    """List the columns that the params give no other role."""
    roles = {p.target, p.id, p.split.column, *p.drop}
    return [name for name in types if name not in roles]


def typed_sql(p: Prepare, paths: list[Path], types: Types) -> str:
    """Write the SQL of the raw rows: id, the features as they are stored, split column, target."""
    names = candidates(p, types)
    key = as_text(p.id, types[p.id]) if p.id else content_hash([*names, p.target], types)
    selected = [f"{key} AS id"]
    selected += [f"{typed(name, types[name])} AS {ident(name)}" for name in names]
    if p.split.column:
        selected.append(ident(p.split.column))
    is_boolean = types[p.target] == "BOOLEAN"
    target = ident(p.target) if is_boolean else typed(p.target, types[p.target])
    selected.append(f"{target} AS {ident(p.target)}")
    casts = ", ".join(cast(name, type_) for name, type_ in p.types.items())
    everything = f"* REPLACE ({casts})" if casts else "*"
    return f"SELECT {', '.join(selected)} FROM (SELECT {everything} FROM {source(paths, types)})"


def ingest(con: duckdb.DuckDBPyConnection, query: str, paths: list[Path], typed_file: Path) -> None:
    """Make one pass over the raw files into the view `typed`."""
    with readable(paths[0] if len(paths) == 1 else paths[0].parent):
        con.execute(f"COPY ({query}) TO {text(typed_file)} (FORMAT parquet)")
        con.execute(f"CREATE VIEW typed AS SELECT * FROM read_parquet({text(typed_file)})")


def count_missing(con: duckdb.DuckDBPyConnection, names: list[str]) -> tuple[int, dict[str, int]]:
    """Count the rows, and those without a value in each of the columns."""
    counts = ", ".join(f"count({ident(name)})" for name in names)
    row = con.execute(f"SELECT count(*), {counts} FROM typed").fetchone()
    assert row is not None
    total, *present = row
    return total, {name: total - n for name, n in zip(names, present, strict=True)}


def check_ids(p: Prepare, missing: int) -> None:
    """Raise InputError for rows without an id."""
    if missing:
        found = f"{missing} rows without a value"
        raise InputError(f"column {p.id!r}", found, "an id in every row")


def distinct_values(con: duckdb.DuckDBPyConnection, name: str, limit: int) -> list[Label]:
    """Read at most limit + 1 of the column's values, sorted."""
    column = ident(name)
    query = f"SELECT DISTINCT {column} FROM typed WHERE {column} IS NOT NULL LIMIT {limit + 1}"
    return sorted(value for (value,) in con.execute(query).fetchall())


def feature(
    con: duckdb.DuckDBPyConnection, name: str, type_: str, missing: int, limit: int
) -> Column | str:
    """Describe the column as a feature, or say why it is none."""
    if not is_a(type_, TEXTS):
        return Column(name=name, type=type_, kind="number", missing=missing)
    values = [str(value) for value in distinct_values(con, name, limit)]
    if len(values) > limit:
        return f"text of over {limit} distinct values (prepare.max_categories)"
    return Column(name=name, type=type_, kind="category", missing=missing, categories=values)


def find_classes(con: duckdb.DuckDBPyConnection, p: Prepare, type_: str) -> list[Label] | None:
    """List the classes in order; None for regression.

    Raises InputError if the target, of the type given, does not fit the task.
    """
    where = f"{WHERE}.target: column {p.target!r}"
    if p.task == "regression":
        if not is_a(type_, FLOATS) and type_ not in INTEGERS:
            raise InputError(where, f"type {type_}", "numbers, as prepare.task is regression")
        return None
    if is_a(type_, TIMES):
        raise InputError(where, f"type {type_}", "classes: text, whole numbers or true / false")
    classes = distinct_values(con, p.target, p.max_categories)
    if len(classes) > p.max_categories:
        expected = "task: regression, or a larger max_categories"
        raise InputError(where, f"over {p.max_categories} classes", expected)
    if len(classes) < 2:
        raise InputError(where, f"{len(classes)} class(es)", "2 or more")
    return classes


def find_features(
    con: duckdb.DuckDBPyConnection, p: Prepare, types: Types, missing: dict[str, int]
) -> tuple[list[Column], dict[str, str]]:
    """Describe the features, and say of the other columns why they are none.

    missing: rows without a value, by column. Raises InputError if no column is a feature.
    """
    features: list[Column] = []
    ignored: dict[str, str] = {}
    for name in candidates(p, types):
        column = feature(con, name, types[name], missing[name], p.max_categories)
        if isinstance(column, Column):
            features.append(column)
        else:
            ignored[name] = column
    if not features:
        reason = next(iter(ignored.values()))
        raise InputError(WHERE, f"no feature: {reason}", "a column of numbers or categories")
    return features, ignored


def rows_sql(p: Prepare, features: list[Column], split: str) -> str:
    """Write the SQL of the prepared rows, with their split as the last column."""
    listed = ", ".join(ident(column.name) for column in features)
    target = ident(p.target)
    selected = f"id, {listed}, {target}, {split} AS split"
    return f"SELECT {selected} FROM typed WHERE {target} IS NOT NULL"


def run(params: Params, raw: Path, prepared: Path) -> None:
    """Write the three splits and schema.json, and print how many rows each has."""
    p = params.prepare
    prepared.mkdir(parents=True, exist_ok=True)
    with (
        scratch(prepared) as spill,
        connect(spill, params.runtime.workers) as con,
        readable(raw),
    ):
        paths = files(raw)
        types = columns(con, paths, p.types)
        names = candidates(p, types)
        check_named(p, types)
        check_taken(p, types)
        if not names:
            raise InputError(paths[0].parent, "no column besides those of the params", "features")
        # One pass over the raw files into one typed table, then a pass over that a question.
        ingest(con, typed_sql(p, paths, types), paths, spill / "typed.parquet")
        total, missing = count_missing(con, ["id", p.target, *names])
        check_ids(p, missing["id"])
        features, ignored = find_features(con, p, types, missing)
        classes = find_classes(con, p, types[p.target])
        split = split_sql(p.split, splits_named(con, p.split), params.seed)
        written = write_splits(con, rows_sql(p, features, split), prepared)
    schema = Schema(
        task=p.task,
        target=p.target,
        target_type=types[p.target],
        id=p.id,
        columns=features,
        ignored=ignored,
        classes=classes,
        rows=Rows(read=total, without_target=missing[p.target], **written),
    )
    schema.write(prepared)
    rows = schema.rows
    counts = f"train {rows.train}, val {rows.val}, test {rows.test}"
    print(f"{rows.read} rows: {counts}; without target {rows.without_target}")
    for name, reason in schema.ignored.items():
        print(f"no feature: {name}: {reason}")


if __name__ == "__main__":
    main(run)
