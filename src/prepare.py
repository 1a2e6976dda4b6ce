"""Reads the raw tables and writes typed train, val and test tables with a schema."""

from contextlib import ExitStack
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from src.cli import main
from src.errors import InputError, one_of
from src.files import named, scratch, whole
from src.params import Params as BaseParams
from src.params import Runtime, Section, Seed
from src.schema import SPLITS, Column, Label, Rows, Schema, Split, Task
from src.split import SplitBy, content_hash, split_sql, splits_named
from src.tables import (
    FLOATS,
    INTEGERS,
    TEXTS,
    TIMES,
    as_text,
    columns,
    connect,
    files,
    ident,
    is_a,
    readable,
    source,
    text,
    typed,
)


class Prepare(Section):
    target: str = Field(min_length=1)
    task: Task
    id: str | None = None  # key column; null: a hash of the row, so that equal rows share a split
    drop: list[str] = []
    types: dict[str, str] = {}  # column: DuckDB type, in place of the stored or inferred one
    max_categories: int = Field(100, ge=2, le=10_000)  # text of more distinct values is no feature
    split: SplitBy = SplitBy()


class Params(BaseParams):
    seed: Seed
    prepare: Prepare
    runtime: Runtime = Runtime()


ROW_GROUP = 50_000  # rows
WHERE = "params.yaml: prepare"


def check_names(p: Prepare, found: dict[str, str]) -> None:
    """InputError unless the raw table has every column that the params name."""
    named: dict[str, list[str] | list[str | None]] = {
        "target": [p.target],
        "id": [p.id],
        "drop": p.drop,
        "split.column": [p.split.column],
    }
    for key, names in named.items():
        for name in names:
            if name is not None and name not in found:
                raise InputError(f"{WHERE}.{key}", f"no column {name!r}", one_of(found, name))
            if name == p.target and key != "target":
                raise InputError(f"{WHERE}.{key}", "the target", "another column")
    taken = {"id": p.id, "split": p.split.column}  # names that prepared rows have for themselves
    for name, holder in taken.items():  # DuckDB's names are the same in upper and lower case
        raw = next((n for n in found if n.lower() == name), None)
        if raw is not None and raw != holder and raw not in p.drop:
            key = "id" if name == "id" else "split.column"
            raise InputError(
                f"{WHERE}.{key}",
                f"a column {raw!r} of another use",
                f"it named here, or in {WHERE}.drop",
            )


def classes_of(
    con: duckdb.DuckDBPyConnection, p: Prepare, types: dict[str, str]
) -> list[Label] | None:
    """The classes in order; none for regression. InputError if the target does not fit the task."""
    target, type_ = ident(p.target), types[p.target]
    where = f"{WHERE}.target: column {p.target!r}"
    if p.task == "regression":
        if not (is_a(type_, FLOATS) or type_ in INTEGERS):
            raise InputError(where, f"type {type_}", "numbers, as prepare.task is regression")
        return None
    if is_a(type_, TIMES):
        raise InputError(where, f"type {type_}", "classes: text, whole numbers or true / false")
    limit = p.max_categories + 1
    rows = con.execute(
        f"SELECT DISTINCT {target} FROM typed WHERE {target} IS NOT NULL LIMIT {limit}"
    ).fetchall()
    if len(rows) == limit:
        raise InputError(
            where,
            f"over {p.max_categories} classes",
            "task: regression, or a larger max_categories",
        )
    if len(rows) < 2:
        raise InputError(where, f"{len(rows)} class(es)", "2 or more")
    return sorted(value for (value,) in rows)


def feature(
    con: duckdb.DuckDBPyConnection, name: str, type_: str, missing: int, limit: int
) -> Column | str:
    """The column's schema, or why it is no feature."""
    column = ident(name)
    if not is_a(type_, TEXTS):
        return Column(name=name, type=type_, kind="number", missing=missing)
    query = f"SELECT DISTINCT {column} FROM typed WHERE {column} IS NOT NULL LIMIT {limit + 1}"
    values = sorted(value for (value,) in con.execute(query).fetchall())
    if len(values) > limit:
        return f"text of over {limit} distinct values (prepare.max_categories)"
    return Column(name=name, type=type_, kind="category", missing=missing, categories=values)


def write_splits(con: duckdb.DuckDBPyConnection, query: str, prepared: Path) -> dict[str, int]:
    """Streams the query's rows to one file a split, in their order; returns rows a split.

    Written by one thread in row groups of one size: DuckDB's own COPY gives other bytes on one core.
    """
    reader = con.execute(query).to_arrow_reader(ROW_GROUP)
    schema = reader.schema.remove(reader.schema.get_field_index("split"))
    with ExitStack() as stack:
        parts = {s: stack.enter_context(whole(prepared / f"{s}.parquet")) for s in SPLITS}
        stack.enter_context(named(prepared))
        texts = [
            f.name for f in schema if pa.types.is_string(f.type) and f.name != "id"
        ]  # few distinct values
        writers = {
            s: stack.enter_context(pq.ParquetWriter(parts[s], schema, use_dictionary=texts))
            for s in SPLITS
        }
        waiting: dict[Split, list[pa.RecordBatch]] = {s: [] for s in SPLITS}
        counts: dict[str, int] = dict.fromkeys(SPLITS, 0)

        def flush(split: Split, least: int) -> None:
            table = pa.Table.from_batches(waiting[split], schema)
            while table.num_rows >= least and table.num_rows:
                writers[split].write_table(table.slice(0, ROW_GROUP), row_group_size=ROW_GROUP)
                table = table.slice(ROW_GROUP)
            waiting[split] = table.to_batches()

        for batch in reader:
            split = batch.column("split")
            rest = batch.drop_columns(["split"])
            for s in SPLITS:
                chosen = rest.filter(pc.equal(split, s))
                counts[s] += chosen.num_rows
                waiting[s].append(chosen)
                flush(s, ROW_GROUP)
        for s in SPLITS:
            flush(s, 1)
    return counts


def run(params: Params, raw: Path, prepared: Path) -> None:
    prepared.mkdir(parents=True, exist_ok=True)
    with (
        scratch(prepared) as spill,
        connect(spill, params.runtime.workers) as con,
        readable(raw),
    ):
        schema = prepare(con, params, files(raw), spill, prepared)
    schema.write(prepared)
    r = schema.rows
    print(
        f"{r.read} rows: train {r.train}, val {r.val}, test {r.test}; without target {r.without_target}"
    )
    for name, why in schema.ignored.items():
        print(f"no feature: {name}: {why}")


def ingest(
    con: duckdb.DuckDBPyConnection,
    p: Prepare,
    paths: list[Path],
    types: dict[str, str],
    spill: Path,
) -> None:
    """One pass over the raw files into the view `typed`: id, the features as they are stored, split column, target."""
    names = candidates(p, types)
    key = as_text(p.id, types[p.id]) if p.id else content_hash([*names, p.target], types)
    kept = [f"{typed(n, types[n])} AS {ident(n)}" for n in names]
    target = typed(p.target, types[p.target]) if types[p.target] != "BOOLEAN" else ident(p.target)
    said = [ident(p.split.column)] if p.split.column else []
    once = f"SELECT {key} AS id, {', '.join([*kept, *said])}, {target} AS {ident(p.target)} "
    casts = [f"CAST({ident(n)} AS {t}) AS {ident(n)}" for n, t in p.types.items()]
    replaced = f"* REPLACE ({', '.join(casts)})" if casts else "*"
    everything = text(spill / "typed.parquet")
    with readable(paths[0] if len(paths) == 1 else paths[0].parent):
        con.execute(
            f"COPY ({once} FROM (SELECT {replaced} FROM {source(paths, types)})) TO {everything} (FORMAT parquet)"
        )
        con.execute(f"CREATE VIEW typed AS SELECT * FROM read_parquet({everything})")


def candidates(p: Prepare, types: dict[str, str]) -> list[str]:
    """The columns that the params give no other role."""
    roles = {p.target, p.id, p.split.column, *p.drop}
    return [n for n in types if n not in roles]


def prepare(
    con: duckdb.DuckDBPyConnection, params: Params, paths: list[Path], spill: Path, prepared: Path
) -> Schema:
    """One pass over the raw files into one typed table on disk, a pass over that a question, one to write."""
    p = params.prepare
    types = columns(con, paths, p.types)
    check_names(p, types)
    names = candidates(p, types)
    if not names:
        raise InputError(paths[0].parent, "no column besides those of the params", "features")
    ingest(con, p, paths, types, spill)
    counted = ["id", p.target, *names]
    row = con.execute(
        f"SELECT count(*), {', '.join(f'count({ident(n)})' for n in counted)} FROM typed"
    ).fetchone()
    assert row is not None
    total, present = row[0], dict(zip(counted, row[1:], strict=True))
    if present["id"] < total:
        raise InputError(
            f"column {p.id!r}",
            f"{total - present['id']} rows without a value",
            "an id in every row",
        )
    found = {n: feature(con, n, types[n], total - present[n], p.max_categories) for n in names}
    features = [c for c in found.values() if isinstance(c, Column)]
    if not features:
        raise InputError(
            WHERE, f"no feature: {next(iter(found.values()))}", "a column of numbers or categories"
        )
    classes = classes_of(con, p, types)
    split = split_sql(p.split, splits_named(con, p.split), params.seed)
    listed = ", ".join(ident(c.name) for c in features)
    there = f"{ident(p.target)} IS NOT NULL"
    rows = f"SELECT id, {listed}, {ident(p.target)}, {split} AS split FROM typed WHERE {there}"
    counts = write_splits(con, rows, prepared)
    return Schema(
        task=p.task,
        target=p.target,
        target_type=types[p.target],
        id=p.id,
        columns=features,
        ignored={n: why for n, why in found.items() if isinstance(why, str)},
        classes=classes,
        rows=Rows(read=total, without_target=total - present[p.target], **counts),
    )


if __name__ == "__main__":
    main(run)
