"""The model file: weights, architecture, encoder and schema in one safetensors file."""

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

from src.encoder import Encoder
from src.errors import InputError
from src.files import whole
from src.networks import build
from src.objective import probabilities
from src.schema import Schema

FORMAT = "reprise.model.1"
BATCH = 1024  # rows at a time when predicting; a fixed number, for the last bits depend on it


@dataclass(frozen=True)
class Model:
    """A trained network with all it needs: raw columns in, predictions out."""

    network: nn.Module
    encoder: Encoder
    spec: dict[str, Any]  # name and arguments of the network, as in params.yaml
    loss: str

    def save(self, path: Path) -> None:
        """Writes weights and encoder as tensors, the rest as JSON in safetensors' metadata."""
        tensors = {
            f"network.{k}": v.contiguous().clone() for k, v in self.network.state_dict().items()
        }
        about = {
            "model": self.spec,
            "loss": self.loss,
            "schema": self.encoder.schema.model_dump(mode="json"),
        }
        # One key: safetensors writes several in an order that changes from run to run.
        metadata = {FORMAT: json.dumps(about, sort_keys=True, ensure_ascii=False)}
        with whole(path) as part:
            part.write_bytes(save({**tensors, **self.encoder.tensors()}, metadata))

    @classmethod
    def load(cls, path: Path) -> "Model":
        """InputError if the file is none of ours, or not whole."""
        if not path.is_file():
            raise InputError(path, "no such file", "a model file that train wrote")
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
            about = json.loads(metadata[FORMAT])
            encoder = Encoder.of(Schema.model_validate_json(json.dumps(about["schema"])), tensors)
        except (SafetensorError, KeyError, ValidationError) as e:
            raise InputError(
                path, f"{type(e).__name__} ({e})", f"a whole model file ({FORMAT})"
            ) from None
        spec = dict(about["model"])
        network = build(f"{path}: model", spec.pop("name"), spec, encoder.width, encoder.outputs)
        weights = {
            k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")
        }
        try:
            network.load_state_dict(weights)
        except RuntimeError as e:
            raise InputError(
                path, str(e)[:200], f"weights of {about['model']['name']} as it is now"
            ) from None
        return cls(network, encoder, about["model"], about["loss"])

    @torch.inference_mode()
    def outputs(self, x: Tensor) -> Tensor:
        """Raw outputs [rows, outputs] of encoded features [rows, width]."""
        self.network.eval()
        return torch.cat([self.network(batch) for batch in torch.split(x, BATCH)])

    def classify(self, table: pa.Table) -> tuple[Tensor, Tensor]:
        """Class indices int64 [rows], those of the largest outputs, and float32 probabilities [rows, classes]."""
        outputs = self.outputs(self.encoder.features(table))
        return outputs.argmax(dim=1), probabilities(self.loss, outputs)

    def estimate(self, table: pa.Table) -> Tensor:
        """Predicted values in the target's own unit, float32 [rows]."""
        outputs = self.outputs(self.encoder.features(table)).squeeze(1)
        return outputs * self.encoder.target_std + self.encoder.target_mean
