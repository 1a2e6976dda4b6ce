"""Takes down what a stage's inputs are before its command runs, so that this is recorded.

They may be edited meanwhile. What dvc.lock, the journal and the run-cache say must be what the
command read, or they say nothing.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dvc.dependency import ParamsDependency
from dvc.output import Output

from reprise.dvc.changes import Change
from reprise.dvc.file_cache import FileCache
from reprise.dvc.inputs.data_input import DataInput
from reprise.dvc.inputs.dep_input import DepInput
from reprise.dvc.inputs.params_input import ParamsInput


class Inputs:
    """Holds what the inputs of a stage were at one moment: hashes, values, and signatures."""

    def __init__(self, deps: Sequence[Output], file_cache: FileCache) -> None:
        """Take them down as they are now.

        Raises DVC's own error for one that is missing.
        """
        self._params: dict[str, ParamsInput] = {}  # by path
        self._data: dict[str, DataInput] = {}  # by path; those of this machine
        self._others: list[DepInput] = []
        for dep in deps:
            if isinstance(dep, ParamsDependency):
                self._params[dep.fs_path] = ParamsInput(dep, file_cache)
            elif dep.protocol == "local":
                self._data[dep.fs_path] = DataInput(dep, file_cache)
            else:
                self._others.append(DepInput(dep))

    def _all(self) -> list[DepInput]:
        return [*self._params.values(), *self._data.values(), *self._others]

    # What the command reads in place of the workspace's files

    def cut_from(self, path: Path) -> str:
        """Return the text of a params file, a part of which is all that the command will see."""
        params = self._params[os.fspath(path)]
        params.is_private = True
        return params.text

    def note_link(self, path: Path, link: Path) -> None:
        """Note that the command will read a hard link to a dep's file, or a copy, just made.

        For any thread.
        """
        data = self._data.get(os.fspath(path))
        if data is not None:
            data.note_link(link)

    def note_unlinked(self) -> None:
        """Note that the links that the command read were just removed. For any thread."""
        for data in self._data.values():
            data.note_unlinked()

    # After the command

    def changes(self) -> list[Change]:
        """List what changed where the command may have read it: then nothing can be recorded."""
        changes = []
        for item in self._all():
            if not item.is_private:
                changes += item.changes()
        return changes

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Let DVC see these inputs, whatever the workspace has by now."""
        pinned = [(vars(item.dep), item.pins()) for item in self._all()]
        for attributes, pins in pinned:
            attributes.update(pins)
        try:
            yield
        finally:
            for attributes, pins in pinned:
                for name in pins:
                    del attributes[name]
