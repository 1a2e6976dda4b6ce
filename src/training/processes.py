"""Spreads each batch over several processes, which end every step with the same weights.

They run the same code on the same data, and differ in the rows of a batch that they compute. After
`average` each has the gradients and the loss of the whole batch; all that follows is as in one
process. The first one writes.
"""

import math
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from src.cli import guarded
from src.errors import InputError, is_out_of_memory
from src.files import temporary
from src.params import Named
from src.training.device import Device, devices

STARTED = "WORLD_SIZE"  # torchrun sets it, and what else `env://` reads
NEEDED = {STARTED, "RANK"}  # job systems set the first for other ends
MEETING = "REPRISE_MEETING"  # where those that `others` started are to be met
# Arguments by which a row counts more than another; those of other losses weigh outputs alone.
WEIGHING = dict.fromkeys(("CrossEntropyLoss", "NLLLoss"), ("weight", "ignore_index"))
SAME = 1e-4  # relative: a batch's loss, computed whole and in parts
POLL = 0.05  # seconds between two looks whether the others are there
SECONDS = 30  # that the others have to end, once one has


@dataclass
class Processes:
    """Tells this process, of number `rank`, from the others."""

    rank: int
    count: int
    _wish: bool = False
    _agreed: bool = False

    @property
    def is_first(self) -> bool:
        """Tell whether this process writes and shows what all of them do."""
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """Take this process's part of a batch's rows; all of them where they are too few."""
        if len(rows) < self.count:
            return rows
        return rows.tensor_split(self.count)[self.rank]

    def average(self, parameters: Sequence[Tensor], loss: Tensor, rows: int) -> Tensor:
        """Replace the gradients by those of the whole batch; return its loss.

        loss: the mean over this process's rows. Raises ConnectionError if another process ended, or
        has to, as its loss is not finite: it says so itself.
        """
        gradients = [torch.zeros_like(w) if w.grad is None else w.grad for w in parameters]
        own = loss.detach().float()
        one = torch.ones_like(own)
        last = torch.stack([one * self._wish, own, one])
        sums = torch.cat([*(gradient.flatten() for gradient in gradients), last]) * rows
        with with_the_others():
            dist.all_reduce(sums)
        means = sums / sums[-1]  # the number of rows in all processes
        if math.isfinite(own) and not math.isfinite(means[-2]):
            raise ConnectionError("the loss of another process of this training is not finite")
        self._agreed = bool(means[-3] > 0)
        start = 0
        for weights in parameters:
            mean = means[start : start + weights.numel()].view_as(weights).to(weights.dtype)
            start += weights.numel()
            if weights.grad is not None or mean.any():  # weights that nothing used have none
                weights.grad = mean
        return means[-2]

    def agree(self, wish: bool) -> bool:
        """Tell, after a step, whether it is the first process's wish, which all learn in a step.

        It so comes true in all of them after the same step.
        """
        agreed, self._agreed = self._agreed, False
        self._wish = wish and self.is_first and not agreed
        return agreed

    def gathered(self, value: dict[str, Any]) -> dict[str, Any]:
        """Gather the values of all processes, by rank; they must be at the same step.

        Raises ConnectionError if another process ended.
        """
        values: list[Any] = [None] * self.count
        with with_the_others():
            dist.all_gather_object(values, value)
        return {str(rank): one for rank, one in enumerate(values)}


@contextmanager
def with_the_others() -> Iterator[None]:
    """Turn torch's error of a process that is not there into ConnectionError.

    A full memory, which the sums of gradients take too, is this process's own.
    """
    try:
        yield
    except RuntimeError as e:
        if is_out_of_memory(e):
            raise
        raise ConnectionError("another process of this training ended") from e


@contextmanager
def together(
    where: str, count: int, backend: str, run: Callable[[], None]
) -> Iterator[Processes | None]:
    """Let so many processes do what follows: those that torchrun started, or this and its own.

    run: does in the others what this one does, up to here and on; they yield here too. Yields which
    process this is; None: the only one. Raises InputError if torchrun started another number.
    """
    if os.environ.keys() >= NEEDED:
        started = int(os.environ[STARTED])
        if started != count:
            raise InputError(where, str(count), f"{started}, as many as torchrun started")
        if count == 1:
            yield None
            return
        processes = Processes(int(os.environ["RANK"]), count)
        meeting = None
        if MEETING in os.environ:
            meeting = Path(os.environ[MEETING])
            sign(meeting, processes.rank).touch()
        with met(processes, meeting, backend):
            yield processes
    elif count > 1:
        first = Processes(0, count)
        with others(count, run) as meeting, met(first, meeting, backend):
            yield first
    else:
        yield None


@contextmanager
def met(processes: Processes, meeting: Path | None, backend: str) -> Iterator[None]:
    """Meet the other processes; what follows prints, only the first of them shows.

    meeting: the file that they meet by; None: as torchrun's variables say.
    """
    with ExitStack() as stack:
        if not processes.is_first:
            nowhere = stack.enter_context(Path(os.devnull).open("w"))
            stack.enter_context(redirect_stdout(nowhere))
        count = processes.count
        store = None
        if meeting is not None:
            store = dist.FileStore(str(meeting), count)  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=store, rank=processes.rank, world_size=count)
        stack.callback(dist.destroy_process_group)
        yield


@contextmanager
def others(count: int, run: Callable[[], None]) -> Iterator[Path]:
    """Start the other processes, and end them with this one; yield the file to meet them by."""
    context = multiprocessing.get_context("spawn")
    with temporary() as folder:
        meeting = folder / "meeting"
        started: list[BaseProcess] = []
        try:
            for rank in range(1, count):
                names = {"RANK": str(rank), STARTED: str(count), MEETING: str(meeting)}
                error = folder / f"error {rank}"
                process = context.Process(target=take_part, args=(names, error, run))
                process.start()
                started.append(process)
            await_others(started, meeting)
            try:
                yield meeting
                wait(started)
            except ConnectionError as e:
                wait(started)
                blame(started, meeting, e)
        finally:
            for one in started:
                one.kill()
                one.join()


def sign(meeting: Path, rank: int) -> Path:
    """Name the file by which a process says that it is about to meet the others."""
    return meeting.with_name(f"meeting {rank}")


def await_others(others: Sequence[BaseProcess], meeting: Path) -> None:
    """Wait until the others are about to meet; end as one of them if it ended before.

    Torch would wait for it for minutes.
    """
    for rank, process in enumerate(others, 1):
        while not sign(meeting, rank).exists():
            if any(one.exitcode is not None for one in others):
                reason = "another process of this training ended before it began"
                blame(others, meeting, ConnectionError(reason))
            process.join(POLL)


def wait(others: Sequence[BaseProcess]) -> None:
    """Wait for processes that are about to end."""
    for process in others:
        process.join(SECONDS)


def take_part(names: dict[str, str], error: Path, run: Callable[[], None]) -> None:
    """Run as a process that `others` started, which ends with the first one.

    names: of the environment, as torchrun has them; error: takes what it would say on stderr. The
    first process says it, unless it has something to say itself.
    """
    os.environ.update(names)
    first = multiprocessing.parent_process()
    assert first is not None

    def end_with_the_first() -> None:
        first.join()
        os._exit(1)

    def part() -> None:
        try:
            run()
        except ConnectionError:
            sys.exit(1)  # another process ended, and says why

    threading.Thread(target=end_with_the_first, daemon=True).start()
    try:
        guarded("train", part)
    except SystemExit as e:
        if isinstance(e.code, str):
            error.write_text(e.code)
        raise SystemExit(1) from None


def blame(others: Sequence[BaseProcess], meeting: Path, error: ConnectionError) -> NoReturn:
    """End as one of the other processes did: with what it said, or with the signal it got."""
    for file in sorted(meeting.parent.glob("error *")):
        sys.exit(file.read_text())
    for rank, process in enumerate(others, 1):
        if process.exitcode is not None and process.exitcode < 0:
            name = signal.Signals(-process.exitcode).name
            raise ConnectionError(f"process {rank} of this training was ended by {name}")
    raise error


def check_count(where: str, count: int, batch_size: int, device: Device) -> None:
    """Raise InputError for more processes than a batch has rows, or than there are GPUs."""
    if count == 1:
        return
    if count > batch_size:
        raise InputError(where, str(count), f"at most batch_size, {batch_size}: a row each")
    location = device.location
    if location.type == "mps" or (location.index or 0) > 0:
        raise InputError(where, str(count), f"1 on {location}, or device: cuda, a GPU each")
    gpus = sum(name.startswith("cuda") for name in devices())
    if location.type == "cuda" and count > gpus:
        raise InputError(where, str(count), f"at most {gpus} here, a GPU each")


def spreadable(where: str, network: nn.Module, location: torch.device) -> nn.Module:
    """Have batch norm take the statistics of the whole batch, in all processes.

    Raises InputError on the CPU, where torch can't, and for statistics that nothing can share.
    """
    if location.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    for name, module in network.named_modules():
        is_of_batch = isinstance(module, _BatchNorm) and not isinstance(module, nn.SyncBatchNorm)
        keeps_statistics = isinstance(module, _NormBase) and module.track_running_stats
        if is_of_batch or (keeps_statistics and not isinstance(module, nn.SyncBatchNorm)):
            found = f"{type(module).__name__} ({name}), which takes statistics of a batch"
            expected = f"processes: 1, or a network without them on {location.type}"
            raise InputError(where, found, expected)
    return network


def check_loss(where: str, count: int, loss: Named) -> None:
    """Raise InputError for a loss that weighs rows by their class: no mean of its parts' means."""
    for key in WEIGHING.get(loss.name, ()):
        if count > 1 and key in loss.kwargs:
            raise InputError(where, str(count), f"1 with {key} of {loss.name}")


@torch.no_grad()
def check_parts(
    where: str,
    processes: Processes,
    network: nn.Module,
    criterion: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    y: Tensor,
) -> None:
    """Raise InputError unless a batch's loss is the mean of its parts', by their rows.

    It is not for a loss with weights for classes, nor for a network that lets rows see each other.
    """
    network.eval()
    whole = criterion(network(x), y)
    total = torch.zeros_like(whole)
    for rows in torch.arange(len(x)).tensor_split(min(processes.count, len(x))):
        total += criterion(network(x[rows]), y[rows]) * len(rows)
    if not torch.allclose(total / len(x), whole, rtol=SAME, atol=SAME):
        found = f"a loss of {whole:.6g} for a batch, and {total / len(x):.6g} for its parts"
        expected = "processes: 1, or a loss that is the mean over rows, each computed alone"
        raise InputError(where, found, expected)
