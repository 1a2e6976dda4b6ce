"""Numbers of a training in TensorBoard's files and in MLflow's store, through their libraries."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from src.errors import InputError
from src.params import Runtime, Track
from src.train import run as train_stage
from src.training.key import Identity
from src.training.progress import Progress
from src.training.track import VARIABLES_OF_MLFLOW, Numbers, Tracking, build_tracking
from src.training.watch import Watch
from tests.test_train import params, pass_all, write_prepared
from tests.training.test_watch import ROWS, STEPS, lines_of, row, train

INPUTS = {"seed": 1, "train": {"model": {"name": "mlp", "hidden": [8]}}, "data": {"a": "1"}}
IDENTITY = Identity(INPUTS)


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let MLflow keep files: a database takes it seconds to make, of which one test has its own."""
    monkeypatch.delenv("DVC_STAGE", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path}/mlruns")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    for variable, value in VARIABLES_OF_MLFLOW.items():  # which would else stay set
        monkeypatch.setenv(variable, value)


def tracked(name: Track, folder: Path, epochs: int, progress: Progress | None = None) -> None:
    """Train so many epochs, from where progress stands, with a line every 20 steps."""
    tracking = build_tracking(name, folder, IDENTITY)
    runtime = Runtime(log_every=20)
    train(Watch(runtime, epochs, ROWS, tracking=tracking), epochs, progress)


def resumed(epoch: int, step: int) -> Progress:
    """Stand where a checkpoint was taken."""
    done = [row(number) for number in range(1, epoch)]
    return Progress(pa.chunked_array([range(ROWS)]), epoch=epoch, step=step, history=done)


def in_tensorboard(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Read what TensorBoard shows: steps and values by their name."""
    (run,) = (folder / "tensorboard").iterdir()
    events = EventAccumulator(str(run)).Reload()
    return {
        name: [(event.step, round(event.value, 4)) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def in_mlflow(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Read what MLflow shows of the only run."""
    from mlflow import MlflowClient

    client = MlflowClient()
    (run,) = client.search_runs(
        [experiment.experiment_id for experiment in client.search_experiments()]
    )
    return {
        name: [
            (metric.step, round(metric.value, 4))
            for metric in client.get_metric_history(run.info.run_id, name)
        ]
        for name in run.data.metrics
    }


READERS = {"tensorboard": in_tensorboard, "mlflow": in_mlflow}
BOTH = pytest.mark.parametrize("name", ["tensorboard", "mlflow"])


def expected(epochs: int) -> dict[str, list[tuple[int, float]]]:
    numbers: dict[str, list[tuple[int, float]]] = {"loss": []}
    for epoch in range(1, epochs + 1):
        end = epoch * STEPS
        numbers["loss"] += [(end - 20, round(1 / epoch, 4)), (end, round(1 / epoch, 4))]
        for key, value in row(epoch).items():
            numbers.setdefault(key, []).append((end, round(value, 4)))
    return numbers


@BOTH
def test_a_tracker_has_the_rows_and_the_lines_by_steps(name: Track, tmp_path: Path) -> None:
    tracked(name, tmp_path, 3)
    assert READERS[name](tmp_path) == expected(3)


@BOTH
def test_a_resumed_training_goes_on_in_the_same_run_and_tells_nothing_twice(
    name: Track, tmp_path: Path
) -> None:
    """Killed after epoch 3, with a checkpoint in epoch 2; then again from one at the end of 3."""
    tracked(name, tmp_path, 3)
    tracked(name, tmp_path, 4, resumed(epoch=2, step=25))
    assert READERS[name](tmp_path) == expected(4)
    # After an epoch's last step its row may have been told or not: TensorBoard has the point twice.
    tracked(name, tmp_path, 4, resumed(epoch=3, step=STEPS))
    found = READERS[name](tmp_path)
    assert {key: sorted({*points}) for key, points in found.items()} == expected(4)


@BOTH
def test_rows_of_before_are_told_where_the_tracker_has_none(name: Track, tmp_path: Path) -> None:
    tracked(name, tmp_path, 4, resumed(epoch=3, step=0))
    found = READERS[name](tmp_path)
    assert found["val_loss"] == expected(4)["val_loss"]
    assert found["loss"] == expected(4)["loss"][4:]


@BOTH
def test_rows_are_told_where_no_epoch_is_left_to_train(name: Track, tmp_path: Path) -> None:
    tracked(name, tmp_path, 3, resumed(epoch=4, step=0))
    found = READERS[name](tmp_path)
    assert found == {key: found[key] for key in row(1)}
    assert found["val_loss"] == expected(3)["val_loss"]


def test_a_run_is_named_as_the_folder_of_the_trainings_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_TMP", str(tmp_path / "kept"))
    write_prepared(tmp_path)
    pass_all(tmp_path)
    asked = params(epochs=1)
    runtime = Runtime(progress=False, track="tensorboard")
    train_stage(asked.model_copy(update={"runtime": runtime}), tmp_path, tmp_path, tmp_path / "m")
    (checkpoints,) = (tmp_path / "kept/checkpoints").iterdir()
    (tracked_run,) = (tmp_path / "kept/track/tensorboard").iterdir()
    assert tracked_run.name == f"train-{checkpoints.name[:8]}"


def test_other_inputs_are_another_run(tmp_path: Path) -> None:
    for seed in (1, 2):
        tracking = build_tracking("tensorboard", tmp_path, Identity({**INPUTS, "seed": seed}))
        train(Watch(Runtime(), 1, ROWS, tracking=tracking), 1)
    assert len([*(tmp_path / "tensorboard").iterdir()]) == 2


def test_a_run_of_mlflow_has_params_and_says_how_it_ended(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    watch = Watch(Runtime(), 3, ROWS, tracking=build_tracking("mlflow", tmp_path, IDENTITY))
    with pytest.raises(KeyboardInterrupt):
        train(watch, 3, after_step=interrupt)
    client = MlflowClient()
    experiments = [found.experiment_id for found in client.search_experiments()]
    (run,) = client.search_runs(experiments)
    assert run.info.status == "KILLED"
    assert run.data.params == {
        "seed": "1",
        "train.model.name": "mlp",
        "train.model.hidden": "[8]",
        "data.a": "1",
    }
    tracked("mlflow", tmp_path, 3)
    assert client.get_run(run.info.run_id).info.status == "FINISHED"


def test_mlflow_takes_any_number_of_epochs_at_a_time(tmp_path: Path) -> None:
    tracked("mlflow", tmp_path, 401, resumed(epoch=401, step=0))
    assert len(in_mlflow(tmp_path)["val_loss"]) == 401


@pytest.mark.slow
def test_mlflow_keeps_a_database_where_no_server_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    folder = tmp_path / "project/.dvc/tmp/reprise/track"
    tracked("mlflow", folder, 2)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    assert in_mlflow(folder) == expected(2)
    assert {file.name for file in folder.iterdir()} == {"mlflow.db", "mlflow.lock"}


# What fails


@BOTH
def test_a_library_that_is_missing_is_one_line(
    name: Track, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (*filter(lambda loaded: loaded.split(".")[0] == name, [*sys.modules]), name):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError) as e:
        build_tracking(name, tmp_path, IDENTITY)
    assert f"params.yaml: runtime.track: found {name} (" in str(e.value)
    assert f"expected its library, by pip install -e '.[{name}]', or null" in str(e.value)


def test_outside_a_project_nothing_is_tracked(capsys: pytest.CaptureFixture[str]) -> None:
    train(Watch(Runtime(), 1, ROWS, tracking=build_tracking("tensorboard", None, IDENTITY)), 1)
    assert lines_of(capsys) == ["track: no .dvc folder here to keep it in; nothing is tracked"]


def start(name: Track, folder: Path) -> None:
    build_tracking(name, folder, IDENTITY).begin(0, 0)


@pytest.mark.parametrize("address", ["http://me:secret@127.0.0.1:9", "htp://me:secret@127.0.0.1:9"])
def test_a_server_that_is_not_there_is_one_line_before_training(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(InputError, match=r"runtime\.track: found .*expected a tracker that") as e:
        start("mlflow", tmp_path)
    assert "secret" not in str(e.value)


ADDRESS = "https://me:p@ss@tracking.test/api"  # a password may have its own `@`


def test_a_server_is_named_without_user_and_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import mlflow

    client = mlflow.MlflowClient(f"file:{tmp_path}/mlruns")
    monkeypatch.setattr(mlflow, "MlflowClient", lambda _: client)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", ADDRESS)
    start("mlflow", tmp_path)
    (line,) = lines_of(capsys)
    assert line.startswith("track: MLflow at https://…@tracking.test/api, experiment ")


class Unreachable:
    """Fails as a server does that is not there any more."""

    pause = 0.0
    last: Mapping[str, int] = {}

    def open(self, run: str, done: Mapping[str, int]) -> None:
        pass

    def log(self, numbers: Sequence[Numbers]) -> None:
        text = f"{ADDRESS} and again {ADDRESS}".ljust(188)
        raise ConnectionError(f"{text}{ADDRESS}\nno answer in 10 s")

    def close(self, status: str) -> None:
        pass


def test_a_server_that_fails_is_named_without_user_and_password(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tracking = Tracking(Unreachable(), IDENTITY)
    tracking.begin(0, 0)
    tracking.log(1, {"loss": 1.0})
    (line,) = lines_of(capsys)  # cut off after 200 characters
    assert line.startswith(
        "track: https://…@tracking.test/api and again https://…@tracking.test/api"
    )
    assert line.endswith("https://…@tracking.test/; nothing more is tracked, training goes on")


def test_a_folder_that_cannot_be_made_is_one_line_before_training(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("a file\n")
    with pytest.raises(InputError, match=r"runtime\.track: found .*Not a directory.*; expected"):
        start("tensorboard", tmp_path)


@BOTH
def test_a_tracker_that_fails_in_the_middle_is_one_line_and_training_goes_on(
    name: Track, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its disk is full, or what it wrote is gone."""

    def fail(progress: Progress) -> None:
        if progress.epoch == 2 and progress.step == 1:
            if name == "mlflow":
                (tmp_path / "mlruns").rename(tmp_path / "elsewhere")
            for file in tmp_path.glob("tensorboard/*/*"):
                file.unlink()
                file.symlink_to("/dev/full")

    watch = Watch(Runtime(), 4, ROWS, tracking=build_tracking(name, tmp_path, IDENTITY))
    assert len(train(watch, 4, after_step=fail).history) == 4
    begun, told = lines_of(capsys)
    assert begun.startswith("track: ")
    assert told.startswith("track: ")
    assert told.endswith("; nothing more is tracked, training goes on")


def test_a_tracking_of_nothing_does_nothing() -> None:
    tracking = Tracking()
    tracking.begin(0, 0)
    tracking.log(1, {"loss": 1.0})
    tracking.close(None)
