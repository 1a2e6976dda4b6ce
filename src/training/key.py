"""Names a training by all that decides its result, but for the number of epochs."""

import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from src.construct import is_own
from src.files import sha256
from src.schema import Schema

# What libraries choose their instructions by.
VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "MKL_CBWR",
    "ONEDNN_MAX_CPU_ISA",
    "CUBLAS_WORKSPACE_CONFIG",
    "NVIDIA_TF32_OVERRIDE",
)
OF_COMPILER = ("TORCHINDUCTOR_", "TORCHDYNAMO_")  # what names of its variables begin with
CACHE = "TORCHINDUCTOR_CACHE_DIR"  # which torch sets by itself
ONLY_SHOWING = ("src.training.track", "src.training.watch")  # modules that decide nothing
INSTALLED = ("site-packages", "dist-packages")  # folders that pip and the system install into
STANDARD_LIBRARY = Path(os.__file__).parent


class EditedSourceError(Exception):
    """Says that a module's file is not the one that was loaded: nobody can say what the code is."""


@dataclass(frozen=True)
class Identity:
    """Holds what tells a training from others: its checkpoints and its run are named by the key.

    inputs: params but the number of epochs, the data's fingerprints and the device, as JSON has
    them.
    """

    inputs: Mapping[str, Any]

    @property
    def compile(self) -> str | bool:
        """Name how the network is compiled; False: it is not."""
        mode: str | bool = self.inputs.get("train", {}).get("compile", False)
        return mode

    @cached_property
    def key(self) -> str:
        """Compute the key; only once the classes that params name are imported.

        Raises EditedSourceError.
        """
        return training_key(self.inputs, is_compiled=self.compile is not False)


def trained_on(fingerprints: Mapping[str, str], schema: Schema) -> dict[str, str]:
    """Return the fingerprints of what training reads: nothing of the rows to test on.

    fingerprints: of the prepared data, by file.
    """
    columns = schema.model_dump_json(exclude={"rows": True})  # counts of all splits
    files = {name: fingerprints[name] for name in ("train.parquet", "val.parquet")}
    return {**files, "schema": hashlib.sha256(columns.encode()).hexdigest()}


def training_key(inputs: Mapping[str, object], *, is_compiled: bool = False) -> str:
    """Hash what decides the result: params, data, code, and what computes it.

    inputs: params, the data's fingerprints and the device, as JSON has them. A class of the user's
    own that they name counts with its source, wherever it is installed. Raises EditedSourceError.
    """
    document = {
        "inputs": inputs,
        "code": source_hashes(own_modules(inputs)),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "machine": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "variables": variables(is_compiled=is_compiled),
    }
    text = json.dumps(document, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def variables(*, is_compiled: bool) -> dict[str, str]:
    """Return the variables of the environment that decide how libraries compute."""
    found = {}
    for name, value in os.environ.items():
        is_of_compiler = is_compiled and name.startswith(OF_COMPILER) and name != CACHE
        if name in VARIABLES or is_of_compiler:
            found[name] = value
    return found


def own_modules(value: object) -> set[str]:
    """Collect the modules of the classes, `module:Class`, that params name at any depth."""
    match value:
        case str() if is_own(value):
            return {value.partition(":")[0]}
        case dict():
            return set().union(*map(own_modules, value.values()))
        case list():
            return set().union(*map(own_modules, value))
    return set()


def source_hashes(modules: set[str]) -> dict[str, str]:
    """Hash the source of each module that is loaded and was not installed, and of the named.

    By path, from the working directory: the main module has another name in each of several
    processes. Raises EditedSourceError where the source may be another than was loaded.
    """
    start = process_start()
    hashes = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is None or name in ONLY_SHOWING:
            continue
        if not (name in modules or is_project_code(file)):
            continue
        source = Path(file)
        if not source.is_file():  # a module without source, such as one in an archive
            continue
        if source.stat().st_mtime > start:
            raise EditedSourceError(f"{source} was edited since this process began")
        hashes[os.path.relpath(source)] = sha256(source)
    return hashes


def process_start() -> float:
    """Return when this process began, by the clock of files.

    psutil counts from the second in which the machine booted: by up to a second too early.
    """
    created: float = psutil.Process().create_time()
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return created
    age: float = time.clock_gettime(time.CLOCK_BOOTTIME) - (created - psutil.boot_time())
    return time.time() - age


def is_project_code(file: str) -> bool:
    """Tell the project's own code from Python's and from what is installed.

    By the text of the path alone: thousands of modules are loaded, and few are the project's.
    """
    is_installed = any(f"{os.sep}{folder}{os.sep}" in file for folder in INSTALLED)
    return not is_installed and not file.startswith(f"{STANDARD_LIBRARY}{os.sep}")
