"""What is seen of a training while it runs: the bar, the lines, the live file, the last line."""

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from src.files import write_csv
from src.params import Runtime
from src.train import run
from src.training.progress import Progress, Row
from src.training.watch import Watch, describe_kept
from tests.conftest import Project, copied
from tests.test_train import params, pass_all, write_prepared

ROWS, STEPS, BATCH = 400, 40, 10


def row(epoch: int) -> Row:
    return {"epoch": epoch, "lr": 0.1, "train_loss": 1 / epoch, "val_loss": 1.5 / epoch}


def train(
    watch: Watch,
    epochs: int,
    progress: Progress | None = None,
    after_step: Callable[[Progress], None] = lambda _: None,
    steps: int = STEPS,
) -> Progress:
    """Do what the loop does with a watch, without any training."""
    if progress is None:
        progress = Progress(pa.chunked_array([range(ROWS)]))
    with watch:
        watch.begin(progress, steps)
        while progress.epoch <= epochs:
            progress.sizes = [BATCH] * steps
            watch.begin_epoch(progress, steps)
            while progress.step < steps:
                progress.add(
                    torch.tensor(1 / progress.epoch), torch.zeros(BATCH, 1), torch.ones(BATCH)
                )
                watch.step(progress)
                after_step(progress)
            progress.read()
            progress.history.append(row(progress.epoch))
            watch.end_epoch(progress)
            progress.end_epoch()
    return progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Stand still, but for what tests add to the one number in the list."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


# Lines


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_number_of_steps_means_steps(capsys: pytest.CaptureFixture[str]) -> None:
    train(Watch(Runtime(log_every=15), 2, ROWS), 2)
    assert lines_of(capsys) == [
        f"Epoch [{epoch}/2], Step [{step}/40], Loss: {1 / epoch:.4f}"
        for epoch in (1, 2)
        for step in (15, 30)
    ]


def test_without_one_a_line_comes_every_five_seconds(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    def wait(progress: Progress) -> None:
        clock[0] += 1.0 if progress.epoch == 1 else 0.01

    train(Watch(Runtime(), 2, ROWS), 2, after_step=wait)
    steps = [int(line.split("Step [")[1].split("/")[0]) for line in lines_of(capsys)]
    assert steps == [6, 11, 16, 21, 26, 31, 36, 1]  # the last one in the second epoch


def test_without_one_each_epoch_has_a_line_at_its_hundredth_step(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    train(Watch(Runtime(), 2, ROWS), 2, steps=250)
    assert lines_of(capsys) == [
        "Epoch [1/2], Step [100/250], Loss: 1.0000",
        "Epoch [2/2], Step [100/250], Loss: 0.5000",
    ]


def test_lines_reach_a_pipe_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "log"
    sizes = []
    with file.open("w") as pipe:  # which Python buffers, as it does a pipe
        monkeypatch.setattr(sys, "stdout", pipe)
        train(
            Watch(Runtime(log_every=20), 1, ROWS),
            1,
            after_step=lambda _: sizes.append(file.stat().st_size),
        )
    assert sizes[18:21] == [0, 40, 40]


# The bar


class Terminal:
    """Takes what is written to it, as a terminal of so many columns does."""

    def __init__(self, columns: int) -> None:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._master = master
        self.file = os.fdopen(slave, "w")

    def read(self) -> str:
        """Return what was written so far, which is less than a terminal holds."""
        self.file.flush()
        os.set_blocking(self._master, False)
        text = b""
        with suppress(BlockingIOError):
            while True:
                text += os.read(self._master, 4096)
        return text.decode()

    def close(self) -> None:
        self.file.close()
        os.close(self._master)


def seen(
    columns: int, monkeypatch: pytest.MonkeyPatch, runtime: Runtime, *, started: int = 1
) -> str:
    """Train two epochs before a terminal; return what it was sent."""
    terminal = Terminal(columns)
    monkeypatch.setattr(sys, "stderr", terminal.file)
    monkeypatch.setattr(sys, "stdout", terminal.file)
    monkeypatch.setattr("src.training.watch.MOVE_SECONDS", 0.0)
    progress = Progress(pa.chunked_array([range(ROWS)]), epoch=started)
    progress.history = [row(epoch) for epoch in range(1, started)]
    train(Watch(runtime, 2, ROWS), 2, progress, after_step=lambda _: time.sleep(0.006))
    text = terminal.read()
    terminal.close()
    return text


def states(text: str) -> list[str]:
    """Split what a terminal was sent into what stood in its line one after the other."""
    return [state for state in re.split(r"[\r\n]+", text) if state.strip()]


def test_the_bar_counts_rows_over_all_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    text = seen(90, monkeypatch, Runtime(log_every=25))
    bars = [state for state in states(text) if "rows" in state]
    assert re.match(r"Epoch 1/2: +0%\|.*\| 0\.00/800 \[00:00<\?, \? rows/s\]", bars[0])
    assert re.match(r"Epoch 2/2: +\d+%.*/800 \[\S+, \S+ rows/s, val_loss 1.5\]", bars[-1])
    assert "Epoch [2/2], Step [25/40], Loss: 0.5000" in states(text)
    assert text.endswith(f"\r{' ' * len(bars[-1])}\r")  # nothing is left of it


def test_a_bar_goes_on_where_training_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    bars = states(seen(90, monkeypatch, Runtime(), started=2))
    assert re.match(r"Epoch 2/2: +50%\|.*\| 400/800 \[00:00<", bars[0])


@pytest.mark.parametrize("columns", [3, 12, 30, 60])
def test_a_narrow_terminal_never_wraps_a_bar(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert all(len(s) <= columns for s in states(seen(columns, monkeypatch, Runtime())))


@pytest.mark.parametrize(
    ("variables", "runtime"),
    [
        ({"TERM": "dumb"}, Runtime(log_every=40)),
        ({"TERM": "xterm"}, Runtime(log_every=40, progress=False)),
    ],
)
def test_lines_alone_are_for_terminals_without_a_bar(
    variables: dict[str, str], runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert states(seen(80, monkeypatch, runtime)) == [
        "Epoch [1/2], Step [40/40], Loss: 1.0000",
        "Epoch [2/2], Step [40/40], Loss: 0.5000",
    ]


def test_nothing_has_colours_or_moves_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    """So NO_COLOR has nothing to switch off."""
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b" not in seen(80, monkeypatch, Runtime(log_every=10))


def test_no_bar_goes_into_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    train(Watch(Runtime(), 2, ROWS), 2)
    assert capfd.readouterr() == ("", "")


# The live file


def csv(rows: list[Row], folder: Path) -> bytes:
    write_csv(folder / "expected.csv", list(rows[0]), rows)
    return (folder / "expected.csv").read_bytes()


def test_the_live_file_has_the_epochs_so_far_and_nothing_of_the_run_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DVC_STAGE", raising=False)
    live = tmp_path / "train.csv"
    live.write_text("of the run before\n")
    found = []

    def look(progress: Progress) -> None:
        if progress.step == 1:
            found.append(live.read_bytes() if live.exists() else b"")

    train(Watch(Runtime(), 3, ROWS, tmp_path), 3, after_step=look)
    whole = csv([row(1), row(2), row(3)], tmp_path)
    header, first, second, _ = whole.splitlines(keepends=True)
    assert found == [b"", header + first, header + first + second]
    assert live.read_bytes() == whole


def test_the_live_file_begins_with_the_epochs_that_a_resumed_training_has(tmp_path: Path) -> None:
    progress = Progress(pa.chunked_array([range(ROWS)]), epoch=3, step=10, history=[row(1), row(2)])
    train(Watch(Runtime(), 4, ROWS, tmp_path), 4, progress)
    assert (tmp_path / "train.csv").read_bytes() == csv([row(n) for n in range(1, 5)], tmp_path)


@pytest.mark.parametrize(
    ("stage", "name"),
    [("train@7", "train@7.csv"), ("sub/dvc.yaml:train", "sub_dvc.yaml_train.csv")],
)
def test_the_live_file_is_named_after_the_stage(
    stage: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_STAGE", stage)
    train(Watch(Runtime(), 1, ROWS, tmp_path), 1)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_live_file_has_no_epochs_that_are_not_asked_for_any_more(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("of more epochs\n")
    progress = Progress(pa.chunked_array([range(ROWS)]), epoch=6, history=[row(1), row(2)])
    train(Watch(Runtime(), 2, ROWS, tmp_path), 2, progress)
    assert (tmp_path / "train.csv").read_bytes() == csv([row(1), row(2)], tmp_path)


def break_folder(folder: Path) -> None:
    (folder / "train.csv").unlink()
    folder.rmdir()
    folder.write_text("a file\n")


def test_a_live_file_that_cannot_be_written_is_one_line_and_training_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "live"

    def end_folder(progress: Progress) -> None:
        if progress.epoch == 2 and progress.step == 1:
            break_folder(folder)

    progress = train(Watch(Runtime(), 4, ROWS, folder), 4, after_step=end_folder)
    assert len(progress.history) == 4
    told = f"{folder}/train.csv: File exists; nothing more is written, training goes on"
    assert lines_of(capsys) == [told]


# The last line


def rows(*losses: tuple[float, float]) -> list[Row]:
    """Rows of (train_loss, val_loss)."""
    return [
        {"epoch": n, "lr": 0.1, "train_loss": train, "val_loss": val}
        for n, (train, val) in enumerate(losses, 1)
    ]


OVERFIT = rows((0.5, 0.5), (0.4, 0.6), (0.3, 0.7), (0.2, 0.8))
DIVERGED = rows((0.5, 0.5), (0.6, 0.6), (0.7, 0.7), (0.8, 0.8))
FINE = rows((0.5, 0.5), (0.4, 0.4), (0.3, 0.3), (0.2, 0.35))
FELL = "train_loss alone kept falling: patience or a smaller model may do as well"
ROSE = "train_loss did not fall either: a smaller optimizer.lr may do better"


@pytest.mark.parametrize(
    ("history", "kept", "epochs", "note"),
    [
        (FINE, 3, 4, None),
        (OVERFIT, 1, 4, FELL),
        (DIVERGED, 1, 4, ROSE),
        (OVERFIT, 1, 50, FELL),  # stopped by patience after an epoch that was the first
        (FINE * 3, 3, 50, None),  # stopped likewise, as patience should
        (FINE * 3, 3, 12, FELL),
        (FINE[:1], 1, 1, None),
        (OVERFIT[:2], 1, 2, None),
    ],
)
def test_the_last_line_names_the_kept_epoch_and_a_second_an_early_one(
    history: list[Row], kept: int, epochs: int, note: str | None
) -> None:
    first, *more = describe_kept(history, kept, epochs, "loss").splitlines()
    r = history[kept - 1]
    metrics = f"lr 0.1  train_loss {r['train_loss']:.6g}  val_loss {r['val_loss']:.6g}"
    assert first == f"kept epoch {kept} of {len(history)}  {metrics}"
    assert more == ([] if note is None else [f"no later epoch was better by val_loss; {note}"])


def test_a_training_is_watched_and_ends_in_the_rows_of_its_live_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPRISE_TMP", str(tmp_path / "kept"))
    write_prepared(tmp_path)
    pass_all(tmp_path)
    run(params(epochs=4), tmp_path, tmp_path, tmp_path / "model")
    history = (tmp_path / "model" / "history.csv").read_bytes()
    assert (tmp_path / "kept" / "live" / "train.csv").read_bytes() == history
    assert capsys.readouterr().out.startswith("kept epoch 4 of 4  lr 0.1  train_loss ")


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["dvc repro", "reprise run", "reprise run in a folder"])
def test_rows_and_numbers_are_seen_while_a_stage_runs(
    runner: str, finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if runner.endswith("folder"):
        monkeypatch.setenv("REPRISE_SANDBOX", "folder")
    project = copied(finished, tmp_path)
    project.set({"train.epochs": 400, "runtime.track": "tensorboard"})
    command = [*runner.split()[:2], "-s", "train"]
    kept = tmp_path / ".dvc/tmp/reprise"
    live, runs = kept / "live/train.csv", kept / "track/tensorboard"
    live.unlink(missing_ok=True)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(project.run, *command)
        # Two epochs are there already: training goes on from those of the finished project.
        while not running.done() and not (live.exists() and live.read_text().count("\n") > 5):
            time.sleep(0.01)
        assert not running.done()
        assert [*runs.glob("train-*/events.out.tfevents.*")]
        assert "kept epoch " in running.result()
    assert live.read_bytes() == (tmp_path / "data/model/history.csv").read_bytes()
    assert "runtime" not in (tmp_path / "dvc.lock").read_text()
