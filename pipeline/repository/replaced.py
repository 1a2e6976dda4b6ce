"""What is put in place of parts of DVC in this process: the same results, faster or safer."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dvc.dependency.param
import dvc.rwlock
import dvc.schema
import dvc.utils.serialize
import voluptuous
from dvc.dvcfile import Lockfile
from dvc.lock import make_lock
from dvc.repo import Repo

from pipeline.lock_file import run_text
from pipeline.repository.memo import Memo

rwlock = dvc.rwlock.rwlock  # DVC's own
_write_yaml = dvc.utils.serialize.dump_yaml


def replace_parts(repo: Repo, memo: Memo) -> None:
    """Once a process, for the one repository that it works on."""
    dvc.schema.vol = SimpleNamespace(**{**vars(voluptuous), "Schema": _schema})
    # Stages are claimed as a whole, by `Repository.claim`; DVC's methods need not claim their parts again and again.
    dvc.rwlock.rwlock = lambda *_, **__: nullcontext()
    dvc.rwlock._edit_rwlock = _edit_claims
    dvc.dependency.param.load_path = memo.load_path
    Lockfile._load_yaml = lambda file: memo.load_lock(file)
    dvc.utils.serialize.dump_yaml = _dump_yaml
    repo.state.links.close = lambda: None  # DVC opens and closes this database for each file


def _dump_yaml(path: str, data: Any, *args: Any, **kwargs: Any) -> None:
    """dvc.utils.serialize.dump_yaml; for entries of the run-cache without ruamel's slow emitter."""
    if "cmd" in data and "outs" in data:
        Path(path).write_text(run_text(data), encoding="utf-8")
    else:
        _write_yaml(path, data, *args, **kwargs)


_schemas: dict[int, tuple[Any, voluptuous.Schema]] = {}


def _schema(schema: Any) -> voluptuous.Schema:
    """voluptuous.Schema, compiled once: DVC compiles the schema of a stage for each stage."""
    if id(schema) not in _schemas:
        _schemas[id(schema)] = (schema, voluptuous.Schema(schema))
    return _schemas[id(schema)][1]


@contextmanager
def _edit_claims(folder: str, _: Any, hardlink: bool) -> Iterator[dict[str, Any]]:
    """dvc.rwlock._edit_rwlock, but whole or not at all; DVC's own leaves half a file when it is killed."""
    path = Path(folder, dvc.rwlock.RWLOCK_FILE)
    guard = os.path.join(folder, dvc.rwlock.RWLOCK_LOCK)
    with make_lock(guard, tmp_dir=folder, hardlink_lock=hardlink):
        claims: dict[str, Any] = {}
        with suppress(FileNotFoundError, json.JSONDecodeError):
            claims = json.loads(path.read_text(encoding="utf-8"))
        claims = {
            "read": defaultdict(list, claims.get("read", {})),
            "write": defaultdict(dict, claims.get("write", {})),
        }
        yield claims
        part = path.with_name(f"{path.name}.part")
        part.write_text(json.dumps(claims), encoding="utf-8")
        part.replace(path)
