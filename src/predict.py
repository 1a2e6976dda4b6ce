"""Predicts raw rows, without the target, with a trained model."""

import argparse
import os
import sys
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
from src.params import FILE, StageParams, TrainedModel
from src.schema import Schema
from src.tables.connection import Connection, connect
from src.tables.raw import Part, Types, count_rows, files, first_misfit, parts, source
from src.tables.sql import ident, typed


def rows_sql(con: Connection, schema: Schema, table: list[Part]) -> str:
    """Write the SQL of the feature columns as `prepare` stores them.

    Where the rows have the id column of the training data, `id` comes first.
    """
    read = wanted(schema, table)
    selected = [f"{typed(c.name, c.type)} AS {ident(c.name)}" for c in schema.columns]
    key = schema.id if schema.id in read else None
    if key is not None:
        selected.insert(0, f"{ident(key)} AS id")
    return f"SELECT {', '.join(selected)} FROM {source(con, table, schema.format, read, key)}"


def wanted(schema: Schema, table: list[Part]) -> dict[str, str]:
    """Give the types of the columns to read."""
    read = {column.name: column.type for column in schema.columns}
    if schema.id is not None and schema.id in table[0].types:
        read[schema.id] = "VARCHAR"
    return read


def check_columns(rows: Path, schema: Schema, types: Types) -> None:
    """Raise InputError where the rows lack a column of the model."""
    for column in schema.columns:
        if column.name not in types:
            expected = f"every column of the model; it has {one_of(types, column.name)}"
            raise InputError(rows, f"no column {column.name!r}", expected)


def read(rows: Path, schema: Schema) -> pa.Table:
    """Read the feature columns of the raw rows, and `id` where they have it.

    Raises InputError if the file can't be read, or does not fit the model.
    """
    if not rows.is_file():
        raise InputError(rows, "no such file", "a .parquet, .csv, .csv.gz or .tsv file of rows")
    with TemporaryDirectory(prefix="reprise-") as spill, connect(Path(spill)) as con:
        paths = files(rows)
        for path in paths:
            count_rows(path, schema.format)  # it names the line of a row that is not whole
        table = parts(con, paths, schema.format)
        check_columns(rows, schema, table[0].types)
        try:
            return con.execute(rows_sql(con, schema, table)).to_arrow_table()
        except duckdb.Error:
            read = wanted(schema, table)
            key = schema.id if schema.id in read else None
            misfit = first_misfit(con, table, schema.format, read, key)
            if misfit is None:
                raise
            expected = f"{misfit.expected}, as in training"
            raise InputError(misfit.where, "another value", expected) from None


def predict(model: Model, table: pa.Table) -> pa.Table:
    """Predict each row: `prediction`, and of a classifier `probability_<class>`."""
    predictions = {"id": table.column("id")} if "id" in table.column_names else {}
    classes = model.encoder.schema.classes
    if classes is None:
        predictions["prediction"] = model.estimate(table).numpy()
        return pa.table(predictions)
    predicted, probability = model.classify(table)
    predictions["prediction"] = pa.array(model.encoder.labels(predicted))
    for i, name in enumerate(classes):
        predictions[f"probability_{name}"] = probability[:, i].numpy()
    return pa.table(predictions)


def write(out: Path, content: pa.Buffer) -> None:
    """Write to a device or a pipe itself, else to a file, whole or not at all.

    Where `out` is a symbolic link, it stays, and the file that it names is written.
    """
    with named(out):
        if out == Path("/dev/stdout"):
            # Opened by name, a file that it is redirected to would be emptied.
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        elif out.exists() and not out.is_file():
            out.write_bytes(content)
        else:
            target = Path(os.path.realpath(out)) if out.is_symlink() else out
            with whole(target) as part:
                part.write_bytes(content)


class Params(StageParams):
    """Holds of params.yaml the model, where it has one."""

    train: TrainedModel | None = None


def is_named(name: str) -> bool:
    """Tell whether this project's params.yaml names the class, `module:Class`."""
    train = Params.load().train if FILE.is_file() else None
    return train is not None and train.trusts(name)


def run(model: Path, rows: Path, out: Path, trusted: list[str]) -> None:
    """Predict the rows of one file, and write the predictions as CSV or Parquet, by the suffix."""
    if out.is_dir():
        raise InputError(out, "a folder", "a file to write")
    torch.set_num_threads(1)  # as in evaluate: sums in more parts differ in the last bit
    trained = Model.load(model, lambda name: name in trusted or is_named(name))
    table = read(rows, trained.encoder.schema)
    if table.num_rows == 0:
        raise InputError(rows, "no rows", "rows to predict")
    predictions = predict(trained, table)
    content = pa.BufferOutputStream()
    if out.suffix == ".parquet":
        pq.write_table(predictions, content)
    else:
        pc.write_csv(predictions, content)
    write(out, content.getvalue())
    # Not to stdout, which may be what is written to.
    print(f"{out}: {predictions.num_rows} predictions", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m src.predict", description=__doc__)
    parser.add_argument("model", type=Path, help="model.safetensors")
    parser.add_argument("rows", type=Path, help=".parquet, .csv or .csv.gz")
    parser.add_argument("-o", "--out", type=Path, required=True, help=".csv or .parquet to write")
    parser.add_argument(
        "--trust-model-class",
        dest="trusted",
        metavar="MODULE:CLASS",
        action="append",
        default=[],
        help="a class of your own that the model file may import, beside that of params.yaml",
    )
    arguments = parser.parse_args()
    guarded("predict", lambda: run(**vars(arguments)))
