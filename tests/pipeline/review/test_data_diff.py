"""The difference of two tables: rows, columns, classes, distributions, and ids that changed their split."""

import gzip
import random
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import PipelineError
from pipeline.review.columns import ColumnDiff, Histogram
from pipeline.review.data_diff import Moved, TableDiff, diff, leaks
from pipeline.review.declared import Table
from pipeline.review.tables import Files, is_table

NO_ID = Table()
ID = Table(id="id")


def csv(folder: Path, text: str, name: str = "t.csv") -> Files:
    """Its bytes lie under a hash, as in DVC's cache."""
    place = folder / f"{len([*folder.iterdir()]):032x}"
    place.write_text(text)
    return {name: place}


def sql(folder: Path, query: str, name: str = "t.parquet") -> Files:
    place = folder / f"{len([*folder.iterdir()]):032x}"
    duckdb.execute(f"COPY ({query}) TO '{place}' (FORMAT parquet)")
    return {name: place}


def test_rows_by_id(tmp_path: Path) -> None:
    old = csv(tmp_path, "id,x\n1,5\n2,6\n3,7\n")
    new = csv(tmp_path, "id,x\n4,5\n3,9\n2,6\n5,1\n")
    found = diff(old, new, ID, "t.csv")
    assert (found.rows_old, found.rows_new, found.added, found.removed, found.changed) == (3, 4, 2, 1, 1)


def test_the_whole_of_a_small_difference(tmp_path: Path) -> None:
    old = csv(tmp_path, "id,kind,x,gone\n1,a,1,0\n2,b,2,0\n3,,3,0\n")
    new = csv(tmp_path, "id,kind,x,more\n1,a,1.5,0\n2,b,2,0\n3,b,,0\n")
    values = Histogram(None, ["b", "a", None], [1, 1, 1], [2, 1, 0])
    distinct = {"distinct": 2}
    kind = ColumnDiff("kind", "category", 1, 0, distinct, distinct, values, 0.333333, "total variation")
    old_spread = {"min": 1.0, "mean": 2.0, "max": 3.0, "std": 1.0}
    spread = old_spread, {"min": 1.5, "mean": 1.75, "max": 2.0, "std": 0.353553}
    found = diff(old, new, Table(id="id", target="kind"), "t.csv")
    x = found.columns[1]
    assert (x.name, x.kind, x.missing_old, x.missing_new, x.summary_old, x.summary_new) == (
        "x",
        "number",
        0,
        1,
        *spread,
    )
    assert x.histogram == Histogram([1.0, 1.0, 2.0, 3.0, 3.0], None, [1, 1, 1, 0], [0, 2, 0, 0])
    assert found == TableDiff(
        rows_old=3,
        rows_new=3,
        added=0,
        removed=0,
        changed=3,
        id="id",
        columns_added=["more"],
        columns_removed=["gone"],
        columns_retyped=[("x", "BIGINT", "DOUBLE")],
        classes=[("b", 1, 2), ("a", 1, 1), (None, 1, 0)],
        columns=[kind, x],
    )


def test_without_ids_whole_rows_count_with_their_number(tmp_path: Path) -> None:
    old = csv(tmp_path, "x,y\n1,1\n1,1\n2,2\n")
    new = csv(tmp_path, "x,y\n2,2\n1,1\n3,3\n3,3\n")
    found = diff(old, new, NO_ID, "t.csv")
    assert (found.added, found.removed, found.changed) == (2, 1, None)


def test_order_and_files_are_no_difference(tmp_path: Path) -> None:
    old = csv(tmp_path, "id,x\n1,a\n2,b\n3,c\n", "d.csv")
    new = {**csv(tmp_path, "id,x\n3,c\n", "b.csv"), **csv(tmp_path, "x,id\nb,2\na,1\n", "a.csv")}
    found = diff(old, new, ID, "d")
    assert (found.added, found.removed, found.changed) == (0, 0, 0)
    assert [c.drift for c in found.columns] == [0.0]


def test_formats(tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(b"id,x\n1,2\n"))
    sides = [
        {"t.csv.gz": packed},
        csv(tmp_path, "id\tx\n1\t2\n", "t.tsv"),
        sql(tmp_path, "SELECT 1::BIGINT AS id, 2::BIGINT AS x"),
        csv(tmp_path, '{"id": 1, "x": 2}\n', "t.jsonl"),
    ]
    for side in sides:
        found = diff(csv(tmp_path, "id,x\n1,2\n"), side, ID, "t")
        assert (found.added, found.removed, found.changed, found.columns_retyped) == (0, 0, 0, [])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.csv"], True),
        (["a.parquet", "b.parquet", ".gitignore"], True),
        (["a.csv", "b.parquet"], False),
        (["a.py"], False),
        (["a.csv", "README.md"], False),
        ([".gitignore"], False),
        ([], False),
    ],
)
def test_what_is_a_table(names: list[str], expected: bool) -> None:
    assert is_table({name: Path(name) for name in names}) is expected


def test_names_and_types_of_every_kind(tmp_path: Path) -> None:
    columns = """SELECT range AS id, range % 3 AS "a ""quoted"" 'name'", 'x' AS "two
lines 🙂", [range] AS list, {'k': range} AS struct, DATE '2026-01-01' + range::INT AS day, range % 2 = 0 AS flag,
range::DECIMAL(9, 2) AS money, NULL AS nothing, 'nan'::DOUBLE AS nan FROM range(50)"""
    found = diff(sql(tmp_path, columns), sql(tmp_path, columns), ID, "t.parquet")
    assert (found.added, found.removed, found.changed) == (0, 0, 0)
    kinds = ["number", "category", "other", "other", "date", "category", "number", "number", "number"]
    assert [c.kind for c in found.columns] == kinds
    assert not [c.name for c in found.columns if c.flag]
    assert found.columns[-1].missing_old == 50


def test_no_drift_within_chance(tmp_path: Path) -> None:
    """Draws of one distribution, of few rows and of many: 40 tables of 8 columns each, and no flag."""
    flags = []
    for rows in (50, 200, 20_000):
        count = 20 if rows < 1000 else 3
        for seed in range(count):
            columns = ", ".join(
                f"hash({seed}, {i}, range + {{}}) % 1000 / 7 AS x{i}, "
                f"(hash({seed + 99}, {i}, range + {{}}) % 5)::VARCHAR AS c{i}"
                for i in range(4)
            )
            query = f"SELECT {columns} FROM range({rows})"
            old, new = (sql(tmp_path, query.replace("{}", str(offset))) for offset in (0, 10**9))
            flags += [c.name for c in diff(old, new, NO_ID, "t.parquet").columns if c.flag]
    assert flags == []


@pytest.mark.parametrize("change", ["x + 30", "x * 2", "CASE WHEN id % 3 = 0 THEN NULL ELSE x END"])
def test_drift_is_flagged(change: str, tmp_path: Path) -> None:
    base = "SELECT range AS id, hash(range) % 100 AS x, range % 5 AS steady FROM range(2000)"
    old, new = sql(tmp_path, base), sql(tmp_path, f"SELECT id, {change} AS x, steady FROM ({base})")
    assert [c.name for c in diff(old, new, ID, "t.parquet").columns if c.flag] == ["x"]


def test_drift_of_categories(tmp_path: Path) -> None:
    old = sql(tmp_path, "SELECT ['a', 'b'][1 + range % 2] AS c FROM range(1000)")
    new = sql(tmp_path, "SELECT ['a', 'b', 'new'][1 + range % 3] AS c FROM range(1000)")
    (column,) = diff(old, new, NO_ID, "t.parquet").columns
    assert column.flag
    assert column.drift == pytest.approx(1 / 3, abs=0.001)
    assert column.histogram == Histogram(None, ["a", "b", "new"], [500, 500, 0], [334, 333, 333])


def test_the_same_with_any_number_of_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(0)
    text = "id,x,c\n" + "".join(f"{i},{dice.gauss(0, 1)},{dice.choice('abc')}\n" for i in range(30_000))
    old, new = csv(tmp_path, text), csv(tmp_path, text.replace(",a\n", ",b\n"))
    found = []
    for threads in (1, 2, 8):
        connect = duckdb.connect
        monkeypatch.setattr(duckdb, "connect", lambda n=threads, c=connect: c(config={"threads": n}))
        found.append(diff(old, new, ID, "t.csv"))
        monkeypatch.undo()
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,x\n1,2\n1,3\n", "t.csv: id: found 1 in 2 rows; expected each id once"),
        ("x\n1\n", "t.csv: found no column 'id' in one version; expected the id of each row in both"),
        ("y\n1\n", "t.csv: found no column that both versions have; expected one at least"),
    ],
)
def test_bad_tables_are_one_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as e:
        diff(csv(tmp_path, "id,x\n1,2\n"), csv(tmp_path, text), ID, "t.csv")
    assert str(e.value) == said


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.parquet", b"PAR1 not really"),
        ("t.csv", b"id,x\n1,2\n\xff\xfe,3\n"),
        ("t.csv.gz", b"no gzip"),
        ("t.parquet", b""),
    ],
)
def test_files_that_cannot_be_read_are_named_as_the_user_names_them(name: str, content: bytes, tmp_path: Path) -> None:
    place = tmp_path / "0123456789abcdef"
    place.write_bytes(content)
    with pytest.raises(PipelineError) as e:
        diff({name: place}, {name: place}, ID, name)
    assert str(e.value).startswith(f"{name}: found ")
    assert str(tmp_path) not in str(e.value)


def test_ids_that_moved_between_splits(tmp_path: Path) -> None:
    def splits(train: str, test: str) -> dict[str, Files]:
        texts = {"train": train, "test": test}
        return {split: csv(tmp_path, "id\n" + "\n".join(ids) + "\n") for split, ids in texts.items()}

    found = leaks(splits("abcdef", "gh"), splits("defg", "habdx"), ID, "splits")
    assert found == [
        Moved("test", "train", 1, ["g"], both=False, leakage=False),
        Moved("train", "test", 3, ["a", "b", "d"], both=False, leakage=True),
        Moved("test", "train", 1, ["d"], both=True, leakage=True),
    ]
