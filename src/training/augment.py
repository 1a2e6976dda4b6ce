"""Changes the images of a batch at random: flips and shifts, in training alone."""

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from src.encoder import Encoder, Scale
from src.errors import InputError
from src.params import Section

Numbers = NDArray[np.uint64]
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # by which splitmix64 counts


class Augmentation(Section):
    """Says how images change: flip from left to right, half of them; shift by pixels at most."""

    flip: bool = False
    shift: int = Field(0, ge=0)


class Augment:
    """Flips and shifts square images.

    What becomes of a row in a step follows from seed, step and row number: it is the same in any
    number of processes, and the state is the number of steps. padding: the encoded value of the
    pixels that come in from outside.
    """

    def __init__(self, spec: Augmentation, side: int, padding: float, seed: int) -> None:
        self.flip, self.shift = spec.flip, spec.shift
        self.side, self.padding, self.seed = side, padding, seed
        self.steps = 0

    def __call__(self, x: Tensor, rows: Tensor) -> Tensor:
        """Change the images x [batch, side²], as encoded, into others; rows: their numbers."""
        self.steps += 1
        down, right, flips = draws(self.seed, self.steps, rows, 2 * self.shift + 1)
        pixels = torch.arange(self.side)
        columns = pixels.expand(len(x), -1)
        if self.flip:
            columns = torch.where(flips, columns.flip(1), columns)
        wide = self.side + 2 * self.shift
        places = (pixels + down).unsqueeze(2) * wide + (columns + right).unsqueeze(1)
        images = x.view(-1, self.side, self.side)
        padded = F.pad(images, [self.shift] * 4, value=self.padding)
        return padded.flatten(1).gather(1, places.flatten(1).to(x.device))

    def state_dict(self) -> dict[str, int]:
        """Return the number of steps."""
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go back to a step."""
        self.steps = state["steps"]


def draws(seed: int, step: int, rows: Tensor, ways: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw for each row two numbers below `ways`, int64 [rows, 1], and a bool [rows, 1]."""
    start = mixed(np.array([seed << 32 ^ step], dtype=np.uint64))
    bits = mixed(start + rows.cpu().numpy().astype(np.uint64) * GOLDEN)
    fields = [bits >> np.uint64(shift) & np.uint64(0xFFFF) for shift in (0, 16, 32)]
    down, right, flips = (torch.from_numpy(field.astype(np.int64))[:, None] for field in fields)
    return down % ways, right % ways, flips % 2 == 1


def mixed(numbers: Numbers) -> Numbers:
    """Make random bits of numbers, uint64: splitmix64 (Steele, Lea and Flood, 2014)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * np.uint64(factor)
    return numbers ^ (numbers >> np.uint64(31))


def build_augment(
    where: str,
    spec: Augmentation | None,
    network: nn.Module,
    encoder: Encoder,
    scale: Scale,
    seed: int,
) -> Augment | None:
    """Build what changes images; None without a spec.

    Raises InputError for a model, a table or a scale that is none of images.
    """
    if spec is None:
        return None
    if not spec.flip and spec.shift == 0:
        raise InputError(where, "neither flip nor shift", "flip: true, shift: 2, or both; or null")
    side = getattr(network, "side", None)
    if not isinstance(side, int):
        expected = "a model of square images: cnn, or a class of your own that has their `side`"
        raise InputError(where, "a model without images", expected)
    names = encoder.schema.numbers
    if len(names) != encoder.width or side**2 != encoder.width:
        found = f"{len(names)} columns of numbers among {encoder.width} features"
        raise InputError(where, found, f"the {side} x {side} pixels of images, and no other column")
    if spec.shift >= side:
        raise InputError(
            f"{where}.shift", str(spec.shift), f"fewer than the {side} pixels of a side"
        )
    if scale != "table":
        expected = "train.scale: table, by which a pixel keeps its value where it is moved to"
        raise InputError(where, f"scale: {scale}", expected)
    black = pa.table({name: [0] for name in names})
    return Augment(spec, side, encoder.features(black)[0, 0].item(), seed)
