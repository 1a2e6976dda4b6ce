"""Keep how a verdict is shown, in words and in colour, in one place."""

from dataclasses import dataclass

from reprise.review.stats.results import Verdict


@dataclass(frozen=True)
class VerdictStyle:
    """Holds how a verdict is shown.

    label: its words, in Markdown as in HTML; css_class: the class that the page's style colours.
    """

    label: str
    css_class: str


_STYLES: dict[Verdict | None, VerdictStyle] = {
    Verdict.BETTER: VerdictStyle("better", "better"),
    Verdict.WORSE: VerdictStyle("worse", "worse"),
    Verdict.EQUIVALENT: VerdictStyle("equivalent", "same"),
    Verdict.NO_DIFFERENCE: VerdictStyle("no detectable difference", "same"),
    None: VerdictStyle("no verdict", "none"),
}


def verdict_style(verdict: Verdict | None) -> VerdictStyle:
    """Return how a verdict is shown. None stands for a metric that could not be judged."""
    return _STYLES[verdict]
