"""Writes the named dataset to a folder as Parquet."""

from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq

from src.cli import main
from src.datasets.catalog import FASHION_MNIST_SOURCES, diabetes, digits, fashion_mnist
from src.datasets.download import obtain
from src.files import whole
from src.params import Runtime, Section, StageParams


class Fetch(Section):
    """Holds the section `fetch` of params.yaml."""

    dataset: Literal["digits", "diabetes", "fashion-mnist"] = "digits"
    folder: str | None = None  # where fashion-mnist's files lie already; null: download them


class Params(StageParams):
    """Holds what the stage reads of params.yaml."""

    fetch: Fetch
    runtime: Runtime = Runtime()


def run(params: Params, raw: Path) -> None:
    """Write the dataset as `<name>.parquet`."""
    name = params.fetch.dataset
    if name == "fashion-mnist":
        folder = obtain(FASHION_MNIST_SOURCES, params.fetch.folder, params.runtime.progress)
        table = fashion_mnist(folder)
    elif name == "diabetes":
        table = diabetes()
    else:
        table = digits()
    with whole(raw / f"{name}.parquet") as part:
        pq.write_table(table, part)
    print(f"{name}: {table.num_rows} rows, {table.num_columns} columns")


if __name__ == "__main__":
    main(run)
