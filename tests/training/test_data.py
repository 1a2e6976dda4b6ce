"""Encoded rows: the same in memory and on disk, in few bytes, gathered as they are asked for."""

import mmap
import re
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from src.encoder import Encoder, Scale
from src.errors import InputError
from src.params import Runtime
from src.schema import Schema
from src.train import fit, run
from src.training import data, order
from src.training.data import Examples, PreparedRows, encode, reserved
from src.training.order import Order, split_rows
from tests.test_train import N, params, pass_all, schema, write_prepared

PIXELS = 5


def images(rows: int = N) -> pa.Table:
    """Rows of bytes: one column constant, one nearly so."""
    pixels = np.random.default_rng(0).integers(0, 256, (rows, PIXELS), dtype=np.uint8)
    pixels[:, 3] = 7
    pixels[1:, 4] = 0
    columns = {f"x{i}": pixels[:, i] for i in range(PIXELS)}
    label = (pixels[:, 0] > 99).astype(int) + (pixels[:, 1] > 99)
    return pa.table({"id": [f"row {i}" for i in range(rows)], **columns, "label": label})


def image_schema() -> Schema:
    document = schema("classification").model_dump()
    pixel = {"type": "UTINYINT", "kind": "number", "missing": 0, "categories": None}
    document["columns"] = [{"name": f"x{i}", **pixel} for i in range(PIXELS)]
    return Schema.model_validate(document)


def mixed(rows: int = N) -> pa.Table:
    """Rows of numbers with missing ones, large times, and categories."""
    generator = np.random.default_rng(1)
    x = generator.normal(size=rows)
    return pa.table(
        {
            "id": [f"row {i}" for i in range(rows)],
            "x0": pa.array(x, mask=generator.random(rows) < 0.2),
            "x1": 1.7e9 + 1e6 * generator.normal(size=rows),
            "x2": pa.array(generator.integers(0, 9, rows), pa.int64()),
            "x3": pa.array(generator.choice(["a", "b", "c"], rows)),
            "value": generator.normal(size=rows).astype(np.float32),
        }
    )


def mixed_schema() -> Schema:
    document = schema("regression").model_dump()
    text = {"type": "VARCHAR", "kind": "category", "categories": ["a", "b", "c", "d"]}
    document["columns"][3] |= text
    return Schema.model_validate(document)


TABLES = {"images": (images, image_schema), "mixed": (mixed, mixed_schema)}


@pytest.fixture(params=TABLES)
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Schema, PreparedRows]:
    """A split of several row groups, read some rows at a time."""
    make, describe = TABLES[request.param]
    pq.write_table(make(), tmp_path / "train.parquet", row_group_size=40)
    split = PreparedRows(tmp_path / "train.parquet", describe())
    split.at_once = 17
    return describe(), split


@pytest.mark.parametrize("memory", [None, 0])
@pytest.mark.parametrize("scale", ["column", "table", "robust"])
def test_batches_have_the_bits_of_the_whole_table_encoded(
    rows: tuple[Schema, PreparedRows],
    scale: Scale,
    memory: int | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    described, split = rows
    table = pq.read_table(split.path)
    encoder = Encoder.fit(described, split, scale)
    x, y = encoder.features(table), encoder.targets(table)
    (examples,) = encode(encoder, [split], memory)
    drawn = Order(N, 10, shuffle=True, seed=1).draw()
    for batch, numbers in zip(examples.batches(drawn), drawn, strict=True):
        assert torch.equal(batch.rows, numbers)
        assert torch.equal(batch.x, x[numbers])
        assert torch.equal(batch.y, y[numbers])
    assert torch.equal(torch.cat(list(examples.parts(16))), x)
    assert examples.ids.take(np.array([3, 0])).to_pylist() == ["row 3", "row 0"]
    assert examples.on_disk == (memory == 0)
    words = f"0 MB of encoded rows, 0 MB for them: kept in {tempfile.gettempdir()}\n"
    assert capsys.readouterr().out == (words if memory == 0 else "")


@pytest.mark.parametrize("scale", ["column", "table"])
def test_the_encoder_is_that_of_the_whole_table(
    rows: tuple[Schema, PreparedRows], scale: Scale
) -> None:
    described, split = rows
    table = pq.read_table(split.path)
    encoder = Encoder.fit(described, split, scale)
    assert encoder.schema == Encoder.fit(described, table, scale).schema
    columns = [table.column(name).cast("float64") for name in described.numbers]
    values = np.stack([column.to_numpy() for column in columns], axis=1)
    axis = None if scale == "table" else 0
    mean, std = np.nanmean(values, axis), np.nanstd(values, axis)
    mean, std = (np.broadcast_to(v, len(columns)).astype(np.float32) for v in (mean, std))
    assert np.array_equal(encoder.mean, mean)
    assert np.array_equal(encoder.std, np.where(std > 0, std, 1))
    assert np.array_equal(encoder.smallest, np.nanmin(values, 0))
    assert np.array_equal(encoder.largest, np.nanmax(values, 0))


def test_a_column_without_a_value_or_with_infinity_scales_all_the_same() -> None:
    described = schema("regression")
    columns = {f"x{i}": pa.array([None] * 3, pa.float64()) for i in range(4)}
    columns["x1"] = pa.array([1.0, np.inf, 3.0])
    table = pa.table({**columns, "value": [1.0, 2.0, 3.0]})
    encoder = Encoder.fit(described, table, "column")
    assert encoder.mean.tolist() == [0, 2, 0, 0]
    assert encoder.std.tolist() == [1, 1, 1, 1]


def test_bytes_stay_bytes_unless_a_value_is_missing() -> None:
    described = image_schema()
    assert Encoder.fit(described, images(), "column").kept(images()).dtype == torch.uint8
    described.columns[2].missing = 1
    assert Encoder.fit(described, images(), "column").kept(images()).dtype == torch.float32


def test_bytes_far_from_the_training_rows_are_held_back_as_others_are() -> None:
    encoder = Encoder.fit(image_schema(), images(), "column")
    encoder.std[:] = 1e-6
    x = encoder.scaled(encoder.kept(images()))
    assert torch.equal(x, encoder.features(images()))
    assert x.abs().max() == 1e6


@pytest.mark.parametrize("gathered", [1, 500, 10**9])
@pytest.mark.parametrize("start", [0, 1, 7, 10])
def test_batches_are_the_same_however_many_are_gathered_at_once(
    gathered: int, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "GATHERED", gathered)
    x = torch.randn(101, 3)
    examples = Examples(x, torch.arange(101), pa.chunked_array([["a"]]), targets=lambda y: y * 2)
    drawn = split_rows(torch.randperm(101), 10)
    batches = list(examples.batches(drawn, start))
    assert [len(batch.rows) for batch in batches] == ([10] * 9 + [11])[start:]
    for batch, rows in zip(batches, list(drawn)[start:], strict=True):
        assert torch.equal(batch.rows, rows)
        assert torch.equal(batch.x, x[rows])
        assert torch.equal(batch.y, rows * 2)


def train(folder: Path, make: str, **train: Any) -> list[bytes]:
    """Train on one of the tables; return the bytes of the model and its history."""
    rows, describe = TABLES[make]
    write_prepared(folder, rows=rows())
    describe().write(folder)
    pass_all(folder)
    loss = "CrossEntropyLoss" if make == "images" else "MSELoss"
    p = params(**{"loss": {"name": loss}, "shuffle": True, "batch_size": 17} | train)
    outs = []
    for memory in (None, 0):
        runtime = p.runtime.model_copy(update={"memory": memory})
        run(p.model_copy(update={"runtime": runtime}), folder, folder, folder / "model")
        outs.append(
            [(folder / "model" / n).read_bytes() for n in ("model.safetensors", "history.csv")]
        )
    assert outs[0] == outs[1]
    return outs[0]


@pytest.mark.parametrize("make", TABLES)
def test_a_model_has_the_same_bytes_from_memory_and_from_disk(make: str, tmp_path: Path) -> None:
    mixed_through = train(tmp_path, make)
    assert train(tmp_path, make, batch_size=10) != mixed_through


def test_blocks_are_another_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "BLOCK", 4)
    monkeypatch.setattr(order, "MIXED", 2)
    assert train(tmp_path, "mixed", shuffle="blocks") != train(tmp_path, "mixed", shuffle=True)


# Disks and limits


def pixels(folder: Path) -> tuple[Encoder, PreparedRows]:
    """Write a split of images; return it and its encoder."""
    pq.write_table(images(), folder / "train.parquet")
    split = PreparedRows(folder / "train.parquet", image_schema())
    return Encoder.fit(image_schema(), split, "column"), split


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """Have no file grow larger, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_full_disk_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, split = pixels(folder)
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=N))
    expected = "0 MB free; expected 0 MB for the encoded rows, or another folder in TMPDIR"
    with pytest.raises(InputError, match=f"^{folder}: found {expected}$"):
        encode(encoder, [split], memory=0)


@pytest.mark.usefixtures("capsys")  # pytest's file of what is printed would be full too
def test_a_disk_that_fills_up_meanwhile_is_named_and_nothing_is_left(folder: Path) -> None:
    encoder, split = pixels(folder)
    with file_limit(100), pytest.raises(OSError, match="File too large") as e:
        encode(encoder, [split], memory=0)
    assert e.value.filename == folder
    assert [path.name for path in folder.iterdir()] == ["train.parquet"]


def test_no_folder_that_can_be_written_to_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, split = pixels(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", None)  # so that it is looked for
    with file_limit(0), pytest.raises(InputError) as e:
        encode(encoder, [split], memory=0)
    found = "TMPDIR: found No usable temporary directory found in ["
    assert str(e.value).startswith(found)
    assert str(e.value).endswith("]; expected a folder with 0 MB free for the encoded rows")


def test_rows_on_disk_have_no_name_there(folder: Path) -> None:
    encoder, split = pixels(folder)
    (examples,) = encode(encoder, [split], memory=0)
    assert torch.equal(examples.x, encoder.kept(images()))
    assert [path.name for path in folder.iterdir()] == ["train.parquet"]


def unread_ahead() -> int:
    """Count this process's mappings beside whose pages the system reads no others."""
    flags = re.findall(r"^VmFlags: (.*)$", Path("/proc/self/smaps").read_text(), re.MULTILINE)
    return sum("rr" in line.split() for line in flags)


@pytest.mark.skipif(sys.platform != "linux", reason="by Linux' list of mappings")
def test_of_rows_in_any_order_no_neighbours_are_read_from_disk(folder: Path) -> None:
    encoder, split = pixels(folder)
    before = unread_ahead()
    in_order = encode(encoder, [split], memory=0)
    assert unread_ahead() == before
    scattered = encode(encoder, [split], memory=0, scattered=split)
    assert unread_ahead() == before + 1  # the features
    assert torch.equal(scattered[0].x, in_order[0].x)


@pytest.mark.skipif(sys.platform != "linux", reason="by Linux' list of mappings")
def test_of_a_row_of_several_pages_they_are_read_together(tmp_path: Path) -> None:
    before = unread_ahead()
    wide = torch.zeros(0, mmap.PAGESIZE)
    kept = reserved(3, wide, tmp_path, is_scattered=True)
    assert unread_ahead() == before
    assert kept.shape == (3, mmap.PAGESIZE)


@pytest.mark.skipif(sys.platform != "linux", reason="by Linux' list of mappings")
@pytest.mark.parametrize(("shuffle", "mapped"), [(True, 1), ("blocks", 1), (False, 0)])
def test_shuffling_alone_asks_for_that(
    shuffle: Any, mapped: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_prepared(tmp_path)
    pass_all(tmp_path)
    found = []

    def fit_counted(*arguments: Any) -> None:
        found.append(unread_ahead())
        fit(*arguments)

    monkeypatch.setattr("src.train.fit", fit_counted)
    before = unread_ahead()
    options = params(shuffle=shuffle)
    options = options.model_copy(update={"runtime": Runtime(progress=False, memory=0)})
    run(options, tmp_path, tmp_path, tmp_path / "model")
    assert found == [before + mapped]
