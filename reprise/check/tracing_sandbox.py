"""Supply a sandbox with what its command asks for, while the command runs."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from reprise.check.needs import Accesses, may_be_input
from reprise.check.syscalls import Access
from reprise.dvc import Stage
from reprise.sandbox.folder import FolderSandbox
from reprise.sandbox.sandbox import Contents, is_below
from reprise.sandbox.undeclared import Undeclared


class TracingSandbox(FolderSandbox):
    """Notes what its command accesses, and puts what is missing in place before the kernel looks.

    accesses: what the command accessed; differs: whether the command saw folders that a sandbox
    without supplies would lack, though nothing says that it needs them.
    """

    def __init__(
        self, stage: Stage, folder: Path, extra: Sequence[Undeclared], *, learning: bool
    ) -> None:
        """List what belongs in the sandbox, as for any. `learning`: whether to supply more."""
        super().__init__(stage, folder, Contents(extra), private=True)
        self.learning = learning
        self.differs = False
        self.accesses = Accesses(stage)
        self._supplied: set[Path] = set()  # files and folders, in the sandbox
        self._seen: set[tuple[Access, str]] = set()

    def on_access(self, access: Access, name: str) -> None:
        """Note an access to an absolute path, and supply what the workspace has there.

        Called from the tracer's thread before the kernel looks for the path. The command waits.
        """
        root = str(self.stage.workspace.root)
        if (access, name) in self._seen or not name.startswith(root):
            return
        self._seen.add((access, name))
        target = Path(name)
        source = self._workspace_path(target)
        if source is None:
            return
        if access is Access.WRITE:
            return
        self.accesses.used.add(source)
        if not target.is_relative_to(self.folder):
            if access in (Access.READ, Access.UPDATE) and self._is_undeclared_file(source):
                self.accesses.requested[source] = None
        elif self.learning:
            with suppress(PermissionError):  # then the command may not read it either
                self._supply(access, target, source)

    def _workspace_path(self, target: Path) -> Path | None:
        """Return what an accessed path stands for in the workspace; None if it lies outside.

        In the folder of sandboxes, this is the path as seen from the working directory: `../` may
        lead out of this sandbox.
        """
        workspace = self.stage.workspace
        if target.is_relative_to(workspace.temporary):
            relative = os.path.relpath(target, self.wdir)
            return Path(os.path.normpath(self.stage.wdir / relative))
        if target.is_relative_to(workspace.root):
            return target
        return None

    def _is_undeclared_file(self, source: Path) -> bool:
        """Tell whether the path is a file that may be an input, and no declaration covers it."""
        declared = [*self.stage.params, *map(Path, self.stage.dep_paths)]
        if is_below(source, declared):
            return False
        return os.path.isfile(source) and may_be_input(self.stage, source)

    def _supply(self, access: Access, target: Path, source: Path) -> None:
        """Put a path of the workspace in the sandbox if the sandbox lacks it.

        source: the path in the workspace; target: the same in the sandbox. A folder is empty at
        first, and gets its entries when the command lists it. Raises PermissionError if this user
        may not read the file.
        """
        is_new = self._put(target, source)
        if os.path.isdir(target):
            self.differs = self.differs or is_new
            if access is Access.LIST and os.path.isdir(source):
                self._supply_entries(target, source)
        elif target in self._supplied:
            self.accesses.requested[source] = None

    def _supply_entries(self, target: Path, source: Path) -> None:
        """Put the entries of a folder in the sandbox that it lacks; folders are empty there."""
        if target in self._supplied:
            self.accesses.listed.add(source)
        # Python lists the folders of its modules; who else lists one may mean to count.
        if source != self.stage.wdir and not any(source.glob("*.py")):
            self.differs = True
        for name in os.listdir(source):
            self._put(target / name, source / name)

    def _put(self, target: Path, source: Path) -> bool:
        """Copy a file into the sandbox, or make an empty folder for one. Return whether it is new.

        What is there already stays, and what can't be an input is left out.
        """
        if os.path.lexists(target) or not os.path.exists(source):
            return False
        if not may_be_input(self.stage, source):
            return False
        if os.path.isdir(source):
            target.mkdir(parents=True, exist_ok=True)
        else:
            self._link_all(source.parent, [source])
        self._supplied.add(target)
        return True

    def _undeclared_files(self) -> Iterator[Path]:
        supplied = self._supplied
        for path in super()._undeclared_files():
            if self.written(path) not in supplied:
                yield path
