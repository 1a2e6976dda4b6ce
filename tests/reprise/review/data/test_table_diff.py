"""Compares tables: rows, columns, classes, distributions, and ids that changed their split."""

import gzip
import math
import random
from pathlib import Path

import duckdb
import numpy as np
import pytest

from benchmarks.drift import NULLS, tally
from reprise.errors import PipelineError
from reprise.review.data import column_queries
from reprise.review.data.column_types import ColumnKind
from reprise.review.data.columns import ColumnDiff, ComparedRows, Histogram
from reprise.review.data.database import Files
from reprise.review.data.drift import LEVEL, DriftMeasure, value_counts_p
from reprise.review.data.moved_ids import MovedIds, find_moved_ids
from reprise.review.data.table_diff import TableDiff, diff_tables
from reprise.review.data.tables import is_table
from reprise.review.declared import TableSpec

NO_ID = TableSpec()
ID = TableSpec(id="id")


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
    found = diff_tables(old, new, ID, "t.csv")
    assert (found.rows_old, found.rows_new, found.added, found.removed, found.changed) == (
        3,
        4,
        2,
        1,
        1,
    )


def test_the_whole_of_a_small_difference(tmp_path: Path) -> None:
    old = csv(tmp_path, "id,kind,x,gone\n1,a,1,0\n2,b,2,0\n3,,3,0\n")
    new = csv(tmp_path, "id,kind,x,more\n1,a,1.5,0\n2,b,2,0\n3,b,,0\n")
    values = Histogram(None, ["b", "a", None], [1, 1, 1], [2, 1, 0])
    distinct = {"distinct": 2}
    kind = ColumnDiff(
        "kind",
        ColumnKind.CATEGORY,
        1,
        0,
        distinct,
        distinct,
        values,
        0.333333,
        DriftMeasure.TOTAL_VARIATION,
        changed=1,
    )
    spread = {"min": 1.0, "q1": 1.0, "median": 2.0, "q3": 3.0, "max": 3.0, "mean": 2.0, "std": 1.0}
    spread_new = {
        "min": 1.5,
        "q1": 1.5,
        "median": 1.5,
        "q3": 2.0,
        "max": 2.0,
        "mean": 1.75,
        "std": 0.353553,
    }
    found = diff_tables(old, new, TableSpec(id="id", target="kind"), "t.csv")
    edges = [float(e) for e in np.linspace(1, 3, 21)]
    bars = [[int(i in there) for i in range(20)] for there in ((0, 10, 19), (5, 10))]
    shown = Histogram(edges, None, *bars)
    # Bins 1, 1 to 2, 2, 3, missing:
    # (1.5, 0.5, 1.5, 1.5, 0.5) / 5.5 against (0.5, 1.5, 1.5, 0.5, 1.5) / 5.5.
    drift = round(4 / 5.5 * math.log(3), 6)
    x = ColumnDiff(
        "x",
        ColumnKind.NUMBER,
        0,
        1,
        spread,
        spread_new,
        shown,
        drift,
        DriftMeasure.PSI,
        0.333333,
        changed=2,
    )
    assert found == TableDiff(
        rows_old=3,
        rows_new=3,
        added=0,
        removed=0,
        changed=2,  # 2 has what it had, stored as another type
        id="id",
        columns_added=["more"],
        columns_removed=["gone"],
        columns_retyped=[("x", "BIGINT", "DOUBLE")],
        classes=[("b", 1, 2), ("a", 1, 1), (None, 1, 0)],
        classes_p=1.0,
        columns=[kind, x],
    )


def test_without_ids_whole_rows_count_with_their_number(tmp_path: Path) -> None:
    old = csv(tmp_path, "x,y\n1,1\n1,1\n2,2\n")
    new = csv(tmp_path, "x,y\n2,2\n1,1\n3,3\n3,3\n")
    found = diff_tables(old, new, NO_ID, "t.csv")
    assert (found.added, found.removed, found.changed) == (2, 1, None)


def test_order_and_files_are_no_difference(tmp_path: Path) -> None:
    old = csv(tmp_path, "id,x\n1,a\n2,b\n3,c\n", "d.csv")
    new = {**csv(tmp_path, "id,x\n3,c\n", "b.csv"), **csv(tmp_path, "x,id\nb,2\na,1\n", "a.csv")}
    found = diff_tables(old, new, ID, "d")
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
        found = diff_tables(csv(tmp_path, "id,x\n1,2\n"), side, ID, "t")
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
lines 🙂", [range] AS list, {'k': range} AS struct,
DATE '2026-01-01' + range::INT AS day, range % 2 = 0 AS flag,
range::DECIMAL(9, 2) AS money, NULL AS nothing, 'nan'::DOUBLE AS nan FROM range(50)"""
    found = diff_tables(sql(tmp_path, columns), sql(tmp_path, columns), ID, "t.parquet")
    assert (found.added, found.removed, found.changed) == (0, 0, 0)
    kinds = [
        "number",
        "category",
        "other",
        "other",
        "date",
        "category",
        "number",
        "number",
        "number",
    ]
    assert [c.kind for c in found.columns] == kinds
    assert not [c.name for c in found.columns if c.flag]
    assert found.columns[-1].missing_old == 50


def test_columns_may_have_any_name(tmp_path: Path) -> None:
    """Also those that the queries give to what they compute."""
    names = ["h", "k", "n", "o", "v", "side", "differs", "file_row_number"]
    query = f"SELECT {', '.join(f'(range % 3)::VARCHAR AS {name}' for name in names)} FROM range(9)"
    same = sql(tmp_path, query)
    for name in names:
        found = diff_tables(same, same, TableSpec(target=name), "t")
        assert (found.added, found.removed, found.classes) == (
            0,
            0,
            [("0", 3, 3), ("1", 3, 3), ("2", 3, 3)],
        )
        assert [c.name for c in found.columns] == names
        assert [c.histogram for c in found.columns] == [
            Histogram(None, ["0", "1", "2"], [3, 3, 3], [3, 3, 3])
        ] * 8


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("BIGINT", "DOUBLE"),
        ("UTINYINT", "BIGINT"),
        ("DOUBLE", "FLOAT"),
        ("DATE", "TIMESTAMP"),
        ("BIGINT", "VARCHAR"),
    ],
)
def test_a_column_stored_as_another_type_is_no_change_of_its_rows(
    old: str, new: str, tmp_path: Path
) -> None:
    value = (
        "DATE '2026-01-01' + range::INT"
        if old == "DATE"
        else "range / 7"
        if new == "FLOAT"
        else "range"
    )
    sides = [
        sql(tmp_path, f"SELECT range AS id, ({value})::{t} AS x FROM range(9)") for t in (old, new)
    ]
    found = diff_tables(sides[0], sides[1], ID, "t")
    assert (found.added, found.removed, found.changed) == (0, 0, 0)
    assert found.columns_retyped == [("x", old, new)]


def test_an_id_stored_as_another_type_still_pairs(tmp_path: Path) -> None:
    old, new = (
        sql(tmp_path, f"SELECT range::{t} AS id, 1 AS x FROM range(9)")
        for t in ("BIGINT", "DOUBLE")
    )
    found = diff_tables(old, new, ID, "t")
    assert (found.added, found.removed, found.changed) == (0, 0, 0)


def test_a_column_without_a_value_is_not_retyped(tmp_path: Path) -> None:
    found = diff_tables(
        csv(tmp_path, "id,x\n1,1\n2,2\n"), csv(tmp_path, "id,x\n1,\n2,\n"), ID, "t.csv"
    )
    assert (found.columns_retyped, found.changed) == ([], 2)
    assert [(c.kind, c.missing_new) for c in found.columns] == [("number", 2)]
    none = diff_tables(csv(tmp_path, "id,x\n1,1\n2,2\n"), csv(tmp_path, "id,x\n"), ID, "t.csv")
    assert (none.columns_retyped, none.removed, none.columns[0].drift) == ([], 2, 0.0)


def test_text_after_many_numbers_is_text(tmp_path: Path) -> None:
    text = "id,x\n" + "".join(f"{i},{i % 9}\n" for i in range(50_000))
    found = diff_tables(csv(tmp_path, text), csv(tmp_path, text + "50000,abc\n"), ID, "t.csv")
    assert (found.added, found.changed, found.columns_retyped) == (
        1,
        0,
        [("x", "BIGINT", "VARCHAR")],
    )


def test_a_path_is_no_pattern(tmp_path: Path) -> None:
    for name in ("a*c", "a?c", "a[b]c", "a'c"):
        (tmp_path / name).mkdir()
        place = csv(tmp_path / name, f"id,x\n1,{name}\n")
        assert diff_tables(place, place, TableSpec(id="id", target="x"), "t.csv").classes == [
            (name, 1, 1)
        ]


def test_numbers_too_large_to_add(tmp_path: Path) -> None:
    same = sql(tmp_path, "SELECT range AS id, (range - 4) * 4e307 AS x FROM range(9)")
    (x,) = diff_tables(same, same, ID, "t").columns
    assert x.summary_old["min"] == -1.6e308
    assert (x.summary_old["std"], x.histogram, x.drift) == (None, None, 0.0)


def test_more_rows_than_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    same = sql(tmp_path, "SELECT range AS id, range::DOUBLE AS x FROM range(10000)")
    monkeypatch.setattr(column_queries, "MAX_ROWS", 1000)
    (x,) = diff_tables(same, same, ID, "t").columns
    assert x.histogram is not None
    assert x.histogram.old == [50] * 20
    assert (x.summary_old["max"], x.drift, x.missing_old) == (9990.0, 0.0, 0)


def test_histograms_have_bins_of_whole_numbers_and_hold_long_tails(tmp_path: Path) -> None:
    query = (
        "SELECT range AS id, (range % 10)::INT AS digit, "
        "CASE WHEN range = 7 THEN 1e9 ELSE range END AS tail"
    )
    same = sql(tmp_path, f"{query} FROM range(1000)")
    digit, tail = (c.histogram for c in diff_tables(same, same, ID, "t").columns)
    assert digit == Histogram([i - 0.5 for i in range(11)], None, [100] * 10, [100] * 10)
    assert tail is not None
    assert tail.edges is not None
    assert (tail.edges[0], tail.edges[-1], sum(tail.old)) == (0.0, 1e9, 1000)
    assert (tail.old[0], tail.old[-1], max(tail.old)) == (9, 11, 55)


@pytest.mark.slow
def test_no_drift_within_chance(tmp_path: Path) -> None:
    """Draw from one distribution, few rows and many: 43 tables of 8 columns, and no flag."""
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
            flags += [c.name for c in diff_tables(old, new, NO_ID, "t.parquet").columns if c.flag]
    assert flags == []


@pytest.mark.parametrize("change", ["x + 30", "x * 2", "CASE WHEN id % 3 = 0 THEN NULL ELSE x END"])
def test_drift_is_flagged(change: str, tmp_path: Path) -> None:
    base = "SELECT range AS id, hash(range) % 100 AS x, range % 5 AS steady FROM range(2000)"
    old, new = sql(tmp_path, base), sql(tmp_path, f"SELECT id, {change} AS x, steady FROM ({base})")
    assert [c.name for c in diff_tables(old, new, ID, "t.parquet").columns if c.flag] == ["x"]


INCOME = "exp(10 + 0.6 * sqrt(-2 * ln(u + 1e-9)) * cos(6.2832 * v)) * {factor}"
PEOPLE = (
    "SELECT id, {income} AS income, id AS number, 'c' || id AS code, "
    "DATE '2026-01-01' + (id // 10)::INT AS day, "
    "CASE WHEN w > {no} THEN 'yes' ELSE 'no' END AS label "
    "FROM (SELECT range AS id, (hash(range, 1) % 1000003) / 1000003 AS u, "
    "(hash(range, 2) % 1000003) / 1000003 AS v, (hash(range, 3) % 1000003) / 1000003 AS w "
    "FROM range({start}, {end}))"
)
PERSON = TableSpec(id="id", target="label")


def people(start: int, end: int, factor: float = 1.0, no: float = 0.8) -> str:
    return PEOPLE.format(income=INCOME.format(factor=factor), start=start, end=end, no=no)


@pytest.mark.parametrize("rows", [200, 1000, 5000])
def test_a_fifth_that_was_appended_does_not_hide_in_the_whole(rows: int, tmp_path: Path) -> None:
    """Income is 1.65 times as high in new rows; days and numbers go on, which is no drift."""
    old = people(0, rows)
    new = f"{old} UNION ALL {people(rows, rows + rows // 5, factor=1.65)}"
    found = diff_tables(sql(tmp_path, old), sql(tmp_path, new), PERSON, "t")
    flagged = [(c.name, c.scope) for c in found.columns if c.flag]
    assert flagged == [("income", ComparedRows.ADDED)]
    (income,) = [c for c in found.columns if c.name == "income"]
    assert income.histogram is not None
    assert sum(income.histogram.new) == rows // 5
    assert found.classes_p is not None
    assert found.classes_p > LEVEL


@pytest.mark.parametrize("spec", [PERSON, TableSpec(target="label")])
def test_rows_that_go_on_as_before_are_no_drift(spec: TableSpec, tmp_path: Path) -> None:
    """Neither with the oldest ones dropped; row numbers and codes are keys, not distributions."""
    old, new = people(0, 600), people(150, 750)
    found = diff_tables(sql(tmp_path, old), sql(tmp_path, new), spec, "t")
    assert [c.name for c in found.columns if c.flag] == []
    keys = [c.name for c in found.columns if c.kind is ColumnKind.KEY]
    assert keys == (["number", "code"] if spec.id else ["id", "number", "code"])
    assert {c.drift for c in found.columns if c.kind is ColumnKind.KEY} == {None}


def test_a_day_that_does_not_go_on_drifts(tmp_path: Path) -> None:
    """New rows of days long past, and days that are missing."""
    old = people(0, 1000)
    past = people(1000, 1200).replace("id // 10", "id % 9")
    found = diff_tables(sql(tmp_path, old), sql(tmp_path, f"{old} UNION ALL {past}"), PERSON, "t")
    assert [c.name for c in found.columns if c.flag] == ["day"]
    missing = people(1000, 1200).replace("(id // 10)", "CASE WHEN id % 2 = 0 THEN id // 10 END")
    found = diff_tables(
        sql(tmp_path, old), sql(tmp_path, f"{old} UNION ALL {missing}"), PERSON, "t"
    )
    assert [c.name for c in found.columns if c.flag] == ["day"]


def test_classes_are_tested(tmp_path: Path) -> None:
    """Twice as many of a rare class are no drift by size, and yet no chance."""
    old = people(0, 2000, no=0.96)
    new = f"{old} UNION ALL {people(2000, 3000, no=0.91)}"
    found = diff_tables(sql(tmp_path, old), sql(tmp_path, new), PERSON, "t")
    assert [c.name for c in found.columns if c.flag] == []
    assert found.classes_p is not None
    assert found.classes_p < LEVEL


def test_rare_values_in_the_order_of_the_old_rows_are_no_drift() -> None:
    """Many values of few rows: sorted by the old ones, neighbours would meet that old rows have."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(200):
        old, new = ((1 / (1.001 - rng.random(1000))).astype(int) for _ in range(2))
        values = np.union1d(old, new)
        counts = [(np.sum(old == v), np.sum(new == v)) for v in values]
        counts.sort(reverse=True)
        found += value_counts_p([o for o, _ in counts], [n for _, n in counts]) <= 0.05
    assert found <= 18  # of 10 expected
    assert value_counts_p([0, 0], [5, 5]) == 1.0


def test_text_has_more_classes_than_numbers(tmp_path: Path) -> None:
    query = "SELECT range AS id, {} AS y FROM range(2000)"
    for value, classes in (("'k' || range % 200", 200), ("range % 200", 0)):
        same = sql(tmp_path, query.format(value))
        assert len(diff_tables(same, same, TableSpec(target="y"), "t").classes) == classes


def test_columns_of_changed_rows(tmp_path: Path) -> None:
    old = sql(tmp_path, "SELECT range AS id, range AS x, 'a' AS y, NULL::INT AS z FROM range(90)")
    new = sql(
        tmp_path,
        "SELECT range AS id, CASE WHEN range < 3 THEN -1 ELSE range END AS x, 'a' AS y, "
        "CASE WHEN range < 5 THEN 0 END AS z FROM range(90)",
    )
    found = diff_tables(old, new, ID, "t")
    assert found.changed == 5
    assert {c.name: c.changed for c in found.columns} == {"x": 3, "y": 0, "z": 5}


def test_false_alarms_over_null_changes() -> None:
    """None in tables of 28 columns; benchmarks/drift.py has the figures of many."""
    assert [tally(change, 300, 1)[0] for change in NULLS.values()] == [0] * len(NULLS)


@pytest.mark.parametrize("rare", ["0", "CASE WHEN range % 20 = 0 THEN range - 500 ELSE 0 END"])
def test_a_value_of_many_rows_does_not_move_unseen(rare: str, tmp_path: Path) -> None:
    old = sql(tmp_path, f"SELECT range AS id, {rare} AS x FROM range(1000)")
    new = sql(
        tmp_path,
        f"SELECT range AS id, CASE WHEN {rare} = 0 THEN -1 ELSE {rare} END AS x FROM range(1000)",
    )
    (x,) = diff_tables(old, new, ID, "t").columns
    assert x.flag
    assert x.ks is not None
    assert x.ks > 0.9


@pytest.mark.slow
def test_few_rows_against_many_with_rare_values_are_no_drift(tmp_path: Path) -> None:
    """The χ² approximation of small counts fails here."""
    flags = []
    for seed in range(20):
        columns = ", ".join(
            f"CASE WHEN u{i} < 0.9 THEN 0 ELSE u{i} END AS x{i}, "
            f"(1 / (1.001 - u{i}))::INT::VARCHAR AS c{i}"
            for i in range(4)
        )
        draws = ", ".join(
            f"hash({seed}, {i}, range + {{}}) / 18446744073709551616 AS u{i}" for i in range(4)
        )
        old, new = (
            sql(
                tmp_path,
                f"SELECT {columns} FROM (SELECT {draws.replace('{}', str(at))} FROM range({n}))",
            )
            for at, n in ((0, 2000), (10**9, 100))
        )
        flags += [c.name for c in diff_tables(old, new, NO_ID, "t").columns if c.flag]
    assert flags == []


def test_drift_of_categories(tmp_path: Path) -> None:
    old = sql(tmp_path, "SELECT ['a', 'b'][1 + range % 2] AS c FROM range(1000)")
    new = sql(tmp_path, "SELECT ['a', 'b', 'new'][1 + range % 3] AS c FROM range(1000)")
    (column,) = diff_tables(old, new, NO_ID, "t.parquet").columns
    assert column.flag
    assert column.drift == pytest.approx(1 / 3, abs=0.001)
    assert column.histogram == Histogram(None, ["a", "b", "new"], [500, 500, 0], [334, 333, 333])


@pytest.mark.slow
def test_the_same_with_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the mean of z, which is 0 but for the order in which it is summed."""
    dice = random.Random(0)
    text = "id,x,c\n" + "".join(
        f"{i},{dice.gauss(0, 1)},{dice.choice('abc')}\n" for i in range(30_000)
    )
    old = csv(tmp_path, text)
    new = sql(
        tmp_path,
        "SELECT range AS id, sin(range) AS x, ['b', 'c'][1 + range % 2] AS c, "
        "((range * 7919) % 400001 - 200000) / 1e3 AS z FROM range(400001)",
    )
    zero = diff_tables(new, new, ID, "t").columns[-1].summary_old["mean"]
    assert str(zero) == "0.0"
    found = []
    for threads in (1, 2, 8):
        connect = duckdb.connect
        monkeypatch.setattr(
            duckdb, "connect", lambda n=threads, c=connect: c(config={"threads": n})
        )
        found.append((diff_tables(old, new, ID, "t.csv"), diff_tables(new, new, ID, "t.csv")))
        monkeypatch.undo()
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,x\n1,2\n1,3\n", "t.csv: id: found 1 in 2 rows; expected each id once"),
        ("id,x\n1,2\n,3\n", "t.csv: id: found 1 rows without a value; expected the id of each row"),
        ("", "t.csv: found an empty file; expected a table"),
        (
            "id,x\n1,2\n2,3,4\n5,6\n",
            "t.csv: found rows that do not fit the header; expected a table that can be read whole",
        ),
        (
            "x\n1\n",
            "t.csv: found no column 'id' in one version; expected the id of each row in both",
        ),
        ("y\n1\n", "t.csv: found no column that both versions have; expected one at least"),
    ],
)
def test_bad_tables_are_one_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as e:
        diff_tables(csv(tmp_path, "id,x\n1,2\n"), csv(tmp_path, text), ID, "t.csv")
    assert str(e.value) == said


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.parquet", b"PAR1 not really"),
        ("t.csv", b"id,x\n1,2\n\xff\xfe,3\n"),
        ("t.csv.gz", b"no gzip"),
        ("t.csv.gz", gzip.compress(b"id,x\n" + b"1,2\n" * 9999, mtime=0)[:-20]),
        ("t.parquet", b""),
    ],
)
def test_files_that_cannot_be_read_are_named_as_the_user_names_them(
    name: str, content: bytes, tmp_path: Path
) -> None:
    place = tmp_path / "0123456789abcdef"
    place.write_bytes(content)
    with pytest.raises(PipelineError) as e:
        diff_tables({name: place}, {name: place}, ID, name)
    assert str(e.value).startswith(f"{name}: found ")
    assert str(tmp_path) not in str(e.value)


def test_many_rows_of_one_id_are_soon_found(tmp_path: Path) -> None:
    """A join of them would make 10 billion pairs."""
    same = sql(tmp_path, "SELECT 1 AS id, range AS x FROM range(100000)")
    with pytest.raises(
        PipelineError, match=r"^t: id: found 1 in 100000 rows; expected each id once$"
    ):
        diff_tables(same, same, ID, "t")


def test_damage_within_a_parquet_file_is_told_by_its_name(tmp_path: Path) -> None:
    good = sql(tmp_path, "SELECT range AS id, hash(range) AS x FROM range(200000)")
    content = bytearray(good["t.parquet"].read_bytes())
    content[200_000:400_000] = b"\x55" * 200_000
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(PipelineError) as e:
        diff_tables(good, {"t.parquet": tmp_path / "bad"}, ID, "d")
    assert str(e.value).startswith(
        'd: found Invalid Input Error: Failed to read file "t.parquet": '
    )
    assert str(tmp_path) not in str(e.value)


def test_ids_that_stay_in_two_splits_did_not_move(tmp_path: Path) -> None:
    splits = {"train": csv(tmp_path, "id\na\nb\n"), "test": csv(tmp_path, "id\nb\nc\n")}
    assert find_moved_ids(splits, splits, "id", "splits") == [
        MovedIds("test", "train", 1, ["b"], both=True, leakage=True)
    ]


def test_ids_that_moved_between_splits(tmp_path: Path) -> None:
    def splits(train: str, test: str) -> dict[str, Files]:
        texts = {"train": train, "test": test}
        return {
            split: csv(tmp_path, "id\n" + "\n".join(ids) + "\n") for split, ids in texts.items()
        }

    found = find_moved_ids(splits("abcdef", "gh"), splits("defg", "habdx"), "id", "splits")
    assert found == [
        MovedIds("test", "train", 1, ["g"], both=False, leakage=False),
        MovedIds("train", "test", 3, ["a", "b", "d"], both=False, leakage=True),
        MovedIds("test", "train", 1, ["d"], both=True, leakage=True),
    ]
