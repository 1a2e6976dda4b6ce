"""Compares the sizes of model files."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from reprise.dvc.history.revision import Revision
from reprise.review.declared import parse_meta


@dataclass(frozen=True)
class ModelSize:
    """Holds the bytes of a model's out. old, new: None on a side where they are not recorded."""

    path: str
    old: int | None
    new: int | None


def compare_model_sizes(old: Revision, new: Revision) -> list[ModelSize]:
    """Compare the sizes of the models that the new side's predictions declare, each once."""
    paths = dict.fromkeys(_models(new))
    return [ModelSize(path, old.size_of(path), new.size_of(path)) for path in paths]


def _models(revision: Revision) -> Iterator[str]:
    for record in revision.records.values():
        for path in record.outs:
            where, meta = revision.metas[path]
            spec = parse_meta(where, meta).predictions
            for model in [] if spec is None else spec.model:
                yield os.path.normpath(os.path.join(record.wdir, model))
