"""Defines the models `mlp`, `linear` and `cnn`, and builds the one that params.yaml names."""

import copy
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from src.construct import OwnCode, construct, construct_own, is_own, own_class
from src.errors import InputError, one_of, shown


def check_sizes(**sizes: list[int]) -> None:
    """Raise ValueError for a size below 1: torch makes such layers, and they learn nothing."""
    for name, values in sizes.items():
        if min(values, default=1) < 1:
            raise ValueError(f"{name} must be 1 or more")


def check_switches(**values: bool) -> None:
    """Raise ValueError for what is neither true nor false, such as the text "no"."""
    for name, value in values.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false")


class MLP(nn.Module):
    """Linear layers with relu between them: hidden [128] is the two-layer textbook network.

    skip: outputs are the sum of theirs and of one linear layer's, so that the hidden ones learn
    what a line does not tell.
    [rows, inputs] → [rows, outputs]
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: list[int],
        dropout: float = 0.0,
        skip: bool = False,
    ) -> None:
        super().__init__()
        check_sizes(hidden=hidden)
        check_switches(skip=skip)
        sizes = [inputs, *hidden]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(sizes):
            layers += [nn.Linear(before, after), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))
        self.skip = nn.Linear(inputs, outputs) if skip else None

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.layers(x)
        if self.skip is not None:
            outputs = outputs + self.skip(x)
        return outputs


class Linear(MLP):
    """Has one linear layer: logistic or linear regression."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, hidden=[])


def convolution(before: int, after: int) -> nn.Conv2d:
    """Make a convolution of 3 × 3 that keeps the image's size."""
    return nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False)


class CNN(nn.Module):
    """Convolution, max pooling, batch norm and relu, once a channel count, then two linear layers.

    Rows are square images of one channel, pixel by pixel: [rows, side²] → [rows, outputs].
    Pooling first leaves batch norm and relu a quarter of the pixels. Memory is channels last, which
    is faster on CPUs. depth: convolutions a channel count; all but the first are of pooled images.
    mirror: outputs are the mean of those for the image and its mirror image, except in training.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        channels: list[int],
        depth: int = 1,
        hidden: int = 128,
        dropout: float = 0.0,
        mirror: bool = False,
    ) -> None:
        super().__init__()
        check_sizes(channels=channels, depth=[depth], hidden=[hidden])
        check_switches(mirror=mirror)
        self.mirror = mirror
        self.side = math.isqrt(inputs)
        if self.side**2 != inputs:
            raise ValueError(f"{inputs} features are no square image")
        if self.side >> len(channels) == 0:
            raise ValueError(
                f"{len(channels)} poolings leave nothing of {self.side} x {self.side} pixels"
            )
        blocks: list[nn.Module] = []
        for before, after in zip([1, *channels], channels, strict=False):
            blocks += [
                convolution(before, after),
                nn.MaxPool2d(2),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
            for _ in range(depth - 1):
                blocks += [convolution(after, after), nn.BatchNorm2d(after), nn.ReLU()]
        self.blocks = nn.Sequential(*blocks)
        self.blocks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        flat = channels[-1] * (self.side >> len(channels)) ** 2
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(flat, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        images = x.view(-1, 1, self.side, self.side)
        outputs: Tensor = self.head(self.blocks(images).flatten(1))
        if self.mirror and not self.training:
            mirrored: Tensor = self.head(self.blocks(images.flip(3)).flatten(1))
            outputs = (outputs + mirrored) / 2
        return outputs


class Embedded(nn.Module):
    """Turns the categories among the features into learned vectors, for any network behind it.

    The last features are numbers of categories, a column each, 0 for none of them, whose vector is
    zero: [rows, inputs] → [rows, outputs]. categories: how many each of the columns has.
    """

    def __init__(self, categories: Sequence[int], network: nn.Module) -> None:
        super().__init__()
        self.vectors = nn.ModuleList()
        for count in categories:
            self.vectors.append(embedding(count))
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        first = x.shape[1] - len(self.vectors)
        parts = [x[:, :first]]
        for i, vectors in enumerate(self.vectors, first):
            parts.append(vectors(x[:, i].long()))
        outputs: Tensor = self.network(torch.cat(parts, dim=1))
        return outputs


def embedding(categories: int) -> nn.Embedding:
    """Make the vectors of so many categories and of none, uniform within 1/sqrt(size).

    So Gorishniy et al. 2021 begin (Revisiting Deep Learning Models for Tabular Data).
    """
    size = vector_size(categories)
    vectors = nn.Embedding(1 + categories, size, padding_idx=0)
    with torch.no_grad():
        vectors.weight.uniform_(-(size**-0.5), size**-0.5)
        vectors.weight[0] = 0.0
    return vectors


def vector_size(categories: int) -> int:
    """Return the size of a category's vector: 1.6 · categories^0.56, at most 50 (fastai's rule)."""
    size: float = 1.6 * categories**0.56
    return min(50, round(size))


MODELS: dict[str, type[nn.Module]] = {"mlp": MLP, "linear": Linear, "cnn": CNN}


def build(
    where: str,
    name: str,
    kwargs: dict[str, Any],
    inputs: int,
    outputs: int,
    embedded: Sequence[int] = (),
) -> nn.Module:
    """Build the named model for so many features and outputs.

    embedded: how many categories the last features have, which the model is given as vectors.
    Raises InputError if its name or arguments are wrong, OwnCodeError for an error inside a class
    of the user's own.
    """
    if not embedded:
        return build_named(where, name, kwargs, inputs, outputs)
    width = inputs - len(embedded) + sum(map(vector_size, embedded))
    return Embedded(embedded, build_named(where, name, kwargs, width, outputs))


def build_named(
    where: str, name: str, kwargs: dict[str, Any], inputs: int, outputs: int
) -> nn.Module:
    """Build the named model, as `build` says, for features that are all numbers."""
    given = {"inputs": inputs, "outputs": outputs}
    network: nn.Module
    if not is_own(name):
        if name not in MODELS:
            expected = f"{one_of(MODELS, name)}, or your.module:Class"
            raise InputError(f"{where}.name", shown(name), expected)
        network = construct(where, MODELS[name], given, kwargs)
        return network
    cls = own_class(where, name, nn.Module, "torch.nn.Module")
    network = construct_own(where, name, cls, given, kwargs)
    return network


def try_batch(
    where: str, name: str, network: nn.Module, criterion: nn.Module, x: Tensor, y: Tensor, n: int
) -> None:
    """Pass a batch through the network and back, as training will, and leave the network as it was.

    x: [rows, inputs]; y: targets of the criterion; n: outputs that the network should have. Raises
    InputError for other outputs, OwnCodeError for an error inside a class of the user's own.
    """
    devices = [x.device] if x.is_cuda else []  # beside the CPU's generator
    with OwnCode(where, name), torch.random.fork_rng(devices):
        with torch.no_grad():  # layers that are lazy have no buffers before
            check_outputs(where, network.eval()(x.clone()), len(x), n)
        buffers = copy.deepcopy(buffers_of(network))
        outputs = first_outputs(where, network.train(), x)
        check_outputs(where, outputs, len(x), n)
        criterion(outputs, y).backward()
    network.zero_grad()
    put_back(network, buffers)  # the statistics of batch norm, say


def buffers_of(network: nn.Module) -> dict[str, Tensor | None]:
    """Name the buffers, those that no `state_dict` has too, and those that are None yet."""
    buffers = {}
    for path, module in network.named_modules():
        for name, buffer in module._buffers.items():
            buffers[f"{path}.{name}" if path else name] = buffer
    return buffers


@torch.no_grad()
def put_back(network: nn.Module, buffers: Mapping[str, Tensor | None]) -> None:
    """Give the buffers these values, in place where they fit: modules may share a buffer."""
    for name, value in buffers.items():
        path, _, own_name = name.rpartition(".")
        module = network.get_submodule(path)
        buffer = getattr(module, own_name)
        if buffer is None or value is None or buffer.shape != value.shape:
            setattr(module, own_name, value)
        elif not torch.equal(buffer, value.to(buffer)):  # one that is expanded takes no values
            buffer.copy_(value)


def first_outputs(where: str, network: nn.Module, x: Tensor) -> Tensor:
    """Compute the outputs of a batch; raise InputError if the network refuses one for its one row.

    That is so of batch norm: one row has no deviation.
    """
    try:
        outputs: Tensor = network(x.clone())  # which may change its input
    except ValueError:
        if len(x) > 1:
            raise
        network(torch.cat([x, x]))  # what fails here too is another error
        expected = "a larger train.batch_size, or more rows to train on"
        raise InputError(where, "a network that refuses batches of one row", expected) from None
    return outputs


def check_outputs(where: str, outputs: object, rows: int, n: int) -> None:
    """Raise InputError unless the outputs are floats of so many rows and columns.

    Losses broadcast other shapes, or learn classes that are none, without a word.
    """
    found = type(outputs).__name__
    if isinstance(outputs, Tensor):
        if outputs.shape == (rows, n) and outputs.is_floating_point():
            return
        found = f"{outputs.dtype} of shape {list(outputs.shape)}".removeprefix("torch.")
    expected = f"a tensor of floats of shape [{rows}, {n}], a row a row, a column an output"
    raise InputError(where, f"a network that returns {found} for {rows} rows", expected)
