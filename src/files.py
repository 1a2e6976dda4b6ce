"""Writes files whole or not at all."""

import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Name the file in errors that name none, such as a full disk's."""
    try:
        yield
    except OSError as e:
        e.filename = e.filename or path
        raise


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a path to write to, which takes the real name only when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with named(path):
            yield part
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Make a folder for temporary files in the folder; remove those of killed processes."""
    for left in folder.glob(".spill-*"):
        pid = left.name.split("-")[1]
        is_alive = pid.isdigit() and psutil.pid_exists(int(pid))
        if not is_alive:
            shutil.rmtree(left, ignore_errors=True)  # another process may remove it too
    with TemporaryDirectory(dir=folder, prefix=f".spill-{os.getpid()}-") as name:
        yield Path(name)


@contextmanager
def temporary() -> Iterator[Path]:
    """Make a folder for temporary files where the next run finds what this one leaves if killed.

    Outside a project, or in one that can't be written to, it is in the system's folder, `TMPDIR`.
    """
    folder = kept_folder("scratch")
    if folder is not None:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
    if folder is not None and os.access(folder, os.W_OK):
        with scratch(folder.resolve()) as path:
            yield path
    else:
        with TemporaryDirectory(prefix="reprise-") as name:
            yield Path(name)


def kept_folder(name: str) -> Path | None:
    """Name a folder for what a run keeps for the next beside its outs; None where there is none.

    It is below the project's `.dvc/tmp`, which no version holds. The variable REPRISE_TMP says
    where that is if the working directory is a sandbox.
    """
    top = os.environ.get("REPRISE_TMP")
    if top is not None:
        return Path(top, name)
    if Path(".dvc").is_dir():
        return Path(".dvc/tmp/reprise", name)
    return None


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 with newlines as they are, on any system."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write JSON, indented; NaN and infinity, which JSON has not, raise ValueError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, with floats in six significant digits: the rest may differ between machines."""
    out = io.StringIO()
    writer = csv.DictWriter(out, header, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: shortened(value) for name, value in row.items()})
    write_text(path, out.getvalue())


def shortened(value: Any) -> Any:
    """Write a float in six significant digits; leave other values as they are."""
    return f"{value:.6g}" if isinstance(value, float) else value


def sha256(path: Path) -> str:
    """Hash the file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
