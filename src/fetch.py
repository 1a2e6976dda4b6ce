"""Writes the named dataset to a folder as Parquet."""

import gzip
import struct
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from src.cli import main
from src.download import Source, obtain
from src.errors import InputError
from src.files import whole
from src.params import Params as BaseParams
from src.params import Runtime, Section


class Fetch(Section):
    dataset: Literal["digits", "diabetes", "fashion-mnist"] = "digits"
    folder: str | None = None  # where fashion-mnist's files lie already; null: download them


class Params(BaseParams):
    fetch: Fetch
    runtime: Runtime = Runtime()


# https://github.com/zalandoresearch/fashion-mnist lists the address and the files.
FASHION_MNIST = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
# Checksums are those of the idx content: Debian's package compresses the same content anew.
FASHION_MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def digits() -> pa.Table:
    """1,797 images of 8 × 8 pixels, 0 to 16 (scikit-learn's copy of UCI's optical digits)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = bunch.data.astype(np.uint8)  # [1797, 64]
    return pa.table({**_pixels(pixels), "digit": bunch.target.astype(np.uint8)})


def diabetes() -> pa.Table:
    """442 patients, 10 features, disease progression after a year (Efron et al. 2004)."""
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(scaled=False)
    features = dict(zip(bunch.feature_names, bunch.data.T, strict=True))
    return pa.table({**features, "progression": bunch.target})


def fashion_mnist(folder: Path) -> pa.Table:
    """70,000 images of 28 × 28 pixels, 0 to 255, with the official split (Xiao et al. 2017)."""
    parts = []
    for prefix, split in (("train", "train"), ("t10k", "test")):
        images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")  # [rows, 28, 28]
        labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")  # [rows]
        ids = [f"{split}/{i:05}" for i in range(len(labels))]
        parts.append(
            pa.table(
                {
                    "image": ids,
                    "split": [split] * len(labels),
                    **_pixels(images.reshape(len(labels), -1)),
                    "label": labels,
                }
            )
        )
    return pa.concat_tables(parts)


def read_idx(path: Path) -> np.ndarray:
    """A gzipped idx file as uint8 of its own shape (http://yann.lecun.com/exdb/mnist, file format)."""
    content = gzip.decompress(path.read_bytes())
    zeros, dtype, rank = struct.unpack_from(">HBB", content)
    if (zeros, dtype) != (0, 8):
        raise InputError(path, f"type {dtype:#04x}", "an idx file of bytes (0x08)")
    shape = struct.unpack_from(f">{rank}I", content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _pixels(rows: np.ndarray) -> dict[str, np.ndarray]:
    """One column a pixel, row by row of the image: pixel_00, pixel_01, …"""
    width = len(str(rows.shape[1] - 1))
    return {f"pixel_{i:0{width}}": rows[:, i] for i in range(rows.shape[1])}


def run(params: Params, raw: Path) -> None:
    name = params.fetch.dataset
    if name == "fashion-mnist":
        sources = [Source(f"{FASHION_MNIST}/{n}", n, h) for n, h in FASHION_MNIST_SHA256.items()]
        with obtain(sources, params.fetch.folder, params.runtime.progress) as folder:
            table = fashion_mnist(folder)
    else:
        table = {"digits": digits, "diabetes": diabetes}[name]()
    with whole(raw / f"{name}.parquet") as part:
        pq.write_table(table, part)
    print(f"{name}: {table.num_rows} rows, {table.num_columns} columns")


if __name__ == "__main__":
    main(run)
