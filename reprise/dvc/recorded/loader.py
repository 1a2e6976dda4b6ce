"""Make single stages of DVC's, without those beside them, and read what decides the others."""

import hashlib
from collections.abc import Collection, Iterable
from typing import Any

from dvc.dependency.param import read_param_file
from dvc.dvcfile import ProjectFile, load_file
from dvc.repo import Repo
from dvc.stage import Stage as DVCStage
from dvc.stage.loader import StageLoader

from reprise.dvc.lock_file import Entry
from reprise.dvc.recorded.stage_record import StageRecord
from reprise.errors import PipelineError


class RecordLoader:
    """Makes DVC's stages one by one. Each dvc.yaml is read once, with its dvc.lock."""

    def __init__(self, repo: Repo) -> None:
        """Take the open repository; nothing is read yet."""
        self._repo = repo
        self._stages: dict[str, StageLoader] = {}  # of each dvc.yaml

    def open(self, record: StageRecord) -> None:
        """Read the record's dvc.yaml, if it is of one, so that later writing changes nothing."""
        path = record.declared_in
        if record.has_entry and path not in self._stages:
            file = load_file(self._repo, path)
            assert isinstance(file, ProjectFile)
            self._stages[path] = file.stages

    def load(self, record: StageRecord) -> DVCStage:
        """Make the stage of a record. DVC raises its own errors where that fails."""
        stage: DVCStage
        if record.has_entry:
            self.open(record)
            _, name = record.lock_key
            stage = self._stages[record.declared_in][name]
        else:
            stage = load_file(self._repo, record.declared_in).stage
        return stage

    def entry(self, record: StageRecord) -> Entry:
        """Return what dvc.lock said of the stage when its dvc.yaml was read; empty for nothing."""
        if not record.has_entry:
            return {}
        self.open(record)
        _, name = record.lock_key
        entry: Entry = self._stages[record.declared_in].lockfile_data.get(name, {})
        return entry

    def digest_params(self, path: str, keys: Collection[str]) -> dict[str, str]:
        """Return digests of the values of these keys of a params file; none of those it lacks.

        Raises PipelineError, or what DVC raises, where they can't be read.
        """
        if not keys:  # DVC would take that for all of them
            return {}
        try:
            values = read_param_file(self._repo.fs, path, [*keys], flatten=True)
        except ValueError as e:  # of a key that fits several
            raise PipelineError(f"{path}: {e}") from None
        return {key: _digest(value) for key, value in values.items()}

    def have_templates(self, paths: Iterable[str]) -> bool:
        """Tell whether one of the dvc.yaml files may take values from elsewhere: it has a `${`."""
        for path in paths:
            with self._repo.fs.open(path, encoding="utf-8") as file:
                if "${" in file.read():
                    return True
        return False


def _digest(value: Any) -> str:
    """Return a digest that differs for values that differ; of equal ones it may, too."""
    return hashlib.sha256(repr(value).encode(errors="surrogatepass")).hexdigest()
