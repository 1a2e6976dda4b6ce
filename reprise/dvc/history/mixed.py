"""Hashes the files of git in folders that hold outs too: DVC's hash of such a dep counts both."""

import hashlib
import os
from pathlib import Path

from reprise.git import git, list_files

DESCRIPTIONS = ("dvc.lock", ".gitignore")  # and *.dvc: DVC writes them, with hashes of the data


def hash_files(root: Path, commit: str | None, folder: str) -> dict[str, str]:
    """Hash the files in the folder that git has, or in the working tree would take, by path.

    root: of the DVC repository, from which paths go; commit: None for the working tree. The hashes
    are those of git's objects (SHA-1 of "blob", size, NUL and content).
    """
    if commit is None:
        return _hash_in_worktree(root, folder)
    hashes = {}
    for entry in git("ls-tree", "-r", "-z", commit, "--", folder, folder=root).split("\0"):
        described, _, path = entry.partition("\t")
        if path and _is_counted(path):
            hashes[path] = described.split()[2]
    return hashes


def _hash_in_worktree(root: Path, folder: str) -> dict[str, str]:
    hashes = {}
    for path in list_files(root, folder):
        file = root / path
        if not _is_counted(path):
            continue
        if file.is_symlink():
            content = os.fsencode(os.readlink(file))
        elif file.is_file():
            content = file.read_bytes()
        else:
            continue
        header = f"blob {len(content)}\0".encode()
        hashes[path] = hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
    return hashes


def _is_counted(path: str) -> bool:
    name = os.path.basename(path)
    return bool(name) and name not in DESCRIPTIONS and not name.endswith(".dvc")
