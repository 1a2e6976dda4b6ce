"""Finds ids that moved between splits (train, val, test) from one version of data to another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, NamedTuple

from reprise.errors import PipelineError
from reprise.review.data.database import (
    Files,
    fetch_rows,
    identifier,
    open_database,
    readable_errors,
)
from reprise.review.data.tables import create_view

EXAMPLES = 5  # ids that are listed of each move
TRAINED_ON = "train"


@dataclass(frozen=True)
class MovedIds:
    """Holds the ids that left one split for another, or are in two splits at once.

    both: the ids are in both splits in the new version; rows: how many ids; examples: the first of
    them, sorted as text; leakage: a model is tested on rows that it, or the old one, was trained
    on.
    """

    old_split: str
    new_split: str
    rows: int
    examples: list[Any]
    both: bool
    leakage: bool


class _Move(NamedTuple):
    """Names the split that ids left and the one they are in; with `both`, two that share ids."""

    both: bool
    old_split: str
    new_split: str

    @property
    def leaks(self) -> bool:
        if self.both:
            return TRAINED_ON in (self.old_split, self.new_split)
        return self.old_split == TRAINED_ON


def find_moved_ids(
    old: Mapping[str, Files], new: Mapping[str, Files], id_column: str, name: str
) -> list[MovedIds]:
    """List the ids that are in a split they were not in, and those in two splits at once.

    old, new: the files of each split. name: of the data, for errors. Raises PipelineError for
    tables that can't be read or lack the id column.
    """
    splits = sorted({*old, *new})
    queries = []
    with open_database() as con:
        for title, split_files in (("old", old), ("new", new)):
            for split, files in split_files.items():
                table = f"{title}_{split}"
                if id_column not in create_view(con, table, files, name):
                    raise PipelineError(
                        f"{name}: {split}: found no column {id_column!r}; "
                        "expected the id of each row"
                    )
                bits = {"old": 0, "new": 0}
                bits[title] = 1 << splits.index(split)
                queries.append(
                    f"SELECT {identifier(id_column)}::VARCHAR AS id, "
                    f"{bits['old']} AS old_splits, {bits['new']} AS new_splits "
                    f"FROM {identifier(table)}"
                )
        with readable_errors(name, *old.values(), *new.values()):
            groups = fetch_rows(con, _grouped(queries))
    return _moved_ids(splits, groups)


def _grouped(queries: Sequence[str]) -> str:
    """Return SQL that counts ids by the splits they were in and are in, both as bits."""
    by_id = (
        "SELECT id, bit_or(old_splits) AS old_splits, bit_or(new_splits) AS new_splits "
        f"FROM ({' UNION ALL '.join(queries)}) GROUP BY id"
    )
    return (
        f"SELECT old_splits, new_splits, count(*), min(id, {EXAMPLES}) FROM ({by_id}) "
        "WHERE id IS NOT NULL GROUP BY old_splits, new_splits"
    )


def _moved_ids(splits: Sequence[str], groups: Sequence[Any]) -> list[MovedIds]:
    """Sum the groups of ids by move. groups: (old splits as bits, new ones, ids, examples)."""
    totals: dict[_Move, int] = {}
    examples: dict[_Move, list[Any]] = {}
    for old_bits, new_bits, count, group_examples in groups:
        for move in _moves(_named(splits, old_bits), _named(splits, new_bits)):
            totals[move] = totals.get(move, 0) + count
            examples.setdefault(move, []).extend(group_examples)
    return [
        MovedIds(
            move.old_split,
            move.new_split,
            totals[move],
            sorted(examples[move])[:EXAMPLES],
            move.both,
            move.leaks,
        )
        for move in sorted(totals)
    ]


def _moves(before: Sequence[str], after: Sequence[str]) -> list[_Move]:
    """List the moves of ids that were in the splits `before` and are in the splits `after`."""
    moves = []
    for source, target in product(before, after):
        if target not in before:
            moves.append(_Move(False, source, target))
    for first, second in combinations(after, 2):
        moves.append(_Move(True, first, second))
    return moves


def _named(splits: Sequence[str], bits: int) -> list[str]:
    return [split for i, split in enumerate(splits) if bits >> i & 1]
