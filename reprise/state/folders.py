"""List what reprise keeps in a repository's `.dvc/tmp/reprise`: the only file that names it."""

import shutil
from pathlib import Path

from reprise.process.groups import belongs_to_another, end_noted_group


class StateFolders:
    """Holds the paths below `.dvc/tmp/reprise`.

    While dvc.lock is written, `lock.part` of `reprise.dvc` lies there too.
    """

    def __init__(self, top: Path) -> None:
        """Name the paths below `top`, a repository's `.dvc/tmp/reprise`. Nothing is made yet."""
        self.sandboxes = top / "sandbox"  # each is named after the process that made it
        self.logs = top / "logs"  # the output of each stage's last run
        self.groups = top / "groups"  # notes of process groups, named as the sandboxes
        self.mailboxes = top / "boxes"  # messages between a runner and Prefect's task runs
        self.journals = top / "journal"  # what finished since dvc.lock was written
        self.durations = top / "history.jsonl"  # the seconds of recorded runs

    @classmethod
    def in_repository(cls, root: Path) -> "StateFolders":
        """Name the paths of the repository at `root`, which need not be open."""
        return cls(root / ".dvc" / "tmp" / "reprise")

    def clean_up_after_killed(self) -> None:
        """End the commands and remove the sandboxes of runs that were killed."""
        for note in self.groups.glob("*"):
            if not belongs_to_another(_maker(note)):
                end_noted_group(note)
        for sandbox in self.sandboxes.glob("*"):
            if not belongs_to_another(_maker(sandbox)):
                shutil.rmtree(sandbox, ignore_errors=True)


def _maker(path: Path) -> int:
    """Read the number of the process that the file or folder is named after."""
    return int(path.name.split("-")[0])
