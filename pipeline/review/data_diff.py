"""What differs between two versions of a table: rows, columns, classes and distributions, out of core by DuckDB."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from pipeline.errors import PipelineError
from pipeline.review.columns import ColumnDiff, column_diffs
from pipeline.review.declared import Table
from pipeline.review.tables import Files, identifier, literal, opened, readable, rows, view

CLASSES = 20  # that are listed
EXAMPLES = 5
TRAINED_ON = "train"


@dataclass(frozen=True)
class TableDiff:
    """Counts of rows. changed: of the same id; None without ids, when whole rows are counted as added and removed.

    columns_retyped: (name, old type, new type); classes: (value, old rows, new rows), the most common first.
    """

    rows_old: int
    rows_new: int
    added: int
    removed: int
    changed: int | None
    id: str | None
    columns_added: list[str]
    columns_removed: list[str]
    columns_retyped: list[tuple[str, str, str]]
    classes: list[tuple[Any, int, int]]
    columns: list[ColumnDiff]


@dataclass(frozen=True)
class Moved:
    """Ids that are in another split than before; `both`: in two splits at once now. leakage: the old model was
    trained on rows that now test it, or the new one is."""

    old_split: str
    new_split: str
    rows: int
    examples: list[Any]
    both: bool
    leakage: bool


def diff(old: Files, new: Files, spec: Table, name: str) -> TableDiff:
    """`name`: of the table, as the user knows it. The order of rows and files is no difference.

    Raises PipelineError for tables that can't be read, and ids that are missing or not unique.
    """
    with opened() as con:
        types = [view(con, title, files, name) for title, files in (("old", old), ("new", new))]
        common = [c for c in types[0] if c in types[1]]
        if not common:
            raise PipelineError(f"{name}: found no column that both versions have; expected one at least")
        with readable(name):
            counts = [int(rows(con, f"SELECT count(*) FROM {side}")[0][0]) for side in ("old", "new")]
            added, removed, changed = _rows(con, types, common, counts, spec.id, name)
            return TableDiff(
                rows_old=counts[0],
                rows_new=counts[1],
                added=added,
                removed=removed,
                changed=changed,
                id=spec.id,
                columns_added=[c for c in types[1] if c not in types[0]],
                columns_removed=[c for c in types[0] if c not in types[1]],
                columns_retyped=[(c, types[0][c], types[1][c]) for c in common if types[0][c] != types[1][c]],
                classes=_classes(con, spec.target) if spec.target in common else [],
                columns=column_diffs(con, types[0], types[1], [c for c in common if c != spec.id]),
            )


def _rows(
    con: duckdb.DuckDBPyConnection,
    types: Sequence[Mapping[str, str]],
    common: Sequence[str],
    counts: Sequence[int],
    id_: str | None,
    name: str,
) -> tuple[int, int, int | None]:
    """Added, removed, changed, by a hash of the columns that both have; a retyped column is compared as text."""
    values = [c for c in common if c != id_]
    parts = [identifier(c) if types[0][c] == types[1][c] else f"{identifier(c)}::VARCHAR" for c in values]
    digest = f"hash({', '.join(parts)})" if parts else "0"
    if id_ is None:
        sides = [f"SELECT {digest} AS h, count(*) AS n FROM {side} GROUP BY h" for side in ("old", "new")]
        found = rows(
            con,
            "SELECT coalesce(sum(greatest(d, 0)), 0), coalesce(sum(greatest(-d, 0)), 0) FROM (SELECT "
            f"coalesce(n.n, 0) - coalesce(o.n, 0) AS d FROM ({sides[0]}) o FULL JOIN ({sides[1]}) n USING (h))",
        )[0]
        return int(found[0]), int(found[1]), None
    if id_ not in common:
        raise PipelineError(f"{name}: found no column {id_!r} in one version; expected the id of each row in both")
    key = identifier(id_) if types[0][id_] == types[1][id_] else f"{identifier(id_)}::VARCHAR"
    sides = [f"SELECT {key} AS k, {digest} AS h FROM {side}" for side in ("old", "new")]
    added, removed, same, changed = rows(
        con,
        "SELECT count(*) FILTER (o.h IS NULL), count(*) FILTER (n.h IS NULL), count(*) FILTER (o.h = n.h), "
        f"count(*) FILTER (o.h <> n.h) FROM ({sides[0]}) o FULL JOIN ({sides[1]}) n USING (k)",
    )[0]
    # An id that is there twice makes more pairs than rows.
    if [same + changed + removed, same + changed + added] != [*counts]:
        twice = rows(
            con,
            f"SELECT k, n FROM (SELECT k, count(*) AS n FROM ({sides[0]}) GROUP BY k UNION ALL "
            f"SELECT k, count(*) FROM ({sides[1]}) GROUP BY k) WHERE n > 1 ORDER BY n DESC, k LIMIT 1",
        )
        raise PipelineError(f"{name}: {id_}: found {twice[0][0]!r} in {twice[0][1]} rows; expected each id once")
    return int(added), int(removed), int(changed)


def _classes(con: duckdb.DuckDBPyConnection, target: str | None) -> list[tuple[Any, int, int]]:
    """None for a target of more values than CLASSES: a number to regress."""
    assert target is not None
    t = identifier(target)
    sides = [f"SELECT {t}::VARCHAR AS v, count(*) AS n FROM {side} GROUP BY v" for side in ("old", "new")]
    found = rows(
        con,
        f"SELECT v, coalesce(o.n, 0), coalesce(n.n, 0) FROM ({sides[0]}) o FULL JOIN ({sides[1]}) n USING (v) "
        f"ORDER BY coalesce(o.n, 0) + coalesce(n.n, 0) DESC, v LIMIT {CLASSES + 1}",
    )
    return [(v, int(a), int(b)) for v, a, b in found] if len(found) <= CLASSES else []


def leaks(old: Mapping[str, Files], new: Mapping[str, Files], spec: Table, name: str) -> list[Moved]:
    """Ids by split, old against new. PipelineError for tables that can't be read or have no such id."""
    assert spec.id is not None
    with opened() as con:
        sides = []
        for side, splits in (("old", old), ("new", new)):
            selects = []
            for split, files in splits.items():
                title = f"{side}_{split}"
                if spec.id not in view(con, title, files, name):
                    raise PipelineError(f"{name}: {split}: found no column {spec.id!r}; expected the id of each row")
                key = f"{identifier(spec.id)}::VARCHAR"
                selects.append(f"SELECT {key} AS id, {literal(split)} AS split FROM {identifier(title)}")
            sides.append(" UNION ALL ".join(selects))
        with readable(name):
            moved = _grouped(con, f"({sides[0]}) a JOIN ({sides[1]}) b USING (id) WHERE a.split <> b.split")
            both = _grouped(con, f"({sides[1]}) a JOIN ({sides[1]}) b USING (id) WHERE a.split < b.split")
    made = [Moved(a, b, n, ids, False, a == TRAINED_ON) for a, b, n, ids in moved]
    return made + [Moved(a, b, n, ids, True, TRAINED_ON in (a, b)) for a, b, n, ids in both]


def _grouped(con: duckdb.DuckDBPyConnection, pairs: str) -> list[Any]:
    query = f"SELECT a.split, b.split, count(*), min(id, {EXAMPLES}) FROM {pairs} GROUP BY ALL ORDER BY 1, 2"
    return rows(con, query)
