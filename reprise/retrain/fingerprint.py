"""What goes into a retraining, and what of its results git keeps, by the stages of the clone."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from reprise.dvc import Repository, Stage


def stages_of(root: Path) -> list[Stage]:
    """Of all pipelines in the folder."""
    with chdir(root):
        return Repository().steps([], everything=True)


def digest_of_inputs(stages: Sequence[Stage]) -> str:
    """SHA-256 of commands, params, and deps that no stage writes, by dvc.lock, and of what .dvc files name.

    Deps that stages write are results: the same inputs give others where training is not bit for bit the same.
    """
    written = {os.fspath(path) for stage in stages if stage.has_entry for path in stage.outputs}
    found = sorted((stage.key, [*_inputs(stage, written)]) for stage in stages)
    return hashlib.sha256(json.dumps(found, sort_keys=True, default=str).encode()).hexdigest()


def _inputs(stage: Stage, written: set[str]) -> Iterator[str]:
    """Text that differs when an input does."""
    if not stage.has_entry:
        yield _text(YAML(typ="safe", pure=True).load(stage.declared_in)["outs"])
        return
    yield _text([stage.locked.get("cmd"), stage.locked.get("params")])
    for dep in stage.locked.get("deps", []):
        if not _is_written(os.path.normpath(stage.wdir / dep["path"]), written):
            yield _text(dep)


def _is_written(path: str, written: set[str]) -> bool:
    """Whether it is an out, is inside one, or has one inside."""
    around = {path, *map(os.fspath, Path(path).parents)}
    return bool(around & written) or any(out.startswith(f"{path}{os.sep}") for out in written)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
