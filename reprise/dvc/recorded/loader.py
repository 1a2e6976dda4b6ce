"""Make single stages of DVC's, without those beside them, and read what decides the others."""

import hashlib
from collections.abc import Collection
from typing import Any

from dvc.dependency.param import read_param_file
from dvc.dvcfile import ProjectFile, SingleStageFile, load_file
from dvc.repo import Repo
from dvc.stage import Stage as DVCStage

from reprise.dvc.recorded.stage_record import StageRecord, digest_entry
from reprise.errors import PipelineError


class RecordLoader:
    """Makes DVC's stages one by one. Each file is parsed once."""

    def __init__(self, repo: Repo) -> None:
        """Take the open repository; nothing is read yet."""
        self._repo = repo
        self._files: dict[str, ProjectFile | SingleStageFile] = {}

    def open(self, record: StageRecord) -> None:
        """Read the record's file, if it is a dvc.yaml, so that later writing changes nothing."""
        file = self._open(record.declared_in)
        if isinstance(file, ProjectFile):
            assert file.stages is not None  # DVC keeps them

    def load(self, record: StageRecord) -> DVCStage:
        """Make the stage of a record. DVC raises its own errors where that fails."""
        file = self._open(record.declared_in)
        if isinstance(file, SingleStageFile):
            return file.stage
        _, name = record.lock_key
        stage: DVCStage = file.stages[name]
        return stage

    def _open(self, path: str) -> ProjectFile | SingleStageFile:
        if path not in self._files:
            self._files[path] = load_file(self._repo, path)
        return self._files[path]

    def digest_entries(self, path: str) -> dict[str, str]:
        """Return a digest of each stage's entry, by its name, in the dvc.lock beside a dvc.yaml."""
        entries = self._open(path).lockfile_contents.get("stages", {})
        return {name: digest_entry(entry) for name, entry in entries.items()}

    def digest_params(self, path: str, keys: Collection[str]) -> dict[str, str]:
        """Return digests of a params file's values: of its own keys, and of these dotted ones.

        Raises PipelineError, or what DVC raises, where they can't be read.
        """
        fs = self._repo.fs
        try:
            values = {**read_param_file(fs, path)}
            if keys:
                values |= read_param_file(fs, path, [*keys], flatten=True)
        except (TypeError, ValueError) as e:  # no keys, or one that is a pattern and fits several
            raise PipelineError(f"{path}: {e}") from None
        return {key: _digest(value) for key, value in values.items()}


def _digest(value: Any) -> str:
    """Return a digest that differs for values that differ; of equal ones it may, too."""
    return hashlib.sha256(repr(value).encode(errors="surrogatepass")).hexdigest()
