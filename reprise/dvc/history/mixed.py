"""Hashes folders that hold files of git and outs: DVC's hash of such a dep counts both."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dvc.output import Output
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree

from reprise.dvc.history.out_files import load_listing, record_out
from reprise.git import git, hash_worktree, is_behind_link, list_files

DESCRIPTIONS = ("dvc.lock", ".gitignore")  # and *.dvc: DVC writes them, with hashes of the data


def hash_with_missing(dep: Output, missing: Iterable[Output]) -> str | None:
    """Hash the folder as DVC does, with the outs that are missing in it as they are recorded.

    None where that is not known: DVC's cache lacks the listing of an out, or nothing is recorded.
    """
    tree: Any = Tree()  # type: ignore[no-untyped-call]
    if dep.exists:
        _, _, files = dep._build(
            dep.local_cache, dep.fs_path, dep.fs, dep.hash_name, ignore=dep.dvcignore, dry_run=True
        )
        assert isinstance(files, Tree)
        for key, meta, hash_info in files:
            tree.add(key, meta, hash_info)
    for out in missing:
        start = dep.fs.relparts(out.fs_path, dep.fs_path)
        hashes = _recorded_hashes(out)
        if hashes is None or out.hash_name != dep.hash_name:
            return None
        for key, value in hashes.items():
            tree.add((*start, *key), None, HashInfo(out.hash_name, value))
    tree.digest()
    return str(tree.hash_info.value)


def _recorded_hashes(out: Output) -> dict[tuple[str, ...], str] | None:
    """Return the hash of each file of an out, by the parts of its path; () for a single file."""
    if not out.hash_info:
        return None
    if not out.is_dir_checksum:
        return {(): out.hash_info.value}
    listing = load_listing(record_out(out), out.repo.cache)
    if listing is None:
        return None
    by_parts = {}
    for name, value in listing.items():
        by_parts[tuple(name.split("/"))] = value
    return by_parts


def hash_files(root: Path, commit: str | None, folder: str) -> dict[str, str]:
    """Hash the files in the folder that git has, or in the working tree would take, by path.

    root: of the DVC repository, from which paths go; commit: None for the working tree. The hashes
    are those of git's objects, which its filters made: line ends, for one, may be others on disk.
    """
    hashes = {}
    if commit is None:
        # A repository in it that nothing was added of is listed with a slash.
        there = []
        for listed in list_files(root, folder):
            name = listed.removesuffix("/")
            if _is_counted(name) and _is_there(root, name):
                there.append(name)
        if there:
            known = hash_worktree(root, there)
            for name in there:
                if name in known:
                    hashes[name] = known[name]
        return hashes
    for entry in git("ls-tree", "-r", "-z", commit, "--", folder, folder=root).split("\0"):
        described, _, path = entry.partition("\t")
        if path and _is_counted(path):
            hashes[path] = described.split()[2]
    return hashes


def _is_there(root: Path, name: str) -> bool:
    return os.path.lexists(root / name) and not is_behind_link(root, name)


def _is_counted(path: str) -> bool:
    name = os.path.basename(path)
    return bool(name) and name not in DESCRIPTIONS and not name.endswith(".dvc")
