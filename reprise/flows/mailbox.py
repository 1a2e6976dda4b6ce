"""What the runner and a task run tell each other: files in a folder that both see, whatever process each is in."""

import json
import os
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from reprise.process.groups import belongs_to_another

POLL = 0.01  # seconds between looks


class Abandoned(Exception):  # noqa: N818
    """The runner is gone."""


@dataclass(frozen=True)
class Mailbox:
    """A message is a file: written whole, once, and read as often as one likes."""

    folder: Path
    host: str
    pid: int  # of the runner, on that host

    @classmethod
    def new(cls, folder: Path, number: int) -> "Mailbox":
        """In the runner's process. `number`: unique there."""
        host, pid = socket.gethostname(), os.getpid()
        box = cls(folder / f"{host}-{pid}-{number}", host, pid)
        shutil.rmtree(box.folder, ignore_errors=True)  # of a dead process with our number
        box.folder.mkdir(parents=True)
        return box

    def put(self, name: str, message: Any) -> None:
        part = self.folder / f"{name}.part"
        try:
            part.write_text(json.dumps(message))
            part.replace(self.folder / name)
        except FileNotFoundError:
            raise Abandoned(str(self.folder)) from None

    def get(self, name: str) -> Any:
        """None while there is no such message."""
        try:
            return json.loads((self.folder / name).read_text())
        except FileNotFoundError:
            return None

    def take(self, name: str) -> bool:
        """Whether nobody took it before."""
        try:
            (self.folder / name).open("x").close()
        except FileExistsError:
            return False
        return True

    def wait(self, *names: str) -> str:
        """The first of the messages that is there."""
        while True:
            for name in names:
                if (self.folder / name).exists():
                    return name
            self.check()
            time.sleep(POLL)

    def check(self) -> None:
        """Abandoned when the runner is gone: on this host at once, elsewhere when its host's next run cleans up."""
        if not self.folder.exists() or (
            self.host == socket.gethostname() and not psutil.pid_exists(self.pid)
        ):
            raise Abandoned(str(self.folder))


def remove_stale_mailboxes(folder: Path) -> None:
    """Of runs that were killed, on this host. To be called before this process makes its own."""
    for box in folder.glob("*-*-*"):
        host, pid, _ = box.name.rsplit("-", 2)
        if host == socket.gethostname() and not belongs_to_another(int(pid)):
            shutil.rmtree(box, ignore_errors=True)
