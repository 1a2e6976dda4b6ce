"""A training that is killed at any step and taken up again ends in the same bytes."""

import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from torch import Tensor

from src.train import Params, run
from src.training import checkpoint, state_file
from src.training.checkpoint import Checkpoints
from src.training.key import Identity
from src.training.progress import Progress
from src.training.state_file import read_state, write_state
from tests.conftest import one_in
from tests.test_train import SCHEDULERS, pass_all, table, write_prepared

STEPS = 4  # an epoch
OPTIMIZERS = sorted(
    {n for n in torch.optim.__all__ if n[0].isupper()}
    - {"Optimizer", "LBFGS", "SparseAdam", "Muon"}
)
CNN = {"name": "cnn", "channels": [3], "hidden": 5, "dropout": 0.3}  # with batch norm
MLP = {"name": "mlp", "hidden": [6], "dropout": 0.3}
ADAMW = {"name": "AdamW", "lr": 0.01}
MOMENTUM = {"name": "SGD", "lr": 0.05, "momentum": 0.9}
ONE_CYCLE = {"name": "OneCycleLR", "max_lr": 0.1, "total_steps": 20, "every": "batch"}
LIST = [
    {"name": "LinearLR", "start_factor": 0.1, "total_iters": 1},
    {"name": "StepLR", "step_size": 1},
]
IMAGES = {"flip": True, "shift": 1}
IN_SCALE = {"scale": "table"}


class Killed(BaseException):
    """Stands for SIGKILL at a step."""


Train = Callable[..., dict[str, bytes]]


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Train]:
    """Return a function that trains as the stage does, with a checkpoint after each step.

    killed_at: after how many steps of this process it ends; 0: never. Without `keeps` there are no
    checkpoints. Returns what it writes.
    """
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    write_prepared(prepared, "classification")
    pass_all(prepared)
    monkeypatch.setenv("REPRISE_TMP", str(tmp_path))
    # The disk may take its time: no machine fails here.
    monkeypatch.setattr(state_file, "sync", lambda path: None)
    steps = limit = 0
    keep_if_due = Checkpoints.step

    def step(self: Checkpoints, progress: Progress) -> None:
        nonlocal steps
        keep_if_due(self, progress)
        steps += 1
        if steps == limit:
            raise Killed

    monkeypatch.setattr(Checkpoints, "step", step)

    def train_once(
        epochs: int = 3,
        killed_at: int = 0,
        *,
        keeps: bool = True,
        keep_last: bool = True,
        **recipe: Any,
    ) -> dict[str, bytes]:
        nonlocal steps, limit
        steps, limit = 0, killed_at
        spec = {
            "model": MLP,
            "loss": {"name": "CrossEntropyLoss"},
            "optimizer": MOMENTUM,
            "epochs": epochs,
            "batch_size": -(-table().num_rows // STEPS),
            **recipe,
        }
        seconds = 1e-9 if keeps else None
        runtime = {"progress": False, "checkpoint": seconds, "keep_last": keep_last}
        params = Params.model_validate({"train": {"seed": 1, **spec}, "runtime": runtime})
        model = tmp_path / "model"
        run(params, prepared, prepared, model)
        return {path.name: path.read_bytes() for path in model.iterdir()}

    before = torch.get_num_threads()
    yield train_once
    torch.set_num_threads(before)


def storm(train: Train, killed_at: int, **recipe: Any) -> dict[str, bytes]:
    """Train, killed after each `killed_at` steps; return what it ends in."""
    for _ in range(3 * STEPS + 1):
        try:
            return train(killed_at=killed_at, **recipe)
        except Killed:
            pass
    raise AssertionError("it never ended")


def kept(tmp_path: Path) -> list[Path]:
    """List the checkpoints, the newest last."""
    return sorted(tmp_path.glob("checkpoints/*/*.safetensors"))


@pytest.mark.parametrize("optimizer", one_in(4, OPTIMIZERS))
def test_every_optimizer_goes_on_exactly(optimizer: str, train: Train) -> None:
    recipe = {"optimizer": {"name": optimizer}, "model": CNN}
    assert storm(train, 5, **recipe) == train(keeps=False, **recipe)


@pytest.mark.parametrize("scheduler", one_in(4, SCHEDULERS))
def test_every_scheduler_goes_on_exactly(scheduler: str, train: Train) -> None:
    spec = {"name": scheduler, **SCHEDULERS[scheduler]}
    if scheduler == "CyclicLR":
        spec["step_size_up"] = STEPS  # of as few
    recipe = {"scheduler": spec}
    assert storm(train, 5, **recipe) == train(keeps=False, **recipe)


@pytest.mark.parametrize("killed_at", one_in(2, [3, 1, 4]))
def test_any_step_may_be_the_last(killed_at: int, train: Train) -> None:
    recipe = {"optimizer": ADAMW, "model": CNN, "clip_norm": 0.5, "shuffle": True}
    assert storm(train, killed_at, **recipe) == train(keeps=False, **recipe)


def test_patience_goes_on_exactly(train: Train) -> None:
    recipe = {"optimizer": {"name": "SGD", "lr": 2.0}, "patience": 1, "epochs": 9}
    ended = storm(train, 3, **recipe)
    assert ended == train(keeps=False, **recipe)
    assert ended["history.csv"].count(b"\n") < 10
    # More epochs change nothing: the decision to stop would be the same.
    more = {**recipe, "epochs": 12}
    assert train(killed_at=1, **more) == train(keeps=False, **more)


RECIPES: dict[str, dict[str, Any]] = {
    "mlp, momentum": {},
    "cnn, AdamW": {"model": CNN, "optimizer": ADAMW},
    "RMSprop": {"optimizer": {"name": "RMSprop", "lr": 0.01}},
    "average, augment": {"model": CNN, "average": {"decay": 0.9}, "augment": IMAGES} | IN_SCALE,
    "OneCycle": {"scheduler": ONE_CYCLE},
    "Plateau": {"scheduler": {"name": "ReduceLROnPlateau", "patience": 0}},
    "a list": {"scheduler": LIST},
    "a chain": {"scheduler": {"name": "ChainedScheduler", "schedulers": LIST}},
}


@pytest.mark.parametrize("name", one_in(2, RECIPES))
def test_every_recipe_goes_on_exactly(name: str, train: Train) -> None:
    assert storm(train, 5, **RECIPES[name]) == train(keeps=False, **RECIPES[name])


@pytest.mark.parametrize("average", [None, {"decay": 0.9}])
def test_buffers_that_a_state_dict_leaves_out_go_on_exactly(average: Any, train: Train) -> None:
    model = {"name": "tests.own:Drifting", "remembers": average is None}
    recipe = {"model": model, "average": average}
    assert storm(train, 5, **recipe) == train(keeps=False, **recipe)


@pytest.mark.parametrize("name", one_in(2, RECIPES))
def test_more_epochs_train_on_from_the_last(name: str, train: Train) -> None:
    train(3, **RECIPES[name])
    going_on = train(5, killed_at=2 * STEPS + 1, **RECIPES[name])  # it has no step more
    assert going_on == train(5, keeps=False, **RECIPES[name])


def losses(written: dict[str, bytes]) -> list[float]:
    """Read the validation losses of the history."""
    header, *rows = [line.split(",") for line in written["history.csv"].decode().split()]
    return [float(row[header.index("val_loss")]) for row in rows]


def test_fewer_epochs_are_there_where_the_best_one_is_among_them(
    tmp_path: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe: dict[str, Any] = {"optimizer": {"name": "SGD", "lr": 4.0}, "shuffle": True}
    long = train(8, **recipe)
    best = losses(long).index(min(losses(long))) + 1
    assert 1 < best < 8
    before = kept(tmp_path)
    for fewer in range(best, 8):
        # Which would end after a step.
        assert train(fewer, 1, **recipe) == train(fewer, keeps=False, **recipe)
    assert kept(tmp_path) == before
    assert train(8, 1, **recipe) == long
    capsys.readouterr()
    assert train(1, **recipe) == train(1, keeps=False, **recipe)
    expected = f"epoch {best} is the best so far, and no earlier weights are kept: trains anew"
    assert expected in capsys.readouterr().out
    assert before[0] in kept(tmp_path)
    train(1, keep_last=False, **recipe)
    assert before == kept(tmp_path)
    assert train(8, 1, **recipe) == long  # which would end after a step


def test_one_line_says_that_training_begins_anew_and_none_where_an_older_state_fits(
    tmp_path: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe: dict[str, Any] = {"optimizer": {"name": "SGD", "lr": 0.01}, "shuffle": True}
    with pytest.raises(Killed):
        train(4, 3 * STEPS + 2, **recipe)  # two states of its last epoch; the best is the third
    assert len(kept(tmp_path)) == 2
    capsys.readouterr()
    train(1, **recipe)
    assert capsys.readouterr().out.count("trains anew") == 1
    train(1, **recipe)
    assert "trains anew" not in capsys.readouterr().out


def test_fewer_epochs_that_are_killed_go_on_beside_the_longer_ones_state(
    tmp_path: Path, train: Train
) -> None:
    recipe: dict[str, Any] = {"optimizer": {"name": "SGD", "lr": 0.01}, "shuffle": True}
    long = train(4, **recipe)
    assert losses(long)[-1] == min(losses(long))
    (last,) = kept(tmp_path)
    with pytest.raises(Killed):
        train(2, STEPS + 2, **recipe)
    going_on = train(2, killed_at=3, **recipe)  # it has two steps more
    assert going_on == train(2, keeps=False, **recipe)
    assert last in kept(tmp_path)
    assert train(4, 1, **recipe) == long
    assert kept(tmp_path) == [last]


@pytest.mark.parametrize("damage", ["flipped", "torn", "empty", "longer"])
def test_a_damaged_checkpoint_is_seen_and_the_one_before_is_taken(
    damage: str, tmp_path: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Killed):
        train(killed_at=7)
    before, newest = kept(tmp_path)
    content = newest.read_bytes()
    damaged = {
        "flipped": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
        "torn": content[: len(content) // 2],
        "empty": b"",
        "longer": content + b"\0",
    }
    newest.write_bytes(damaged[damage])
    capsys.readouterr()
    assert train() == train(keeps=False)
    said = [line for line in capsys.readouterr().out.splitlines() if "checkpoint" in line]
    assert said == [
        f"checkpoint: {newest}: found it damaged; the one before is taken if there is one",
        "checkpoint: goes on after 1 epochs and 2 steps",
    ]
    assert not before.exists()


def test_one_that_cannot_be_removed_is_passed_over_and_others_are(
    tmp_path: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Killed):
        train(killed_at=7)
    before, newest = kept(tmp_path)
    stuck = newest.with_name(f"{newest.name[:19]}{'0' * 64}.safetensors")
    stuck.mkdir()  # which no unlink removes
    newest.unlink()
    with pytest.raises(Killed):
        train(killed_at=5)
    assert len(kept(tmp_path)) == 3
    assert train() == train(keeps=False)
    assert kept(tmp_path)[0] == stuck
    assert not before.exists()
    assert "none is kept" not in capsys.readouterr().out


def test_every_flipped_byte_is_seen(tmp_path: Path) -> None:
    write_state(tmp_path, "a", {"x": torch.arange(3), "n": 1})
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    for i in range(len(content)):
        path.write_bytes(content[:i] + bytes([content[i] ^ 4]) + content[i + 1 :])
        assert read_state(path) is None, i


def test_all_damaged_trains_from_the_start(tmp_path: Path, train: Train) -> None:
    with pytest.raises(Killed):
        train(killed_at=7)
    for path in kept(tmp_path):
        path.write_bytes(b"?")
    assert train() == train(keeps=False)


def test_two_are_kept_and_what_a_kill_left_is_removed(tmp_path: Path, train: Train) -> None:
    with pytest.raises(Killed):
        train(killed_at=7)
    assert [path.name[:18] for path in kept(tmp_path)] == [
        "0000002-0000000002",
        "0000002-0000000003",
    ]
    folder = kept(tmp_path)[0].parent
    dead, live = folder / f".x-{2**22 + 1}.part", folder / f".x-{os.getppid()}.part"
    dead.touch()
    live.touch()
    train()
    assert not dead.exists()
    assert live.exists()  # another process writes it


def test_the_last_is_kept_or_removed(tmp_path: Path, train: Train) -> None:
    train()
    assert [path.name[:18] for path in kept(tmp_path)] == ["0000004-0000000000"]
    train(keep_last=False)
    assert not list((tmp_path / "checkpoints").iterdir())


def test_other_rows_to_test_on_train_nothing_anew(tmp_path: Path, train: Train) -> None:
    before = train()
    test = tmp_path / "prepared/test.parquet"
    test.write_bytes(test.read_bytes() + b"of other rows")
    file = tmp_path / "prepared/schema.json"
    schema = json.loads(file.read_text())
    schema["rows"]["test"] += 1
    file.write_text(json.dumps(schema))
    pass_all(tmp_path / "prepared")
    after = train(killed_at=1)  # which would end after a step
    assert after["history.csv"] == before["history.csv"]
    assert after["model.safetensors"][-8:] == before["model.safetensors"][-8:]


def test_what_resumes_with_kernels_picked_by_speed_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for mode in ("default", "default", "max-autotune", "max-autotune"):
        checkpoints = Checkpoints(tmp_path, 1e-9, Identity({"train": {"compile": mode}}))
        progress = progress_at(0)
        checkpoints.resume({}, progress, 3)
        said.append(capsys.readouterr().out.splitlines())
        progress.step += 1
        checkpoints.keep(progress)
    goes_on = "checkpoint: goes on after 0 epochs and 1 steps"
    picks = (
        "checkpoint: max-autotune picks kernels by their speed:"
        " the same bytes only where it picks the same again"
    )
    assert said == [[], [goes_on], [], [goes_on, picks]]


STATES: list[Any] = [
    {"state": {0: {"step": 1.5, "x": (0.9, 0.999)}}, "flag": True, "none": None},
    {"inf": math.inf, "text": "a\n\u00e9", "big": 2**70, "tiny": 5e-324, "list": [[], {}, ()]},
    {"mapping": {"tuple": 1}, "tensor": {"tensor": "0"}, "counter": ["counter"]},
]


@pytest.mark.parametrize("state", STATES)
def test_what_state_dicts_hold_comes_back_as_it_was(state: Any, tmp_path: Path) -> None:
    write_state(tmp_path, "a", state)
    (path,) = tmp_path.iterdir()
    back = read_state(path)
    assert back == state
    assert repr(back) == repr(state)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(1.5, dtype=torch.float64),
        torch.zeros(0, 3),
        torch.arange(24.0).view(2, 3, 2, 2).to(memory_format=torch.channels_last),
        torch.arange(6).view(2, 3).T,
        torch.ones(1).expand(4),
        torch.tensor([True, False]),
        torch.tensor([1.0, math.nan], dtype=torch.bfloat16),
        torch.get_rng_state(),
        torch.tensor([1 + 2j]),
    ],
)
def test_tensors_come_back_with_bits_type_and_layout(tensor: Tensor, tmp_path: Path) -> None:
    write_state(tmp_path, "a", {"one": tensor, "other": tensor})
    (path,) = tmp_path.iterdir()
    back = read_state(path)
    assert back is not None
    for value in back.values():
        assert (value.dtype, value.shape) == (tensor.dtype, tensor.shape)
        assert value.stride() == torch.empty_like(tensor).stride()
        assert torch.equal(value.nan_to_num(7), tensor.nan_to_num(7))


class Odd:
    """Has a state that no checkpoint holds."""

    def state_dict(self) -> Any:
        return {"function": print}

    def load_state_dict(self, state: Any, /) -> None:
        raise AssertionError


def progress_at(step: int) -> Progress:
    progress = Progress(pa.chunked_array([["a"]]))
    progress.step = step
    return progress


def test_a_state_of_other_things_is_said_and_training_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints = Checkpoints(tmp_path, 1e-9, Identity({}))
    progress = progress_at(1)
    checkpoints.resume({"odd": Odd()}, progress, 3)
    checkpoints.step(progress)
    checkpoints.step(progress_at(2))
    (line,) = capsys.readouterr().out.splitlines()
    assert line == (
        "checkpoint: none is kept: the state of the training holds"
        " a builtins.builtin_function_or_method"
    )
    assert not list(tmp_path.iterdir())


def test_what_the_disk_refuses_is_said_and_training_goes_on(
    tmp_path: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "checkpoints").touch()
    assert train(1) == train(1, keeps=False)
    lines = [line for line in capsys.readouterr().out.splitlines() if "checkpoint" in line]
    assert all("none is kept for now: [Errno" in line for line in lines)
    assert lines


def test_what_cannot_be_removed_is_none_that_is_not_kept(
    tmp_path: Path,
    train: Train,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(f"not in {folder.name}")

    monkeypatch.setattr(checkpoint, "make_room", refuse)
    assert train(1) == train(1, keeps=False)
    out = capsys.readouterr().out
    assert "some are not removed: not in" in out
    assert "none is kept" not in out


def test_room_is_made_beside_trainings_that_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("own", "ends", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_bytes(b"?" * 100)
    touched = checkpoint.last_touched

    def ends(path: Path) -> float:
        shutil.rmtree(tmp_path / "ends", ignore_errors=True)
        return touched(path)

    monkeypatch.setattr(checkpoint, "last_touched", ends)
    monkeypatch.setattr(checkpoint, "MOST_BYTES", 150)
    checkpoint.make_room(tmp_path / "own")
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_none_is_kept_without_a_folder_or_seconds(tmp_path: Path) -> None:
    for checkpoints in (
        Checkpoints(None, 1e-9, Identity({})),
        Checkpoints(tmp_path, None, Identity({})),
    ):
        progress = progress_at(1)
        checkpoints.resume({}, progress, 3)
        checkpoints.step(progress)
        checkpoints.keep(progress)
        checkpoints.clear(keep_last=True)
    assert not list(tmp_path.iterdir())


def test_others_make_room_while_a_training_goes_on(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "checkpoints/other"
    other.mkdir(parents=True)
    (other / "a").write_bytes(b"?" * 100)
    monkeypatch.setattr(checkpoint, "MOST_BYTES", 99)
    with pytest.raises(Killed):
        train(killed_at=2)
    assert not other.exists()
    assert kept(tmp_path)


def test_the_oldest_of_others_go_when_all_take_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i, name in enumerate(["own", "oldest", "older", "new"]):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_bytes(b"?" * 100)
        os.utime(tmp_path / name, (i, i))
    monkeypatch.setattr(checkpoint, "MOST_BYTES", 310)
    checkpoint.make_room(tmp_path / "own")
    assert {path.name for path in tmp_path.iterdir()} == {"own", "older", "new"}
