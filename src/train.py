"""Trains the model on the train split, keeps its best epoch by the val split."""

import copy
import math
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from src.cli import main
from src.construct import OwnCode
from src.encoder import Encoder, Scale, encoded_width
from src.errors import InputError, in_memory
from src.files import kept_folder, write_csv
from src.losses import Loss
from src.model_file import BATCH, Model
from src.params import Named, Runtime, Section, Seed, StageParams
from src.passed import check_passed
from src.schema import Schema, Task
from src.training.augment import Augmentation
from src.training.average import Average
from src.training.build import Chosen, build_model, build_parts, choose, try_model
from src.training.checkpoint import Checkpoints
from src.training.data import Batch, Examples, PreparedRows, encode
from src.training.defaults import BatchSize
from src.training.device import Compile, Device, Precision
from src.training.key import Identity, trained_on
from src.training.memory import keep_memory
from src.training.order import Shuffle
from src.training.parts import Parts
from src.training.processes import Processes, check_count, check_loss, together
from src.training.progress import WHERE, Progress, Row, diverged
from src.training.schedulers import Schedulers
from src.training.track import build_tracking
from src.training.watch import Watch, describe_kept


class Train(Section):
    """Holds the section `train` of params.yaml."""

    seed: Seed
    model: Named
    loss: Named | None = None  # none: CrossEntropyLoss or MSELoss, by the task
    optimizer: Named
    scheduler: Schedulers | None = None
    epochs: int = Field(ge=1, le=1_000_000)
    batch_size: BatchSize
    shuffle: Shuffle = True
    scale: Scale = "column"
    monitor: Literal["loss", "accuracy", "r2"] = "loss"
    patience: int | None = Field(None, ge=1, le=1_000_000)
    clip_norm: float | None = Field(None, gt=0)
    average: Average | None = None
    augment: Augmentation | None = None
    device: str = Field("cpu", pattern=r"^(auto|cpu|cuda|cuda:\d+|mps)$")
    precision: Precision = "float32"
    compile: Compile = False
    processes: int = Field(1, ge=1, le=1024)
    threads: int = Field(1, ge=1, le=1024)  # sums in another number of parts differ in the last bit


class Params(StageParams):
    """Holds what the stage reads of params.yaml."""

    train: Train
    runtime: Runtime = Runtime()


def train_epoch(
    p: Train,
    parts: Parts,
    batches: Iterable[Batch],
    progress: Progress,
    watch: Watch,
    checkpoints: Checkpoints | None,
) -> float:
    """Train on each batch once; return the sum of the epoch's losses over its rows.

    Raises InputError for a loss that is not finite.
    """
    network, optimizer, scaler = parts.network, parts.optimizer, parts.scaler
    parameters = list(network.parameters())
    network.train()  # dropout and batch norm do something else in evaluation
    for x, y, rows in batches:
        if parts.augment is not None:
            x = parts.augment(x, rows)
        with parts.autocast:
            outputs = parts.forward(x)  # [batch, outputs]
            loss = parts.criterion(outputs, y)
        optimizer.zero_grad()  # else gradients add up over the batches
        scaler.scale(loss).backward()
        if parts.processes is not None:  # each computes a part of the batch
            loss = parts.processes.average(parameters, loss, len(rows))
        if p.clip_norm is not None:  # after backward, which fills the gradients
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(parameters, p.clip_norm)
        scaler.step(optimizer)
        scaler.update()
        parts.schedule.after_batch(loss)
        if parts.average is not None:
            parts.average.update_parameters(network)
        progress.add(loss, outputs, rows)
        watch.step(progress)
        if checkpoints is not None:
            checkpoints.step(progress)
    return progress.read()


def fit(
    p: Train,
    model: Model,
    loss: Loss,
    parts: Parts,
    train: Examples,
    val: Examples,
    progress: Progress,
    watch: Watch,
    checkpoints: Checkpoints | None = None,
) -> None:
    """Train the parts' network on from where progress stands, until `epochs` or `patience` ends.

    model: whose weights are assessed and kept: those of the network, or their average. Progress
    ends with a row an epoch, and the weights of the epoch that is best by the monitored metric.
    """
    while progress.epoch <= p.epochs and progress.is_patient(p.patience):
        if progress.step == 0:
            progress.lr = float(parts.optimizer.param_groups[0]["lr"])
        order = parts.order.draw()
        progress.sizes = order.sizes
        batches = train.batches(order, progress.step, parts.share)
        watch.begin_epoch(progress, len(order))
        loss_sum = train_epoch(p, parts, batches, progress, watch, checkpoints)
        scores = assess(progress.epoch, model, loss, val)
        row = {"epoch": progress.epoch, "lr": progress.lr, "train_loss": loss_sum / len(train.x)}
        progress.history.append(row | scores)
        parts.schedule.after_epoch(scores["val_loss"])
        score = scores["val_loss"] if p.monitor == "loss" else -scores[f"val_{p.monitor}"]
        if score < progress.best:
            progress.best, progress.best_epoch = score, progress.epoch
            progress.weights = copy.deepcopy(model.network.state_dict())
        watch.end_epoch(progress)
        parts.order.end_epoch()
        progress.end_epoch()


@torch.inference_mode()
def assess(epoch: int, model: Model, loss: Loss, val: Examples) -> Row:
    """Compute the validation loss, and accuracy or R²; raise InputError if the loss is not finite.

    epoch: for the error.
    """
    outputs = torch.cat([model.outputs(x) for x in val.parts(BATCH)])
    y = val.y.to(val.location)
    val_loss = loss.criterion(outputs, loss.targets(y)).item()
    if not math.isfinite(val_loss):
        raise diverged(f"val loss {val_loss} in epoch {epoch}", outputs, val.ids)
    outputs, y = outputs.cpu(), val.y.cpu()  # not every device has float64
    if model.encoder.schema.task == "classification":
        correct = outputs.argmax(dim=1) == y
        return {"val_loss": val_loss, "val_accuracy": correct.double().mean().item()}
    residual = (y - outputs).double().square().sum()
    spread = (y - y.mean()).double().square().sum()
    r2 = 1 - (residual / spread.clamp_min(1e-12)).item()
    return {"val_loss": val_loss, "val_r2": r2}


def rows_of(split: str, prepared: Path, schema: Schema) -> PreparedRows:
    """Open a prepared split; raise InputError where it has no rows."""
    file = prepared / f"{split}.parquet"
    rows = PreparedRows(file, schema)
    if len(rows) == 0:
        raise InputError(file, "no rows", f"rows to {split} on")
    return rows


def check_monitor(p: Train, task: Task) -> None:
    """Raise InputError for a metric that the task has not."""
    other = "r2" if task == "classification" else "accuracy"
    if p.monitor == other:
        raise InputError(f"{WHERE}.monitor", p.monitor, f"loss or a metric of {task}")


def train_model(
    params: Params,
    chosen: Chosen,
    schema: Schema,
    train: PreparedRows,
    val: PreparedRows,
    checkpoints: Checkpoints,
    watch: Watch | None = None,
    processes: Processes | None = None,
) -> tuple[Model, Progress]:
    """Build the model that the params name, and train it; return also how that went.

    watch: None shows what `runtime` asks for, and keeps nothing.
    """
    p = params.train
    if processes is not None:
        chosen = chosen._replace(device=chosen.device.of_process(processes.rank))
    device = chosen.device
    device.prepare(p.threads, p.seed)
    if device != Device(WHERE, torch.device("cpu")):
        print(f"device: {device}")
    encoder = Encoder.fit(schema, train, p.scale)
    model, loss = build_model(params, chosen, encoder, processes)
    scattered = train if p.shuffle else None  # by blocks, too, which lie apart
    examples, val_examples = encode(encoder, [train, val], params.runtime.memory, scattered)
    keep_memory()
    examples = examples._replace(targets=loss.targets).to(device.location)
    try_model(params, chosen, model, loss.criterion, examples, processes)
    if processes is not None:
        torch.manual_seed(p.seed + processes.rank)  # other rows take other dropout
    parts = build_parts(params, chosen, model, loss.criterion, len(examples.x), processes)
    progress = Progress(examples.ids)
    # A full disk is none of the model's errors.
    own_code = OwnCode(f"{WHERE}.model", p.model.name, passing=(OSError,))
    if watch is None:
        watch = Watch(params.runtime, p.epochs, len(examples.x))
    with own_code, device.compiling(), watch:
        val_examples = val_examples.to(device.location)
        assessed = replace(model, network=parts.assessed)
        checkpoints.resume(parts.stateful(), progress, p.epochs, processes)
        watch.begin(progress, len(parts.order.draw()))
        try:
            fit(p, assessed, loss, parts, examples, val_examples, progress, watch, checkpoints)
        except ConnectionError:
            progress.read()  # another process stopped, perhaps for a loss of this one
            raise
        checkpoints.keep(progress)
    model.network.load_state_dict(progress.weights)
    model.network.cpu()  # a model file is of no device
    return model, progress


def run(params: Params, prepared: Path, validated: Path, model: Path) -> None:
    """Train on data that passed validation, and write the model and its history.

    Raises InputError for params or data that do not fit, OwnCodeError for an error in the user's
    own model.
    """
    p, runtime = params.train, params.runtime
    fingerprints = check_passed(prepared, validated)
    schema = Schema.read(prepared)
    check_monitor(p, schema.task)
    recipe = params.model_dump(mode="json", exclude={"train": {"epochs"}, "runtime": True})
    chosen = choose(p, schema)
    data = trained_on(fingerprints, schema)
    identity = Identity({**recipe, "data": data, "device": str(chosen.device)})
    rows = schema.rows.train
    check_count(f"{WHERE}.processes", p.processes, chosen.batch_size, chosen.device)
    check_loss(f"{WHERE}.processes", p.processes, chosen.loss)
    again = partial(run, params, prepared, validated, model)
    with together(f"{WHERE}.processes", p.processes, chosen.device.backend, again) as processes:
        checkpoints = Checkpoints(kept_folder("checkpoints"), runtime.checkpoint, identity)
        is_first = processes is None or processes.is_first
        watch = Watch(runtime.model_copy(update={"progress": False}), p.epochs, rows)
        if is_first:
            tracking = build_tracking(runtime.track, kept_folder("track"), identity)
            watch = Watch(runtime, p.epochs, rows, kept_folder("live"), tracking)
        smaller = "a smaller model or batch_size, fewer rows or columns"
        with in_memory(prepared / "train.parquet", rows, encoded_width(schema), smaller):
            train, val = (rows_of(split, prepared, schema) for split in ("train", "val"))
            trained, progress = train_model(
                params, chosen, schema, train, val, checkpoints, watch, processes
            )
        if is_first:
            history = progress.history
            trained.save(model / "model.safetensors")
            write_csv(model / "history.csv", list(history[0]), history)
            checkpoints.clear(keep_last=runtime.keep_last)
            print(describe_kept(history, progress.best_epoch, p.epochs, p.monitor))


if __name__ == "__main__":
    main(run)
