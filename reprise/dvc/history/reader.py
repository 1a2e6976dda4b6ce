"""Reads commits and the working tree as DVC sees them, without a checkout."""

import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from dvc.exceptions import DvcException
from dvc.fs import LocalFileSystem
from dvc.repo import Repo
from dvc.scm import NoSCM, resolve_rev
from scmrepo.exceptions import SCMError

from reprise.dvc.exceptions import DVC_ERRORS, describe_error, dvc_boundary
from reprise.dvc.file_cache import FileCache
from reprise.dvc.history.loading import StageLoader, stage_names
from reprise.dvc.history.mixed import hash_files
from reprise.dvc.history.out_files import (
    Files,
    RecordedOut,
    find_cached,
    list_files,
    load_listing,
)
from reprise.dvc.history.plots import Plot, collect_plots
from reprise.dvc.history.revision import Revision
from reprise.dvc.history.templates import Param, resolve_templates
from reprise.dvc.history.values import Values, collect_values
from reprise.dvc.patches import patched
from reprise.errors import PipelineError
from reprise.git import redacted


class Metric(NamedTuple):
    """Holds a metric's file and dotted name, and its values in HEAD and now, None without one."""

    file: str
    name: str
    old: object
    new: object


class RevisionReader:
    """Reads revisions of the repository around the current folder."""

    def __init__(self, temporary: Path) -> None:
        """Open the repository. Raises PipelineError if there is none.

        temporary: a folder for what neither the workspace nor DVC's cache has.
        """
        try:
            self._repo = Repo(_wait_for_lock=False)
        except DvcException as e:
            raise PipelineError(e) from None
        self._on_exit = ExitStack()
        self._temporary = temporary
        self._resolved: dict[tuple[str | None, frozenset[Param]], dict[str, Any]] = {}
        self._git_hashes: dict[tuple[str | None, str], dict[str, str]] = {}
        # An old commit may name no remote.
        self._config = {key: self._repo.config[key] for key in ("core", "remote")}
        self.root = Path(self._repo.root_dir)
        self.records = Path(self._repo.tmp_dir) / "reprise"  # of the runs in this working tree

    def __enter__(self) -> Self:
        """Put the patches of DVC in force; the context's end closes DVC's files."""
        assert isinstance(self._repo.fs, LocalFileSystem)
        self._on_exit.enter_context(patched(self._repo.fs, FileCache()))
        self._on_exit.callback(self._repo.close)
        return self

    def __exit__(self, *_: object) -> None:
        """Close DVC's files, and undo the patches if no other repository is open."""
        self._on_exit.close()

    def commit(self, name: str) -> str:
        """Find the commit's hash. Raises PipelineError if git knows no such revision."""
        try:
            return str(resolve_rev(self._repo.scm, name))
        except (SCMError, DvcException):
            raise PipelineError(
                f"{name}: found no such revision; expected a branch, tag or commit of git"
            ) from None

    @property
    def has_commits(self) -> bool:
        """Tell whether git has any commit."""
        return not isinstance(self._repo.scm, NoSCM) and not self._repo.scm.no_commits

    def read(self, name: str, commit: str | None) -> Revision:
        """Read a revision; a commit without the DVC repository has no stages.

        name: for messages; commit: None for the working tree. Raises PipelineError for what is
        wrong in its pipeline.
        """
        revision = Revision(name, commit)
        with dvc_boundary(name), self._switched(commit):
            loader = StageLoader(revision, self._repo.root_dir, self.root)
            for stage in self._repo.index.stages:
                loader.add(stage)
            revision.metrics = self._metrics(revision.errors)
            params = self._repo.params.show(hide_workspace=False)
            revision.params = collect_values(params.get("", {}), revision.errors)
        return revision

    def resolve_templates(self, revision: Revision, named: Iterable[Param]) -> dict[str, Any]:
        """Resolve the stages of the revision that have `${…}` in them, by their names.

        named: params whose names stand in place of their values.
        """
        key = (revision.commit, frozenset(named))
        if key not in self._resolved:
            resolved = {}
            with dvc_boundary(revision.name), self._switched(revision.commit):
                for stage, definition in resolve_templates(self._repo, key[1]):
                    name, _ = stage_names(stage, self._repo.root_dir)
                    resolved[name] = definition
            self._resolved[key] = resolved
        return self._resolved[key]

    def git_hashes(self, revision: Revision, folder: str) -> dict[str, str]:
        """Hash the files in a folder that git has, or would take, by path; see `hash_files`.

        What DVC ignores is left out.
        """
        key = (revision.commit, folder)
        if key not in self._git_hashes:
            hashes = hash_files(self.root, revision.commit, folder)
            with self._switched(revision.commit):
                root, fs, dvcignore = self._repo.root_dir, self._repo.fs, self._repo.dvcignore
                for path in [*hashes]:
                    if dvcignore.is_ignored_file(fs.join(root, path)):
                        del hashes[path]
            self._git_hashes[key] = hashes
        return self._git_hashes[key]

    def metrics(self) -> list[Metric]:
        """Read every metric in HEAD and in the working tree. What can't be read is left out."""
        before: Values = {}
        if self.has_commits:
            with self._switched(self.commit("HEAD")):
                before = self._metrics([])
        now = self._metrics([])
        metrics = []
        for file in before | now:
            old, new = before.get(file, {}), now.get(file, {})
            for name in old | new:
                metrics.append(Metric(file, name, old.get(name), new.get(name)))
        return metrics

    def names(self, revision: Revision, path: str) -> Iterable[str] | None:
        """List the names of the files in a folder, whose bytes are not fetched for it.

        Its listing alone is fetched, if DVC's cache lacks it. None where only the files could tell.
        """
        if self._is_in_worktree(revision, path):
            return list_files(self.root / path)
        out = revision.outs.get(path)
        if out is None or not out.is_cached:
            return None
        listing = load_listing(out, self._repo.cache)
        if listing is None:
            with suppress(*DVC_ERRORS):  # `files` says what is wrong with the remote
                self._repo.cloud.pull([out.hash_info], remote=out.remote)
            listing = load_listing(out, self._repo.cache)
        return listing

    def is_cached(self, out: RecordedOut, path: str) -> bool:
        """Tell whether DVC's cache has all files of the out."""
        return find_cached(out, self._repo.cache, path) is not None

    def files(self, revision: Revision, path: str) -> Files:
        """Find the files of a dep or out in the working tree or DVC's cache; else fetch them.

        Raises PipelineError when neither these, git nor the remote have them.
        """
        if self._is_in_worktree(revision, path):
            return list_files(self.root / path)
        out = revision.outs.get(path)
        if out is None or not out.is_cached:
            return self._copy_from_git(revision, path)
        name = os.path.basename(path)
        files = find_cached(out, self._repo.cache, name)
        if files is None:
            self._fetch(revision, path)
            files = find_cached(out, self._repo.cache, name)
        if files is None:
            raise PipelineError(
                f"{path} of {revision.name}: neither DVC's cache nor the remote has it"
            )
        return files

    def plots(self, revisions: Sequence[Revision], notes: list[str]) -> tuple[list[Plot], set[str]]:
        """Read the plots of the revisions, and the paths of the files that they read.

        notes: see `collect_plots`.
        """
        names = [revision.commit or "workspace" for revision in revisions]
        return collect_plots(self._repo, names, notes)

    def _metrics(self, errors: list[str]) -> Values:
        """Read the metrics of what DVC is switched to; errors: see `collect_values`."""
        result = self._repo.metrics.show(hide_workspace=False)
        return collect_values(result.get("", {}), errors)

    def _switched(self, commit: str | None) -> AbstractContextManager[object]:
        """Let DVC read the commit in a `with`; None for the working tree."""
        if commit is None:
            return nullcontext()
        switched: AbstractContextManager[object] = self._repo.switch(commit)
        return switched

    def _is_in_worktree(self, revision: Revision, path: str) -> bool:
        """Tell whether the revision's bytes are those that lie in the working tree."""
        return revision.commit is None and (self.root / path).exists()

    def _fetch(self, revision: Revision, path: str) -> None:
        """Fetch the out from the remote into DVC's cache."""
        target = os.path.relpath(self.root / path)
        is_worktree = revision.commit is None
        revisions = None
        if not is_worktree:
            revisions = [revision.commit]
        try:
            self._repo.fetch([target], revs=revisions, workspace=is_worktree, config=self._config)
        except DVC_ERRORS as e:
            reason = redacted(describe_error(e))
            raise PipelineError(
                f"{path} of {revision.name}: not in DVC's cache: {reason}"
            ) from None

    def _copy_from_git(self, revision: Revision, path: str) -> Files:
        """Copy what git has of the path into the temporary folder."""
        if path.startswith("../"):
            raise PipelineError(
                f"{path} of {revision.name}: it lies outside of the repository, "
                "which keeps no version of it"
            )
        with self._switched(revision.commit):
            fs = self._repo.fs
            source = fs.join(self._repo.root_dir, path)
            if not fs.exists(source):
                raise PipelineError(f"{path} of {revision.name}: git does not have it")
            target = self._temporary / (revision.commit or "worktree") / path
            target.parent.mkdir(parents=True, exist_ok=True)
            fs.get(source, os.fspath(target))
        return list_files(target)
