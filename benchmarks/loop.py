"""Measures what a step of the training loop costs beside the same step on one fixed batch.

python -m benchmarks.loop [WORKLOAD...] [--rounds 15] [--threads 1] [--options]

Each loop trains the same network in turn, an epoch or more a round, and the ratio to the floor is
taken within the round; printed are the median and the middle half. The floor takes the step
(forward, loss, zero_grad, backward, step) on one batch again and again. With one thread the
processor's time is taken, which other work on the machine changes less than the clock; with more,
the clock's. `--options` switches on one option of params.yaml at a time, beside a floor whose step
has it too where it is part of the step (clip_norm, precision, compile), and before that everything
at once: history to watch, checkpoints every 30 seconds, and a clip_norm. No round lasts as long, so
that the write of a checkpoint is measured alone.
"""

import argparse
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from src.cli import SAME_BYTES
from src.models import build
from src.train import Params, train_epoch
from src.training.checkpoint import Checkpoints
from src.training.data import Examples
from src.training.device import Device
from src.training.key import Identity
from src.training.memory import keep_memory
from src.training.optimizers import build_optimizer
from src.training.order import Order
from src.training.parts import Parts
from src.training.progress import Progress
from src.training.schedulers import build_schedule
from src.training.watch import Watch

SECONDS = 0.1  # of the floor, a round
SECONDS_APART = 30.0  # of checkpoints


@dataclass(frozen=True)
class Workload:
    """Holds a table's size, and the params that train on it."""

    rows: int
    columns: int
    outputs: int
    train: dict[str, Any]

    def params(self, options: dict[str, Any]) -> Params:
        """Check the params."""
        loss = {"name": "CrossEntropyLoss" if self.outputs > 1 else "MSELoss"}
        train = {"loss": loss, "epochs": 1_000_000, **self.train, **options}
        return Params.model_validate(
            {"train": {"seed": 1, **train}, "runtime": {"progress": False}}
        )


WORKLOADS = {
    "mlp, batch 10": Workload(
        1290,
        64,
        10,
        {
            "model": {"name": "mlp", "hidden": [128]},
            "optimizer": {"name": "SGD", "lr": 0.01},
            "batch_size": 10,
        },
    ),
    "mlp, batch 100": Workload(
        20_000,
        784,
        10,
        {
            "model": {"name": "mlp", "hidden": [256, 128]},
            "optimizer": {"name": "AdamW", "lr": 0.001},
            "batch_size": 100,
        },
    ),
    "mlp, batch 1000": Workload(
        20_000,
        784,
        10,
        {
            "model": {"name": "mlp", "hidden": [256, 128]},
            "optimizer": {"name": "AdamW", "lr": 0.001},
            "batch_size": 1000,
        },
    ),
    "table, batch 100": Workload(
        50_000,
        21,
        1,
        {
            "model": {"name": "mlp", "hidden": [64, 64]},
            "optimizer": {"name": "AdamW", "lr": 0.001},
            "batch_size": 100,
        },
    ),
    "cnn, batch 100": Workload(
        1000,
        784,
        10,
        {
            "model": {"name": "cnn", "channels": [32, 64], "hidden": 128},
            "optimizer": {"name": "AdamW", "lr": 0.001},
            "batch_size": 100,
        },
    ),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "clip_norm": {"clip_norm": 1.0},
    "scheduler": {"scheduler": {"name": "StepLR", "step_size": 1000, "every": "batch"}},
    "precision: bf16": {"precision": "bf16"},
    "compile": {"compile": "default"},
    "compile: max-autotune": {"compile": "max-autotune"},
}
EVERYTHING: dict[str, Any] = {"clip_norm": 1.0}


@dataclass
class Bench:
    """Holds a workload's data, and what its params name."""

    workload: Workload
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the data: of noise, as no step's time depends on them."""
        torch.manual_seed(1)
        w = self.workload
        self.params = w.params(self.options)
        self.x = torch.randn(w.rows, w.columns)
        self.y = torch.randint(w.outputs, (w.rows,)) if w.outputs > 1 else torch.randn(w.rows, 1)
        self.size: int = w.train["batch_size"]
        self.steps = math.ceil(w.rows / self.size)

    def parts(self) -> Parts:
        """Build a new network, optimizer and so on."""
        p, w = self.params.train, self.workload
        device = Device("train", torch.device("cpu"), p.precision, p.compile)
        torch.manual_seed(1)
        network = build("model", p.model.name, p.model.kwargs, w.columns, w.outputs)
        optimizer = build_optimizer("optimizer", p.optimizer, network)
        return Parts(
            network=network,
            forward=device.compiled(network),
            criterion=nn.CrossEntropyLoss() if w.outputs > 1 else nn.MSELoss(),
            optimizer=optimizer,
            schedule=build_schedule("scheduler", p.scheduler, optimizer, p.epochs, self.steps),
            order=Order(w.rows, self.size, shuffle=True, seed=1),
            autocast=device.autocast(),
            scaler=device.scaler(),
        )


def floor(bench: Bench) -> Iterator[None]:
    """Take the step on one batch again and again."""
    parts, size, norm = bench.parts(), bench.size, bench.params.train.clip_norm
    x, y = bench.x[:size].clone(), bench.y[:size].clone()
    parameters = list(parts.network.parameters())
    while True:
        for _ in range(bench.steps):
            with parts.autocast:
                loss = parts.criterion(parts.forward(x), y)
            parts.optimizer.zero_grad()
            loss.backward()
            if norm is not None:
                nn.utils.clip_grad_norm_(parameters, norm)
            parts.optimizer.step()
        yield


def ours(
    bench: Bench, live: Path | None = None, checkpoints: Checkpoints | None = None
) -> Iterator[None]:
    """Train by src.train."""
    parts, p = bench.parts(), bench.params.train
    ids = pa.chunked_array([pa.array(range(bench.workload.rows))])
    examples = Examples(bench.x, bench.y, ids)
    progress = Progress(ids)
    if checkpoints is not None:
        checkpoints.resume(parts.stateful(), progress, p.epochs)
    with Watch(bench.params.runtime, p.epochs, len(bench.x), live) as watch:
        watch.begin(progress, bench.steps)
        while True:
            order = parts.order.draw()
            progress.sizes = [len(rows) for rows in order]
            watch.begin_epoch(progress, len(order))
            batches = examples.batches(order)
            loss = train_epoch(p, parts, batches, progress, watch, checkpoints)
            row = {"epoch": progress.epoch, "train_loss": loss, "val_loss": math.nan}
            progress.history.append(row)
            watch.end_epoch(progress)
            parts.order.end_epoch()
            progress.end_epoch()
            yield


def textbook(bench: Bench) -> Iterator[None]:
    """Train as PyTorch's tutorial does: a DataLoader, and the loss read each step."""
    parts, size = bench.parts(), bench.size
    loader = DataLoader(TensorDataset(bench.x, bench.y), size, shuffle=True)
    while True:
        running = 0.0
        for x, y in loader:
            parts.optimizer.zero_grad()
            loss = parts.criterion(parts.network(x), y)
            loss.backward()
            parts.optimizer.step()
            running += loss.item()
        yield


def tight(bench: Bench) -> Iterator[None]:
    """Train by the shortest loop of torch there is: no log, no check, no mean loss."""
    parts, size = bench.parts(), bench.size
    while True:
        for rows in torch.split(torch.randperm(len(bench.x)), size):
            loss = parts.criterion(parts.network(bench.x[rows]), bench.y[rows])
            parts.optimizer.zero_grad()
            loss.backward()
            parts.optimizer.step()
        yield


Loop = Callable[[Bench], Iterator[None]]
LOOPS: dict[str, Loop] = {"ours": ours, "tight loop": tight, "textbook": textbook}


def clock_of(threads: int) -> Callable[[], float]:
    """Return the processor's clock for one thread, else the machine's."""
    return time.process_time if threads == 1 else time.perf_counter


def ratios(loops: dict[str, Iterator[None]], rounds: int, clock: Callable[[], float]) -> None:
    """Run the loops in turn; print the ratios to the floor's time, and the time of an epoch."""
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        for loop in loops.values():
            next(loop)  # what is slow the first time alone
        start = clock()
        next(loops["floor"])
        epochs = math.ceil(SECONDS / (clock() - start))
        for number in range(rounds):
            first = number % len(loops)
            for name in [*loops, *loops][first : first + len(loops)]:
                start = clock()
                for _ in range(epochs):
                    next(loops[name])
                seconds[name].append((clock() - start) / epochs)
    for name, taken in seconds.items():
        found = [one / base for one, base in zip(taken, seconds["floor"], strict=True)]
        low, _, high = quantiles(found, n=4)
        spread = f"({low:.2f} to {high:.2f})"
        print(
            f"  {name:20} {median(found):6.3f} {spread:16} {median(taken) * 1000:9.2f} ms an epoch"
        )


def compare(bench: Bench, loops: dict[str, Loop]) -> dict[str, Iterator[None]]:
    """Begin the loops, and the floor beside them."""
    return {"floor": floor(bench), **{name: loop(bench) for name, loop in loops.items()}}


def compare_everything(
    workload: Workload, rounds: int, clock: Callable[[], float], folder: Path
) -> None:
    """Measure a training with all that is on by default, and the write of a checkpoint."""
    bench = Bench(workload, EVERYTHING)
    live, kept = folder / "live", folder / "checkpoints"
    checkpoints = Checkpoints(kept, SECONDS_APART, Identity({}))
    training = ours(bench, live, checkpoints)
    ratios({"floor": floor(bench), "everything": training}, rounds, clock)
    progress = Progress(pa.chunked_array([pa.array(range(workload.rows))]))
    writing = Checkpoints(folder / "written", SECONDS_APART, Identity({}))
    writing.resume(bench.parts().stateful(), progress, 1)
    taken = []
    for progress.step in range(1, 1 + rounds):
        start = time.perf_counter()
        writing.keep(progress)
        taken.append(time.perf_counter() - start)
    share = median(taken) / SECONDS_APART
    print(f"  a checkpoint: {median(taken) * 1000:.1f} ms, {share:.2%} of {SECONDS_APART:g} s")


def measure_options(workload: Workload, rounds: int, clock: Callable[[], float]) -> None:
    """Switch on everything, and then an option at a time."""
    print(" with everything", flush=True)
    with TemporaryDirectory() as folder:
        compare_everything(workload, rounds, clock, Path(folder))
    for option, changes in OPTIONS.items():
        print(f" with {option}", flush=True)
        ratios(compare(Bench(workload, changes), {"ours": ours}), rounds, clock)


def main() -> None:
    """Measure the workloads that are named, or all."""
    parser = argparse.ArgumentParser("python -m benchmarks.loop", description=__doc__)
    parser.add_argument("workloads", nargs="*", help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--options", action="store_true")
    arguments = parser.parse_args()
    os.environ.update(SAME_BYTES)
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    keep_memory()
    clock = clock_of(arguments.threads)
    for name in arguments.workloads or WORKLOADS:
        bench = Bench(WORKLOADS[name])
        print(f"{name}: {bench.steps} steps an epoch, {arguments.threads} threads", flush=True)
        ratios(compare(bench, LOOPS), arguments.rounds, clock)
        if arguments.options:
            measure_options(WORKLOADS[name], arguments.rounds, clock)


if __name__ == "__main__":
    main()
