"""Prepared files can be read without holding much of them, however many columns they have."""

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from src.tables.split_files import ROW_GROUP, VALUES, write_splits


@pytest.mark.parametrize("columns", [1, 1000])
def test_a_row_group_has_a_bounded_number_of_values(columns: int, tmp_path: Path) -> None:
    rows = 2 * min(ROW_GROUP, VALUES // columns) + 1
    values = ", ".join(f"i AS x{number}" for number in range(columns))
    query = f"SELECT 'train' AS split, {values} FROM range({rows}) AS t(i)"
    with duckdb.connect() as con:
        assert write_splits(con, query, tmp_path) == {"train": rows, "val": 0, "test": 0}
    with pq.ParquetFile(tmp_path / "train.parquet") as file:
        groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        assert file.read(["x0"]).column("x0").to_pylist() == list(range(rows))
    assert groups == [rows // 2, rows // 2, 1]
