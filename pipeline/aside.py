"""Runs one stage in a sandbox aside: the workspace, the cache and dvc.lock stay as they are."""

import os
import queue
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.command import Command, Outcome
from pipeline.repository import Stage
from pipeline.run import Interrupted
from pipeline.sandbox import Sandbox
from pipeline.undeclared import Undeclared


@dataclass(frozen=True)
class Aside:
    """What became of it. error: None when the commands went well; output: the end of what they printed."""

    sandbox: "Watched"
    error: str | None
    output: str


@contextmanager
def aside(stage: Stage, extra: Sequence[Undeclared] = ()) -> Iterator[Aside]:
    """The sandbox is there until the block ends. `extra`: what to supply as if it were declared.

    Raises Interrupted on SIGINT and SIGTERM.
    """
    temporary = stage.repository.temporary
    name = f"{os.getpid()}-aside"
    sandbox = Watched(stage, temporary / "sandbox" / name, extra)
    ended: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    log = temporary / "logs" / f"{stage.slug}.aside.log"
    argv = [(text, stage.argv(text)) for text in stage.commands]
    command = Command(
        argv,
        sandbox,
        stage.wdir,
        stage.environment,
        stage.settings.timeout,
        log,
        temporary / "groups" / name,
        ended.put,
    )
    try:
        with _interruptible():
            command.start()
            try:
                error = ended.get().error
            except Interrupted as e:
                command.ask_to_end(e.number)
                command.make_end()
                raise
        missing = sandbox.missing_outs() if error is None else []
        if missing:
            error = f"the command wrote no {', '.join(missing)}"
        yield Aside(sandbox, error, command.tail())
    finally:
        sandbox.remove()


class Watched(Sandbox):
    """A sandbox that knows by access times which of its inputs were opened."""

    def build(self) -> None:
        super().build()
        for file in self._declared():
            os.utime(file, ns=(0, file.stat().st_mtime_ns))

    def _declared(self) -> Iterator[Path]:
        for path in map(Path, self.stage.dep_paths):
            if path.is_relative_to(self.stage.repository.root):
                place = self.inside(path)
                yield from (f for f in place.rglob("*") if f.is_file()) if place.is_dir() else [place]

    def never_opened(self) -> list[str]:
        """Deps that no command read, relative to the root; none where the file system keeps no access times."""
        opened = [f for f in self._declared() if f.stat().st_atime_ns > 0]
        if not opened:
            return []
        root = self.inside(self.stage.repository.root)
        read = {p for f in opened for p in (f, *f.parents)}
        places = [
            self.inside(Path(p)) for p in self.stage.dep_paths if Path(p).is_relative_to(self.stage.repository.root)
        ]
        return sorted(os.path.relpath(p, root) for p in places if p not in read)


@contextmanager
def _interruptible() -> Iterator[None]:
    def interrupt(number: int, _: object) -> None:
        raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
