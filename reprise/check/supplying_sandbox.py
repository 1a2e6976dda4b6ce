"""Supply a sandbox with what its command asks for, while the command waits for it."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from reprise.check.needs import may_be_input
from reprise.check.syscalls import Access
from reprise.sandbox.folder import FolderSandbox


class SupplyingSandbox(FolderSandbox):
    """Puts what is missing in place before the kernel looks. For where there are no namespaces."""

    _supplied: frozenset[Path] = frozenset()  # files and folders, in the sandbox

    def supply(self, access: Access, name: str) -> None:
        """Put a path of the workspace in the sandbox if the sandbox lacks it.

        A folder is empty at first, and gets its entries when the command lists it. Called before
        the kernel looks for the path; the command waits.
        """
        target = Path(name)
        if access is Access.WRITE or not target.is_relative_to(self.folder):
            return
        source = self.origin(target)
        with suppress(PermissionError, FileNotFoundError):  # the command can't read it either
            self._put(target, source)
            if access is Access.LIST and target.is_dir():
                for entry in os.listdir(source):
                    self._put(target / entry, source / entry)

    def has_written(self, path: Path) -> bool:
        """Tell whether the command made the file that it sees at a path of the workspace."""
        return super().has_written(path) and self.written(path) not in self._supplied

    def _put(self, target: Path, source: Path) -> None:
        """Copy a file into the sandbox, or make an empty folder for one.

        What is there already stays, and what can't be an input is left out.
        """
        if os.path.lexists(target) or not may_be_input(self.stage, source):
            return
        if os.path.isdir(source):
            target.mkdir(parents=True, exist_ok=True)
        else:
            self._link_all(source.parent, [source])
        self._supplied |= {target}

    def _undeclared_files(self) -> Iterator[Path]:
        for path in super()._undeclared_files():
            if self.written(path) not in self._supplied:
                yield path
