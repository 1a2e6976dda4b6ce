"""Splits by id, types, and what happens to rows and columns that are missing something."""

import os
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.errors import InputError
from src.prepare import Params, run
from src.schema import SPLITS, Schema
from tests.conftest import ROOT


def prepared(folder: Path, raw: Path, **prepare: Any) -> Schema:
    spec = {"target": "y", "task": "regression", **prepare}
    run(Params.model_validate({"prepare": {"seed": 1, **spec}}), raw, folder)
    return Schema.read(folder)


def split_of(folder: Path) -> dict[str, str]:
    """id: split"""
    return {
        i: s
        for s in SPLITS
        for i in pq.read_table(folder / f"{s}.parquet").column("id").to_pylist()
    }


def rows(n: int, start: int = 0) -> pa.Table:
    numbers = list(range(start, start + n))
    return pa.table(
        {"key": [f"k{i}" for i in numbers], "x": [i * 0.5 for i in numbers], "y": numbers}
    )


@pytest.mark.parametrize("key", ["key", None])
def test_appending_half_as_many_rows_moves_no_old_row(key: str | None, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    pq.write_table(rows(2000), raw / "a.parquet")
    drop = [] if key else ["key"]
    prepared(tmp_path / "before", raw, id=key, drop=drop)
    pq.write_table(rows(1000, start=2000), raw / "b.parquet")
    prepared(tmp_path / "after", raw, id=key, drop=drop)
    before, after = split_of(tmp_path / "before"), split_of(tmp_path / "after")
    assert len(before) == 2000
    assert len(after) == 3000
    assert before.items() <= after.items()


def test_an_appended_fraction_in_a_column_of_whole_numbers_moves_no_old_row(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a.csv").write_text("x,y\n" + "".join(f"{i},{i}\n" for i in range(500)))
    prepared(tmp_path / "before", raw)
    (raw / "b.csv").write_text("x,y\n1.5,1.5\n")
    assert prepared(tmp_path / "after", raw).columns[0].type == "DOUBLE"
    assert split_of(tmp_path / "before").items() <= split_of(tmp_path / "after").items()


def test_equal_rows_share_a_split_in_any_column_order(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    pq.write_table(pa.table({"x": [1, 2, 3] * 50, "y": [4, 5, 6] * 50}), raw / "a.parquet")
    prepared(tmp_path / "a", raw)
    pq.write_table(pa.table({"y": [4, 5, 6] * 50, "x": [1, 2, 3] * 50}), raw / "a.parquet")
    prepared(tmp_path / "b", raw)
    assert len(split_of(tmp_path / "a")) == 3
    assert split_of(tmp_path / "a") == split_of(tmp_path / "b")


def test_fractions_are_about_as_asked(tmp_path: Path) -> None:
    pq.write_table(rows(20_000), tmp_path / "a.parquet")
    schema = prepared(tmp_path / "out", tmp_path / "a.parquet", id="key")
    assert abs(schema.rows.test - 4000) < 4 * (20_000 * 0.2 * 0.8) ** 0.5  # 4 standard deviations
    assert abs(schema.rows.val - 2000) < 4 * (20_000 * 0.1 * 0.9) ** 0.5


def test_a_split_column_is_obeyed_and_val_comes_out_of_train(tmp_path: Path) -> None:
    table = rows(1000).append_column("split", [["test"] * 300 + ["train"] * 700])
    pq.write_table(table, tmp_path / "a.parquet")
    schema = prepared(
        tmp_path / "out", tmp_path / "a.parquet", id="key", split={"column": "split", "val": 0.1}
    )
    assert schema.rows.test == 300
    assert 0 < schema.rows.val < 150
    assert {k for k, s in split_of(tmp_path / "out").items() if s == "test"} == {
        f"k{i}" for i in range(300)
    }


def test_rows_without_target_are_dropped_and_counted(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"x": range(100), "y": [None if i < 7 else i for i in range(100)]}),
        tmp_path / "a.parquet",
    )
    counts = prepared(tmp_path / "out", tmp_path / "a.parquet").rows
    assert (counts.read, counts.without_target, counts.train + counts.val + counts.test) == (
        100,
        7,
        93,
    )


def test_columns_are_typed(tmp_path: Path) -> None:
    lines = [
        f"{i},{i % 3 == 0},2024-01-{1 + i % 28:02},{'ab'[i % 2]},note {i},{'' if i < 5 else i / 2}"
        for i in range(200)
    ]
    (tmp_path / "a.csv").write_text("y,flag,day,letter,note,half\n" + "\n".join(lines) + "\n")
    schema = prepared(tmp_path / "out", tmp_path / "a.csv")
    assert {c.name: (c.type, c.kind, c.missing, c.categories) for c in schema.columns} == {
        "flag": ("VARCHAR", "category", 0, ["False", "True"]),  # as written
        "day": ("DATE", "number", 0, None),
        "letter": ("VARCHAR", "category", 0, ["a", "b"]),
        "half": ("DOUBLE", "number", 5, None),
    }
    assert list(schema.ignored) == ["note"]
    day = pq.read_table(tmp_path / "out" / "train.parquet").column("day")[0].as_py()
    assert day % 86_400 == 0
    assert day >= 1_704_067_200  # 2024-01-01 in seconds since 1970


def test_the_same_bytes_for_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(rows(130_000), tmp_path / "a.parquet")
    connect, contents = duckdb.connect, []
    for threads in (1, 2, 4):
        monkeypatch.setattr(duckdb, "connect", lambda n=threads: connect(config={"threads": n}))
        prepared(tmp_path / str(threads), tmp_path / "a.parquet", drop=["key"])
        contents.append([p.read_bytes() for p in sorted((tmp_path / str(threads)).iterdir())])
    assert contents[0] == contents[1] == contents[2]


def test_what_a_killed_run_left_is_removed_and_never_in_git(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    pq.write_table(rows(500), tmp_path / "a.parquet")
    left = [
        f".spill-{dead.pid}-ab",
        ".spill-cd",
        ".train.parquet.part",
        f".spill-{os.getppid()}-ef",
    ]  # the last lives
    for name in left:
        path = tmp_path / "out" / name
        path.mkdir(parents=True) if "spill" in name else path.touch()
    prepared(tmp_path / "out", tmp_path / "a.parquet", drop=["key"])
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        *(f"{split}.parquet" for split in SPLITS),
        "schema.json",
        left[-1],
    }
    names = [f"data/prepared/{name}" for name in left]
    ignored = subprocess.run(
        ["git", "check-ignore", *names], cwd=ROOT, text=True, capture_output=True, check=True
    )
    assert ignored.stdout.split() == names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "z"}, "prepare.target: found no column 'z'"),
        ({"id": "kee"}, "did you mean 'key'"),
        ({"drop": ["w"]}, "prepare.drop: found no column 'w'"),
        ({"drop": ["y"]}, "prepare.drop: found the target"),
        ({"types": {"w": "DOUBLE"}}, "prepare.types: found no column 'w'"),
        ({"types": {"x": "NUMBER"}}, "NUMBER"),
        ({"types": {"key": "DOUBLE"}}, "row 1: column 'key': found 'k0'; expected numbers"),
        ({"target": "key"}, "prepare.task is regression"),
        ({"task": "classification"}, "over 250 classes in 500 rows"),
        ({"split": {"column": "key"}}, "train, val or test in every row"),
    ],
)
def test_params_that_do_not_fit_the_table_are_one_line(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    pq.write_table(rows(500), tmp_path / "a.parquet")
    with pytest.raises(InputError) as e:
        prepared(tmp_path / "out", tmp_path / "a.parquet", **change)
    assert message in str(e.value)
    assert "\n" not in str(e.value)


def test_a_column_named_as_ours_must_be_named_or_dropped(tmp_path: Path) -> None:
    pq.write_table(rows(500).rename_columns(["id", "split", "y"]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"prepare.id: found a column 'id' of another use"):
        prepared(tmp_path / "out", tmp_path / "a.parquet")
    with pytest.raises(
        InputError, match=r"prepare.split.column: found a column 'split' of another use"
    ):
        prepared(tmp_path / "out", tmp_path / "a.parquet", id="id")
