"""Reads the datasets that `fetch` knows, as tables."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa

from src.datasets.download import Source
from src.errors import InputError

# https://github.com/zalandoresearch/fashion-mnist lists the address and the files.
FASHION_MNIST = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
# Checksums are those of the idx content: Debian's package compresses the same content anew.
TRAIN_IMAGES = "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
TRAIN_LABELS = "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
TEST_IMAGES = "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
TEST_LABELS = "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
FASHION_MNIST_SOURCES = [
    Source(f"{FASHION_MNIST}/{name}", name, sha256)
    for name, sha256 in (
        ("train-images-idx3-ubyte.gz", TRAIN_IMAGES),
        ("train-labels-idx1-ubyte.gz", TRAIN_LABELS),
        ("t10k-images-idx3-ubyte.gz", TEST_IMAGES),
        ("t10k-labels-idx1-ubyte.gz", TEST_LABELS),
    )
]


def digits() -> pa.Table:
    """Load 1,797 images of 8 × 8 pixels, 0 to 16 (scikit-learn's copy of UCI's optical digits)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = bunch.data.astype(np.uint8)  # [1797, 64]
    return pa.table({**_pixels(pixels), "digit": bunch.target.astype(np.uint8)})


def diabetes() -> pa.Table:
    """Load 442 patients, 10 features, disease progression after a year (Efron et al. 2004)."""
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(scaled=False)
    features = dict(zip(bunch.feature_names, bunch.data.T, strict=True))
    return pa.table({**features, "progression": bunch.target})


def fashion_mnist(folder: Path) -> pa.Table:
    """Read 70,000 images of 28 × 28 pixels, 0 to 255, in the official split (Xiao et al. 2017)."""
    parts = []
    for prefix, split in (("train", "train"), ("t10k", "test")):
        images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")  # [rows, 28, 28]
        labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")  # [rows]
        columns = {
            "image": [f"{split}/{i:05}" for i in range(len(labels))],
            "split": [split] * len(labels),
            **_pixels(images.reshape(len(labels), -1)),
            "label": labels,
        }
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def read_idx(path: Path) -> np.ndarray:
    """Read a gzipped idx file as uint8 of its own shape.

    The format is on http://yann.lecun.com/exdb/mnist. Raises InputError if it holds no bytes.
    """
    content = gzip.decompress(path.read_bytes())
    zeros, dtype, rank = struct.unpack_from(">HBB", content)
    if (zeros, dtype) != (0, 8):
        raise InputError(path, f"type {dtype:#04x}", "an idx file of bytes (0x08)")
    shape = struct.unpack_from(f">{rank}I", content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _pixels(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Make a column of each pixel, row by row of the image: pixel_00, pixel_01, …"""
    width = len(str(rows.shape[1] - 1))
    return {f"pixel_{i:0{width}}": rows[:, i] for i in range(rows.shape[1])}
