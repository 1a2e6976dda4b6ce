"""Writes and reads the model file: weights, architecture, encoder and schema, in safetensors."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from src.construct import OwnCode
from src.encoder import Encoder
from src.errors import InputError
from src.files import whole
from src.losses import probabilities
from src.models import build
from src.schema import Schema

FORMAT = "reprise.model.1"
PREFIX = "network."  # of the weights' names
BATCH = 1024  # rows at a time when predicting; a fixed number, for the last bits depend on it


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
        about = {
            "model": self.spec,
            "loss": self.loss,
            "schema": self.encoder.schema.model_dump(mode="json"),
        }
        # One key: safetensors writes several in an order that changes from run to run.
        metadata = {FORMAT: json.dumps(about, sort_keys=True, ensure_ascii=False)}
        with whole(path) as part:
            part.write_bytes(save(tensors, metadata))

    @classmethod
    def load(cls, path: Path) -> "Model":
        """Read a model file; raise InputError if it is none of ours, or not whole."""
        if not path.is_file():
            raise InputError(path, "no such file", "a model file that train wrote")
        try:
            tensors, about = read(path)
            encoder = Encoder.of(Schema.model_validate_json(json.dumps(about["schema"])), tensors)
            spec, loss = about["model"], about["loss"]
            kwargs = dict(spec)
            name = kwargs.pop("name")
        except (SafetensorError, KeyError, ValidationError) as e:
            found = f"{type(e).__name__} ({e})"
            raise InputError(path, found, f"a whole model file ({FORMAT})") from None
        network = build(f"{path}: model", name, kwargs, encoder.width, encoder.outputs)
        weights = {
            key.removeprefix(PREFIX): tensor
            for key, tensor in tensors.items()
            if key.startswith(PREFIX)
        }
        try:
            network.load_state_dict(weights)
        except RuntimeError as e:
            raise InputError(path, str(e)[:200], f"weights of {name} as it is now") from None
        return cls(network, encoder, spec, loss)

    @torch.inference_mode()
    def outputs(self, x: Tensor) -> Tensor:
        """Compute raw outputs [rows, outputs] of encoded features [rows, width]."""
        with OwnCode("params.yaml: train.model", self.spec["name"]):
            self.network.eval()
            return torch.cat([self.network(batch) for batch in torch.split(x, BATCH)])

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


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and the metadata."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    return tensors, json.loads(metadata[FORMAT])
