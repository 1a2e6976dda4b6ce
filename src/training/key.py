"""Names a training by all that decides its result, but for the number of epochs."""

import hashlib
import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

# What libraries choose their instructions by.
VARIABLES = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA")
INSTALLED = ("site-packages", "dist-packages")  # folders that pip and the system install into
STANDARD_LIBRARY = Path(os.__file__).parent


def training_key(result_of: Mapping[str, object], modules: list[str], device: torch.device) -> str:
    """Hash what decides the result: params, data, code, and what computes it.

    result_of: JSON of params and of the data's fingerprints; modules: of the user's own classes,
    whose source counts wherever it is installed; device: where the model is.
    """
    document = {
        **result_of,
        "code": source_hashes(modules),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "machine": platform.machine(),
        "device": device_name(device),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "variables": {name: os.environ.get(name) for name in VARIABLES},
    }
    text = json.dumps(document, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def device_name(device: torch.device) -> str:
    """Name the kind of device; of a GPU its model too, on which sums depend."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return device.type


def source_hashes(modules: list[str]) -> dict[str, str]:
    """Hash the source of each module that is loaded and was not installed, and of the named."""
    hashes = {}
    for name, module in sorted(sys.modules.items()):
        source = source_of(module)
        if source is not None and (name in modules or is_project_code(source)):
            hashes[name] = hashlib.sha256(source.read_bytes()).hexdigest()
    return hashes


def source_of(module: ModuleType) -> Path | None:
    """Find the file of a module; None where it has none."""
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).is_file():
        return None
    return Path(file)


def is_project_code(source: Path) -> bool:
    """Tell the project's own code from Python's and from what is installed."""
    is_installed = not {*INSTALLED}.isdisjoint(source.parts)
    return not is_installed and not source.is_relative_to(STANDARD_LIBRARY)
