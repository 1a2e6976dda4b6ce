"""Predicts raw rows with a trained model: the columns that went into `prepare`, without the target."""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import torch

from src.cli import guarded
from src.errors import InputError, one_of
from src.files import named, whole
from src.model_file import Model
from src.schema import Schema
from src.tables import INTEGERS, as_text, columns, connect, files, ident, readable, source, typed


def read(rows: Path, schema: Schema) -> pa.Table:
    """The feature columns of the raw rows as `prepare` stores them, and `id` where the model has one."""
    if not rows.is_file():
        raise InputError(rows, "no such file", "a .parquet, .csv or .csv.gz file of rows")
    wanted: Mapping[str, str] = {c.name: c.type for c in schema.columns}
    with TemporaryDirectory(prefix="reprise-") as spill, connect(Path(spill)) as con:
        paths = files(rows)
        found = columns(con, paths, {})
        for name in wanted:
            if name not in found:
                raise InputError(
                    rows,
                    f"no column {name!r}",
                    f"every column of the model; it has {one_of(found, name)}",
                )
        has_id = schema.id is not None and schema.id in found
        key = [f"{as_text(schema.id, found[schema.id])} AS id"] if has_id and schema.id else []
        casts = [f"CAST({ident(n)} AS {t}) AS {ident(n)}" for n, t in wanted.items()]
        kept = [f"{typed(n, t)} AS {ident(n)}" for n, t in wanted.items()]
        given = {n: t for n, t in wanted.items() if paths[0].suffix != ".parquet"}
        typed_rows = f"SELECT * REPLACE ({', '.join(casts)}) FROM {source(paths, given)}"
        with readable(rows):
            check_whole(
                con,
                rows,
                source(paths, {}),
                {n: t for n, t in wanted.items() if found[n] not in INTEGERS},
            )
            return con.execute(
                f"SELECT {', '.join([*key, *kept])} FROM ({typed_rows})"
            ).to_arrow_table()


def check_whole(
    con: duckdb.DuckDBPyConnection, rows: Path, raw: str, wanted: Mapping[str, str]
) -> None:
    """InputError where a column of whole numbers has a fraction, for DuckDB's casts round without a word."""
    names = [n for n, t in wanted.items() if t in INTEGERS]
    if not names:
        return
    numbers = {n: f"TRY_CAST({ident(n)} AS DOUBLE)" for n in names}
    fractions = [f"any_value({ident(n)}) FILTER ({x} <> trunc({x}))" for n, x in numbers.items()]
    values = con.execute(f"SELECT {', '.join(fractions)} FROM {raw}").fetchone()
    assert values is not None
    for name, value in zip(names, values, strict=True):
        if value is not None:
            raise InputError(
                f"{rows}: column {name!r}",
                str(value),
                f"whole numbers ({wanted[name]}), as in training",
            )


def predict(model: Model, table: pa.Table) -> pa.Table:
    """`prediction`, and for a classifier `probability_<class>`, one row a row."""
    key = {"id": table.column("id")} if "id" in table.column_names else {}
    classes = model.encoder.schema.classes
    if classes is None:
        return pa.table({**key, "prediction": model.estimate(table).numpy()})
    predicted, probability = model.classify(table)
    columns = {f"probability_{c}": probability[:, i].numpy() for i, c in enumerate(classes)}
    return pa.table({**key, "prediction": pa.array(model.encoder.labels(predicted)), **columns})


def write(out: Path, content: pa.Buffer) -> None:
    """To a device or a pipe itself; else to the file that a symbolic link names, whole or not at all."""
    with named(out):
        if out == Path(
            "/dev/stdout"
        ):  # opened by name, a file it is redirected to would be emptied
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        elif out.exists() and not out.is_file():
            out.write_bytes(content)
        else:
            with whole(Path(os.path.realpath(out)) if out.is_symlink() else out) as part:
                part.write_bytes(content)


def run(model: Path, rows: Path, out: Path) -> None:
    if out.is_dir():
        raise InputError(out, "a folder", "a file to write")
    torch.set_num_threads(1)  # as in evaluate: sums in more parts differ in the last bit
    trained = Model.load(model)
    table = read(rows, trained.encoder.schema)
    if table.num_rows == 0:
        raise InputError(rows, "no rows", "rows to predict")
    predictions = predict(trained, table)
    content = pa.BufferOutputStream()
    (pq.write_table if out.suffix == ".parquet" else pc.write_csv)(predictions, content)
    write(out, content.getvalue())
    print(
        f"{out}: {predictions.num_rows} predictions", file=sys.stderr
    )  # stdout may be what is written to


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m src.predict", description=__doc__)
    parser.add_argument("model", type=Path, help="model.safetensors")
    parser.add_argument("rows", type=Path, help=".parquet, .csv or .csv.gz")
    parser.add_argument("-o", "--out", type=Path, required=True, help=".csv or .parquet to write")
    arguments = parser.parse_args()
    guarded("predict", lambda: run(**vars(arguments)))
