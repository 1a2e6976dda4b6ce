"""Reads the raw tables and writes typed train, val and test tables with a schema."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from src.cli import main
from src.errors import InputError, one_of
from src.files import scratch
from src.params import Runtime, Section, Seed, StageParams
from src.schema import Column, Format, Label, Rows, Schema, Task
from src.tables.connection import Connection, connect, readable
from src.tables.csv_files import dialect
from src.tables.decide import Decision, decide
from src.tables.format import Csv
from src.tables.raw import Part, files, first_misfit, parts, source
from src.tables.row_labels import left_out
from src.tables.split import SplitBy, content_hash, split_sql, splits_named
from src.tables.split_files import write_splits
from src.tables.sql import FLOATS, INTEGERS, TEXTS, TIMES, ident, is_a, parquet, text, typed


class Prepare(Section):
    """Holds the section `prepare` of params.yaml."""

    seed: Seed
    target: str = Field(min_length=1)
    task: Task
    id: str | None = None  # key column; null: a hash of the row, so that equal rows share a split
    drop: list[str] = []
    types: dict[str, str] = {}  # column: DuckDB type, in place of the stored or inferred one
    csv: Csv = Csv()  # how CSV files are written, where the files don't say
    max_categories: int = Field(100, ge=2, le=10_000)  # text of more distinct values is no feature
    split: SplitBy = SplitBy()


class Params(StageParams):
    """Holds what the stage reads of params.yaml."""

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
    for name in p.types:
        named.append(("types", name))
    if p.split.column is not None:
        named.append(("split.column", p.split.column))
    return named


def check_named(p: Prepare, columns: list[str]) -> None:
    """Raise InputError for a column that the raw table has not, or the target in another role."""
    for key, name in named_columns(p):
        where = f"{WHERE}.{key}"
        is_role = key not in ("target", "types")
        if name not in columns:
            raise InputError(where, f"no column {name!r}", one_of(columns, name))
        if name == p.target and is_role:
            raise InputError(where, "the target", "another column")
        if name == p.id and key == "types":
            raise InputError(where, f"the key {name!r}", "no type: a key is text as it is")


def check_taken(p: Prepare, columns: list[str]) -> None:
    """Raise InputError for a raw column of a name that prepared rows have for themselves.

    One that the params name for this very use, or drop, is fine. To DuckDB, names are the same in
    upper and lower case.
    """
    uses = [("id", "id", p.id), ("split", "split.column", p.split.column)]
    for name, key, holder in uses:
        allowed = {holder, *p.drop}
        for column in columns:
            if column.lower() == name and column not in allowed:
                found = f"a column {column!r} of another use"
                raise InputError(f"{WHERE}.{key}", found, f"it named here, or in {WHERE}.drop")


def candidates(p: Prepare, names: Iterable[str]) -> list[str]:
    """List the columns that the params give no other role."""
    roles = {p.target, p.id, p.split.column, *p.drop}
    return [name for name in names if name not in roles]


def decide_types(
    con: Connection, p: Prepare, table: list[Part], form: Format, names: list[str]
) -> Decision:
    """Decide what the features, the target and the split column are read as."""
    given = {name: type_ for name, type_ in p.types.items() if name in (*names, p.target)}
    decision = decide(con, table, form, p.csv, given, [*names, p.target])
    if p.task == "classification" and is_a(decision.types[p.target], ("DECIMAL", "HUGEINT")):
        decision.types[p.target] = "VARCHAR"  # a class keeps its digits
    return decision


def check_key(con: Connection, p: Prepare, table: list[Part], form: Format) -> None:
    """Raise InputError for keys that are floats, unless these hold whole numbers exactly."""
    if p.id is not None:
        misfit = first_misfit(con, table, form, {p.id: "VARCHAR"}, p.id)
        if misfit:
            expected = f"{misfit.expected}; write keys as text or whole numbers"
            raise InputError(misfit.where, misfit.value, expected)


def typed_sql(con: Connection, p: Prepare, table: list[Part], decision: Decision) -> str:
    """Write the SQL of the raw rows: id, the features as they are stored, split column, target."""
    types = decision.types
    names = [name for name in types if name != p.target]
    read = dict(types)
    key = content_hash([*names, p.target], types)
    if p.id is not None:
        key = ident(p.id)
        read[p.id] = "VARCHAR"
    selected = [f"{key} AS id"]
    selected += [f"{typed(name, types[name])} AS {ident(name)}" for name in names]
    if p.split.column:
        read[p.split.column] = "VARCHAR"
        selected.append(ident(p.split.column))
    is_boolean = types[p.target] == "BOOLEAN"
    target = ident(p.target) if is_boolean else typed(p.target, types[p.target])
    selected.append(f"{target} AS {ident(p.target)}")
    rows = source(con, table, decision.format, read, p.id, decided=True)
    return f"SELECT {', '.join(selected)} FROM {rows}"


def ingest(con: Connection, query: str, typed_file: Path) -> None:
    """Make one pass over the raw files into the view `typed`."""
    con.execute(f"COPY ({query}) TO {text(typed_file)} (FORMAT parquet)")
    con.execute(f"CREATE VIEW typed AS SELECT * FROM {parquet(typed_file)}")


def count_missing(con: Connection, names: list[str]) -> tuple[int, dict[str, int]]:
    """Count the rows, and those without a value in each of the columns."""
    counts = ", ".join(f"count({ident(name)})" for name in names)
    (row,) = con.execute(f"SELECT count(*), {counts} FROM typed").fetchall()
    total, *present = row
    return total, {name: total - n for name, n in zip(names, present, strict=True)}


def check_ids(p: Prepare, missing: int) -> None:
    """Raise InputError for rows without an id."""
    if missing:
        found = f"{missing} rows without a value"
        fix = "an id in every row; where a word such as NA is one, prepare.csv.nulls: ['']"
        raise InputError(f"column {p.id!r}", found, fix)


def distinct_values(con: Connection, name: str, limit: int) -> list[Label]:
    """Read at most limit + 1 of the column's values, sorted."""
    column = ident(name)
    query = f"SELECT DISTINCT {column} FROM typed WHERE {column} IS NOT NULL LIMIT {limit + 1}"
    return sorted(value for (value,) in con.execute(query).fetchall())


def check_total(raw: Path, total: int, rows: int) -> None:
    """Raise InputError for no rows, or others than the files had when they were counted."""
    if total == 0:
        raise InputError(raw, "no rows", "a row or more below the header")
    if total != rows:
        raise InputError(raw, f"{total} rows, after {rows}", "files that nothing changes meanwhile")


def no_feature(con: Connection, name: str, type_: str, missing: int, total: int) -> str | None:
    """Say why a column tells nothing of a row; None where it may."""
    if missing == total:
        return "no value in any row"
    # Where text is missing, that is a value of its own.
    if missing and is_a(type_, TEXTS):
        return None
    # Of an image, each pixel has its place.
    if type_ == "UTINYINT":
        return None
    column = ident(name)
    (row,) = con.execute(f"SELECT min({column}) = max({column}) FROM typed").fetchall()
    if row == (True,):
        return "the same value in all rows"
    return None


REPEATED = 100  # text of more distinct values repeats each of them, on average, or is no feature


def feature(
    con: Connection, name: str, type_: str, missing: int, total: int, limit: int
) -> Column | str:
    """Describe the column, of so many rows, as a feature, or say why it is none."""
    if not is_a(type_, TEXTS):
        return Column(name=name, type=type_, kind="number", missing=missing)
    found = f"text of over {limit} distinct values (prepare.max_categories)"
    repeating = max(REPEATED, (total - missing) // 2)
    if repeating < limit:
        limit, found = repeating, f"text of over {repeating} distinct values in {total} rows"
    values = [str(value) for value in distinct_values(con, name, limit)]
    if len(values) > limit:
        return f"{found}; a key goes in prepare.id, free text in prepare.drop"
    return Column(name=name, type=type_, kind="category", missing=missing, categories=values)


MOST_CLASSES = 10_000


def find_classes(con: Connection, p: Prepare, type_: str, rows: int) -> list[Label] | None:
    """List the classes in order; None for regression.

    rows: those with a target. Raises InputError if the target, of the type given, does not fit the
    task.
    """
    where = f"{WHERE}.target: column {p.target!r}"
    if p.task == "regression":
        if not is_a(type_, FLOATS) and type_ not in INTEGERS:
            expected = "numbers, as prepare.task is regression; for classes: classification"
            raise InputError(where, f"type {type_}", expected)
        return None
    if is_a(type_, TIMES):
        as_text = f"prepare.types: {{{p.target}: VARCHAR}} makes it text"
        expected = f"classes: text, whole numbers or true / false; {as_text}"
        raise InputError(where, f"type {type_}", expected)
    # A class of which most have one row is nothing to learn.
    limit = min(MOST_CLASSES, max(rows // 2, 2))
    classes = distinct_values(con, p.target, limit)
    if len(classes) > limit:
        expected = "task: regression, or fewer classes: merge those of few rows"
        raise InputError(where, f"over {limit} classes in {rows} rows", expected)
    if len(classes) < 2:
        expected = "2 or more; more rows, or another target"
        raise InputError(where, f"{len(classes)} class(es)", expected)
    return classes


def find_features(
    con: Connection, p: Prepare, types: Types, missing: dict[str, int], total: int
) -> tuple[list[Column], dict[str, str]]:
    """Describe the features, and say of the other columns why they are none.

    missing: of so many rows, those without a value, by column. Raises InputError if no column is a
    feature.
    """
    features: list[Column] = []
    ignored: dict[str, str] = {}
    for name in candidates(p, types):
        reason = no_feature(con, name, types[name], missing[name], total)
        column = reason or feature(con, name, types[name], missing[name], total, p.max_categories)
        if isinstance(column, Column):
            features.append(column)
        else:
            ignored[name] = column
    if not features:
        name, reason = next(iter(ignored.items()))
        raise InputError(
            WHERE, f"no feature: {name}: {reason}", "a column of numbers or categories"
        )
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
        form = dialect(paths, p.csv)
        table = parts(con, paths, form)
        columns = list(table[0].types)
        check_named(p, columns)
        check_taken(p, columns)
        ignored = left_out(con, table, form, candidates(p, columns))
        names = [name for name in candidates(p, columns) if name not in ignored]
        if not names:
            found = "no column besides those of the params"
            raise InputError(paths[0].parent, found, "features: columns in no key of prepare")
        check_key(con, p, table, form)
        decision = decide_types(con, p, table, form, names)
        types = decision.types
        # One pass over the raw files into one typed table, then a pass over that a question.
        ingest(con, typed_sql(con, p, table, decision), spill / "typed.parquet")
        total, missing = count_missing(con, ["id", p.target, *names])
        check_total(raw, total, decision.rows)
        check_ids(p, missing["id"])
        features, no_features = find_features(con, p, types, missing, total)
        classes = find_classes(con, p, types[p.target], total - missing[p.target])
        split = split_sql(p.split, splits_named(con, p.split), p.seed)
        written = write_splits(con, rows_sql(p, features, split), prepared)
    schema = Schema(
        task=p.task,
        target=p.target,
        target_type=types[p.target],
        id=p.id,
        columns=features,
        format=decision.format,
        ignored=ignored | no_features,
        classes=classes,
        rows=Rows(read=total, without_target=missing[p.target], **written),
    )
    schema.write(prepared)
    rows = schema.rows
    counts = f"train {rows.train}, val {rows.val}, test {rows.test}"
    print(f"{rows.read} rows: {counts}; without target {rows.without_target}")
    for name, reason in schema.ignored.items():
        print(f"no feature: {name}: {reason}")
    for name, note in decision.notes.items():
        print(f"{name}: {note}")


if __name__ == "__main__":
    main(run)
