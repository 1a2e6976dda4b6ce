"""Adds files, or lines at the end of files, whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


class Outcome(Enum):
    """Says what became of a file."""

    WRITTEN = "written"
    EXTENDED = "extended"
    KEPT = "kept"
    SKIPPED = "skipped"


class Change(NamedTuple):
    """Says what became of a file, and why or what for."""

    outcome: Outcome
    path: Path
    remark: str


def add_file(path: Path, text: str, purpose: str) -> Change:
    """Write a file unless there is anything of its name."""
    content = text.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _write_beside(path, content)
    try:
        os.link(part, path)  # fails where a file is, unlike a rename
    except FileExistsError:
        is_same = path.is_file() and path.read_bytes() == content
        remark = "as this version writes it" if is_same else "not as this version writes it"
        return Change(Outcome.KEPT, path, remark)
    finally:
        part.unlink()
    return Change(Outcome.WRITTEN, path, purpose)


def add_lines(path: Path, missing: Callable[[str], str], purpose: str) -> Change:
    """Add lines at a file's end, in its own line ends. missing: returns those that a text lacks."""
    path = Path(os.path.realpath(path))  # where a link leads
    content = path.read_bytes() if path.exists() else b""
    text = content.decode(errors="surrogateescape")
    lines = missing(text)
    if not lines:
        return Change(Outcome.KEPT, path, "has it already")
    if text and not text.endswith("\n"):
        lines = f"\n{lines}"
    if 2 * text.count("\r\n") > text.count("\n"):
        lines = lines.replace("\n", "\r\n")
    if path.suffix == ".yaml" and not _means_the_same(text, text + lines):
        return Change(Outcome.SKIPPED, path, "an example at its end would change what it says")
    part = _write_beside(path, content + lines.encode())
    if content:
        shutil.copymode(path, part)
    part.replace(path)
    return Change(Outcome.EXTENDED if content else Outcome.WRITTEN, path, purpose)


def read_yaml(text: str) -> Any:
    """Read a YAML document; None for what is none."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return None


def _means_the_same(one: str, other: str) -> bool:
    before = read_yaml(one)
    return before is not None and before == read_yaml(other)


def _write_beside(path: Path, content: bytes) -> Path:
    """Write a file of another name in the path's folder, which any user may read."""
    number, name = tempfile.mkstemp(prefix=".reprise-", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
        part.chmod(0o644)
    except BaseException:
        part.unlink()
        raise
    return part
