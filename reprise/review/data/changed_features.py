"""Finds the rows of a table whose features changed."""

from typing import Any

import pyarrow as pa

from reprise.review.data.column_types import common_type
from reprise.review.data.database import (
    Files,
    fetch_table,
    identifier,
    open_database,
    readable_errors,
)
from reprise.review.data.tables import create_view
from reprise.review.declared import TableSpec


def find_changed_features(old: Files, new: Files, spec: TableSpec, name: str) -> Any:
    """Find the ids of both versions whose rows differ in a column that both have.

    Returns a pyarrow array, as the new version has them. Ids and targets are no features; numbers
    are compared at the coarser precision, NaN equals NaN, and an order of rows or columns is none.
    spec: whose id is declared; name: of the table, for errors.
    """
    assert spec.id is not None
    with open_database() as con:
        old_types = create_view(con, "old", old, name)
        new_types = create_view(con, "new", new, name)
        features = [c for c in new_types if c in old_types and c not in (spec.id, spec.target)]
        if spec.id not in old_types or spec.id not in new_types or not features:
            return pa.array([], pa.string())
        differs = []
        for column in features:
            quoted = identifier(column)
            kind = common_type(old_types[column], new_types[column])
            sides = [f"CAST({side}.{quoted} AS {kind})" for side in ("old", "new")]
            differs.append(" IS DISTINCT FROM ".join(sides))
        key = identifier(spec.id)
        kind = common_type(old_types[spec.id], new_types[spec.id])
        query = (
            f"SELECT DISTINCT new.{key} AS id FROM old JOIN new "
            f"ON CAST(old.{key} AS {kind}) = CAST(new.{key} AS {kind}) "
            f"WHERE {' OR '.join(differs)} ORDER BY id"
        )
        with readable_errors(name, old, new):
            table = fetch_table(con, query)
        return pa.concat_arrays([*table["id"].chunks, pa.array([], table["id"].type)])
