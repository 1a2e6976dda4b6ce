"""Make single stages of DVC's, without those beside them, and read what decides the others."""

import hashlib
import os
from collections.abc import Collection
from typing import Any

from dvc.dependency.param import read_param_file
from dvc.dvcfile import ProjectFile, SingleStageFile, load_file
from dvc.repo import Repo
from dvc.stage import Stage as DVCStage

from reprise.dvc.recorded.stage_record import StageRecord, digest_entry
from reprise.dvc.workspace import Workspace

WHOLE = ""  # in place of a key, of a params file that is declared as a whole


class RecordLoader:
    """Makes DVC's stages one by one. Each file is parsed once."""

    def __init__(self, repo: Repo, workspace: Workspace) -> None:
        """Take the open repository; nothing is read yet."""
        self._repo = repo
        self._workspace = workspace
        self._files: dict[str, ProjectFile | SingleStageFile] = {}

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
        """Return a digest of the value of each key of a params file; none of those it lacks."""
        digests = {}
        own = [key for key in keys if key != WHOLE]
        if own:
            values = read_param_file(self._repo.fs, path, own, flatten=True)
            digests.update({key: _digest(value) for key, value in values.items()})
        if WHOLE in keys:
            digests[WHOLE] = _digest(read_param_file(self._repo.fs, path))
        return digests

    def has_templates(self, path: str) -> bool:
        """Tell whether a dvc.yaml may take values from elsewhere: it has a `${`."""
        with self._repo.fs.open(path, encoding="utf-8") as file:
            return "${" in file.read()


def declared_keys(record: StageRecord, path: str) -> list[str]:
    """List the keys of a params file that a stage declares."""
    return record.params[path] or [WHOLE]


def lock_of(path: str) -> str:
    """Return the path of the dvc.lock beside a dvc.yaml."""
    return f"{os.path.splitext(path)[0]}.lock"


def _digest(value: Any) -> str:
    """Return a digest that differs for values that differ; of equal ones it may, too."""
    return hashlib.sha256(repr(value).encode(errors="surrogatepass")).hexdigest()
