"""A small table of images, for tests."""

import pyarrow as pa
import torch

from src.encoder import Encoder
from src.schema import Column, Schema
from tests.test_train import schema

SIDE = 4


def image_schema(side: int = SIDE) -> Schema:
    names = [f"p{i:02}" for i in range(side * side)]
    columns = [Column(name=name, type="UTINYINT", kind="number", missing=0) for name in names]
    return schema("classification").model_copy(update={"columns": columns})


def image_table(side: int = SIDE, rows: int = 60) -> pa.Table:
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (rows, side * side), generator=draw, dtype=torch.uint8)
    label = (pixels[:, 0] > 85).long() + (pixels[:, 0] > 170).long()
    columns = {f"p{i:02}": pixels[:, i].numpy() for i in range(side * side)}
    return pa.table({"id": [f"row {i}" for i in range(rows)], **columns, "label": label.numpy()})


def image_encoder(scale: str = "table") -> Encoder:
    return Encoder.fit(image_schema(), image_table(), "table" if scale == "table" else "column")
