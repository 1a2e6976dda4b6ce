"""Reads tables for reports, as they are written."""

from pathlib import Path

import duckdb
import pytest

from reprise.dvc.history.out_files import list_files
from reprise.errors import PipelineError
from reprise.review.data.tables import read_table


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (["yes", "no"], ["yes", "no"]),
        (["t", "f"], ["t", "f"]),
        (["True", "false"], [True, False]),
        (["yes", ""], ["yes", None]),
        (["TRUE", "no"], ["TRUE", "no"]),
    ],
)
def test_words_are_no_truth_values(values: list[str], read: list[object], tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("".join(f"{value},1\n" for value in ["it's a", *values]))
    table = read_table(list_files(file), "a.csv", ["it's a"])
    assert table["it's a"].to_pylist() == read


def test_in_a_column_of_a_metric_they_are(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("label,right\nyes,t\nno,f\n")
    table = read_table(list_files(file), "a.csv", ["label", "right"], ["right"])
    assert table.to_pydict() == {"label": ["yes", "no"], "right": [True, False]}


@pytest.mark.parametrize("damaged", [0.1, 0.95])  # before the first batch, and in a later one
def test_a_damaged_table_is_one_line(damaged: float, tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    query = "SELECT range::VARCHAR AS text FROM range(1_500_000)"
    duckdb.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet)")
    content = bytearray(file.read_bytes())
    at = int(damaged * len(content))
    content[at : at + 200] = b"\xff" * 200
    file.write_bytes(content)
    with pytest.raises(PipelineError, match=r"a\.parquet: found .*; expected a table") as e:
        read_table(list_files(file), "a.parquet", ["text"])
    assert "\n" not in str(e.value)
