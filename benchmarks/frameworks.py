"""Measures training loops of other frameworks beside the same step on one fixed batch.

python -m benchmarks.frameworks [WORKLOAD...] [--rounds 5] [--threads 1]

The workloads are those of `benchmarks.loop`, and so is the floor. The frameworks are installed in a
virtual environment of their own, beside this project's packages, which stays as it is; that is
removed at the end. Each trains the same network by the same optimizer on batches of a DataLoader,
in its own loop, with its log, progress bar, checkpoints and validation switched off. Keras has the
same layers by its own names, and torch below them.
"""

import argparse
import os
import subprocess
import sys
import threading
import venv
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.loop import WORKLOADS, Bench, Loop, clock_of, compare, ours, ratios, textbook
from src.cli import SAME_BYTES

PACKAGES = [
    "accelerate==1.15.0",
    "keras==3.15.1",
    "lightning==2.6.6",
    "pytorch-ignite==0.5.5",
    "skorch==1.4.0",
]


def by_epoch(train: Callable[[Callable[[], None]], None]) -> Iterator[None]:
    """Let a framework's own loop, which calls back after each epoch, run an epoch at a time."""
    go, done = threading.Semaphore(0), threading.Semaphore(0)
    errors: list[BaseException] = []
    threads = torch.get_num_threads()

    def after_epoch() -> None:
        done.release()
        go.acquire()

    def run() -> None:
        torch.set_num_threads(threads)  # each thread has a number of its own
        go.acquire()
        try:
            train(after_epoch)
        except BaseException as e:
            errors.append(e)
            done.release()

    threading.Thread(target=run, daemon=True).start()
    while True:
        go.release()
        done.acquire()
        if errors:
            raise errors[0]
        yield


def loader_of(bench: Bench) -> DataLoader[tuple[torch.Tensor, ...]]:
    """Make the batches, as each framework's own first example does."""
    return DataLoader(TensorDataset(bench.x, bench.y), bench.size, shuffle=True)


def ignite(bench: Bench) -> Iterator[None]:
    """Train by PyTorch-Ignite."""
    from ignite.engine import Events, create_supervised_trainer

    parts = bench.parts()
    trainer = create_supervised_trainer(parts.network, parts.optimizer, parts.criterion)

    def train(after_epoch: Callable[[], None]) -> None:
        trainer.add_event_handler(Events.EPOCH_COMPLETED, after_epoch)
        trainer.run(loader_of(bench), max_epochs=1_000_000)

    return by_epoch(train)


def accelerate(bench: Bench) -> Iterator[None]:
    """Train by Hugging Face Accelerate."""
    from accelerate import Accelerator

    parts, accelerator = bench.parts(), Accelerator(cpu=True)
    network, optimizer, loader = accelerator.prepare(
        parts.network, parts.optimizer, loader_of(bench)
    )
    while True:
        for x, y in loader:
            optimizer.zero_grad()
            accelerator.backward(parts.criterion(network(x), y))
            optimizer.step()
        yield


def skorch(bench: Bench) -> Iterator[None]:
    """Train by skorch."""
    from skorch import NeuralNet

    parts = bench.parts()
    net = NeuralNet(
        module=parts.network,
        criterion=type(parts.criterion),
        optimizer=type(parts.optimizer),
        optimizer__lr=parts.optimizer.param_groups[0]["lr"],
        batch_size=bench.size,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks__print_log=None,
        max_epochs=1,
    ).initialize()
    while True:
        net.partial_fit(bench.x, bench.y)
        yield


def lightning(bench: Bench) -> Iterator[None]:
    """Train by Lightning."""
    from lightning.pytorch import Callback, LightningModule, Trainer

    parts = bench.parts()

    class Module(LightningModule):
        """Holds the network."""

        def __init__(self) -> None:
            super().__init__()
            self.network = parts.network

        def training_step(self, batch: list[torch.Tensor], number: int) -> torch.Tensor:
            """Compute a batch's loss."""
            x, y = batch
            loss: torch.Tensor = parts.criterion(self.network(x), y)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            """Return the optimizer."""
            return parts.optimizer

    def train(after_epoch: Callable[[], None]) -> None:
        class AfterEpoch(Callback):
            """Calls back."""

            def on_train_epoch_end(self, *_: object) -> None:
                """Call back."""
                after_epoch()

        trainer = Trainer(
            accelerator="cpu",
            max_epochs=-1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[AfterEpoch()],
        )
        trainer.fit(Module(), loader_of(bench))

    return by_epoch(train)


def keras(bench: Bench) -> Iterator[None]:
    """Train by Keras 3, on torch."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras as k

    parts = bench.parts()
    layers: list[Any] = [k.layers.Input((bench.workload.columns,))]
    for layer in parts.network.modules():
        if isinstance(layer, nn.Linear):
            layers.append(k.layers.Dense(layer.out_features, activation="relu"))
    layers[-1].activation = None
    model = k.Sequential(layers)
    optimizers = {"SGD": k.optimizers.SGD, "AdamW": k.optimizers.AdamW}
    group = parts.optimizer.param_groups[0]
    is_class = bench.workload.outputs > 1
    model.compile(
        optimizer=optimizers[type(parts.optimizer).__name__](group["lr"]),
        loss=k.losses.SparseCategoricalCrossentropy(from_logits=True) if is_class else "mse",
    )

    def train(after_epoch: Callable[[], None]) -> None:
        callback = k.callbacks.LambdaCallback(on_epoch_end=lambda *_: after_epoch())
        model.fit(loader_of(bench), epochs=1_000_000, verbose=0, callbacks=[callback])

    return by_epoch(train)


LOOPS: dict[str, Loop] = {
    "ours": ours,
    "textbook": textbook,
    "ignite": ignite,
    "accelerate": accelerate,
    "skorch": skorch,
    "lightning": lightning,
    "keras": keras,
}


def install(folder: Path) -> str:
    """Install the frameworks beside this project's packages; return the environment's Python."""
    venv.create(folder, with_pip=True)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    (packages / "project.pth").write_text("\n".join(path for path in sys.path if path) + "\n")
    python = folder / "bin/python"
    have = f"torch=={torch.__version__.partition('+')[0]}"
    subprocess.run([python, "-m", "pip", "install", "-q", have, *PACKAGES], check=True)
    return str(python)


def measure(names: list[str], rounds: int, threads: int) -> None:
    """Print the ratios of each loop to the floor."""
    os.environ.update(SAME_BYTES)
    warnings.simplefilter("ignore")  # of few workers, and of the frameworks' own dependencies
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    for name in names or WORKLOADS:
        bench = Bench(WORKLOADS[name])
        loops = dict(LOOPS)
        if bench.params.train.model.name == "cnn":
            del loops["keras"]  # whose layers it has not
        print(f"{name}: {bench.steps} steps an epoch, {threads} threads", flush=True)
        ratios(compare(bench, loops), rounds, clock_of(threads))


def main() -> None:
    """Measure the workloads that are named, or all."""
    parser = argparse.ArgumentParser("python -m benchmarks.frameworks", description=__doc__)
    parser.add_argument("workloads", nargs="*", help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if find_spec("lightning") is not None:
        measure(arguments.workloads, arguments.rounds, arguments.threads)
        return
    with TemporaryDirectory() as folder:
        python = install(Path(folder))
        command = [python, "-m", "benchmarks.frameworks", *sys.argv[1:]]
        sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
