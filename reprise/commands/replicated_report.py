"""Trains what a report needs to judge the change itself, and makes the report with it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from reprise.dvc.history.reader import RevisionReader
from reprise.dvc.history.revision import Revision
from reprise.errors import PipelineError
from reprise.replicate.plan import ReplicatedStage, replicated_as, replicated_stages
from reprise.replicate.run import Replicate, Work, replicates
from reprise.review.builder import build_report, read_sides
from reprise.review.predictions import ComparedPredictions, Replicates, compare_predictions
from reprise.review.recipe import is_same_recipe
from reprise.review.report import Report
from reprise.review.sides import find_sides
from reprise.review.staleness import check_as_recorded
from reprise.review.stats.results import Verdict
from reprise.state.durations import Durations


def review_replicated(old: str, new: str | None, jobs: int) -> Report:
    """Compare two revisions by several trainings of either one; see `review`.

    The old one is trained `base` times, the new one `change` times, those that are there among
    them, and neither where nothing can come of it: where the rows alone show no difference, or
    there is no change of the recipe to judge. Raises PipelineError where the new one has no stage
    that declares replicates, and for the first training that fails.
    """
    with (
        TemporaryDirectory(prefix="reprise-") as temporary,
        RevisionReader(Path(temporary)) as reader,
    ):
        old_revision, new_revision = read_sides(reader, *find_sides(reader, old, new))
        stages = replicated_stages(reader, new_revision)
        try:
            old_stages = _check_trainable(reader, old_revision, new_revision, stages)
        except PipelineError as e:
            _tell(f"nothing is trained: {e}")
            return _report(reader, old_revision, new_revision, None)
        notes: list[str] = []
        none_yet = Replicates({}, {})
        compared = compare_predictions(
            reader, old_revision, new_revision, notes, replicates=none_yet
        )
        if not _finds_something(compared):
            what = "these rows show no difference that training again could confirm"
            _tell(f"nothing is trained: {what}")
            return build_report(reader, old_revision, new_revision, compared, notes)
        base = Work.of(old_revision.commit, old_stages, is_base=True)
        change = Work.of(new_revision.commit, stages, is_base=False)
        durations = Durations(reader.records)
        with replicates(reader.root, [base, change], jobs, _tell, durations) as (of_old, of_new):
            trained = Replicates(_files(of_old), _files(of_new))
            return _report(reader, old_revision, new_revision, trained)


def _report(
    reader: RevisionReader, old: Revision, new: Revision, trained: Replicates | None
) -> Report:
    notes: list[str] = []
    compared = compare_predictions(reader, old, new, notes, replicates=trained)
    return build_report(reader, old, new, compared, notes)


def _check_trainable(
    reader: RevisionReader, old: Revision, new: Revision, stages: Sequence[ReplicatedStage]
) -> list[ReplicatedStage]:
    """Find the stages of the new revision in the old one.

    Raises PipelineError where more trainings would not be of the recipes that are compared.
    """
    if not old.records:
        raise PipelineError("there is no stage on the old side")
    if is_same_recipe(reader, old, new):
        raise PipelineError("the recipe is the same on both sides, and the models are judged")
    old_stages = replicated_as(reader, old, stages)
    for revision, of_revision in ((old, old_stages), (new, stages)):
        for stage in of_revision:
            check_as_recorded(revision, stage.needed)
    return old_stages


def _finds_something(compared: Sequence[ComparedPredictions]) -> bool:
    """Tell whether the rows alone make some metric better or worse."""
    for predictions in compared:
        for metric in predictions.comparison.metrics:
            if metric.verdict in (Verdict.BETTER, Verdict.WORSE):
                return True
    return False


def _files(found: Sequence[Replicate]) -> dict[str, list[Path]]:
    """Gather the replicates' predictions, by out."""
    files: dict[str, list[Path]] = {}
    for replicate in found:
        assert replicate.files is not None
        for path, file in replicate.files.items():
            files.setdefault(path, []).append(file)
    return files


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
