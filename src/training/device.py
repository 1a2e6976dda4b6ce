"""Says where training computes, and in which precision."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn

from src.errors import InputError, first_line, is_out_of_memory

Precision = Literal["float32", "tf32", "bf16", "fp16"]
Compile = Literal[False, "default", "max-autotune"]
HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
TF32 = (8, 0)  # the first compute capability that has it: Ampere


@dataclass(frozen=True)
class Device:
    """Holds where tensors live, what the forward pass computes in, and whether it is compiled.

    where: what names these params in errors.
    """

    where: str
    location: torch.device
    precision: Precision = "float32"
    compile: Compile = False

    @classmethod
    def of(cls, where: str, name: str, precision: Precision, compile: Compile) -> "Device":
        """Find the named device; raise InputError for what this machine or the device has not."""
        location = find(f"{where}.device", name)
        check_precision(f"{where}.precision", location, precision)
        return cls(where, location, precision, compile)

    def of_process(self, rank: int) -> "Device":
        """Return the device of one of several processes, each of which takes a GPU of its own."""
        if self.location.type != "cuda":
            return self
        location = torch.device("cuda", rank)
        check_precision(f"{self.where}.precision", location, self.precision)
        return replace(self, location=location)

    def __str__(self) -> str:
        """Name the device and all that decides on the bits of its results."""
        words = [str(self.location), self.precision]
        if self.location.type == "cuda":
            words[0] += f" ({torch.cuda.get_device_name(self.location)})"
            words.append(f"TF32 {'on' if self.precision == 'tf32' else 'off'}")
            version = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
            words.append(f"cuDNN {version}")
        if self.compile:
            words.append(f"compiled: {self.compile}")
        return ", ".join(words)

    @property
    def backend(self) -> str:
        """Name what several processes talk by."""
        return "nccl" if self.location.type == "cuda" else "gloo"

    def prepare(self, threads: int, seed: int) -> None:
        """Have torch give the same bits each time, with so many CPU threads."""
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True)
        if self.location.type == "cuda":
            is_tf32 = self.precision == "tf32"
            torch.backends.cuda.matmul.allow_tf32 = is_tf32
            torch.backends.cudnn.allow_tf32 = is_tf32  # torch's default is True
        torch.manual_seed(seed)  # initial weights, dropout; of every device

    def autocast(self) -> AbstractContextManager[Any]:
        """Return what the forward pass runs in; it can be entered any number of times."""
        if self.precision not in HALVES:
            return nullcontext()
        return torch.autocast(self.location.type, HALVES[self.precision])

    def scaler(self) -> torch.amp.GradScaler:
        """Build what keeps gradients of fp16 from underflow, and does nothing otherwise."""
        return torch.amp.GradScaler(self.location.type, enabled=self.precision == "fp16")

    def compiled(self, network: nn.Module) -> nn.Module:
        """Return the network, or what computes the same by code compiled for it."""
        if not self.compile:
            return network
        # Not dynamic, which would compile by the sizes seen yet: resumed, training saw others.
        compiled: nn.Module = torch.compile(network, mode=self.compile, dynamic=False)  # type: ignore[assignment]
        return compiled

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Turn what a device other than the CPU can't compute into InputError, on a first batch."""
        try:
            yield
        except RuntimeError as e:
            if self.location.type == "cpu" or is_out_of_memory(e):
                raise
            expected = "a model and loss that this device computes, the same each time"
            raise InputError(
                f"{self.where}.device", str(self.location), f"{expected} ({first_line(e)})"
            ) from None

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Turn what torch can't compile into InputError. It compiles at the first step."""
        try:
            yield
        except RuntimeError as e:
            of_compiler = type(e).__module__.startswith(("torch._dynamo", "torch._inductor"))
            if not self.compile or not of_compiler:
                raise
            expected = f"false, or what torch.compile needs ({first_line(e)})"
            raise InputError(f"{self.where}.compile", self.compile, expected) from None


def find(where: str, name: str) -> torch.device:
    """Find the device: cpu, cuda, cuda:N, mps or auto; raise InputError if it is not here."""
    available = devices()
    if name == "auto":
        name = available[-1]
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in available:
        expected = f"a device of this machine: auto or {', '.join(available)}"
        raise InputError(where, name, f"{expected} (torch {torch.__version__})")
    return torch.device(wanted)


def devices() -> list[str]:
    """List the devices of this machine, the one that `auto` takes last."""
    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.append("mps")
    if torch.cuda.is_available():
        available += [f"cuda:{i}" for i in reversed(range(torch.cuda.device_count()))]
    return available


def check_precision(where: str, location: torch.device, precision: Precision) -> None:
    """Raise InputError for a precision that the device has not."""
    has = True
    if precision == "tf32":
        has = location.type == "cuda" and torch.cuda.get_device_capability(location) >= TF32
    elif precision == "bf16" and location.type == "cuda":
        has = torch.cuda.is_bf16_supported(including_emulation=False)
    if not has:
        expected = f"float32 or fp16 on {location}, which has no {precision}"
        if location.type == "cpu":
            expected = "float32, bf16 or fp16 on cpu; TF32 is CUDA's"
        raise InputError(where, precision, expected)
