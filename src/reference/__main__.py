"""Writes the reference of prepared data that are good: `git diff` then shows what is new in it."""

import argparse
from pathlib import Path

from src.cli import guarded
from src.files import scratch
from src.reference.bounds import Bounds
from src.reference.compare import departures
from src.reference.measure import deciles, measure, open_rows
from src.reference.model import Reference
from src.schema import Schema
from src.tables.connection import connect


def run(prepared: Path, reference: Path) -> None:
    """Write the reference, and print where it departs from the one that it replaces."""
    schema = Schema.read(prepared)
    with scratch(prepared) as spill, connect(spill) as con:
        open_rows(con, prepared)
        good = before = measure(con, schema, deciles(con, schema), {})
        if reference.exists():
            before = Reference.read(reference, f"git checkout {reference}")
        found = measure(con, schema, before.edges, before.far)
    if before.target == good.target:
        for finding in departures(before, found, schema.ignored, Bounds()):
            print(f"differs: {finding.line}")
    good.write(reference)
    print(f"{reference}: {good.rows} rows, {len(good.columns)} columns; now review and commit it")


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m src.reference", description=__doc__)
    parser.add_argument("prepared", type=Path, help="the folder that `prepare` wrote")
    parser.add_argument("reference", type=Path, help="the file to write: data/reference.json")
    arguments = parser.parse_args()
    guarded("reference", lambda: run(**vars(arguments)))
