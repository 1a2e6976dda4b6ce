"""Several processes share each batch: the same training as one, or a refusal by name."""

import csv
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from src.cli import SAME_BYTES
from src.errors import InputError
from src.params import Named
from src.train import run
from src.training.device import Device
from src.training.processes import (
    SECONDS,
    Processes,
    await_others,
    check_count,
    check_loss,
    check_parts,
    spreadable,
    together,
)
from tests.conftest import ROOT
from tests.test_train import params, pass_all, table, write_prepared

WHERE = "params.yaml: train.processes"
CPU = torch.device("cpu")


def train(folder: Path, **train: Any) -> list[dict[str, float]]:
    """Train on the tiny table, a row more than ten batches; return the history."""
    folder.mkdir()
    write_prepared(folder)
    pass_all(folder)
    run(params(**train), folder, folder, folder / "model")
    with (folder / "model" / "history.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def same_to(digits: float, one: list[dict[str, float]], other: list[dict[str, float]]) -> bool:
    pairs = [(a[name], b[name]) for a, b in zip(one, other, strict=True) for name in a]
    return all(a == pytest.approx(b, rel=digits, abs=digits) for a, b in pairs)


PLAIN: dict[str, Any] = {"shuffle": True}
EVERYTHING: dict[str, Any] = {
    "optimizer": {"name": "AdamW", "lr": 0.01},
    "scheduler": {"name": "ReduceLROnPlateau", "every": "batch", "patience": 3},
    "clip_norm": 0.5,
    "batch_size": 34,  # the last batch has one row more
}


@pytest.mark.parametrize(
    ("count", "settings"),
    [
        (2, EVERYTHING),
        pytest.param(2, PLAIN, marks=pytest.mark.slow),
        pytest.param(3, PLAIN, marks=pytest.mark.slow),
        pytest.param(4, {"batch_size": 50}, marks=pytest.mark.slow),  # 3 rows are left
    ],
)
def test_several_processes_train_as_one(
    count: int, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = train(tmp_path / "one", **settings)
    kept = tmp_path / "a project's #?%41"
    monkeypatch.setenv("REPRISE_TMP", str(kept))
    left = kept / f"scratch/.spill-{2**22 + 1}-ab"  # by a training that was killed
    left.mkdir(parents=True)
    several = train(tmp_path / "several", **settings, processes=count)
    assert same_to(1e-5, one, several)
    assert not [*(kept / "scratch").iterdir()]


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 8])
def test_each_row_is_computed_once_or_by_all(rows: int) -> None:
    shares = [Processes(rank, 3).share(torch.arange(rows)) for rank in range(3)]
    if rows < 3:
        assert [share.tolist() for share in shares] == [list(range(rows))] * 3
    else:
        assert torch.cat(shares).tolist() == list(range(rows))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.fixture
def alone(tmp_path: Path) -> Any:
    """A group of one process."""
    dist.init_process_group("gloo", f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield Processes(0, 1)
    dist.destroy_process_group()


def test_an_average_leaves_unused_weights_without_gradients(alone: Processes) -> None:
    used, unused = nn.Linear(2, 1).double(), nn.Linear(2, 1)
    loss = used(torch.ones(3, 2).double()).square().mean()
    loss.backward()
    parameters = [*used.parameters(), *unused.parameters()]
    before = [None if w.grad is None else w.grad.clone() for w in parameters]
    mean = alone.average(parameters, loss, 3)
    assert mean == pytest.approx(loss.item())
    for old, weights in zip(before, parameters, strict=True):
        if old is None:
            assert weights.grad is None
        else:
            assert weights.grad is not None
            assert torch.allclose(weights.grad, old)
            assert weights.grad.dtype == old.dtype


@pytest.mark.parametrize(
    ("network", "found"),
    [
        (nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), r"BatchNorm1d \(1\)"),
        (
            nn.Sequential(nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False))),
            r"BatchNorm2d \(0\.0\)",
        ),
        (nn.Sequential(nn.InstanceNorm1d(4, track_running_stats=True)), r"InstanceNorm1d \(0\)"),
    ],
)
def test_statistics_of_a_batch_are_refused_by_name_on_the_cpu(
    network: nn.Module, found: str
) -> None:
    with pytest.raises(InputError, match=f"train.model: found {found}, which takes statistics"):
        spreadable("train.model", network, CPU)


def test_norms_of_a_row_are_not_refused() -> None:
    network = nn.Sequential(nn.InstanceNorm1d(4), nn.LayerNorm(4), nn.GroupNorm(1, 4))
    assert spreadable("train.model", network, CPU) is network


class Centred(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=0)


@pytest.mark.parametrize(
    ("network", "criterion", "is_refused"),
    [
        (nn.Identity(), nn.CrossEntropyLoss(), False),
        (nn.Dropout(0.5), nn.CrossEntropyLoss(label_smoothing=0.1), False),
        (nn.Identity(), nn.CrossEntropyLoss(torch.tensor([1.0, 5.0, 1.0])), True),
        (Centred(), nn.CrossEntropyLoss(), True),
    ],
)
def test_a_loss_that_is_no_mean_over_rows_is_refused(
    network: nn.Module, criterion: Callable[[Tensor, Tensor], Tensor], is_refused: bool
) -> None:
    torch.manual_seed(1)
    x, y = torch.randn(7, 3), torch.tensor([0, 0, 0, 1, 1, 2, 2])
    if not is_refused:
        check_parts(WHERE, Processes(0, 2), network, criterion, x, y)
        return
    with pytest.raises(InputError, match=r"found a loss of \S+ for a batch, and \S+ for its parts"):
        check_parts(WHERE, Processes(0, 2), network, criterion, x, y)


@pytest.mark.parametrize(
    ("count", "place", "message"),
    [
        (11, "cpu", "found 11; expected at most batch_size, 10: a row each"),
        (2, "mps", "found 2; expected 1 on mps"),
        (2, "cuda:1", "found 2; expected 1 on cuda:1, or device: cuda, a GPU each"),
        (2, "cuda:0", "found 2; expected at most 0 here, a GPU each"),
    ],
)
def test_more_processes_than_there_is_work_or_room_for_are_refused(
    count: int, place: str, message: str
) -> None:
    with pytest.raises(InputError) as e:
        check_count(WHERE, count, 10, Device("train", torch.device(place)))
    assert message in str(e.value)


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss"])
@pytest.mark.parametrize("key", ["weight", "ignore_index"])
def test_a_loss_that_weighs_classes_is_refused_whatever_rows_come_first(
    name: str, key: str
) -> None:
    """Where the first batch's parts have the same classes, their mean is that of the batch."""
    loss = Named.model_validate({"name": name, key: 1})
    check_loss(WHERE, 1, loss)
    with pytest.raises(InputError, match=f"found 2; expected 1 with {key} of {name}"):
        check_loss(WHERE, 2, loss)
    check_loss(WHERE, 2, Named(name=name))


def test_torchruns_number_of_processes_is_that_of_params(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    train(tmp_path / "alone")  # a job system's
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(InputError, match=r"processes: found 1; expected 2, as many as torchrun"):
        train(tmp_path / "one")


def far_table(row: int) -> pa.Table:
    """Make the first feature of a row far from all others."""
    x = table().column("x0").to_numpy().copy()
    x[row] = 1e6
    return table().set_column(1, "x0", pa.array(x))


@pytest.mark.slow
@pytest.mark.parametrize("row", [53, 58])
def test_a_loss_that_is_not_finite_is_named_by_the_process_that_has_it(
    row: int, tmp_path: Path
) -> None:
    """Of the sixth batch, row 53 is the first process's, and row 58 the second's."""
    write_prepared(tmp_path, rows=far_table(row))
    pass_all(tmp_path)
    p = params(model={"name": "tests.own:Far", "width": 5}, processes=2)
    with pytest.raises((InputError, SystemExit)) as e:
        run(p, tmp_path, tmp_path, tmp_path / "model")
    assert f"loss inf in epoch 1, step 6, first in the rows with id 'row {row}'" in str(e.value)
    assert not (tmp_path / "model").exists()


def end() -> None:
    """End the second process, killed; the first waits for it."""
    with together(WHERE, 2, "gloo", end) as processes:
        assert processes is not None
        if not processes.is_first:
            os.kill(os.getpid(), signal.SIGKILL)
        processes.average([], torch.tensor(1.0), 1)


@pytest.mark.slow
def test_a_process_that_was_killed_is_one_line() -> None:
    with pytest.raises(ConnectionError, match="process 1 of this training was ended by SIGKILL"):
        end()


def end_early() -> None:
    """End the second process before it comes to the meeting."""
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    with together(WHERE, 2, "gloo", end_early):
        pytest.fail("nobody was to be met")


@pytest.mark.slow
def test_a_process_that_ends_before_the_meeting_is_not_waited_for() -> None:
    start = time.monotonic()
    with pytest.raises(ConnectionError, match="process 1 of this training was ended by SIGKILL"):
        end_early()
    assert time.monotonic() - start < SECONDS


class Ended:
    """A process that has ended, with this status."""

    def __init__(self, exitcode: int | None) -> None:
        self.exitcode = exitcode

    def join(self, seconds: float) -> None:
        """It is no longer there."""


@pytest.mark.parametrize(
    ("codes", "said", "message"),
    [
        ([-9], None, "process 1 of this training was ended by SIGKILL"),
        ([1], None, "another process of this training ended before it began"),
        ([1], "train: bad input", "train: bad input"),
        ([None, -15], None, "process 2 of this training was ended by SIGTERM"),
    ],
)
def test_one_that_ends_before_the_meeting_is_one_line(
    codes: list[int | None], said: str | None, message: str, tmp_path: Path
) -> None:
    if said is not None:
        (tmp_path / "error 1").write_text(said)
    others: Any = [Ended(code) for code in codes]
    with pytest.raises((ConnectionError, SystemExit)) as e:
        await_others(others, tmp_path / "meeting")
    assert str(e.value) == message


def test_a_peer_that_is_gone_is_a_lost_connection(
    alone: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch says so by a RuntimeError, whatever was to be exchanged."""

    def closed(*_: object) -> None:
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(dist, "all_gather_object", closed)
    monkeypatch.setattr(dist, "all_reduce", closed)
    with pytest.raises(ConnectionError, match="another process of this training ended"):
        alone.gathered({"value": 1})
    with pytest.raises(ConnectionError, match="another process of this training ended"):
        alone.average([], torch.tensor(1.0), 1)


def test_a_full_memory_is_blamed_on_nobody_else(
    alone: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(dist, "all_reduce", full)
    with pytest.raises(RuntimeError, match="CUDA out of memory"):
        alone.average([], torch.tensor(1.0), 1)


Stage = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Return a function that begins the stage in two processes, into a folder.

    A checkpoint is kept after each step, below a folder's name if one is given.
    """
    write_prepared(tmp_path)
    pass_all(tmp_path)
    document = params(
        model={"name": "mlp", "hidden": [8], "dropout": 0.2}, processes=2, epochs=10
    ).model_dump(mode="json")
    document["runtime"]["checkpoint"] = 1e-9
    (tmp_path / "params.yaml").write_text(json.dumps(document))
    environment = {**os.environ, **SAME_BYTES, "PYTHONPATH": str(ROOT)}

    def begin(out: str, *launcher: str, kept: str | None = None) -> subprocess.Popen[bytes]:
        if kept is not None:
            environment["REPRISE_TMP"] = str(tmp_path / kept)
        command = [sys.executable, *launcher, "-m", "src.train", ".", ".", out]
        return subprocess.Popen(command, cwd=tmp_path, env=environment)

    return begin


def same_files(one: Path, other: Path) -> bool:
    names = ("model.safetensors", "history.csv")
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


@pytest.mark.slow
def test_torchrun_gives_the_bytes_of_processes(stage: Stage, tmp_path: Path) -> None:
    assert stage("own").wait() == 0
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    assert stage("torchrun", *launcher).wait() == 0
    assert same_files(tmp_path / "own", tmp_path / "torchrun")


@pytest.mark.slow
def test_two_processes_go_on_from_a_kill_in_the_same_bytes(stage: Stage, tmp_path: Path) -> None:
    assert stage("whole").wait() == 0
    for position in ("0000001-0000000005", "0000004-0000000002"):
        process = stage("killed", kept="kept")
        while not any(path.name > position for path in tmp_path.glob("kept/checkpoints/*/*")):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert stage("killed", kept="kept").wait() == 0
    assert same_files(tmp_path / "whole", tmp_path / "killed")
