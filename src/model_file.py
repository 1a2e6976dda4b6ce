"""Writes and reads the model file: weights, architecture, encoder and schema, in safetensors.

A model file may come from anybody. It is data: all of it is checked before anything is built of it,
and it imports nothing that the reader did not name.
"""

import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from src.construct import OwnCode, at_most, is_own
from src.encoder import Encoder
from src.errors import InputError, OwnCodeError, shown
from src.files import whole
from src.losses import check_name, probabilities
from src.models import build
from src.params import Named, check_finite, dotted, expected_by
from src.schema import Schema

FORMAT = "reprise.model.2"
PREFIX = "network."  # of the weights' names
BATCH = 1024  # rows at a time when predicting: the last bits depend on it
REGISTRATIONS = 10  # parameters that a network may make, for each tensor that the file has
Trusts = Callable[[str], bool]  # whether a class of the user's own, `module:Class`, may be imported


class About(BaseModel):
    """Describes the model: the file's metadata."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    model: Named  # the network, as in params.yaml
    loss: str
    bent: bool = Field(False, exclude_if=operator.not_)  # of the encoder
    # Columns given to the network as numbers of categories; files of before have none, all one-hot.
    embeds: tuple[str, ...] = Field((), exclude_if=operator.not_)
    table: Schema = Field(alias="schema")


@dataclass(frozen=True)
class Model:
    """Holds a trained network with all that it needs: raw columns in, predictions out."""

    network: nn.Module
    encoder: Encoder
    spec: dict[str, Any]  # name and arguments of the network, as in params.yaml
    loss: str

    def save(self, path: Path) -> None:
        """Write weights and encoder as tensors, the rest as JSON in safetensors' metadata."""
        tensors = self.encoder.tensors()
        for name, weight in self.network.state_dict().items():
            tensors[f"{PREFIX}{name}"] = weight.contiguous().clone()
        encoder = self.encoder
        about = About(
            model=Named(**self.spec),
            loss=self.loss,
            bent=encoder.bent,
            embeds=encoder.embeds,
            schema=encoder.schema,
        )
        # One key: safetensors writes several in an order that changes from run to run.
        document = about.model_dump(mode="json", by_alias=True)
        metadata = {FORMAT: json.dumps(document, sort_keys=True, ensure_ascii=False)}
        with whole(path) as part:
            part.write_bytes(save(tensors, metadata))

    @classmethod
    def load(cls, path: Path, trusts: Trusts = lambda name: False) -> "Model":
        """Read a model file.

        Raises InputError if it is none of ours, not whole, or names a class that is not trusted.
        """
        if not path.is_file():
            raise InputError(path, "no such file", "a model file that train wrote")
        try:
            with safe_open(path, framework="pt") as file:
                about = read_about(path, file.metadata() or {})
                check_trusted(path, about.model.name, trusts)
                shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
                layout = {**Encoder.layout(about.table), **network_layout(path, about, len(shapes))}
                check_shapes(path, shapes, layout)
                tensors = {name: file.get_tensor(name) for name in layout}
        except SafetensorError as e:
            raise InputError(path, str(e), f"a whole model file ({FORMAT})") from None
        check_values(path, tensors, layout)
        weights = {name.removeprefix(PREFIX): tensors[name] for name in tensors if PREFIX in name}
        network = build_network(path, about)
        network.load_state_dict(weights)
        encoder = Encoder.of(about.table, tensors, about.bent, about.embeds)
        return cls(network, encoder, about.model.model_dump(), about.loss)

    @torch.inference_mode()
    def outputs(self, x: Tensor) -> Tensor:
        """Compute raw outputs [rows, outputs] of encoded features [rows, width].

        Those of a row have the same bits whatever rows come with it.
        """
        with OwnCode("params.yaml: train.model", self.spec["name"]):
            self.network.eval()
            outputs = [self.network(filled(rows))[: len(rows)] for rows in torch.split(x, BATCH)]
            return torch.cat(outputs)

    def classify(self, table: pa.Table) -> tuple[Tensor, Tensor]:
        """Predict the class of each row.

        Returns the indices of the largest outputs, int64 [rows], and float32 probabilities
        [rows, classes].
        """
        outputs = self.outputs(self.encoder.features(table))
        return outputs.argmax(dim=1), probabilities(self.loss, outputs)

    def estimate(self, table: pa.Table) -> Tensor:
        """Predict values in the target's own unit, float32 [rows]."""
        outputs = self.outputs(self.encoder.features(table)).squeeze(1)
        return outputs * self.encoder.target_std + self.encoder.target_mean


def filled(rows: Tensor) -> Tensor:
    """Fill up a batch with copies of its last row: [rows, width] → [BATCH, width]."""
    return torch.cat([rows, rows[-1:].expand(BATCH - len(rows), -1)])


def read_about(path: Path, metadata: Mapping[str, str]) -> About:
    """Read and check the metadata."""
    if FORMAT not in metadata:
        found = f"metadata {shown(list(metadata))}"
        raise InputError(path, found, f"a whole model file ({FORMAT}), as train writes it now")
    try:
        about = About.model_validate_json(metadata[FORMAT])
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        where = f"{path}: {dotted(first['loc']) or 'metadata'}"
        raise InputError(where, shown(first["input"]), expected_by(first["msg"])) from None
    check_embeds(f"{path}: embeds", about)
    check_finite(f"{path}: model", about.model.kwargs)
    check_name(f"{path}: loss", about.loss, about.table.task)
    return about


def check_embeds(where: str, about: About) -> None:
    """Raise InputError unless the embedded columns are columns of categories, each named once."""
    names = [column.name for column in about.table.columns if column.categories]
    if not set(about.embeds) <= set(names) or len(set(about.embeds)) < len(about.embeds):
        raise InputError(where, shown(list(about.embeds)), "columns of categories, each once")


def check_trusted(path: Path, name: str, trusts: Trusts) -> None:
    """Raise InputError for a class of the user's own that the reader did not name."""
    if is_own(name) and not trusts(name):
        expected = "a class that train.model in params.yaml names, or --trust-model-class"
        raise InputError(f"{path}: model.name", shown(name), expected)


def build_network(path: Path, about: About) -> nn.Module:
    """Build the network, with new weights."""
    layout = Encoder.layout(about.table)
    encoder = Encoder.of(about.table, layout, about.bent, about.embeds)
    spec, inputs, outputs = about.model, encoder.width, encoder.outputs
    return build(f"{path}: model", spec.name, spec.kwargs, inputs, outputs, encoder.embedded)


def network_layout(path: Path, about: About, tensors: int) -> dict[str, Tensor]:
    """Name the tensors of the network, without memory where its class allows that.

    tensors: what the file has; a network of many more is refused while it is built.
    """
    with at_most(f"{path}: model", REGISTRATIONS * tensors):
        try:
            with torch.device("meta"):
                network = build_network(path, about)
        except OwnCodeError:
            # Some classes compute with their weights; an error of their own comes once more.
            network = build_network(path, about)
    return {f"{PREFIX}{name}": tensor for name, tensor in network.state_dict().items()}


def check_shapes(path: Path, shapes: Mapping[str, list[int]], layout: Mapping[str, Tensor]) -> None:
    """Raise InputError where the file has other tensors than the model, or of other shapes."""
    for name in [*layout, *shapes]:
        if name not in shapes:
            raise InputError(path, f"no tensor {shown(name)}", "every tensor of its model")
        if name not in layout:
            raise InputError(path, f"a tensor {shown(name)}", "tensors of its model alone")
        if is_lazy(layout[name]):  # it takes the shape that is loaded
            continue
        if shapes[name] != list(layout[name].shape):
            found = f"shape {shown(shapes[name])}"
            raise InputError(f"{path}: {name}", found, f"{list(layout[name].shape)} of its model")


def check_values(path: Path, tensors: Mapping[str, Tensor], layout: Mapping[str, Tensor]) -> None:
    """Raise InputError for a tensor of another type, or with numbers that are none."""
    for name, tensor in tensors.items():
        where = f"{path}: {name}"
        if tensor.dtype != layout[name].dtype:
            raise InputError(where, f"{tensor.dtype}", f"{layout[name].dtype}")
        if not tensor.isfinite().all():
            raise InputError(where, "NaN or infinity", "finite numbers")
    for name in ("encoder.std", "encoder.target_std"):
        if not (tensors[name] > 0).all():
            raise InputError(f"{path}: {name}", "0 or less", "deviations above 0")
