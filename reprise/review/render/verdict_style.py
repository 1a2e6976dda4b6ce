"""Keep how a verdict is shown, in words and in colour, in one place."""

from dataclasses import dataclass

from reprise.review.stats.results import Verdict


@dataclass(frozen=True)
class VerdictStyle:
    """Holds how a verdict is shown.

    label: its words; short: those of a narrow table; css_class: the class that the page's style
    colours; colour: on a terminal, as rich names it.
    """

    label: str
    short: str
    css_class: str
    colour: str


_STYLES: dict[Verdict | None, VerdictStyle] = {
    Verdict.BETTER: VerdictStyle("better", "better", "better", "green"),
    Verdict.WORSE: VerdictStyle("worse", "worse", "worse", "red"),
    Verdict.EQUIVALENT: VerdictStyle("equivalent", "equivalent", "same", ""),
    Verdict.NO_DIFFERENCE: VerdictStyle("no detectable difference", "not detectable", "same", ""),
    Verdict.SAME: VerdictStyle("the same predictions", "same", "same", ""),
    None: VerdictStyle("no verdict", "no verdict", "none", "yellow"),
}


def verdict_style(verdict: Verdict | None) -> VerdictStyle:
    """Return how a verdict is shown. None stands for a metric that could not be judged."""
    return _STYLES[verdict]
