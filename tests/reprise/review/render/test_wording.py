"""The words of a report, whatever format they stand in."""

import math
from dataclasses import replace
from typing import Any

import pytest

from reprise.review.change_state import ChangeState
from reprise.review.render import wording
from reprise.review.render.wording import unpaired_sentence, value_difference
from reprise.review.report import RevisionLabel, ValueChange
from tests.reprise.review.reports import common, metric


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (0.5, 0.75, "+0.25"),
        (3, 1, "−2"),
        (0.5, 0.5, "same"),
        (math.nan, math.nan, "same"),
        (math.inf, math.inf, "same"),
        (math.nan, 0.5, "–"),
        (0.5, math.inf, "–"),
        (None, 0.5, "–"),
        (0.5, None, "–"),
        (True, False, "–"),
        ("a", "a", "–"),
    ],
)
def test_the_difference_of_a_value(old: Any, new: Any, expected: str) -> None:
    assert (
        value_difference(ValueChange("metrics.json", "m", ChangeState.CHANGED, old, new))
        == expected
    )


def test_rows_that_did_not_pair() -> None:
    """A proportion is in points; without an interval nothing is said."""
    loss = common().compared[0].comparison.metrics[1]
    assert unpaired_sentence(loss) == "is 0.0921 → 0.0803 (95 % interval −0.0211 to −0.0025)."
    proportion = metric(unpaired=loss.unpaired)
    assert unpaired_sentence(proportion) == "is 0.0921 → 0.0803 (95 % interval −2.1 to −0.2 pp)."
    assert unpaired_sentence(metric()) is None


def test_baselines_are_told_whose_value_stands_beside_them() -> None:
    """The first line has the mean of several trainings, the baselines that of the recorded one."""
    report = common()
    several = replace(report.compared[0].comparison, seeds_old=10, seeds_new=5)
    compared = replace(report.compared[0], comparison=several)
    report = replace(report, compared=[compared])
    unbeaten = "accuracy 0.9778 of the recorded training does not beat simple.line (0.9781)"
    assert wording.unbeaten_sentences(report, str) == [unbeaten]
    beaten = "accuracy of the recorded training beats simple.mean 0.1017: by value alone"
    assert wording.beaten_sentence(report, str) == f"{beaten}, not tested"


def test_a_commit_that_is_named_in_full_is_shortened() -> None:
    commit = "0123456789abcdef" * 2 + "01234567"
    assert wording.side_name(RevisionLabel(commit, commit)) == "0123456789ab"
    assert wording.side_name(RevisionLabel(commit[:7], commit)) == commit[:7]
