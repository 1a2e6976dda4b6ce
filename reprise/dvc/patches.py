"""Replaces parts of DVC while a repository is open: the same results, faster or safer.

`PATCHES` is the whole list, and `patched` puts it in force. Those of claims, params and lock files
ask which repository they work for, and leave others to DVC's ways; the rest give every repository
of the process the same results.
`python -m benchmarks.patches` switches each patch off and prints what it gains.

(`Stage` lets DVC's own objects of its deps and outs hash through the file cache. That ends with
the objects.)
"""

import errno
import os
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dvc.dependency.param
import dvc.output
import dvc.rwlock
import dvc.schema
import dvc.utils.serialize
import dvc.utils.strictyaml
import dvc_objects.fs.generic
import voluptuous
from dvc.dvcfile import Lockfile, ProjectFile
from dvc.fs import LocalFileSystem
from dvc.output import Output
from dvc.stage import Stage as DVCStage
from dvc.stage.cache import StageCache
from dvc.utils import relpath
from dvc.utils.serialize import _yaml
from dvc_data.hashfile import checkout, transfer
from dvc_data.hashfile.state import State

from reprise.dvc.file_cache import FileCache
from reprise.dvc.lock_file import format_run
from reprise.dvc.yaml.limits import parse_limited_yaml

UNUSUAL = re.compile(r"^$|^[^/]|//|/\.?(/|$)", re.MULTILINE)  # not absolute, or not normal
ELSEWHERE = re.compile(r":|//")  # what a path of a remote, a bucket or a host has
HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}  # the next file fails as well


@dataclass(frozen=True)
class Patch:
    """Describes one part that is replaced.

    owner: the module or class of DVC; gain: in milliseconds a stage, of all that reprise's own
    process takes for it, by benchmarks/patches.py; test: the one that holds it.
    """

    owner: Any
    attribute: str
    replacement: Any
    reason: str
    gain: str
    test: str

    @property
    def name(self) -> str:
        """Return what is replaced, dotted."""
        if isinstance(self.owner, type):
            return f"{self.owner.__module__}.{self.owner.__qualname__}.{self.attribute}"
        return f"{self.owner.__name__}.{self.attribute}"


# What DVC itself has in these places. The replacements go on to it where they have nothing to add.
_rwlock = dvc.rwlock.rwlock
_load_path = dvc.dependency.param.load_path
_load_lock = Lockfile._load_yaml
_load_project = ProjectFile._load_yaml
_dump_yaml = dvc.utils.serialize.dump_yaml
_log_exception = transfer._log_exception
_isin = LocalFileSystem.isin
_uncached_outs = StageCache._uncached_outs
_test_links = dvc_objects.fs.generic.test_links
_get_cloud_fs = dvc.output.get_cloud_fs

# What is remembered while a repository is open.
_file_caches: dict[int, FileCache] = {}  # of open repositories, by the id of their file system
_schemas: dict[int, tuple[Any, voluptuous.Schema]] = {}  # compiled, by the id of the source
_links: dict[tuple[str, ...], tuple[str, ...]] = {}  # that work, by link types and folders
# The class of the local file system and its settings, by the number of jobs that these have.
_local_settings: dict[int | None, tuple[Any, Any]] = {}


def leave_claims_alone(
    folder: str, fs: Any, *args: Any, **kwargs: Any
) -> AbstractContextManager[None]:
    """Claim nothing for an open repository, in place of dvc.rwlock.rwlock."""
    if id(fs) in _file_caches:
        return nullcontext()
    claim: AbstractContextManager[None] = _rwlock(folder, fs, *args, **kwargs)
    return claim


def load_params_once(path: str, fs: Any, **kwargs: Any) -> Any:
    """Parse a params file of an open repository once, in place of load_path."""
    file_cache = _file_caches.get(id(fs))
    if file_cache is None:
        return _load_path(path, fs, **kwargs)
    return file_cache.load_path(path, fs, **kwargs)


def load_lock_once(file: Lockfile, **kwargs: Any) -> Any:
    """Parse and check a dvc.lock of an open repository once, in place of Lockfile._load_yaml.

    kwargs: DVC reads in another way to write; that is left to it.
    """
    file_cache = _file_caches.get(id(file.repo.fs))
    if file_cache is None or kwargs:
        return _load_lock(file, **kwargs)
    return file_cache.load_lock(file)


def load_project_once(file: ProjectFile, **kwargs: Any) -> Any:
    """Parse a dvc.yaml of an open repository unless an earlier process has, by its content.

    In place of ProjectFile._load_yaml; kwargs as in `load_lock_once`.
    """
    file_cache = _file_caches.get(id(file.repo.fs))
    if file_cache is None or kwargs:
        return _load_project(file, **kwargs)
    return file_cache.parse(file, _load_project)


def dump_run(path: str, data: Any, *args: Any, **kwargs: Any) -> None:
    """Write an entry of the run-cache without ruamel.yaml, in place of dump_yaml."""
    if "cmd" in data and "outs" in data:
        Path(path).write_text(format_run(data), encoding="utf-8")
    else:
        _dump_yaml(path, data, *args, **kwargs)


def stop_if_hopeless(oid: str, exc: BaseException) -> None:
    """Raise what kept a file out of the cache, in place of _log_exception."""
    if isinstance(exc, OSError) and exc.errno in HOPELESS:
        place = exc.filename2 or "DVC's cache"
        raise OSError(exc.errno, exc.strerror, place) from exc
    _log_exception(oid, exc)


def compile_once(schema: Any) -> voluptuous.Schema:
    """Compile a schema once, in place of voluptuous.Schema."""
    if id(schema) not in _schemas:
        _schemas[id(schema)] = (schema, voluptuous.Schema(schema))
    return _schemas[id(schema)][1]


def set_link_in_open_file(state: State, path: str, inode: int, mtime: str) -> None:
    """Note a link that DVC made, and leave the database open, in place of State.set_link."""
    state.links[relpath(path, state.root_dir)] = (inode, mtime)


def is_in(path: str, folder: str) -> bool:
    """Tell whether an absolute path lies in the folder, in place of LocalFileSystem.isin."""
    if UNUSUAL.search(f"{path}\n{folder}"):
        return bool(_isin(path, folder))
    return path.startswith(f"{folder}/")


def find_uncached_outs(runs: StageCache, stage: DVCStage, entry: Any) -> Iterator[Output]:
    """Make a stage of the entry only if an out is not cached, in place of _uncached_outs."""
    if all(out.use_cache for out in stage.outs):
        return iter(())
    outs: Iterator[Output] = _uncached_outs(runs, stage, entry)
    return outs


def test_links_once(
    links: list[str], from_fs: Any, from_path: str, to_fs: Any, to_path: str
) -> list[str]:
    """Try once for a folder which links into it work, in place of test_links.

    That none works may be for the disk's sake: it is tried again.
    """
    if not isinstance(from_fs, LocalFileSystem) or not isinstance(to_fs, LocalFileSystem):
        found: list[str] = _test_links(links, from_fs, from_path, to_fs, to_path)
        return found
    key = (*links, from_path, os.path.dirname(to_path))
    if not _links.get(key):
        _links[key] = tuple(_test_links(links, from_fs, from_path, to_fs, to_path))
    return list(_links[key])  # of its own: DVC drops one that fails for a file


def find_file_system(config: Any, **kwargs: Any) -> tuple[Any, dict[str, Any], str]:
    """Find out once what DVC takes for all local paths, in place of get_cloud_fs.

    All other calls are DVC's own.
    """
    if kwargs.keys() != {"url"} or ELSEWHERE.search(kwargs["url"]):
        found: tuple[Any, dict[str, Any], str] = _get_cloud_fs(config, **kwargs)
        return found
    jobs = (config or {}).get("core", {}).get("checksum_jobs")
    if jobs not in _local_settings:
        _local_settings[jobs] = _get_cloud_fs(config, **kwargs)[:2]
    file_system, settings = _local_settings[jobs]
    return file_system, dict(settings), file_system._strip_protocol(kwargs["url"])


PATCHES: tuple[Patch, ...] = (
    Patch(
        owner=dvc.rwlock,
        attribute="rwlock",
        replacement=leave_claims_alone,
        reason="RWLockFile claims a stage as a whole; DVC's methods would wait for that claim, "
        "and write the file for each part of the stage, not whole or not at all",
        gain="needed: a stage would wait for itself",
        test="tests/reprise/dvc/test_patches.py::"
        "test_two_open_repositories_each_write_their_claims",
    ),
    Patch(
        owner=transfer,
        attribute="_log_exception",
        replacement=stop_if_hopeless,
        reason="DVC logs that a file did not get into the cache and goes on, until it fails on "
        "something else; a full disk is to be one line that says so",
        gain="none: for its message",
        test="tests/reprise/runner/test_disk.py::"
        "test_a_full_or_read_only_disk_is_one_line_and_the_next_run_goes_on",
    ),
    Patch(
        owner=dvc.dependency.param,
        attribute="load_path",
        replacement=load_params_once,
        reason="DVC parses a params file for each stage that reads one, and keeps no text, of "
        "which the command is to see a part",
        gain="needed; before that, 11.8 of 41.4 from scratch (28 %), 21.6 of 56.3 restored (39 %)",
        test="tests/reprise/dvc/test_patches.py::"
        "test_a_params_file_is_parsed_once_until_it_changes",
    ),
    Patch(
        owner=Lockfile,
        attribute="_load_yaml",
        replacement=load_lock_once,
        reason="DVC parses and checks dvc.lock for each stage",
        gain="89.0 of 102.6 with nothing to do (87 %)",
        test="tests/reprise/dvc/test_patches.py::test_a_lock_file_is_parsed_once_until_it_changes",
    ),
    Patch(
        owner=ProjectFile,
        attribute="_load_yaml",
        replacement=load_project_once,
        reason="DVC parses the whole dvc.yaml in each process, for one stage of it as well",
        gain="0.15 of 6.1 with nothing to do (2 %), 0.07 of 1.7 planned (4 %)",
        test="tests/reprise/dvc/test_parsed_files.py::"
        "test_a_long_dvc_yaml_is_parsed_once_and_a_shorter_one_each_time",
    ),
    Patch(
        owner=dvc.utils.serialize,
        attribute="dump_yaml",
        replacement=dump_run,
        reason="ruamel.yaml is slow, and run-cache entries are simple",
        gain="4.9 of 37.0 from scratch (13 %)",
        test="tests/reprise/dvc/test_lock_file.py::test_entries_are_written_as_dvc_writes_them",
    ),
    Patch(
        owner=dvc.schema,
        attribute="vol",
        replacement=SimpleNamespace(**{**vars(voluptuous), "Schema": compile_once}),
        reason="DVC compiles the schema of a stage for each stage",
        gain="0.7 of 4.0 planned (17 %)",
        test="tests/reprise/dvc/test_patches.py::test_a_schema_is_compiled_once",
    ),
    Patch(
        owner=State,
        attribute="set_link",
        replacement=set_link_in_open_file,
        reason="DVC opens and closes this database for each file that it links",
        gain="2.0 of 39.5 from scratch (5 %), 4.4 of 40.7 restored (11 %)",
        test="tests/reprise/dvc/test_patches.py::test_the_links_are_noted_as_dvc_notes_them",
    ),
    Patch(
        owner=LocalFileSystem,
        attribute="isin",
        replacement=staticmethod(is_in),
        reason="DVC asks some hundred times a stage which folder a path lies in, and takes both "
        "paths apart each time",
        gain="1.4 of 41.5 from scratch (3 %), 5.4 of 32.9 restored (16 %)",
        test="tests/reprise/dvc/test_patches.py::test_paths_lie_where_dvc_says_that_they_do",
    ),
    Patch(
        owner=StageCache,
        attribute="_uncached_outs",
        replacement=find_uncached_outs,
        reason="DVC makes a stage of each entry of the run-cache to find the outs that are not "
        "cached, though there are none",
        gain="0.8 from scratch (timed alone)",
        test="tests/reprise/dvc/test_patches.py::"
        "test_a_stage_of_an_entry_is_made_only_for_outs_that_are_not_cached",
    ),
    Patch(
        owner=checkout,
        attribute="test_links",
        replacement=test_links_once,
        reason="DVC tries for each file which links work, by files that it makes and removes",
        gain="1.1 from scratch, as much restored (timed alone)",
        test="tests/reprise/dvc/test_patches.py::test_links_are_tried_once_for_a_folder",
    ),
    Patch(
        owner=dvc.output,
        attribute="get_cloud_fs",
        replacement=find_file_system,
        reason="DVC looks for each dep and out whether its path is of a remote, and checks the "
        "settings by a schema",
        gain="1.4 of 16.1 from scratch (8 %), 0.19 of 1.17 planned (17 %)",
        test="tests/reprise/dvc/test_patches.py::"
        "test_the_file_system_of_a_path_is_the_one_that_dvc_finds",
    ),
)

PATCHES += tuple(
    Patch(
        owner=module,
        attribute="parse_yaml",
        replacement=parse_limited_yaml,
        reason="a few lines of YAML can stand for more values than there is memory, or nest so "
        "deep that the parser ends the process; what DVC writes itself is mostly plain",
        gain="for its message; a plain lock is read in a sixth of the time (benchmarks/yaml.py)",
        test="tests/reprise/dvc/yaml/test_limits.py::test_yaml_beyond_all_limits_is_one_line",
    )
    for module in (_yaml, dvc.utils.strictyaml)
)

_INHERITED = object()  # the owner itself has no such attribute
_originals: list[tuple[Patch, Any]] = []  # of the patches that are in force
_lock = threading.Lock()  # a server of flows may open repositories in several threads


@contextmanager
def patched(fs: LocalFileSystem, file_cache: FileCache) -> Iterator[None]:
    """Put the patches in force for a repository, until the context ends.

    The first open repository applies them, the last one that closes undoes them. fs: the
    repository's own file system object, by which the replacements know whom they work for.
    """
    with _lock:
        if not _file_caches:
            _apply()
        _file_caches[id(fs)] = file_cache
    try:
        yield
    finally:
        with _lock:
            del _file_caches[id(fs)]
            if not _file_caches:
                _undo()


def _apply() -> None:
    """Replace every part, and keep what was there."""
    for patch in PATCHES:
        original = vars(patch.owner).get(patch.attribute, _INHERITED)
        _originals.append((patch, original))
        setattr(patch.owner, patch.attribute, patch.replacement)


def _undo() -> None:
    """Put back what was there, and forget what was remembered of it."""
    while _originals:
        patch, original = _originals.pop()
        if original is _INHERITED:
            delattr(patch.owner, patch.attribute)
        else:
            setattr(patch.owner, patch.attribute, original)
    _schemas.clear()
    _links.clear()
    _local_settings.clear()
