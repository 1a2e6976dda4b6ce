"""Explain the terms of a report to whoever does not know them."""

from dataclasses import dataclass

from reprise.review.report import Report


@dataclass(frozen=True)
class Term:
    """Explains a term. key: names it on the page."""

    key: str
    name: str
    text: str


INTERVAL = Term(
    "interval",
    "95 % interval",
    "The differences that fit these rows. Of 100 such intervals about 95 have the true difference "
    "in them. One that reaches from below 0 to above it leaves open which side is better.",
)
HOLM = Term(
    "holm",
    "p (Holm)",
    "How often chance alone would make a difference as large. Where many are tested, some look "
    "large by chance; Holm's correction makes each p larger, by how many there are. The primary "
    "metric is tested alone, and pays for none.",
)
PAIRED = Term(
    "paired",
    "paired rows",
    "Test rows that both sides have, by their id. Each row is compared with itself, so that what "
    "makes rows hard or easy cancels out.",
)
NO_VERDICT = Term(
    "no-verdict",
    "no verdict",
    "The metric could not be tested: the reason stands beside it. It says nothing for or against "
    "the new side.",
)
_OF_METRICS = {
    "log_loss": Term(
        "log-loss",
        "log loss",
        "The mean of −log of the probability that the model gave to the true class. 0 is perfect; "
        "one that is sure and wrong costs most.",
    ),
    "ece": Term(
        "ece",
        "ECE",
        "Expected calibration error: how far the model's confidence is from how often it is right, "
        "in the mean over bins of confidence. 0 is perfect.",
    ),
    "roc_auc": Term(
        "roc-auc",
        "ROC AUC",
        "The chance that a row of the class gets a higher score than a row of another. 0.5 is a "
        "guess, 1 is perfect.",
    ),
}


def terms_of(report: Report) -> list[Term]:
    """List the terms that stand in the report."""
    names = {change.key.rpartition(".")[2] for change in report.metrics}
    terms = []
    for compared in report.compared:
        verdicts = {metric.name: metric.verdict for metric in compared.comparison.metrics}
        names |= verdicts.keys()
        terms += [INTERVAL, HOLM, PAIRED]
        if None in verdicts.values():
            terms.append(NO_VERDICT)
    terms += [_OF_METRICS[name] for name in _OF_METRICS if name in names]
    return list(dict.fromkeys(terms))
