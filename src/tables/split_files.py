"""Writes the prepared rows to one Parquet file a split."""

from contextlib import ExitStack
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from src.files import named, whole
from src.schema import SPLITS

ROW_GROUP = 50_000  # rows, at most
VALUES = 1 << 22  # of a row group, at most: whoever reads it holds all of its columns


class SplitWriter:
    """Writes batches to one file in row groups of one size, whatever the size of the batches.

    DuckDB's own COPY gives other bytes on one core than on several.
    """

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema, row_group: int) -> None:
        self.writer, self.schema, self.row_group = writer, schema, row_group
        self.waiting: list[pa.RecordBatch] = []
        self.rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take a batch, and write the row groups that are now full."""
        self.rows += batch.num_rows
        self.waiting.append(batch)
        self._write(least=self.row_group)

    def flush(self) -> None:
        """Write the rows that wait, though they fill no row group."""
        self._write(least=1)

    def _write(self, least: int) -> None:
        """Write row groups while at least so many rows wait."""
        table = pa.Table.from_batches(self.waiting, self.schema)
        while table.num_rows >= least:
            group = table.slice(0, self.row_group)
            self.writer.write_table(group, row_group_size=self.row_group)
            table = table.slice(self.row_group)
        self.waiting = table.to_batches()


def row_group_of(columns: int) -> int:
    """Compute how many rows of so many columns are one row group."""
    return max(1, min(ROW_GROUP, VALUES // columns))


def write_splits(con: duckdb.DuckDBPyConnection, query: str, prepared: Path) -> dict[str, int]:
    """Stream the query's rows to the file of their `split`, in their order; count rows a split."""
    reader = con.sql(query).to_arrow_reader(ROW_GROUP)
    schema = reader.schema.remove(reader.schema.get_field_index("split"))
    row_group = row_group_of(len(schema))
    with ExitStack() as stack:
        parts = [stack.enter_context(whole(prepared / f"{split}.parquet")) for split in SPLITS]
        stack.enter_context(named(prepared))
        writers = {}
        for split, part in zip(SPLITS, parts, strict=True):
            file = pq.ParquetWriter(part, schema, use_dictionary=dictionary_columns(schema))
            writers[split] = SplitWriter(stack.enter_context(file), schema, row_group)
        for batch in reader:
            column = batch.column("split")
            rows = batch.drop_columns(["split"])
            for split, writer in writers.items():
                writer.add(rows.filter(pc.equal(column, split)))
        for writer in writers.values():
            writer.flush()
    return {split: writer.rows for split, writer in writers.items()}


def dictionary_columns(schema: pa.Schema) -> list[str]:
    """List the columns of few distinct values: categories, not the id."""
    return [field.name for field in schema if pa.types.is_string(field.type) and field.name != "id"]
