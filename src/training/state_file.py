"""Writes and reads one checkpoint: a safetensors file whose name holds the SHA-256 of its bytes.

What torch's `state_dict` gives is tensors in mappings, lists and tuples with numbers and text. The
tensors are the file's; the rest is JSON in its metadata. Nothing is pickled, so that a file can't
run code.
"""

import json
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from src.files import named, sha256

FORMAT = "reprise.checkpoint.1"
SUFFIX = ".safetensors"


class UnknownStateError(TypeError):
    """Says that a state holds what a checkpoint can't: neither tensor, number, text nor a list."""


def write_state(folder: Path, name: str, state: Mapping[str, Any]) -> None:
    """Write the state as `<name>-<SHA-256>.safetensors`, whole or not at all.

    Raises UnknownStateError, or OSError or SafetensorError where the disk is full.
    """
    tensors: dict[str, Tensor] = {}
    document = json.dumps(pack(state, tensors))
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}-{os.getpid()}.part"
    try:
        with named(part):
            save_file(tensors, part, {FORMAT: document})
            sync(part)
            part.replace(folder / f"{name}-{sha256(part)}{SUFFIX}")
            sync(folder)
    finally:
        part.unlink(missing_ok=True)


def read_state(path: Path) -> dict[str, Any] | None:
    """Read a state; None where the file is not what was written: torn, or with other bits."""
    written = path.name.removesuffix(SUFFIX).rpartition("-")[2]
    try:
        is_whole = sha256(path) == written
    except OSError:  # such as a disk's error
        is_whole = False
    if not is_whole:
        return None
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        document = json.loads(file.metadata()[FORMAT])
    state: dict[str, Any] = unpack(document, tensors)
    return state


def sync(path: Path) -> None:
    """Wait until the file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_parts(folder: Path) -> None:
    """Remove what processes were writing as they were killed."""
    for part in folder.glob(".*.part"):
        pid = int(part.name.removesuffix(".part").rpartition("-")[2])
        is_alive = pid != os.getpid() and psutil.pid_exists(pid)
        if not is_alive:
            with suppress(OSError):  # then it stays
                part.unlink()


def pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Turn a state into what JSON has, and take its tensors out of it."""
    match value:
        case Tensor():
            return pack_tensor(value, tensors)
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [pack(inner, tensors) for inner in value]
        case tuple():
            return {"tuple": [pack(inner, tensors) for inner in value]}
        case Counter():  # of MultiStepLR
            return {"counter": pack(list(value.items()), tensors)}
        case Mapping():  # whose keys may be numbers
            return {"mapping": pack(list(value.items()), tensors)}
    raise UnknownStateError(f"a {type(value).__module__}.{type(value).__qualname__}")


def pack_tensor(value: Tensor, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Copy a tensor, and note how it lay in memory: sums in another order have other bits."""
    name = str(len(tensors))
    tensors[name] = value.detach().to("cpu", copy=True).contiguous()
    strides = torch.empty_like(value, device="meta").stride()
    return {"tensor": name, "strides": strides}


def unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Make of JSON and tensors the state that `pack` took."""
    match value:
        case list():
            return [unpack(inner, tensors) for inner in value]
        case {"tuple": inner}:
            return tuple(unpack(inner, tensors))
        case {"counter": pairs}:
            return Counter(dict(unpack(pairs, tensors)))
        case {"mapping": pairs}:
            return dict(unpack(pairs, tensors))
        case {"tensor": name, "strides": strides}:
            stored = tensors[name]
            laid_out = torch.empty_strided(stored.shape, strides, dtype=stored.dtype)
            return laid_out.copy_(stored)
    return value
