"""Reads commits and the working tree as DVC sees them, without a checkout."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import NoSCM, RevError, resolve_rev

from reprise.dvc.exceptions import DVC_ERRORS, describe_error
from reprise.dvc.history.out_files import Files, cached, files_at, listed
from reprise.dvc.history.plots import Plot, plots_of
from reprise.dvc.history.revision import Revision, add
from reprise.dvc.history.values import Values, values_of
from reprise.errors import PipelineError
from reprise.git import redacted


class RevisionReader:
    """Reads revisions of the repository around the current folder. PipelineError if there is none."""

    def __init__(self, temporary: Path) -> None:
        """temporary: a folder for what neither the workspace nor DVC's cache has."""
        try:
            self._repo = Repo(_wait_for_lock=False)
        except DvcException as e:
            raise PipelineError(e) from None
        self._temporary = temporary
        self._config = {
            key: self._repo.config[key] for key in ("core", "remote")
        }  # an old commit may name no remote
        self.root = Path(self._repo.root_dir)
        self.records = Path(self._repo.tmp_dir) / "reprise"  # of the runs in this working tree

    def commit(self, name: str) -> str:
        """The commit's hash. PipelineError if git knows no such revision."""
        try:
            return str(resolve_rev(self._repo.scm, name))
        except (RevError, DvcException):
            raise PipelineError(
                f"{name}: found no such revision; expected a branch, tag or commit of git"
            ) from None

    @property
    def has_commits(self) -> bool:
        return not self._repo.scm.no_commits

    def read(self, name: str, commit: str | None) -> Revision:
        """commit: None for the working tree. A commit without the DVC repository has no stages."""
        made = Revision(name, commit)
        try:
            with self._at(commit):
                for stage in self._repo.index.stages:
                    add(made, stage, self._repo.root_dir)
                made.metrics = self._metrics(made.errors)
                made.params = values_of(
                    self._repo.params.show(hide_workspace=False).get("", {}), made.errors
                )
        except DVC_ERRORS as e:
            raise PipelineError(f"{name}: {describe_error(e)}") from None
        return made

    def metrics(self) -> list[tuple[str, str, object, object]]:
        """Of each metric: its file, its dotted name, its value in HEAD and now; None where there is none.

        What can't be read is left out.
        """
        old: Values = {}
        if not isinstance(self._repo.scm, NoSCM) and self.has_commits:
            with self._at(self.commit("HEAD")):
                old = self._metrics([])
        new = self._metrics([])
        sides = [(file, old.get(file, {}), new.get(file, {})) for file in old | new]
        return [(file, key, a.get(key), b.get(key)) for file, a, b in sides for key in a | b]

    def _metrics(self, errors: list[str]) -> Values:
        return values_of(self._repo.metrics.show(hide_workspace=False).get("", {}), errors)

    @contextmanager
    def _at(self, commit: str | None) -> Iterator[None]:
        with self._repo.switch(commit) if commit is not None else nullcontext():
            yield

    def names(self, revision: Revision, path: str) -> Iterable[str] | None:
        """Of the files in a folder, whose bytes are not fetched for it; None where only these could tell."""
        out, place = revision.outs.get(path), self.root / path
        if revision.commit is None and place.exists():
            return files_at(place)
        return None if out is None else listed(out)

    def files(self, revision: Revision, path: str) -> Files:
        """The bytes of a dep or out: where the working tree or DVC's cache has them; else they are fetched.

        Raises PipelineError when neither the workspace, the cache, git nor the remote has them.
        """
        out, place = revision.outs.get(path), self.root / path
        if revision.commit is None and place.exists():
            return files_at(place)
        if out is None or out.cache is None:
            return self._from_git(revision, path)
        found = cached(out, place.name)
        if found is None:
            try:
                revs = [revision.commit] if revision.commit is not None else None
                self._repo.fetch(
                    [os.path.relpath(place)], revs=revs, workspace=revs is None, config=self._config
                )
            except DVC_ERRORS as e:
                raise PipelineError(
                    f"{path} of {revision.name}: not in DVC's cache: {redacted(describe_error(e))}"
                ) from None
            found = cached(out, place.name)
        if found is None:
            raise PipelineError(
                f"{path} of {revision.name}: neither DVC's cache nor the remote has it"
            )
        return found

    def _from_git(self, revision: Revision, path: str) -> Files:
        """Copies what git has of the out into the temporary folder."""
        with self._at(revision.commit):
            fs, source = self._repo.fs, self._repo.fs.join(self._repo.root_dir, path)
            if not fs.exists(source):
                raise PipelineError(f"{path} of {revision.name}: git does not have it")
            target = self._temporary / (revision.commit or "worktree") / path
            target.parent.mkdir(parents=True, exist_ok=True)
            fs.get(source, os.fspath(target))
        return files_at(target)

    def plots(self, revisions: Sequence[Revision]) -> tuple[list[Plot], set[str]]:
        """See `plots_of`."""
        return plots_of(self._repo, [r.commit or "workspace" for r in revisions])
