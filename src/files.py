"""Writes files whole or not at all."""

import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Gives an error that names no file, as a full disk's, the name."""
    try:
        yield
    except OSError as e:
        e.filename = e.filename or path
        raise


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yields a path to write to; it takes the real name only when the block ends well."""
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
    """A folder of temporary files inside the folder; those of processes that were killed go first."""
    for left in folder.glob(".spill-*"):
        pid = left.name.split("-")[1]
        if not pid.isdigit() or not psutil.pid_exists(int(pid)):
            shutil.rmtree(left)
    with TemporaryDirectory(dir=folder, prefix=f".spill-{os.getpid()}-") as name:
        yield Path(name)


def write_text(path: Path, text: str) -> None:
    with whole(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Floats in six significant digits: what is beyond may differ between machines."""
    out = io.StringIO()
    writer = csv.DictWriter(out, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
    )
    write_text(path, out.getvalue())


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
