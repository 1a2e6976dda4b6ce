"""Takes down the signatures of a dep's files, and tells which were written to since."""

import os
from pathlib import Path
from typing import Any

from dvc.fs import localfs
from dvc.output import Output
from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.hash_info import HashInfo

from reprise.dvc.changes import Change, ChangeKind
from reprise.dvc.file_cache import FileCache
from reprise.dvc.inputs.dep_input import DepInput
from reprise.dvc.inputs.signature import Signature, Signatures, read_signatures

COMPILED = "__pycache__"  # Python writes into it while it reads the files beside it


class DataInput(DepInput):
    """Holds a file or folder of this machine at one moment."""

    def __init__(self, dep: Output, file_cache: FileCache) -> None:
        """Take down the signatures that the files had when they were hashed."""
        super().__init__(dep)
        self._file_cache = file_cache
        self._signatures = dict(file_cache.signatures(dep.fs_path))
        self._link: Path | None = None
        self._is_foreign = False  # the command read another file
        self._is_recompiled = False

    def note_link(self, link: Path) -> None:
        """Note that the command will read a hard link to the file, or a copy, just made."""
        before = self._signatures[""]
        linked = Signature.of(str(link))
        if linked.is_same_file(before):
            self._file_cache.note_own_change(linked)
            self._link = link
            self._signatures[""] = linked  # making it has changed the inode
        else:
            # The copy is of what was hashed, if nobody has written to that since.
            now = Signature.find(self.dep.fs_path)
            self.is_private = now is not None and now.is_same_file(before)
            self._is_foreign = not self.is_private

    def note_unlinked(self) -> None:
        """Note that the link that the command read was just removed. For any thread."""
        now = Signature.find(self.dep.fs_path)
        if self._link is not None and now is not None:
            self._file_cache.note_own_change(now)

    def changes(self) -> list[Change]:
        """List the files that were written to, replaced, added or removed.

        What Python compiles beside the files that it reads is no change, but recorded as
        `dvc repro` does: as it is in the end.
        """
        if self._is_foreign:
            return [Change(ChangeKind.DEP, str(self.dep))]
        if self._link is not None and self._is_left_alone("", str(self._link)):
            return []  # another file may have taken its place in the workspace
        now = read_signatures(self.dep)
        changes = []
        for name in self._different(now):
            if COMPILED in Path(name).parts:
                self._is_recompiled = True
                continue
            where = _join(str(self.dep), name)
            changes.append(Change(ChangeKind.DEP, where, self._what(name, now)))
        return changes

    def _different(self, now: Signatures) -> list[str]:
        """Name the files that are not what they were."""
        if now == self._signatures:
            return []
        names = sorted(now.keys() | self._signatures.keys())
        return [name for name in names if not self._is_left_alone(name, self._path(name))]

    def _is_left_alone(self, name: str, path: str) -> bool:
        """Tell whether the path still leads to the file of the name, with the same content."""
        before = self._signatures.get(name)
        now = Signature.find(path)
        if before is None or now is None:
            return False
        if not now.is_same_file(before):
            return False
        if self._file_cache.is_own_change(now):
            return True  # another stage, which reads it too, has begun or ended
        if now.may_hide_a_write(before):
            return self._has_content(name, path)
        return True

    def _has_content(self, name: str, path: str) -> bool:
        """Read the file at the path, and tell whether it has the content that was hashed."""
        hash_info: HashInfo = self.saved["hash_info"]
        if name:
            _, hash_info = self.saved["obj"].get(tuple(name.split(os.sep)))
        assert hash_info.name is not None
        if file_md5(path, localfs, name=hash_info.name) == hash_info.value:
            return True
        if os.path.samefile(path, self._path(name)):
            # DVC would go on to take the old hash for its own, by inode, size and time.
            self.dep.repo.state.hashes.delete(self._path(name))
            self._file_cache.forget(self.dep.fs_path)
        return False

    def _path(self, name: str) -> str:
        return _join(self.dep.fs_path, name)

    def _what(self, name: str, now: Signatures) -> str:
        if name not in now:
            return "deleted"
        if name not in self._signatures:
            return "added"
        return "modified"

    def pins(self) -> dict[str, Any]:
        """Return methods that, on DVC's object, answer as if it were that moment."""
        if self._is_recompiled:
            self._file_cache.forget(self.dep.fs_path)
            return {}
        return super().pins()


def _join(dep: str, name: str) -> str:
    """Return the path of a file in a folder dep; of a dep that is a file, the name is empty."""
    if not name:
        return dep
    return os.path.join(dep, name)
