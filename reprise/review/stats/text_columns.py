"""Writes columns as text, where their values can be told apart so."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def is_readable(arrow_type: Any) -> bool:
    """Tell whether values of the type can be written as text: no lists, structs or bytes."""
    if pa.types.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
    if "binary" in str(arrow_type):
        return False
    try:
        pa.chunked_array([], arrow_type).cast(pa.string())
    except pa.ArrowNotImplementedError:
        return False
    return True


def as_text(column: Any) -> Any:
    """Write the values of a readable column as text, [rows]; NaN is null."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    return column.cast(pa.string())


def class_labels(tables: Sequence[pa.Table], column: str | None) -> list[Any]:
    """Write the column of each table as text; nothing where one has no classes there."""
    labels = []
    for table in tables:
        if column not in table.column_names:
            return []
        if not is_of_classes(table[column].type):
            return []
        labels.append(as_text(table[column]).combine_chunks())
    return labels


def is_of_classes(arrow_type: Any) -> bool:
    """Tell whether values of the type may be classes: fractions are numbers to regress."""
    return is_readable(arrow_type) and not pa.types.is_floating(arrow_type)
