"""Measures whom a year of nightly retraining promotes, by the project's own rule.

Every night trains one challenger, whose errors go together with the champion's, and compares it
on the same 1,000 test rows. `no gain`: all are of one quality, so that each promotion is false.
`gain`: challengers are more accurate by 0.02. `worse`: each challenger is less accurate than its
champion by 0.002, promoted when not worse by 0.02; on 10,000 rows, whose noise is far smaller.

python -m benchmarks.gate [YEARS]    (default: 100)
"""

import sys
from collections.abc import Callable

import numpy as np
import pyarrow as pa
from scipy import stats
from scipy.optimize import brentq

from benchmarks.calibration import share
from reprise.retrain.choices import NIGHTS, PromoteWhen
from reprise.retrain.decision import Outcome
from reprise.retrain.gate import decide
from reprise.retrain.options import Gate
from reprise.review.declared import PredictionsSpec
from reprise.review.predictions import ComparedPredictions, OlderModel
from reprise.review.report import Report, RevisionLabel
from reprise.review.stats.verdicts import compare_metrics, compare_with_mean

ROWS, MANY_ROWS, DAYS = 1000, 10_000, 365
LOGIT, EASY, OWN = 1.5, 1.5, 0.7  # mean of the logits, deviation that models share, and their own
SPEC = PredictionsSpec.model_validate(
    {"metrics": {"accuracy": {"column": "correct", "better": "higher"}}}
)
Train = Callable[[float], pa.Table]


def shift(gain: float) -> float:
    """Return what is added to the logits to raise the accuracy by so much."""
    deviation = float(np.hypot(EASY, OWN))
    start = stats.norm.cdf(LOGIT / deviation) + gain
    found: float = brentq(lambda c: stats.norm.cdf((LOGIT + c) / deviation) - start, -3, 3)
    return found


def trainer(rng: np.random.Generator, rows: int = ROWS) -> Train:
    """Draw the test rows; return what trains a model, of logits that are moved by so much."""
    easy = LOGIT + EASY * rng.normal(size=rows)

    def train(moved: float) -> pa.Table:
        logit = easy + moved + OWN * rng.normal(size=rows)
        return pa.table({"id": np.arange(rows), "correct": (logit > 0).astype("int8")})

    return train


def report(
    old: pa.Table, new: pa.Table, earlier: list[pa.Table], best: pa.Table | None = None
) -> Report:
    """Compare as a retraining does. best: the best champion so far."""
    together = None
    if earlier:
        together = compare_with_mean([old], [new, *earlier], SPEC)
    older = []
    if best is not None:
        older.append(OlderModel("best", compare_metrics([best], [new], SPEC)))
    compared = ComparedPredictions(
        "predictions", compare_metrics([old], [new], SPEC), None, together=together, older=older
    )
    sides = RevisionLabel("champion", None), RevisionLabel("challenger", None)
    return Report(*sides, [compared], [], [], [], [], [], [])


def is_promoted(old: pa.Table, new: pa.Table, earlier: list[pa.Table], gate: Gate) -> bool:
    """Decide; the nights are compared together only where tonight's challenger is better."""
    alone = decide(report(old, new, []), gate, "").outcome is Outcome.PROMOTED
    if not alone or not earlier:
        return alone
    return decide(report(old, new, earlier), gate, "").outcome is Outcome.PROMOTED


def promotions(year: int, gate: Gate, gain: float, days: int) -> list[int]:
    """Retrain every night; return the nights of promotions, from 1. gain: of logits."""
    train = trainer(np.random.default_rng([year, round(1e6 * gain)]))
    champion, moved = train(0.0), gain
    nights: list[pa.Table] = []
    promoted = []
    for night in range(1, days + 1):
        challenger = train(moved)
        if is_promoted(champion, challenger, nights, gate):
            promoted.append(night)
            champion, nights = challenger, []
            if gain:
                break
        else:
            nights = [challenger, *nights][: gate.nights - 1]
    return promoted


def accuracy_after(year: int, *, anchored: bool) -> float:
    """Return the true accuracy after a year of challengers that are each a little worse."""
    train = trainer(np.random.default_rng([year, 7]), MANY_ROWS)
    gate = Gate(when=PromoteWhen.NOT_WORSE, margin=0.02)
    best = champion = train(0.0)
    moved, step = 0.0, shift(-0.002)
    for _ in range(DAYS):
        challenger = train(moved + step)
        found = report(champion, challenger, [], best if anchored else None)
        decision = decide(found, gate, "")
        if decision.outcome is Outcome.PROMOTED:
            champion, moved = challenger, moved + step
            if decision.anchor is None:
                best = challenger
    return float(stats.norm.cdf((LOGIT + moved) / np.hypot(EASY, OWN)))


def main(years: int) -> None:
    """Print a line for each rule and case."""
    for nights in (1, NIGHTS):
        gate = Gate(nights=nights)
        false = [len(promotions(year, gate, 0.0, DAYS)) for year in range(years)]
        print(f"nights {nights}, no gain: {np.mean(false):.2f} false promotions a year", flush=True)
        found = [promotions(year, gate, shift(0.02), 30) for year in range(years)]
        for most in (6, 30):
            within = sum(bool(first) and first[0] <= most for first in found)
            print(f"nights {gate.nights}, gain of 0.02 within {most}: {share(within, years)}")
    start = stats.norm.cdf(LOGIT / np.hypot(EASY, OWN))
    for anchored in (False, True):
        after = np.mean([accuracy_after(year, anchored=anchored) for year in range(years // 10)])
        name = "the best champion too" if anchored else "the champion alone"
        print(f"worse, held against {name}: accuracy {start:.3f} to {after:.3f} in a year")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 100)
