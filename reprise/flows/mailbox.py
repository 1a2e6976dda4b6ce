"""Pass messages between a runner and a task run by files in a folder that both see.

Each may be in a process of its own, and on a machine of its own.
"""

import json
import os
import re
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from reprise.process.groups import belongs_to_another

POLL = 0.01  # seconds between looks for a message


class RunnerGoneError(Exception):
    """Raised to a task run whose runner has ended."""


@dataclass(frozen=True)
class Mailbox:
    """Holds messages by name. Each is a file, which is written whole and may be read often."""

    folder: Path
    host: str  # where the runner is
    pid: int  # the runner's process on that host

    @classmethod
    def create(cls, folder: Path, number: int) -> Self:
        """Create a mailbox in the runner's process. `number`: unique in that process."""
        host = socket.gethostname()
        pid = os.getpid()
        mailbox = cls(folder / f"{host}-{pid}-{number}", host, pid)
        # A dead process may have had our number.
        shutil.rmtree(mailbox.folder, ignore_errors=True)
        mailbox.folder.mkdir(parents=True)
        return mailbox

    def send(self, name: str, message: Any) -> None:
        """Send a message that JSON can hold. Raises RunnerGoneError when the mailbox is gone."""
        part = self.folder / f"{name}.part"
        try:
            part.write_text(json.dumps(message))
            part.replace(self.folder / name)
        except FileNotFoundError:
            raise RunnerGoneError(str(self.folder)) from None

    def receive(self, name: str) -> Any:
        """Return the message; None while there is none."""
        try:
            return json.loads((self.folder / name).read_text())
        except FileNotFoundError:
            return None

    def claim(self, name: str) -> bool:
        """Take the name, and return True, unless it was taken before."""
        try:
            (self.folder / name).open("x").close()
        except FileExistsError:
            return False
        return True

    def wait(self, *names: str) -> str:
        """Wait for one of the messages. Returns the name of the first that is there.

        Raises RunnerGoneError when the runner is gone.
        """
        while True:
            for name in names:
                if (self.folder / name).exists():
                    return name
            self.check_runner()
            time.sleep(POLL)

    def check_runner(self) -> None:
        """Raise RunnerGoneError when the runner is gone.

        On this host that is seen at once, elsewhere once the next run on its host cleans up.
        """
        is_here = self.host == socket.gethostname()
        if is_here and not psutil.pid_exists(self.pid):
            raise RunnerGoneError(str(self.folder))
        if not self.folder.exists():
            raise RunnerGoneError(
                f"{socket.gethostname()}: found no {self.folder}; expected the folder that the"
                f" runner on {self.host} made there, unless it has ended"
            )


def remove_stale_mailboxes(folder: Path) -> None:
    """Remove the mailboxes of killed runs on this host, before this process creates its own.

    Entries whose names are not shaped like a mailbox's are left alone.
    """
    shape = re.compile(rf"{re.escape(socket.gethostname())}-([0-9]{{1,9}})-[0-9]+")
    for path in folder.glob("*"):
        name = shape.fullmatch(path.name)
        if name is not None and not belongs_to_another(int(name[1]), path):
            shutil.rmtree(path, ignore_errors=True)
