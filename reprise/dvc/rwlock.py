"""DVC's rwlock file: which process reads and writes which paths."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import dvc.rwlock
from dvc.lock import make_lock

from reprise.errors import PipelineError

KINDS: dict[str, type] = {"read": list, "write": dict}  # of claims on a path


class RWLockFile:
    """Read once and written once while DVC's lock is held, for all stages that start and end meanwhile.

    The file is written whole or not at all; DVC's own way leaves half a file when it is killed.
    """

    def __init__(self) -> None:
        self._known: dict[str, Any] | None = None
        self._path = Path()
        self._guard = ExitStack()

    @contextmanager
    def edit(self, folder: str, _: Any, hardlink: bool) -> Iterator[dict[str, Any]]:
        """In place of dvc.rwlock._edit_rwlock."""
        if self._known is None:
            self._guard.enter_context(
                make_lock(
                    os.path.join(folder, dvc.rwlock.RWLOCK_LOCK),
                    tmp_dir=folder,
                    hardlink_lock=hardlink,
                )
            )
            self._path = Path(folder, dvc.rwlock.RWLOCK_FILE)
            self._known = self._read()
        for mode, kind in KINDS.items():
            self._known.setdefault(mode, defaultdict(kind))  # DVC drops what is empty
        yield self._known

    def _read(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with suppress(FileNotFoundError, json.JSONDecodeError):
            found = json.loads(self._path.read_text(encoding="utf-8"))
        return {mode: defaultdict(KINDS[mode], claims) for mode, claims in found.items()}

    def write(self) -> None:
        """Before DVC's lock is released."""
        if self._known is None:
            return
        with self._guard:
            part = self._path.with_name(f"{self._path.name}.part")
            try:
                part.write_text(json.dumps(self._known), encoding="utf-8")
                part.replace(self._path)
            except OSError as e:
                raise PipelineError(f"{self._path}: {e.strerror}") from None
        self._known = None
