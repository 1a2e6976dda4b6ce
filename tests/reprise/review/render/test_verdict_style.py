"""Every verdict has its words and its colour."""

import pytest

from reprise.review.render.verdict_style import verdict_style
from reprise.review.stats.results import Verdict


@pytest.mark.parametrize("verdict", Verdict)
def test_a_verdict_reads_the_same_as_in_json(verdict: Verdict) -> None:
    assert verdict_style(verdict).label == verdict.value


def test_colours() -> None:
    colours = {verdict: verdict_style(verdict).css_class for verdict in [*Verdict, None]}
    assert colours == {
        Verdict.BETTER: "better",
        Verdict.WORSE: "worse",
        Verdict.EQUIVALENT: "same",
        Verdict.NO_DIFFERENCE: "same",
        Verdict.SAME: "same",
        None: "none",
    }
