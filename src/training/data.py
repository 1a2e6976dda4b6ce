"""Encodes the rows of a split once, and gathers batches of them.

What does not fit into memory is kept in files without a name, which are mapped into it: the system
removes them with the process, however that ends.
"""

import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from src.encoder import Encoder, encoded_width
from src.errors import InputError
from src.files import named
from src.schema import Schema
from src.training.memory import free_memory, return_memory
from src.training.order import Batches
from src.training.progress import Ids

MB = 10**6
VALUES = 1 << 22  # read and encoded at a time, about
MOST_ROWS = 1 << 14
ENCODED = 1 << 12  # rows encoded at a time, at most
GATHERED = 1 << 16  # numbers of small batches gathered at a time: the CPU's cache holds them
MOST_GATHERED = 64  # batches


class PreparedRows:
    """Reads features and target of a prepared split, some rows at a time."""

    def __init__(self, path: Path, schema: Schema) -> None:
        self.path = path
        self.columns = [*(column.name for column in schema.columns), schema.target]
        self.at_once = min(max(VALUES // max(encoded_width(schema), 1), 1), MOST_ROWS)

    def __len__(self) -> int:
        return int(pq.read_metadata(self.path).num_rows)

    def no_rows(self) -> pa.Table:
        """Make a table of the columns, without rows."""
        return pq.read_schema(self.path).empty_table().select(self.columns)

    def read(self, names: list[str], at_once: int | None = None) -> Iterator[pa.Table]:
        """Read these columns, some rows at a time; at_once: how many at most."""
        size = min(self.at_once, at_once or self.at_once)
        # Else Arrow would read all of the file ahead.
        with pq.ParquetFile(self.path, pre_buffer=False, buffer_size=1 << 16) as file:
            for batch in file.iter_batches(size, columns=names, use_threads=False):
                yield pa.Table.from_batches([batch])
                del batch
                return_memory()


class StoredIds:
    """Names the rows of a prepared split, by its file, which is read only then."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def take(self, rows: np.ndarray) -> pa.ChunkedArray:
        """Return the ids of the rows of these numbers."""
        return pq.read_table(self.path, columns=["id"]).column("id").take(rows)


class Batch(NamedTuple):
    """Holds a batch: features float32 [batch, width], targets, and the numbers of its rows."""

    x: Tensor
    y: Tensor
    rows: Tensor


def as_it_is(encoded: Tensor) -> Tensor:
    """Return the tensor."""
    return encoded


class Examples(NamedTuple):
    """Holds the encoded rows of one split: x [rows, width] and y, and what makes batches of them.

    scaled: of x as it is kept, makes features; targets: of y as `Encoder.targets` gives it, what
    the loss takes; location: where batches are wanted; on_disk: whether x and y are mapped files.
    """

    x: Tensor
    y: Tensor
    ids: Ids
    scaled: Callable[[Tensor], Tensor] = as_it_is
    targets: Callable[[Tensor], Tensor] = as_it_is
    location: torch.device = torch.device("cpu")
    on_disk: bool = False

    def to(self, location: torch.device) -> "Examples":
        """Have batches on a device: all rows move there if half of what is free holds them."""
        examples = self._replace(location=location)
        if location.type != "cuda" or self.on_disk:
            return examples
        free, _ = torch.cuda.mem_get_info(location)
        if self.x.nbytes + self.y.nbytes > free // 2:
            return examples
        return examples._replace(x=self.x.to(location), y=self.y.to(location))

    def batches(
        self,
        order: Batches,
        start: int = 0,
        share: Callable[[Tensor], Tensor] | None = None,
    ) -> Iterator[Batch]:
        """Gather the batches of an epoch from step `start` on.

        share: takes this process's rows of a batch; none: all. Small batches are gathered several
        at a time, which takes fewer calls.
        """
        if share is not None:
            for step in range(start, len(order)):
                rows = share(order.between(step, step + 1))
                yield Batch(*self.gather(rows), rows)
            return
        size = order.size * self.x.shape[1]
        at_once = min(max(GATHERED // max(size, 1), 1), MOST_GATHERED)
        for first in range(start, len(order), at_once):
            end = min(first + at_once, len(order))
            rows = order.between(first, end)
            x, y = self.gather(rows)
            sizes = [order.size] * (end - first)
            sizes[-1] = len(rows) - order.size * (end - first - 1)
            cut = (torch.split(values, sizes) for values in (x, y, rows))
            yield from map(Batch, *cut)

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Gather features and targets of the rows of these numbers, int64."""
        rows = rows.to(self.x.device)
        x = self.scaled(self.x.index_select(0, rows))
        y = self.targets(self.y.index_select(0, rows))
        return x.to(self.location), y.to(self.location)

    def parts(self, size: int) -> Iterator[Tensor]:
        """Give the features in order, so many rows at a time."""
        for part in torch.split(self.x, size):
            yield self.scaled(part).to(self.location)


def encode(
    encoder: Encoder,
    splits: list[PreparedRows],
    memory: int | None,
    scattered: PreparedRows | None = None,
) -> list[Examples]:
    """Encode the rows of the splits, and keep them in memory if all fit into it, else on disk.

    memory: MB; none: half of what is free; scattered: the split whose rows are taken in any order.
    Raises InputError for a disk that is too full.
    """
    limit = free_memory() // 2 if memory is None else memory * MB
    needed = 0
    for rows in splits:
        for like in encoded(encoder, rows.no_rows()):
            needed += len(rows) * like.shape[1:].numel() * like.element_size()
    folder = None
    if needed > limit:
        folder = scratch_folder(needed)
        print(f"{needed // MB} MB of encoded rows, {limit // MB} MB for them: kept in {folder}")
    return [encode_split(encoder, rows, folder, is_scattered=rows is scattered) for rows in splits]


def encode_split(
    encoder: Encoder, rows: PreparedRows, folder: Path | None, *, is_scattered: bool = False
) -> Examples:
    """Encode the rows of one split, and keep them in memory, or on disk if a folder is given.

    is_scattered: whether they are taken in any order.
    """
    like_x, like_y = encoded(encoder, rows.no_rows())
    x = reserved(len(rows), like_x, folder, is_scattered=is_scattered)
    y = reserved(len(rows), like_y, folder)  # of which a page holds hundreds
    start = 0
    for table in rows.read(rows.columns, ENCODED):
        end = start + table.num_rows
        x[start:end], y[start:end] = encoded(encoder, table)
        start = end
    return Examples(x, y, StoredIds(rows.path), encoder.scaled, on_disk=folder is not None)


def encoded(encoder: Encoder, table: pa.Table) -> tuple[Tensor, Tensor]:
    """Encode rows as they are kept: x [rows, width], y."""
    return encoder.kept(table), encoder.targets(table)


def reserved(rows: int, like: Tensor, folder: Path | None, *, is_scattered: bool = False) -> Tensor:
    """Reserve a tensor of so many rows in memory, or on disk if a folder is given.

    like: another of the same type, [any, …]; is_scattered: whether rows are taken in any order, so
    that the system is not to read the pages beside that of a row.
    """
    shape = (rows, *like.shape[1:])
    if folder is None or 0 in shape:
        return torch.empty(shape, dtype=like.dtype)
    size = prod(shape) * like.element_size()
    with named(folder), tempfile.TemporaryFile(dir=folder) as file:
        os.posix_fallocate(file.fileno(), 0, size)  # a full disk shows here, not at some access
        mapped = mmap.mmap(file.fileno(), size)
    if is_scattered and size // rows < mmap.PAGESIZE:
        mapped.madvise(mmap.MADV_RANDOM)
    return torch.frombuffer(mapped, dtype=like.dtype).view(shape)


def scratch_folder(needed: int) -> Path:
    """Find the system's folder for temporary files; raise InputError if so much has no room."""
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError as e:
        expected = f"a folder with {needed // MB} MB free for the encoded rows"
        raise InputError("TMPDIR", str(e.strerror), expected) from None
    free = shutil.disk_usage(folder).free
    if needed > free:
        expected = f"{needed // MB} MB for the encoded rows, or another folder in TMPDIR"
        raise InputError(folder, f"{free // MB} MB free", expected)
    return folder
