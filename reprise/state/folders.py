"""The one list of what reprise keeps in a repository's `.dvc/tmp/reprise`."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from reprise.process.groups import belongs_to_another, end_noted_group


@dataclass(frozen=True)
class StateFolders:
    """Paths below `.dvc/tmp/reprise`. While dvc.lock is written, `lock.part` of `reprise.dvc` lies there too."""

    top: Path

    @property
    def sandboxes(self) -> Path:
        """Sandboxes, each named after the process that made it."""
        return self.top / "sandbox"

    @property
    def logs(self) -> Path:
        """What each stage's commands printed last."""
        return self.top / "logs"

    @property
    def groups(self) -> Path:
        """Notes of the process groups that run, named as the sandboxes."""
        return self.top / "groups"

    @property
    def mailboxes(self) -> Path:
        """Messages between a runner and its task runs of Prefect."""
        return self.top / "boxes"

    @property
    def journals(self) -> Path:
        """What finished since dvc.lock was last written, a file a process."""
        return self.top / "journal"

    @property
    def durations(self) -> Path:
        """The seconds of recorded runs."""
        return self.top / "history.jsonl"

    def clean_up_after_killed(self) -> None:
        """End the commands and remove the sandboxes of runs that were killed."""
        for note in self.groups.glob("*"):
            if not belongs_to_another(_maker(note)):
                end_noted_group(note)
        for sandbox in self.sandboxes.glob("*"):
            if not belongs_to_another(_maker(sandbox)):
                shutil.rmtree(sandbox, ignore_errors=True)


def _maker(path: Path) -> int:
    """The number of the process that the file or folder is named after."""
    return int(path.name.split("-")[0])
