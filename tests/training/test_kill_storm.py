"""Trainings that are killed at any moment, and taken up again, end in the same bytes."""

import os
import random
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import ValidationError
from ruamel.yaml.error import YAMLError

from src.train import Train
from tests import warm
from tests.conftest import ROOT, YAML_, Project, copied

KILLS = int(os.environ.get("KILLS", "12"))  # of each recipe, under each runner
CNN = {"name": "cnn", "channels": [4, 8], "hidden": 32, "dropout": 0.3}  # with batch norm
MLP = {"name": "mlp", "hidden": [64], "dropout": 0.2}
ADAMW = {"name": "AdamW", "lr": 0.003}
MOMENTUM = {"name": "SGD", "lr": 0.05, "momentum": 0.9}
ONE_CYCLE = {"name": "OneCycleLR", "max_lr": 0.1, "total_steps": 100, "every": "batch"}
RECIPES: dict[str, dict[str, Any]] = {
    "mlp, SGD": {"model": MLP},
    "mlp, momentum": {"model": MLP, "optimizer": MOMENTUM, "clip_norm": 1.0},
    "mlp, RMSprop": {"model": MLP, "optimizer": {"name": "RMSprop", "lr": 0.003}},
    "mlp, OneCycle": {"model": MLP, "optimizer": MOMENTUM, "scheduler": ONE_CYCLE},
    "mlp, Plateau": {
        "model": MLP,
        "optimizer": {"name": "SGD", "lr": 0.5},
        "scheduler": {"name": "ReduceLROnPlateau", "patience": 0, "threshold": 0.3},
    },
    "cnn, AdamW": {"model": CNN, "optimizer": ADAMW},
    "cnn, momentum, accuracy": {"model": CNN, "optimizer": MOMENTUM, "monitor": "accuracy"},
    "cnn, AdamW, average": {"model": CNN, "optimizer": ADAMW, "average": {"decay": 0.9}},
    "cnn, augment": {"model": CNN, "augment": {"flip": True, "shift": 1}, "scale": "table"},
    "mlp, AdamW, two processes": {"model": MLP, "optimizer": ADAMW, "processes": 2},
    "mlp, blocks": {"model": MLP, "shuffle": "blocks"},
    "cnn, bf16": {"model": CNN, "optimizer": ADAMW, "precision": "bf16"},
}
RUNNERS = {
    "dvc repro": ["-m", "dvc", "repro", "-s", "--no-run-cache", "train"],
    "reprise run": ["-m", "reprise", "run", "-s", "--no-run-cache", "train"],
}


def is_known(recipe: dict[str, Any]) -> bool:
    """Tell whether the section `train` takes all of it."""
    try:
        Train.model_validate({**YAML_.load(ROOT / "params.yaml")["train"], **recipe})
    except ValidationError:
        return False
    return True


class Storm:
    """Trains in a project, and kills it."""

    def __init__(self, project: Project, recipe: dict[str, Any], runner: str) -> None:
        self.project, self.arguments = project, RUNNERS[runner]
        self.checkpoints = project.root / ".dvc/tmp/reprise/checkpoints"
        self.model = project.root / "data/model"
        self.log = project.root.parent / "log"
        self.rng = random.Random(f"{recipe} {runner}")
        self.counts: Counter[str] = Counter()
        changes: dict[str, Any] = {"train.epochs": 4, "train.batch_size": 100}
        changes |= {f"train.{key}": value for key, value in recipe.items()}
        project.set({**changes, "runtime.checkpoint": 1e9})
        self.lock = (project.root / "dvc.lock").read_bytes()
        self.forget()
        project.run("dvc", "repro", "-s", "--no-run-cache", "train")
        self.expected = self.written()
        project.set({"runtime.checkpoint": 0.01})
        self.forget()

    def forget(self) -> None:
        """Remove all that a training left."""
        (self.project.root / "dvc.lock").write_bytes(self.lock)
        for folder in (self.model, self.checkpoints):
            shutil.rmtree(folder, ignore_errors=True)

    def written(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.model.iterdir())}

    def start(self) -> warm.Command:
        """Start the runner in a session of its own."""
        if self.arguments[1] == "dvc":
            self.mend()
        environment = {**os.environ, "PATH": self.project.path, "OMP_NUM_THREADS": "1"}
        server = warm.server_of(Path(self.project.path.split(os.pathsep)[0]), self.arguments)
        with self.log.open("ab") as log, Path(os.devnull).open() as nothing:
            standard = (nothing.fileno(), log.fileno(), log.fileno())
            root = self.project.root
            return warm.Command(server, self.arguments, root, environment, standard, "new")

    def mend(self) -> None:
        """Mend what DVC itself, killed as it writes it, never gets over."""
        rwlock = self.project.root / ".dvc/tmp/rwlock"
        if rwlock.exists() and rwlock.stat().st_size == 0:
            rwlock.unlink()
            self.counts["torn locks of DVC"] += 1
        lock = self.project.root / "dvc.lock"
        if not self.is_whole(lock):
            lock.write_bytes(self.lock)
            self.counts["torn dvc.lock of DVC"] += 1

    def is_whole(self, lock: Path) -> bool:
        """Tell whether a lock file has all of the stages that are not trained."""
        others = []
        try:
            for text in (lock.read_bytes(), self.lock):
                others.append({**YAML_.load(text)["stages"], "train": None})
        except (YAMLError, TypeError, KeyError):
            return False
        return bool(others[0] == others[1])

    @cached_property
    def server(self) -> psutil.Process:
        """Find the process whose forks are the trainings."""
        socket = f"{Path(self.project.path.split(os.pathsep)[0]).parent}/stages.socket"
        servers = []
        for process in psutil.process_iter(["cmdline"]):
            command = process.info["cmdline"] or []
            if socket in command and "tests.warm" in command:
                servers.append(process)
        return min(servers, key=psutil.Process.create_time)  # its forks look like it

    def trainings(self) -> list[psutil.Process]:
        """List those of this project: the server works for other tests, too."""
        own = []
        for process in self.server.children(recursive=True):
            with suppress(psutil.Error):
                if Path(process.cwd()) == self.project.root:
                    own.append(process)
        return own

    def parts(self) -> set[Path]:
        """List the checkpoints that are being written, or were as their process was killed."""
        return set(self.checkpoints.glob("*/.*.part"))

    def states(self) -> set[Path]:
        return set(self.checkpoints.glob("*/*.safetensors"))

    def wait(self, command: warm.Command) -> None:
        """Wait for the moment to kill at: after some time, some checkpoints, or in a write."""
        kind = self.rng.choice(["time", "states", "write", "write"])
        deadline = time.monotonic() + self.rng.uniform(0.0, 3.0 if kind == "time" else 0.3)
        count = self.rng.randrange(1, 12)  # checkpoints to wait for
        seen, parts = self.states(), self.parts()
        before = len(seen)
        while goes_on(command):
            if kind == "write":
                for part in self.parts() - parts:
                    if self.rng.random() < 0.3:
                        os.kill(int(part.stem.rpartition("-")[2]), signal.SIGKILL)
                        return
                parts |= self.parts()
            seen |= self.states()
            is_time = kind == "time" or len(seen) - before >= count
            if is_time and time.monotonic() > deadline:
                return
            time.sleep(0.0002 if kind == "write" else 0.002)

    def strike(self) -> None:
        """Run until the moment comes, and kill either all or the training alone."""
        command = self.start()
        before = self.parts()
        while goes_on(command) and not self.trainings():
            time.sleep(0.005)
        with suppress(ProcessLookupError):
            self.wait(command)
        trainings = self.trainings()
        everything = self.rng.random() < 0.5
        if everything:
            with suppress(ProcessLookupError):
                os.killpg(command.pid, signal.SIGKILL)
        for process in trainings:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if command.wait() == 0:
            self.check()
            return
        psutil.wait_procs(trainings)
        self.counts["kills"] += 1
        self.counts["of the runner too"] += everything
        self.counts["in a write"] += bool(self.parts() - before)
        if self.rng.random() < 0.15:
            self.damage()

    def damage(self) -> None:
        """Tear the newest checkpoint, or flip a bit of it."""
        for newest in sorted(self.checkpoints.glob("*/*.safetensors"))[-1:]:
            content = bytearray(newest.read_bytes())
            place = self.rng.randrange(len(content))
            if self.rng.random() < 0.5:
                content[place] ^= 1 << self.rng.randrange(8)
            else:
                del content[place:]
            newest.write_bytes(content)
            self.counts["damaged"] += 1

    def check(self) -> None:
        """Compare with the training that nobody killed, and begin anew."""
        assert self.written() == self.expected
        self.counts["ends"] += 1
        self.forget()

    def end(self) -> None:
        """Let it run to its end."""
        assert self.start().wait() == 0, self.log.read_text()
        self.check()


def goes_on(command: warm.Command) -> bool:
    """Tell whether the runner still runs."""
    return bool(psutil.pid_exists(command.pid))


@pytest.mark.slow
@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("name", [name for name in RECIPES if is_known(RECIPES[name])])
def test_kills_at_random_moments_change_no_byte(
    name: str, runner: str, finished: Project, tmp_path: Path
) -> None:
    storm = Storm(copied(finished, tmp_path / "project"), RECIPES[name], runner)
    while storm.counts["kills"] < KILLS:
        storm.strike()
    storm.end()
    log = storm.log.read_text()
    resumed, seen = log.count("goes on after"), log.count("found it damaged")
    figures = ", ".join(f"{count} {what}" for what, count in storm.counts.items())
    with (Path(os.environ.get("STORM_LOG", tmp_path / "figures"))).open("a") as file:
        file.write(f"{name}, {runner}: {figures}, {resumed} resumed, {seen} seen damaged\n")
    assert resumed > 0
