"""Keep what a plan found of each stage."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

from reprise.dvc import DVC_ERRORS, Repository, Stage
from reprise.dvc.recorded.stage_record import StageRecord, record_stage
from reprise.errors import PipelineError
from reprise.state.standing.kept import Kept, digest_file, is_kept, write_kept
from reprise.state.standing.owners import Owners
from reprise.state.standing.recall import Standing
from reprise.state.trace.answer import Looks, Question
from reprise.state.trace.signature import Signature, sign_walk

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
    if not is_kept(question):
        return
    with suppress(PipelineError, *DVC_ERRORS):
        earlier = None if before is None else before.kept
        kept = _Keeping(looks, repository, earlier).keep(stages, unchanged)
        if kept is not None:
            write_kept(kept, looks, question)


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

    def keep(self, stages: Sequence[Stage], unchanged: Sequence[bool]) -> Kept | None:
        """Return what is to be kept; None where what decides more than some stages is young."""
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
        kept = Kept(records, stands, repository.workspace.inventory, repository.object_folder)
        owners = Owners(records)
        if not self._wake_young(kept, owners):
            return None
        self._sign(kept, owners)
        self._add_values(kept)
        return kept

    def _standing_record(self, number: int, stage: Stage) -> StageRecord | None:
        """Return the stage's earlier record; None where it does not stand any more."""
        if self._earlier is None or not stage.stands:
            return None
        return self._earlier.records[number]

    def _wake_young(self, kept: Kept, owners: Owners) -> bool:
        """Let no stage stand of which a file is too young; tell whether no other file is."""
        for path in self._looks.young:
            if self._is_passing(path):
                continue
            if owners.decides_more(path):
                return False
            for number in owners.find(path):
                kept.stands[number] = False
        return True

    def _is_passing(self, path: str) -> bool:
        return f"{path}{os.sep}".startswith(self._passing)

    def _sign(self, kept: Kept, owners: Owners) -> None:
        """Add the signatures of all that was looked at, now or earlier."""
        looks, earlier = self._looks, self._earlier
        if earlier is not None:
            kept.looked.update(earlier.looked)
            kept.listed.update(earlier.listed)
            kept.walks.update(earlier.walks)
            kept.contents.update(earlier.contents)
        for path in self._renew(kept.looked, looks.looked):
            kept.contents.pop(path, None)
            if owners.decides_more(path):
                self._add_content(kept, path)
        for path in self._renew(kept.listed, looks.listed):
            kept.walks.pop(path, None)
            if self._is_walked(path):
                kept.walks[path] = sign_walk(path)

    def _renew(
        self, signatures: dict[str, Signature], looked: dict[str, Signature]
    ) -> Iterable[str]:
        """Put new signatures in the place of earlier ones; none for a young path."""
        for path, signature in looked.items():
            signatures.pop(path, None)
            if path in self._looks.young or self._is_passing(path):
                continue
            signatures[path] = signature
            yield path

    def _add_content(self, kept: Kept, path: str) -> None:
        """Add the digest of a file of the repository's, but for what is in its cache."""
        if not path.startswith(self._root) or path.startswith(self._repository.cache_folders):
            return
        digest = digest_file(path)
        if digest is not None:
            kept.contents[path] = digest

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
