"""Trains the model on the train split, keeps its best epoch by the val split."""

import copy
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pydantic import Field
from torch import Tensor, nn
from tqdm import tqdm

from src.cli import main
from src.construct import OwnCode
from src.encoder import Encoder, Scale, encoded_width
from src.errors import InputError, in_memory, shown
from src.files import write_csv
from src.losses import Loss, build_loss
from src.model_file import Model
from src.models import build, try_batch
from src.optimizers import Scheduler, build_optimizer, build_scheduler
from src.params import Named, Runtime, Section, Seed, StageParams
from src.passed import check_passed
from src.schema import Schema, Task


class Train(Section):
    """Holds the section `train` of params.yaml."""

    model: Named
    loss: Named
    optimizer: Named
    scheduler: Scheduler | None = None
    epochs: int = Field(ge=1, le=1_000_000)
    batch_size: int = Field(ge=1, le=2**31 - 1)
    shuffle: bool = True
    scale: Scale = "column"
    monitor: Literal["loss", "accuracy", "r2"] = "loss"
    patience: int | None = Field(None, ge=1, le=1_000_000)
    clip_norm: float | None = Field(None, gt=0)
    threads: int = Field(1, ge=1, le=1024)  # sums in another number of parts differ in the last bit


class Params(StageParams):
    """Holds what the stage reads of params.yaml."""

    seed: Seed
    train: Train
    runtime: Runtime = Runtime()


WHERE = "params.yaml: train"
Row = dict[str, float]  # one epoch of history.csv


class Examples(NamedTuple):
    """Holds the encoded rows of one split: x [rows, features], y as `Encoder.targets` gives it.

    ids: what names the rows in errors.
    """

    x: Tensor
    y: Tensor
    ids: pa.ChunkedArray


def train_epoch(
    params: Params,
    epoch: int,
    network: nn.Module,
    criterion: nn.Module,
    optimizer: torch.optim.Optimizer,
    step_scheduler: Callable[[float], None],
    batches: Sequence[Tensor],
    train: Examples,
) -> float:
    """Train on each batch once; return the loss, averaged over rows.

    batches: row numbers, int64 [batch]; train: y as the criterion takes it. Raises InputError for a
    loss that is not finite.
    """
    p, runtime = params.train, params.runtime
    by_batch = p.scheduler is not None and p.scheduler.every == "batch"
    network.train()  # dropout and batch norm do something else in evaluation
    total = torch.zeros(())  # of the losses' own precision
    hidden = not runtime.progress or None  # None: hidden where stderr is no terminal
    bar = tqdm(batches, f"Epoch {epoch}/{p.epochs}", leave=False, disable=hidden)
    for step, rows in enumerate(bar, 1):
        outputs = network(train.x[rows])  # [batch, outputs]
        loss = criterion(outputs, train.y[rows])
        optimizer.zero_grad()  # else gradients add up over the batches
        loss.backward()
        if p.clip_norm is not None:  # after backward, which fills the gradients
            nn.utils.clip_grad_norm_(network.parameters(), p.clip_norm)
        optimizer.step()
        if by_batch:
            step_scheduler(loss.item())
        total += loss.detach() * len(rows)  # detached, or it would keep every step's graph
        if not math.isfinite(total.item()):
            position = f"in epoch {epoch}, step {step}"
            raise diverged(f"loss {loss.item()} {position}", outputs, train.ids.take(rows.numpy()))
        if step % runtime.log_every == 0:
            position = f"Epoch [{epoch}/{p.epochs}], Step [{step}/{len(batches)}]"
            tqdm.write(f"{position}, Loss: {loss.item():.4f}")
    return total.item() / len(train.x)


def fit(
    params: Params, model: Model, loss: Loss, train: Examples, val: Examples
) -> tuple[list[Row], dict[str, Tensor]]:
    """Train the model, in place, until the last epoch or until `patience` ends.

    Returns a row an epoch, and the weights of the epoch that is best by the monitored metric.
    """
    p, network = params.train, model.network
    optimizer = build_optimizer(f"{WHERE}.optimizer", p.optimizer, network)
    step_scheduler = build_scheduler(f"{WHERE}.scheduler", p.scheduler, optimizer)
    by_epoch = p.scheduler is not None and p.scheduler.every == "epoch"
    # The order of rows has a generator of its own: a layer more in the model changes no order.
    generator = torch.Generator().manual_seed(params.seed)
    train = train._replace(y=loss.targets(train.y))
    history: list[Row] = []
    best, best_epoch, weights = math.inf, 0, network.state_dict()
    for epoch in range(1, p.epochs + 1):
        lr = float(optimizer.param_groups[0]["lr"])
        batches = split_rows(len(train.x), p, generator)
        train_loss = train_epoch(
            params, epoch, network, loss.criterion, optimizer, step_scheduler, batches, train
        )
        scores = assess(epoch, model, loss, val)
        row = {"epoch": epoch, "lr": lr, "train_loss": train_loss, **scores}
        history.append(row)
        if by_epoch:
            step_scheduler(row["val_loss"])
        score = row["val_loss"] if p.monitor == "loss" else -row[f"val_{p.monitor}"]
        if score < best:
            best, best_epoch = score, epoch
            weights = copy.deepcopy(network.state_dict())
        if p.patience is not None and epoch - best_epoch >= p.patience:
            break
    return history, weights


def split_rows(rows: int, p: Train, generator: torch.Generator) -> Sequence[Tensor]:
    """Split the row numbers into batches, in an order that is drawn anew each epoch.

    A row that is left over joins the batch before: batch norm refuses one row.
    """
    order = torch.randperm(rows, generator=generator) if p.shuffle else torch.arange(rows)
    batches = torch.split(order, p.batch_size)
    is_left_over = len(batches) > 1 and len(batches[-1]) == 1
    if is_left_over and p.batch_size > 1:
        return (*batches[:-2], torch.cat(batches[-2:]))
    return batches


@torch.inference_mode()
def assess(epoch: int, model: Model, loss: Loss, val: Examples) -> Row:
    """Compute the validation loss, and accuracy or R²; raise InputError if the loss is not finite.

    epoch: for the error.
    """
    outputs = model.outputs(val.x)
    val_loss = loss.criterion(outputs, loss.targets(val.y)).item()
    if not math.isfinite(val_loss):
        raise diverged(f"val loss {val_loss} in epoch {epoch}", outputs, val.ids)
    if model.encoder.schema.task == "classification":
        correct = outputs.argmax(dim=1) == val.y
        return {"val_loss": val_loss, "val_accuracy": correct.double().mean().item()}
    residual = (val.y - outputs).double().square().sum()
    spread = (val.y - val.y.mean()).double().square().sum()
    r2 = 1 - (residual / spread.clamp_min(1e-12)).item()
    return {"val_loss": val_loss, "val_r2": r2}


def diverged(found: str, outputs: Tensor, ids: pa.ChunkedArray) -> InputError:
    """Name the first rows whose outputs are not finite, or else the row of the largest output.

    outputs: [rows, n]; ids: of these rows.
    """
    size = outputs.abs().nan_to_num(nan=math.inf).amax(dim=1)
    rows = torch.nonzero(size == size.max()).squeeze(1)[:3]
    names = ", ".join(shown(name) for name in ids.take(rows.numpy()).to_pylist())
    found = f"{found}, first in the rows with id {names}"
    expected = "finite losses; a smaller optimizer.lr or a clip_norm may give them"
    return InputError(WHERE, found, expected)


def check_monitor(p: Train, task: Task) -> None:
    """Raise InputError for a metric that the task has not."""
    other = "r2" if task == "classification" else "accuracy"
    if p.monitor == other:
        raise InputError(f"{WHERE}.monitor", p.monitor, f"loss or a metric of {task}")


def train_model(
    params: Params, schema: Schema, train: pa.Table, val: pa.Table
) -> tuple[Model, list[Row]]:
    """Build the model that the params name, and train it; return also a row an epoch."""
    p = params.train
    torch.set_num_threads(p.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(params.seed)  # initial weights, dropout
    encoder = Encoder.fit(schema, train, p.scale)
    network = build(f"{WHERE}.model", p.model.name, p.model.kwargs, encoder.width, encoder.outputs)
    loss = build_loss(f"{WHERE}.loss", p.loss.name, p.loss.kwargs, schema.task, encoder.outputs)
    model = Model(network, encoder, p.model.model_dump(), p.loss.name)
    examples, val_examples = (
        Examples(encoder.features(table), encoder.targets(table), table.column("id"))
        for table in (train, val)
    )
    rows = slice(p.batch_size)
    x, y = examples.x[rows], loss.targets(examples.y[rows])
    try_batch(f"{WHERE}.model", p.model.name, network, loss.criterion, x, y, encoder.outputs)
    # A full disk is none of the model's errors.
    with OwnCode(f"{WHERE}.model", p.model.name, passing=(OSError,)):
        history, weights = fit(params, model, loss, examples, val_examples)
    network.load_state_dict(weights)
    return model, history


def run(params: Params, prepared: Path, validated: Path, model: Path) -> None:
    """Train on data that passed validation, and write the model and its history.

    Raises InputError for params or data that do not fit, OwnCodeError for an error in the user's
    own model.
    """
    p = params.train
    check_passed(prepared, validated)
    schema = Schema.read(prepared)
    check_monitor(p, schema.task)
    file = prepared / "train.parquet"
    smaller = "a smaller model or batch_size, fewer rows or columns"
    with in_memory(file, schema.rows.train, encoded_width(schema), smaller):
        tables = {split: pq.read_table(prepared / f"{split}.parquet") for split in ("train", "val")}
        for split, table in tables.items():
            if table.num_rows == 0:
                raise InputError(prepared / f"{split}.parquet", "no rows", f"rows to {split} on")
        trained, history = train_model(params, schema, tables["train"], tables["val"])
    trained.save(model / "model.safetensors")
    write_csv(model / "history.csv", list(history[0]), history)
    print("  ".join(f"{name} {value:.6g}" for name, value in history[-1].items()))


if __name__ == "__main__":
    main(run)
