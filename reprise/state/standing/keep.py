"""Keep what a plan found of each stage."""

import os
from collections.abc import Sequence
from contextlib import suppress

from reprise.dvc import DVC_ERRORS, Repository, Stage, dvc_boundary
from reprise.dvc.recorded.stage_record import StageRecord, record_stage
from reprise.errors import PipelineError
from reprise.state.standing.kept import Kept, digest_file, is_of_use, write_kept
from reprise.state.standing.owners import Owners
from reprise.state.standing.recall import Standing
from reprise.state.trace.answer import Looks, Question
from reprise.state.trace.signature import all_stand, sign_walk

OWN = (".dvc/", ".git/")  # folders of the repository that DVC does not look through for stages


def keep_standing(
    question: Question,
    looks: Looks,
    repository: Repository,
    stages: Sequence[Stage],
    unchanged: Sequence[bool],
    before: Standing | None,
) -> None:
    """Keep what was found of the stages, if nothing that decides more may be written meanwhile.

    looks: at all that decided it. unchanged: whether each stage was. before: what the stages were
    taken from; None where DVC was asked about all.
    """
    if not is_of_use(question):
        return
    with suppress(PipelineError, *DVC_ERRORS), dvc_boundary():
        earlier = None if before is None else before.kept
        if _have_templates(looks, repository):
            return
        keeping = _Keeping(looks, repository, earlier)
        kept = keeping.record(stages, unchanged)
        if keeping.add_signatures(kept):
            write_kept(kept, looks, question)


def _have_templates(looks: Looks, repository: Repository) -> bool:
    """Tell whether a file of values, of whatever name and stage, may change any stage.

    Stages that stand are of files that had no templates before, and did not move.
    """
    files = []
    for path in looks.looked:
        if os.path.basename(path) == "dvc.yaml" and os.path.isfile(path):
            files.append(path)
    return repository.loader.have_templates(files)


class _Keeping:
    """Records stages, with the signatures and contents by which they stand."""

    def __init__(self, looks: Looks, repository: Repository, earlier: Kept | None) -> None:
        self._looks = looks
        self._repository = repository
        self._earlier = earlier
        self._root = f"{repository.workspace.root}{os.sep}"
        # Of stages that don't stand, and those are asked about anyway.
        passing = (*repository.passing_folders, repository.run_folder)
        self._passing = tuple(f"{folder}{os.sep}" for folder in passing)

    def record(self, stages: Sequence[Stage], unchanged: Sequence[bool]) -> Kept:
        """Record the stages, and whether each stands."""
        repository = self._repository
        position = {stage: number for number, stage in enumerate(stages)}
        records, stands = [], []
        for number, stage in enumerate(stages):
            record = self._standing_record(number, stage)
            is_unchanged = record is not None
            if record is None:
                upstream = [position[other] for other in stage.upstream]
                record = record_stage(stage, upstream)
                is_unchanged = unchanged[number] and stage.is_local and not stage.adopted
            records.append(record)
            stands.append(is_unchanged)
        return Kept(records, stands, repository.workspace.inventory, repository.object_folder)

    def _standing_record(self, number: int, stage: Stage) -> StageRecord | None:
        """Return the stage's earlier record; None where it does not stand any more."""
        if self._earlier is None or not stage.stands:
            return None
        return self._earlier.records[number]

    def add_signatures(self, kept: Kept) -> bool:
        """Add how all stands; tell whether that can be told, and nothing was written meanwhile."""
        owners = Owners(kept.records)
        if not self._wake_young(kept, owners):
            return False
        if self._earlier is not None:
            kept.looked.update(self._earlier.looked)
            kept.listed.update(self._earlier.listed)
            kept.walks.update(self._earlier.walks)
            kept.contents.update(self._earlier.contents)
        self._add_files(kept, owners)
        self._add_folders(kept)
        self._add_values(kept)
        return self._is_as_looked_at(kept)

    def _wake_young(self, kept: Kept, owners: Owners) -> bool:
        """Let no stage stand of which a file is too young; tell whether nothing else is."""
        for path in self._looks.young:
            if self._is_passing(path):
                continue
            if path in self._looks.listed or owners.decides_more(path):
                return False
            for number in owners.find(path):
                kept.stands[number] = False
        return True

    def _is_passing(self, path: str) -> bool:
        return f"{path}{os.sep}".startswith(self._passing)

    def _add_files(self, kept: Kept, owners: Owners) -> None:
        """Add the signatures of paths, and what those hold that decide about several stages."""
        for path, signature in self._looks.looked.items():
            kept.looked.pop(path, None)
            kept.contents.pop(path, None)
            if path in self._looks.young or self._is_passing(path):
                continue
            kept.looked[path] = signature
            if self._has_content(path) and owners.decides_more(path):
                digest = digest_file(path)
                if digest is not None:
                    kept.contents[path] = digest

    def _has_content(self, path: str) -> bool:
        """Tell whether the path is of the repository, and not of its cache."""
        return path.startswith(self._root) and not path.startswith(self._repository.cache_folders)

    def _add_folders(self, kept: Kept) -> None:
        """Add the signatures of folders, and of the names that count in them."""
        for path, signature in self._looks.listed.items():
            if self._is_passing(path):
                continue
            kept.listed[path] = signature
            if self._is_walked(path):
                kept.walks[path] = sign_walk(path)

    def _is_walked(self, path: str) -> bool:
        """Tell whether DVC looks through the folder for stages."""
        folder = f"{path}{os.sep}"
        inside = folder.removeprefix(self._root)
        return folder.startswith(self._root) and not inside.startswith(OWN)

    def _add_values(self, kept: Kept) -> None:
        """Add the digests of the values of all params files."""
        for record in kept.records:
            for path in record.params:
                if path not in kept.values:
                    kept.values[path] = self._digest_values(kept, path)

    def _digest_values(self, kept: Kept, path: str) -> dict[str, str]:
        """Digest the values of a params file, if it was not done before."""
        if self._earlier is not None and path not in self._looks.looked:
            return self._earlier.values[path]
        return self._repository.loader.digest_params(path, kept.keys_of(path))

    def _is_as_looked_at(self, kept: Kept) -> bool:
        """Tell whether what was read now, after the looks, still stands as they found it."""
        looked, listed = self._looks.looked, self._looks.listed
        files = {path: looked[path] for path in looked.keys() & kept.contents.keys()}
        folders = {path: listed[path] for path in listed.keys() & kept.walks.keys()}
        return all_stand(files) and all_stand(folders, listed=True)
