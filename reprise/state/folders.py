"""List what reprise keeps in a repository's `.dvc/tmp/reprise`: the only file that names it."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from reprise.process.groups import belongs_to_another, end_noted_group

ATTEMPT_NAME = re.compile(r"([0-9]{1,9})-.+")  # of a sandbox, and of the note of its group


class StateFolders:
    """Holds the paths below `.dvc/tmp/reprise`.

    While dvc.lock is written, `lock.part` of `reprise.dvc` lies there too.
    """

    def __init__(self, top: Path) -> None:
        """Name the paths below `top`, a repository's `.dvc/tmp/reprise`. Nothing is made yet."""
        self.sandboxes = top / "sandbox"  # each begins with the number of the process that made it
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
        for pid, note in made_by_processes(self.groups, ATTEMPT_NAME):
            if note.is_file() and not belongs_to_another(pid):
                end_noted_group(note)
        for pid, sandbox in made_by_processes(self.sandboxes, ATTEMPT_NAME):
            if not belongs_to_another(pid):
                shutil.rmtree(sandbox, ignore_errors=True)


def made_by_processes(folder: Path, names: re.Pattern[str]) -> Iterator[tuple[int, Path]]:
    """Yield the files and folders in the folder, each with the number of its process.

    names: matches the whole name; its first group is the number. Another name is not ours and is
    left alone: a command may have written `../x` from its sandbox.
    """
    for path in folder.glob("*"):
        name = names.fullmatch(path.name)
        if name is not None:
            yield int(name[1]), path
