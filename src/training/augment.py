"""Changes the images of a batch at random: flips and shifts, in training alone."""

import pyarrow as pa
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from src.encoder import Encoder, Scale
from src.errors import InputError
from src.params import Section


class Augmentation(Section):
    """Says how images change: flip from left to right, half of them; shift by pixels at most."""

    flip: bool = False
    shift: int = Field(0, ge=0)


class Augment:
    """Flips and shifts square images, each by draws of its own from a generator of its own.

    padding: the encoded value of the pixels that come in from outside.
    """

    def __init__(self, spec: Augmentation, side: int, padding: float, seed: int) -> None:
        self.flip, self.shift = spec.flip, spec.shift
        self.side, self.padding = side, padding
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, x: Tensor) -> Tensor:
        """Change images [batch, side²], as encoded, into others of the same shape."""
        rows, side = len(x), self.side
        down, right = self.draw(2 * self.shift + 1, rows), self.draw(2 * self.shift + 1, rows)
        pixels = torch.arange(side)
        columns = pixels.expand(rows, side)
        if self.flip:
            columns = torch.where(self.draw(2, rows) == 1, columns.flip(1), columns)
        wide = side + 2 * self.shift
        places = (pixels + down).unsqueeze(2) * wide + (columns + right).unsqueeze(1)
        padded = F.pad(x.view(rows, side, side), [self.shift] * 4, value=self.padding)
        return padded.flatten(1).gather(1, places.flatten(1).to(x.device))

    def draw(self, count: int, rows: int) -> Tensor:
        """Draw a number below the count for each row, int64 [rows, 1], the same on any device."""
        return torch.randint(count, (rows, 1), generator=self.generator)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the generator's state."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go back to a state."""
        self.generator.set_state(state["generator"])


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
    # Another than that of the rows' order, which is the seed's.
    return Augment(spec, side, encoder.features(black)[0, 0].item(), seed + 1)
