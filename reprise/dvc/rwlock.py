"""Claims paths in DVC's rwlock file, which says which process reads and writes what."""

import json
import logging
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc import rwlock
from dvc.fs import localfs
from dvc.lock import make_lock
from dvc.repo import Repo
from voluptuous import All, Invalid, Optional, Range, Required, Schema

from reprise.dvc.damage.damaged import set_aside
from reprise.errors import PipelineError
from reprise.process.groups import belongs_to_another, may_have_written

logger = logging.getLogger("reprise")

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
        self._before = ""  # what the file was when it was read
        self._has_claims = False  # in the file, by this object
        self._guard = ExitStack()

    def find_holder(self, read: Sequence[str], write: Sequence[str]) -> str | None:
        """Say who uses one of the absolute paths, to be read and to be written, in another way."""
        for path, info, is_written in _list_claims(self._load()):
            wanted = write
            if is_written:
                wanted = [*read, *write]
            if any(localfs.overlaps(one, path) for one in wanted):
                return (
                    f"'{info['cmd']}' (PID {info['pid']}), which uses {os.path.relpath(path)};"
                    f" if it has ended, remove {os.path.relpath(self._path)}"
                )
        return None

    def claim(self, name: str, read: Sequence[str], write: Sequence[str]) -> Claim:
        """Mark absolute paths as read and as written by this process, as `dvc repro` does.

        Nobody uses one of them: see `find_holder`.
        """
        info = {"pid": os.getpid(), "cmd": name}
        claims = self._load()
        self._has_claims = True
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

    def drop_dead(self) -> None:
        """Drop the claims of processes that have ended."""
        self._load()

    def write(self) -> None:
        """Write the file, if it was read and is another now. Call it before DVC's lock is released.

        Its time tells who can't have written it: see `_drop_dead`.
        """
        if self._claims is None:
            return
        claims = self._claims
        self._claims = None  # whatever happens: with the guard's end others may write the file
        with self._guard:
            text = _format(claims)
            if text == self._before:
                return
            part = self._path.with_name(f"{self._path.name}.part")
            try:
                part.write_text(text, encoding="utf-8")
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
            self._before = _format(self._claims)
            self._drop_dead(self._claims)
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
        return {mode: defaultdict(kind, content.get(mode, {})) for mode, kind in KINDS.items()}

    def _drop_dead(self, claims: dict[str, Any]) -> None:
        """Drop the claims of processes that have ended, though another may have the number by now.

        The time of the file is that of the last claim in it, or later.
        """
        writes_file = belongs_to_another  # in a container, a dead one may have had our number
        if self._has_claims:
            writes_file = may_have_written
        listed = [*_list_claims(claims)]
        pids = {info["pid"] for _, info, _ in listed}
        is_alive = {pid: writes_file(pid, self._path) for pid in pids}
        for path, info, is_written in listed:
            if is_alive[info["pid"]]:
                continue
            ended = f"'{info['cmd']}' (PID {info['pid']})"
            logger.warning("%s: dropped what %s had in use: it has ended", self._path, ended)
            release = rwlock._release_read
            if is_written:
                release = rwlock._release_write
            release(claims, info, [path])


def _format(claims: dict[str, Any]) -> str:
    return json.dumps({mode: claims[mode] for mode in KINDS if claims.get(mode)})


def _list_claims(claims: dict[str, Any]) -> Iterator[tuple[str, Info, bool]]:
    """Iterate over paths, who uses each, and whether he writes it."""
    for path, info in claims["write"].items():
        yield path, info, True
    for path, infos in claims["read"].items():
        for info in infos:
            yield path, info, False
