"""Passes a training's numbers on to TensorBoard or MLflow, through their own libraries.

A training has one run there, named by its key: killed and gone on with, it goes on in the same one.
What they keep on this machine lies in a folder that no stage reads.
"""

import fcntl
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import yaml

from src.errors import InputError
from src.params import Track
from src.training.key import EditedSourceError, Identity
from src.training.progress import write_line

LOGIN = re.compile(r"(?<=://)[^/\s]+@")  # of an address: `user:password@`

WHERE = "params.yaml: runtime.track"
FIRST_NAMES = ("loss", "epoch")  # of a line's numbers, and of a row's
LONGEST = 500  # characters of a value that MLflow takes
LONGEST_LINE = 200  # characters of an error: libraries may write pages
MOST_METRICS = 1000  # that it takes at a time
# A server that does not answer holds up training for so long; else it would be minutes. And MLflow
# tells its makers that it is used, unless told not to.
VARIABLES_OF_MLFLOW = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


class Numbers(NamedTuple):
    """Holds numbers by their names, and how many steps were done then."""

    step: int
    values: Mapping[str, float]


class Tracker(Protocol):
    """Keeps numbers of one training.

    pause: seconds between two sendings; last: the last step for which it has these names, lest it
    be told again after a kill.
    """

    pause: float
    last: Mapping[str, int]

    def open(self, run: str, done: Mapping[str, int]) -> None:
        """Go on with the run of this name, or begin it; done: the steps that it has behind it."""

    def log(self, numbers: Sequence[Numbers]) -> None:
        """Keep the numbers."""

    def close(self, status: str) -> None:
        """End the run; status: of MLflow's."""


class TrackerError(Exception):
    """Says in a line what a tracker failed with."""


@contextmanager
def tracker_errors() -> Iterator[None]:
    """Turn whatever a tracker raises into TrackerError, without a password in it.

    That is no list of classes: MLflow's stores are plugins, and raise what the drivers of databases
    and clouds do, beside MlflowException, which is an Exception itself. What is only told to others
    is never a reason to lose a training.
    """
    try:
        yield
    except Exception as e:
        raise TrackerError(redacted(str(e).partition("\n")[0])[:LONGEST_LINE]) from None


class Tracking:
    """Passes numbers on, some at a time; a tracker that fails ends the tracking alone."""

    def __init__(self, tracker: Tracker | None = None, identity: Identity | None = None) -> None:
        """Take a tracker and what names its run; None for none."""
        self._identity = identity
        self._built = tracker
        self._tracker: Tracker | None = None  # until it is open, and again when it has failed
        self._waiting: list[Numbers] = []
        self._sent = time.monotonic()

    def begin(self, lines: int, rows: int) -> None:
        """Open the tracker; raise InputError if it can't be.

        lines, rows: after how many steps the last of them came, in what training goes on from.
        """
        if self._built is None or self._identity is None:
            return
        try:
            key = self._identity.key
        except EditedSourceError as e:
            say(f"{e}; nothing is tracked")
            return
        done = dict(zip(FIRST_NAMES, (lines, rows), strict=True))
        try:
            with tracker_errors():
                self._built.open(f"{stage_name()}-{key[:8]}", done)
        except TrackerError as e:
            raise InputError(WHERE, str(e), "a tracker that can be written to, or null") from None
        self._tracker = self._built

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the numbers of a line or of a row, unless the tracker has them."""
        first_name = next(iter(values))
        if self._tracker is None or step <= self._tracker.last.get(first_name, 0):
            return
        self._waiting.append(Numbers(step, values))
        if time.monotonic() - self._sent >= self._tracker.pause:
            self._send(self._tracker)

    def close(self, error: type[BaseException] | None) -> None:
        """End the run; error: what training ended with, if it is one."""
        if self._tracker is not None:
            self._send(self._tracker, status_after(error))

    def _send(self, tracker: Tracker, status: str | None = None) -> None:
        """Pass on what waits; end the run if there is a status to end it with."""
        try:
            with tracker_errors():
                tracker.log(self._waiting)
                if status is not None:
                    tracker.close(status)
        except TrackerError as e:
            say(f"{e}; nothing more is tracked, training goes on")
            self._tracker = None
        self._waiting = []
        self._sent = time.monotonic()


class TensorBoard:
    """Keeps numbers in event files, one for each process that took part."""

    pause = 0.0  # so that a checkpoint never knows more

    def __init__(self, folder: Path, params: Mapping[str, Any]) -> None:
        """Take a folder for all runs, and params to show; write nothing yet."""
        # Not its SummaryWriter, whose thread shows a traceback where the disk is full.
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter
        from torch.utils.tensorboard.summary import text

        self._events, self._summaries, self._writer = event_pb2, summary_pb2, RecordWriter
        shown = f"```\n{yaml.safe_dump(params)}```"  # it reads Markdown
        self._params = text("params", shown)  # type: ignore[no-untyped-call]
        self._folder = folder / "tensorboard"
        self.last: Mapping[str, int] = {}

    def open(self, run: str, done: Mapping[str, int]) -> None:
        """Begin a file; what earlier ones have of later steps counts no longer."""
        folder = self._folder / run
        if any(folder.glob("*.tfevents.*")):
            self.last = done
        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads the files of a run in the order of their names.
        self._file = folder / f"events.out.tfevents.{time.time():.6f}.{os.getpid()}"
        event, session = self._events.Event, self._events.SessionLog
        version = event(file_version="brain.Event:2")
        start = event(session_log=session(status=session.START), step=max(done.values()) + 1)
        self._write([version, start, event(summary=self._params)])
        say(f"tensorboard --logdir {self._folder}, run {run}")

    def log(self, numbers: Sequence[Numbers]) -> None:
        """Append the numbers."""
        events = []
        for step, values in numbers:
            summary = self._summaries.Summary()
            for name, value in values.items():
                summary.value.add(tag=name, simple_value=value)
            events.append(self._events.Event(step=step, summary=summary))
        self._write(events)

    def _write(self, events: list[Any]) -> None:
        with self._file.open("ab") as file:
            writer = self._writer(file)
            for event in events:
                event.wall_time = time.time()
                writer.write(event.SerializeToString())

    def close(self, status: str) -> None:
        """Leave the files as they are."""


class MLflow:
    """Keeps numbers at MLFLOW_TRACKING_URI, or in a database in the folder for all runs."""

    pause = 5.0  # a far server may take a good part of a second each time

    def __init__(self, folder: Path, params: Mapping[str, Any]) -> None:
        """Take a folder for all runs, and params to show; write nothing yet."""
        for name, value in VARIABLES_OF_MLFLOW.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient, entities

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # else it tells of its tables
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self._make_client, self._entities = MlflowClient, entities
        self.last: Mapping[str, int] = {}
        self._params = params
        self._folder = folder.resolve()
        self._uri = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{self._folder}/mlflow.db")
        project = self._folder.parents[3].name  # <project>/.dvc/tmp/reprise/track
        self._experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", project)

    def open(self, run: str, done: Mapping[str, int]) -> None:
        """Find the training's run by its name, or make it."""
        with locked(self._folder / "mlflow.lock"):  # of two that begin, one makes the tables
            self._client = self._make_client(self._uri)
            experiment = self._client.get_experiment_by_name(self._experiment)
            if experiment is None:
                number = self._client.create_experiment(self._experiment)
            else:
                number = experiment.experiment_id
            same_name = f"attributes.run_name = '{run}'"
            found = self._client.search_runs([number], same_name, max_results=1)
            if found:
                self._run = self._go_on(found[0].info.run_id)
            else:
                self._run = self._begin(number, run)
        say(f"MLflow at {redacted(self._uri)}, experiment {self._experiment}, run {run}")

    def _begin(self, experiment: str, name: str) -> str:
        """Make a run; return its id."""
        run: str = self._client.create_run(experiment, run_name=name).info.run_id
        params = [
            self._entities.Param(key, str(value)[:LONGEST]) for key, value in flat(self._params)
        ]
        self._client.log_batch(run, params=params)
        return run

    def _go_on(self, run: str) -> str:
        """See what the run has; return its id."""
        self._client.update_run(run, status="RUNNING")
        last = {}
        for name in FIRST_NAMES:
            history = self._client.get_metric_history(run, name)
            last[name] = max([0, *(metric.step for metric in history)])
        self.last = last
        return run

    def log(self, numbers: Sequence[Numbers]) -> None:
        """Send the numbers."""
        now = int(time.time() * 1000)
        metrics = []
        for step, values in numbers:
            for name, value in values.items():
                metrics.append(self._entities.Metric(name, value, now, step))
        for start in range(0, len(metrics), MOST_METRICS):
            self._client.log_batch(self._run, metrics[start : start + MOST_METRICS])

    def close(self, status: str) -> None:
        """Say how the run ended."""
        self._client.set_terminated(self._run, status)


TRACKERS: dict[Track, type[TensorBoard | MLflow]] = {"tensorboard": TensorBoard, "mlflow": MLflow}


def build_tracking(name: Track | None, folder: Path | None, identity: Identity) -> Tracking:
    """Build what tracks a training; raise InputError if its library is not installed.

    folder: of trackers' own files, without which nothing is tracked; identity: names the run, and
    is shown with it.
    """
    if name is None:
        return Tracking()
    if folder is None:
        say("no .dvc folder here to keep it in; nothing is tracked")
        return Tracking()
    try:
        return Tracking(TRACKERS[name](folder, identity.inputs), identity)
    except ImportError as e:
        expected = f"its library, by pip install -e '.[{name}]', or null"
        raise InputError(WHERE, f"{name} ({e})", expected) from None


def stage_name() -> str:
    """Return the name that DVC has for the stage that runs, as a file's."""
    return re.sub(r"[^\w.@-]", "_", os.environ.get("DVC_STAGE", "train"))


def flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield values with dotted names."""
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def status_after(error: type[BaseException] | None) -> str:
    """Name the end of a training as MLflow does."""
    if error is None:
        return "FINISHED"
    return "FAILED" if issubclass(error, Exception) else "KILLED"


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Let one process at a time into the block."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def redacted(text: str) -> str:
    """Leave out the user and the password of addresses."""
    return LOGIN.sub("…@", text)


def say(line: str) -> None:
    """Write a line of the tracking."""
    write_line(f"track: {line}")
