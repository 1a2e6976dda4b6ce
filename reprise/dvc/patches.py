"""What is put in place of parts of DVC in this process: the same results, faster or safer."""

import errno
import os
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dvc.dependency.param
import dvc.rwlock
import dvc.schema
import dvc.utils.serialize
import voluptuous
from dvc.dvcfile import Lockfile
from dvc.fs import LocalFileSystem
from dvc.repo import Repo
from dvc_data.hashfile import checkout, transfer
from dvc_objects.fs.generic import test_links

from reprise.dvc.file_cache import FileCache
from reprise.dvc.lock_file import run_text
from reprise.dvc.rwlock import RWLockFile

rwlock = dvc.rwlock.rwlock  # DVC's own
_write_yaml = dvc.utils.serialize.dump_yaml


def replace_parts(repo: Repo, file_cache: FileCache, claims: RWLockFile) -> None:
    """Once a process, for the one repository that it works on."""
    dvc.schema.vol = SimpleNamespace(**{**vars(voluptuous), "Schema": _schema})
    # Stages are claimed as a whole, by `Repository.claim`; DVC's methods need not claim their parts again and again.
    dvc.rwlock.rwlock = lambda *_, **__: nullcontext()
    dvc.rwlock._edit_rwlock = claims.edit
    dvc.dependency.param.load_path = file_cache.load_path
    Lockfile._load_yaml = lambda file: file_cache.load_lock(file)
    dvc.utils.serialize.dump_yaml = _dump_yaml
    checkout.test_links = _links  # type: ignore[attr-defined, assignment]
    transfer._log_exception = _stop_if_hopeless
    repo.state.links.close = lambda: None  # DVC opens and closes this database for each file


def _dump_yaml(path: str, data: Any, *args: Any, **kwargs: Any) -> None:
    """dvc.utils.serialize.dump_yaml; for entries of the run-cache without ruamel's slow emitter."""
    if "cmd" in data and "outs" in data:
        Path(path).write_text(run_text(data), encoding="utf-8")
    else:
        _write_yaml(path, data, *args, **kwargs)


HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}
_log_exception = transfer._log_exception


def _stop_if_hopeless(oid: str, exc: BaseException) -> None:
    """A file did not get into the cache. DVC logs that and goes on, until it fails on something else."""
    if isinstance(exc, OSError) and exc.errno in HOPELESS:
        raise OSError(exc.errno, exc.strerror, exc.filename2 or "DVC's cache") from exc
    _log_exception(oid, exc)


_tested: dict[Any, list[str]] = {}


def _links(links: list[str], from_fs: Any, source: str, to_fs: Any, target: str) -> list[str]:
    """test_links of dvc_data, once for a pair of devices: DVC links a file on trial for each out."""
    if not (isinstance(from_fs, LocalFileSystem) and isinstance(to_fs, LocalFileSystem)):
        return test_links(links, from_fs, source, to_fs, target)
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    key = (*links, os.stat(source).st_dev, os.stat(folder).st_dev)
    if key not in _tested:
        _tested[key] = test_links(links, from_fs, source, to_fs, target)
    return _tested[key]


_schemas: dict[int, tuple[Any, voluptuous.Schema]] = {}


def _schema(schema: Any) -> voluptuous.Schema:
    """voluptuous.Schema, compiled once: DVC compiles the schema of a stage for each stage."""
    if id(schema) not in _schemas:
        _schemas[id(schema)] = (schema, voluptuous.Schema(schema))
    return _schemas[id(schema)][1]
