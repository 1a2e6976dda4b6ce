"""Trains what a report needs to judge the change itself, and makes the report with it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from reprise.dvc.history.reader import RevisionReader
from reprise.errors import PipelineError
from reprise.replicate.plan import replicated_as, replicated_stages
from reprise.replicate.run import Replicate, Work, replicates
from reprise.review import Report, review
from reprise.review.predictions import Replicates
from reprise.review.recipe import is_same_recipe
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
        old_side, new_side = find_sides(reader, old, new)
        new_revision = reader.read(new_side.name, new_side.commit)
        stages = replicated_stages(new_revision)
        if old_side is None:
            return _without("there is no old side", review(old, new))
        old_revision = reader.read(old_side.name, old_side.commit)
        root = reader.root
        durations = Durations(reader.records)
    try:
        if is_same_recipe(old_revision, new_revision):
            raise PipelineError("the recipe is the same on both sides, and the models are judged")
        old_stages = replicated_as(old_revision, stages)
        for old_stage, stage in zip(old_stages, stages, strict=True):
            check_as_recorded(old_revision, old_stage.needed)
            check_as_recorded(new_revision, stage.needed)
    except PipelineError as e:
        return _without(str(e), review(old, new))
    report = review(old, new, replicates=Replicates({}, {}))
    if not _finds_something(report):
        return _without("these rows show no difference that training again could confirm", report)
    base = Work.of(old_revision.commit, old_stages, is_base=True)
    change = Work.of(new_revision.commit, stages, is_base=False)
    with replicates(root, [base, change], jobs, _tell, durations) as (of_old, of_new):
        return review(old, new, replicates=Replicates(_files(of_old), _files(of_new)))


def _without(reason: str, report: Report) -> Report:
    _tell(f"nothing is trained: {reason}")
    return report


def _finds_something(report: Report) -> bool:
    """Tell whether the rows alone make some metric better or worse."""
    for compared in report.compared:
        for metric in compared.comparison.metrics:
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
