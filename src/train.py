"""Trains the model on the train split, keeps its best epoch by the val split."""

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq
import torch
from pydantic import Field
from torch import Tensor, nn
from tqdm import tqdm

from src.cli import main
from src.encoder import Encoder, Scale
from src.errors import InputError, one_of, shown
from src.files import sha256, write_csv
from src.model_file import Model
from src.networks import build, construct, refusing, seeded
from src.objective import Objective, objective
from src.params import Named, Runtime, Section, Seed
from src.params import Params as BaseParams
from src.schema import SPLITS, Schema


class Scheduler(Named):
    every: Literal["epoch", "batch"] = "epoch"  # when it steps


class Train(Section):
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


class Params(BaseParams):
    seed: Seed
    train: Train
    runtime: Runtime = Runtime()


WHERE = "params.yaml: train"
Row = dict[str, float]  # one epoch of history.csv


def check_passed(prepared: Path, validated: Path) -> None:
    """InputError unless this very data passed validation."""
    passed = validated / "passed.json"
    if not passed.is_file():
        raise InputError(passed, "no such file", "data that passed `validate`")
    fingerprints = json.loads(passed.read_text(encoding="utf-8"))
    for name in [*(f"{split}.parquet" for split in SPLITS), "schema.json"]:
        if sha256(prepared / name) != fingerprints.get(name):
            raise InputError(
                prepared / name, "other data than passed `validate`", "a run of `validate` on it"
            )


def make_optimizer(spec: Named, network: nn.Module) -> torch.optim.Optimizer:
    known = sorted(n for n in torch.optim.__all__ if n[0].isupper() and n != "Optimizer")
    where = f"{WHERE}.optimizer"
    if spec.name not in known:
        raise InputError(
            f"{where}.name",
            shown(spec.name),
            f"an optimizer of torch.optim: {one_of(known, spec.name)}",
        )
    if spec.name in ("LBFGS", "SparseAdam"):
        raise InputError(
            f"{where}.name", spec.name, "an optimizer of dense gradients that needs no closure"
        )
    cls: type[torch.optim.Optimizer] = getattr(torch.optim, spec.name)
    made: torch.optim.Optimizer = construct(
        where, cls, {"params": network.parameters()}, spec.kwargs
    )
    trial = nn.Parameter(torch.zeros(2, 2))  # torch checks some arguments only when it steps
    trial.grad = torch.zeros(2, 2)
    with refusing(where, cls, spec.kwargs):
        construct(where, cls, {"params": [trial]}, spec.kwargs).step()
    return made


def make_scheduler(
    spec: Scheduler | None, optimizer: torch.optim.Optimizer
) -> Callable[[float], None]:
    """Its step, which takes the loss, for ReduceLROnPlateau."""
    if spec is None:
        return lambda loss: None
    classes = torch.optim.lr_scheduler
    known = sorted(
        n for n in classes.__all__ if n not in ("LRScheduler", "ChainedScheduler", "SequentialLR")
    )
    where = f"{WHERE}.scheduler"
    if spec.name not in known:
        raise InputError(
            f"{where}.name",
            shown(spec.name),
            f"a scheduler of torch.optim.lr_scheduler: {one_of(known, spec.name)}",
        )
    cls = getattr(classes, spec.name)
    scheduler = construct(where, cls, {"optimizer": optimizer}, spec.kwargs)

    def step(loss: float) -> None:
        with refusing(where, cls, spec.kwargs):
            if isinstance(scheduler, classes.ReduceLROnPlateau):
                scheduler.step(loss)
            else:
                scheduler.step()
            for group in optimizer.param_groups:
                lr = group["lr"]
                if not isinstance(lr, int | float) or not abs(lr) <= torch.finfo(torch.float32).max:
                    raise ValueError(f"the learning rate becomes {shown(lr)}")

    return step


@torch.inference_mode()
def assess(model: Model, goal: Objective, x: Tensor, encoded: Tensor) -> Row:
    """Validation loss, and accuracy or R²."""
    outputs = model.outputs(x)
    row = {"val_loss": goal.criterion(outputs, goal.targets(encoded)).item()}
    if model.encoder.schema.task == "classification":
        row["val_accuracy"] = (outputs.argmax(dim=1) == encoded).double().mean().item()
    else:
        residual, spread = (encoded - outputs).double(), (encoded - encoded.mean()).double()
        row["val_r2"] = (
            1 - (residual.square().sum() / spread.square().sum().clamp_min(1e-12)).item()
        )
    return row


def fit(
    params: Params,
    model: Model,
    goal: Objective,
    x: Tensor,
    y: Tensor,
    val_x: Tensor,
    val_y: Tensor,
) -> tuple[list[Row], dict[str, Tensor]]:
    """The training loop. x: float32 [rows, features]; y: as the loss takes it; val_y: encoded.

    Returns a row an epoch, and the weights of the epoch that is best by the monitored metric.
    """
    p, network, criterion = params.train, model.network, goal.criterion
    optimizer = make_optimizer(p.optimizer, network)
    step_scheduler = make_scheduler(p.scheduler, optimizer)
    by_batch = p.scheduler is not None and p.scheduler.every == "batch"
    generator = seeded(params.seed)
    sign = 1 if p.monitor == "loss" else -1  # the smallest loss is best, the largest of the others
    history: list[Row] = []
    best, best_epoch, weights = math.inf, 0, network.state_dict()
    steps = math.ceil(len(x) / p.batch_size)
    for epoch in range(1, p.epochs + 1):
        network.train()
        order = torch.randperm(len(x), generator=generator) if p.shuffle else torch.arange(len(x))
        total = torch.zeros(())  # loss summed over rows
        lr = optimizer.param_groups[0]["lr"]
        batches = tqdm(
            torch.split(order, p.batch_size),
            f"Epoch {epoch}/{p.epochs}",
            leave=False,
            disable=not params.runtime.progress or None,
        )
        for step, rows in enumerate(batches, 1):
            outputs = network(x[rows])  # [batch, outputs]
            loss = criterion(outputs, y[rows])
            optimizer.zero_grad()
            loss.backward()
            if p.clip_norm is not None:
                nn.utils.clip_grad_norm_(network.parameters(), p.clip_norm)
            optimizer.step()
            if by_batch:
                step_scheduler(loss.item())
            total += loss.detach() * len(rows)
            if step % params.runtime.log_every == 0:
                tqdm.write(
                    f"Epoch [{epoch}/{p.epochs}], Step [{step}/{steps}], Loss: {loss.item():.4f}"
                )
        row = {
            "epoch": epoch,
            "lr": float(lr),
            "train_loss": total.item() / len(x),
            **assess(model, goal, val_x, val_y),
        }
        if not math.isfinite(row["train_loss"]) or not math.isfinite(row["val_loss"]):
            found = f"loss {row['train_loss']} (val {row['val_loss']}) in epoch {epoch}"
            raise InputError(
                f"{WHERE}.optimizer",
                found,
                "finite losses; a smaller lr or a clip_norm may give them",
            )
        history.append(row)
        if not by_batch:
            step_scheduler(row["val_loss"])
        if sign * row[f"val_{p.monitor}"] < best:
            best, best_epoch = sign * row[f"val_{p.monitor}"], epoch
            weights = copy.deepcopy(network.state_dict())
        if p.patience is not None and epoch - best_epoch >= p.patience:
            break
    return history, weights


def run(params: Params, prepared: Path, validated: Path, model: Path) -> None:
    p = params.train
    check_passed(prepared, validated)
    schema = Schema.read(prepared)
    if p.monitor == ("r2" if schema.task == "classification" else "accuracy"):
        raise InputError(f"{WHERE}.monitor", p.monitor, f"loss or a metric of {schema.task}")
    torch.set_num_threads(p.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(params.seed)  # initial weights, dropout
    train, val = (pq.read_table(prepared / f"{split}.parquet") for split in SPLITS[:2])
    for split, table in (("train", train), ("val", val)):
        if table.num_rows == 0:
            raise InputError(prepared / f"{split}.parquet", "no rows", f"rows to {split} on")
    encoder = Encoder.fit(schema, train, p.scale)
    network = build(f"{WHERE}.model", p.model.name, p.model.kwargs, encoder.width, encoder.outputs)
    goal = objective(f"{WHERE}.loss", p.loss.name, p.loss.kwargs, schema.task, encoder.outputs)
    trained = Model(network, encoder, p.model.model_dump(), p.loss.name)
    x, y = encoder.features(train), goal.targets(encoder.targets(train))
    history, weights = fit(params, trained, goal, x, y, encoder.features(val), encoder.targets(val))
    network.load_state_dict(weights)
    trained.save(model / "model.safetensors")
    write_csv(model / "history.csv", list(history[0]), history)
    print("  ".join(f"{k} {v:.6g}" for k, v in history[-1].items()))


if __name__ == "__main__":
    main(run)
