"""Computes the fingerprint of what goes into a retraining."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from reprise.dvc import Stage


def digest_of_inputs(stages: Sequence[Stage]) -> str:
    """Compute the SHA-256 of commands, params, data sources, and deps that no stage writes.

    They are those of dvc.lock and of the .dvc files. Deps that stages write are results: the same
    inputs give others where training is not bit for bit the same.
    """
    outputs: set[str] = set()
    for stage in stages:
        if stage.has_entry:
            outputs.update(map(os.fspath, stage.outputs))
    inputs = sorted((stage.key, [*_inputs(stage, outputs)]) for stage in stages)
    text = json.dumps(inputs, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _inputs(stage: Stage, outputs: set[str]) -> Iterator[str]:
    """Yield text that differs when an input does."""
    if not stage.has_entry:
        source = YAML(typ="safe", pure=True).load(stage.declared_in)
        yield _to_json(source["outs"])
        return
    yield _to_json([stage.locked.get("cmd"), stage.locked.get("params")])
    for dep in stage.locked.get("deps", []):
        path = os.path.normpath(stage.wdir / dep["path"])
        if not _is_written(path, outputs):
            yield _to_json(dep)


def _is_written(path: str, outputs: set[str]) -> bool:
    """Tell whether a path is an out, lies in one, or has one inside."""
    path_and_above = {path, *map(str, Path(path).parents)}
    if not path_and_above.isdisjoint(outputs):
        return True
    return any(output.startswith(f"{path}{os.sep}") for output in outputs)


def _to_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
