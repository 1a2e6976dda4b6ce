"""Builds what the training loop is handed, from the params and the table."""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from src.encoder import Encoder
from src.losses import Loss, build_loss
from src.model_file import Model
from src.models import build, try_batch
from src.params import Named
from src.schema import Schema
from src.training.augment import build_augment
from src.training.average import build_average
from src.training.data import Examples
from src.training.defaults import chosen_batch, chosen_loss
from src.training.device import Device
from src.training.optimizers import build_optimizer
from src.training.order import Order
from src.training.parts import Parts
from src.training.processes import Processes, check_parts, spreadable
from src.training.progress import WHERE
from src.training.schedulers import build_schedule

if TYPE_CHECKING:  # the stage imports this module, and is not loaded twice for a name
    from src.train import Params, Train


class Chosen(NamedTuple):
    """Holds what params.yaml may leave to the machine and the table, chosen once a training."""

    device: Device
    batch_size: int  # rows
    loss: Named


def choose(p: "Train", schema: Schema) -> Chosen:
    """Choose device, batch size and loss; raise InputError for a device that is not here."""
    return Chosen(
        device=Device.of(WHERE, p.device, p.precision, p.compile),
        batch_size=chosen_batch(p.batch_size, schema.rows.train),
        loss=chosen_loss(p.loss, schema.task),
    )


def build_model(
    params: "Params", chosen: Chosen, encoder: Encoder, processes: Processes | None = None
) -> tuple[Model, Loss]:
    """Build the network that the params name and its loss, both on the device.

    Raises InputError for arguments that do not fit, OwnCodeError for an error in the user's own.
    """
    where, spec, location = f"{WHERE}.model", params.train.model, chosen.device.location
    inputs, outputs = encoder.width, encoder.outputs
    network = build(where, spec.name, spec.kwargs, inputs, outputs, encoder.embedded)
    if processes is not None:
        network = spreadable(where, network, location)
    network.to(location)
    named, task = chosen.loss, encoder.schema.task
    loss = build_loss(f"{WHERE}.loss", named.name, named.kwargs, task, outputs)
    loss.criterion.to(location)
    return Model(network, encoder, spec.model_dump(), loss.name), loss


def try_model(
    params: "Params",
    chosen: Chosen,
    model: Model,
    criterion: nn.Module,
    examples: Examples,
    processes: Processes | None = None,
) -> None:
    """Compute the first batch; raise InputError for what can't be trained, before it begins."""
    name, network = params.train.model.name, model.network
    x, y = examples.gather(torch.arange(min(chosen.batch_size, len(examples.x))))
    with chosen.device.trying(), chosen.device.autocast():
        try_batch(f"{WHERE}.model", name, network, criterion, x, y, model.encoder.outputs)
        if processes is not None:
            check_parts(f"{WHERE}.processes", processes, network, criterion, x, y)


def build_parts(
    params: "Params",
    chosen: Chosen,
    model: Model,
    criterion: nn.Module,
    rows: int,
    processes: Processes | None = None,
) -> Parts:
    """Build what the params name, to train the model's network on so many rows."""
    p, device = params.train, chosen.device
    network, encoder = model.network, model.encoder
    optimizer = build_optimizer(f"{WHERE}.optimizer", p.optimizer, network)
    order = Order(rows, chosen.batch_size, p.shuffle, p.seed)
    steps = len(order.draw())  # an epoch
    return Parts(
        network=network,
        forward=device.compiled(network),
        criterion=criterion,
        optimizer=optimizer,
        schedule=build_schedule(f"{WHERE}.scheduler", p.scheduler, optimizer, p.epochs, steps),
        order=order,
        autocast=device.autocast(),
        scaler=device.scaler(),
        average=build_average(f"{WHERE}.model", p.model.name, network, p.average),
        augment=build_augment(f"{WHERE}.augment", p.augment, network, encoder, p.scale, p.seed),
        processes=processes,
    )
