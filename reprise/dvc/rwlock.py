"""Claims paths in DVC's rwlock file, which says which process reads and writes what."""

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc import rwlock
from dvc.lock import LockError, make_lock
from dvc.repo import Repo
from voluptuous import All, Invalid, Optional, Range, Required, Schema

from reprise.dvc.damage.damaged import set_aside
from reprise.errors import PipelineError

KINDS: dict[str, type] = {"read": list, "write": dict}  # of claims on a path

# As DVC's, but no process has a number that the kernel can't have given it.
_INFO = {**rwlock.INFO_SCHEMA, Required("pid"): All(int, Range(min=1, max=2**31 - 1))}
_SCHEMA = Schema(
    {
        Optional("write", default={}): {str: _INFO},
        Optional("read", default={}): {str: [_INFO]},
    }
)

Info = dict[str, Any]  # a process's number and its name in the file


@dataclass(frozen=True)
class Claim:
    """Holds the paths that a process marked as in use, and under which name."""

    info: Info
    read: list[str]
    written: list[str]


class RWLockFile:
    """Claims and releases paths as dvc.rwlock does, for stages that start and end meanwhile.

    The file is read once and written once while DVC's lock is held. It is written whole or not at
    all: DVC's own way leaves half a file when it is killed.
    """

    def __init__(self, repo: Repo) -> None:
        """Take the place of the file; it is read when it is needed."""
        assert repo.tmp_dir is not None
        self._folder = repo.tmp_dir
        self._path = Path(self._folder, rwlock.RWLOCK_FILE)
        self._hardlink = repo.config["core"].get("hardlink_lock", False)
        self._claims: dict[str, Any] | None = None
        self._guard = ExitStack()

    def claim(self, name: str, read: Sequence[str], write: Sequence[str]) -> Claim:
        """Mark absolute paths as read and as written by this process, as `dvc repro` does.

        Raises LockError when another process uses one of them; `describe_holder` says who.
        """
        info = {"pid": os.getpid(), "cmd": name}
        claims = self._load()
        rwlock._check_blockers(self._folder, claims, info, mode="write", waiters=[*read, *write])
        rwlock._check_blockers(self._folder, claims, info, mode="read", waiters=write)
        return Claim(
            info,
            read=rwlock._acquire_read(claims, info, read),
            written=rwlock._acquire_write(claims, info, write),
        )

    def release(self, claim: Claim) -> None:
        """Take the marks away again. The file may not have them: it is gone, or was not written."""
        claims = self._load()
        written = [path for path in claim.written if claims["write"].get(path) == claim.info]
        read = [path for path in claim.read if claim.info in claims["read"].get(path, ())]
        rwlock._release_write(claims, claim.info, written)
        rwlock._release_read(claims, claim.info, read)

    def write(self) -> None:
        """Write the file, if it was read. Call it before DVC's lock is released."""
        if self._claims is None:
            return
        claims = self._claims
        self._claims = None  # whatever happens: with the guard's end others may write the file
        with self._guard:
            part = self._path.with_name(f"{self._path.name}.part")
            try:
                part.write_text(json.dumps(claims), encoding="utf-8")
                part.replace(self._path)
            except OSError as e:
                raise PipelineError(f"{self._path}: {e.strerror}") from None

    def _load(self) -> dict[str, Any]:
        """Return the file's claims. The first call locks the file until `write`, and reads it."""
        if self._claims is None:
            guard = make_lock(
                os.path.join(self._folder, rwlock.RWLOCK_LOCK),
                tmp_dir=self._folder,
                hardlink_lock=self._hardlink,
            )
            self._guard.enter_context(guard)
            self._claims = self._read()
        for mode, kind in KINDS.items():
            self._claims.setdefault(mode, defaultdict(kind))  # DVC drops what is empty
        return self._claims

    def _read(self) -> dict[str, Any]:
        """Read the file. One that DVC could not read is set aside: nobody's claims are in it."""
        content: dict[str, Any] = {}
        try:
            content = _SCHEMA(json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError, Invalid) as e:
            set_aside(self._path, f"what is no list of claims ({e})")
        return {mode: defaultdict(KINDS[mode], claims) for mode, claims in content.items()}


def describe_holder(error: LockError) -> str:
    """Shorten DVC's message to the line that names the process, `(PID 1234): dvc repro`."""
    lines = str(error).splitlines()
    for line in lines:
        if "(PID" in line:
            return line.strip()
    return lines[0]
