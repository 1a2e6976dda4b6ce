"""Measures how often `reprise report` sees a change where none is, or misses the truth.

python -m benchmarks.calibration [ROWS …]    (default: 100 1000 10000; SIMULATIONS=1000 of each)
python -m benchmarks.calibration replicates    only the test of a change by replicates

Two models of one quality make errors that go together: of classifiers, logits that share most of
their noise; of regressions, errors that correlate by 0.8. `no change` draws both alike; `other
errors` gives the new regression heavier tails at the same mean squared error; `changed` moves it by
about what these rows can show.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import stats

from reprise.review.declared import PredictionsSpec
from reprise.review.stats.results import Verdict
from reprise.review.stats.verdicts import compare_metrics

SIMULATIONS = int(os.environ.get("SIMULATIONS", "1000"))
METRICS = {
    "accuracy": {"column": "correct", "better": "higher"},
    "log_loss": {"column": "loss", "better": "lower"},
    "squared_error": {"column": "squared", "better": "lower"},
}
Rng = np.random.Generator
Sides = tuple[list[pa.Table], list[pa.Table]]
Draw = Callable[[Rng, int, float], Sides]


@dataclass(frozen=True)
class Tally:
    """Counts the simulations found better or worse, and the intervals that hold the truth."""

    simulations: int
    found: dict[str, int]
    covered: dict[str, int]
    any_found: int


def spec(*names: str, group: str | None = None) -> PredictionsSpec:
    return PredictionsSpec.model_validate(
        {"metrics": {n: METRICS[n] for n in names}, "group": group}
    )


def table(logit: np.ndarray, error: np.ndarray, group: np.ndarray | None = None) -> pa.Table:
    columns = {
        "id": np.arange(len(logit)),
        "correct": logit > 0,
        "loss": np.log1p(np.exp(-logit)),
        "squared": error**2,
    }
    return pa.table(columns if group is None else {**columns, "group": group})


def models(rng: Rng, rows: int, change: float, tails: int | None = None) -> Sides:
    """Draw an old and a new model, a table each.

    change: added to the new logits, and half of it taken from the new errors' size; tails: the
    degrees of freedom of Student's t, of which the new errors are drawn then.
    """
    easy, hard = 1.5 * rng.normal(size=rows), 0.8**0.5 * rng.normal(size=rows)
    logits = [1.5 + easy + 0.7 * rng.normal(size=rows) for _ in range(2)]
    errors = [hard + 0.2**0.5 * rng.normal(size=rows) for _ in range(2)]
    if tails:
        errors[1] *= np.sqrt((tails - 2) / rng.chisquare(tails, size=rows))
    return [table(logits[0], errors[0])], [table(logits[1] + change, errors[1] * (1 - change / 2))]


def truth(change: float) -> dict[str, float]:
    """Integrate over the logits' normal distribution: the differences that `models` makes."""
    z = np.linspace(-12, 12, 200_001)
    logit, weight = 1.5 + (1.5**2 + 0.7**2) ** 0.5 * z, stats.norm.pdf(z) * (z[1] - z[0])
    loss = [float((np.log1p(np.exp(-logit - c)) * weight).sum()) for c in (0, change)]
    correct = [float(stats.norm.cdf((1.5 + c) / (1.5**2 + 0.7**2) ** 0.5)) for c in (0, change)]
    return {
        "accuracy": correct[1] - correct[0],
        "log_loss": loss[1] - loss[0],
        "squared_error": (1 - change / 2) ** 2 - 1,
    }


def tally(
    draw: Draw,
    rows: int,
    change: float,
    true: dict[str, float],
    simulations: int,
    given: PredictionsSpec,
) -> Tally:
    """Judge each metric alone; `any_found` is of all of them together, after Holm."""
    found, covered, any_found = dict.fromkeys(given.metrics, 0), dict.fromkeys(given.metrics, 0), 0
    for seed in range(simulations):
        old, new = draw(np.random.default_rng([rows, seed]), rows, change)
        raw = {}
        for name in given.metrics:
            alone = PredictionsSpec.model_validate(
                {"metrics": {name: METRICS[name]}, "group": given.group}
            )
            m = compare_metrics(old, new, alone, seed=seed).metrics[0]
            assert m.low is not None
            assert m.high is not None
            assert m.p_value is not None
            found[name] += m.verdict in (Verdict.BETTER, Verdict.WORSE)
            covered[name] += m.low <= true[name] <= m.high
            raw[name] = m.p_value
        # Holm rejects some metric exactly when it rejects the first.
        any_found += min(raw.values()) * len(raw) <= 0.05
    return Tally(simulations, found, covered, any_found)


def share(count: int, of: int) -> str:
    """Format a share with its exact 95 % interval (Clopper and Pearson 1934, Biometrika 26)."""
    low, high = stats.binomtest(count, of).proportion_ci(method="exact")
    return f"{100 * count / of:5.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def textbook_power(rows: int, change: float) -> dict[str, float]:
    """Return the power of the paired t test and of McNemar's, from 2 M rows.

    By the normal approximation; Connor 1987, Biometrics 43, for McNemar's.
    """
    (old,), (new,) = models(np.random.default_rng(0), 2_000_000, change)
    true, power = truth(change), {}
    for name, metric in METRICS.items():
        d = np.asarray(new[metric["column"]], float) - np.asarray(old[metric["column"]], float)
        spread = np.sqrt((d**2).mean()) if name == "accuracy" else d.std()
        power[name] = float(
            stats.norm.cdf((abs(true[name]) * rows**0.5 - stats.norm.isf(0.025) * spread) / d.std())
        )
    return power


def seeds(many: tuple[int, int], between: float) -> Draw:
    """Draw models that differ by seed: logits move by `between` as a whole, and row by row."""

    def draw(rng: Rng, rows: int, change: float) -> Sides:
        easy = 1.5 + 1.5 * rng.normal(size=rows)

        def one(moved: float) -> pa.Table:
            logit = easy + moved + between * rng.normal() + 0.7 * rng.normal(size=rows)
            return table(logit, logit)

        return [one(0) for _ in range(many[0])], [one(change) for _ in range(many[1])]

    return draw


def replicated(many: tuple[int, int], spreads: tuple[float, float]) -> Draw:
    """Draw trainings whose rows' values have one mean but for the seed and the change.

    A value is the row's own part, a part of each training and row, and one of each training, all
    normal. many: trainings of either side; spreads: the deviations of that last part.
    """

    def draw(rng: Rng, rows: int, change: float) -> Sides:
        easy = rng.normal(size=rows)

        def one(moved: float, spread: float) -> pa.Table:
            value = easy + 0.5 * rng.normal(size=rows) + moved + spread * rng.normal()
            return pa.table({"id": np.arange(rows), "value": value})

        old = [one(0, spreads[0]) for _ in range(many[0])]
        return old, [one(change, spreads[1]) for _ in range(many[1])]

    return draw


def replicates(simulations: int) -> None:
    """Measure the test of a change by replicates: false finds, power and coverage.

    2,000 rows, whose parts have the deviations 1 and 0.5.
    """
    METRICS["value"] = {"column": "value", "better": "higher"}
    given = spec("value")
    for many in ((10, 5), (5, 1)):
        for spreads in ((0.05, 0.05), (0.05, 0.1)):
            for change in (0.0, 0.12):
                t = tally(
                    replicated(many, spreads), 2000, change, {"value": change}, simulations, given
                )
                show(f"{many[0]} + {many[1]}, ± {spreads[0]} and {spreads[1]}, change {change}", t)


def grouped(rng: Rng, rows: int, change: float) -> Sides:
    """Draw groups of 1 to 19 rows, ten on average, each easy or hard for a model as a whole."""
    group = np.repeat(np.arange(rows // 10), rng.integers(1, 20, size=rows // 10))
    easy = 1.5 + 1.5 * rng.normal(size=len(group))
    logits = [
        easy + 0.5 * rng.normal(size=rows // 10)[group] + 0.5 * rng.normal(size=len(group))
        for _ in range(2)
    ]
    return [table(logits[0], logits[0], group)], [table(logits[1] + change, logits[1], group)]


def show(title: str, t: Tally) -> None:
    for name in t.found:
        found = share(t.found[name], t.simulations)
        covered = share(t.covered[name], t.simulations)
        print(f"{title:<34} {name:<14} found {found}   covers {covered}", flush=True)


def main(sizes: list[int]) -> None:
    everything, zero = spec(*METRICS), dict.fromkeys(METRICS, 0.0)
    for rows in sizes:
        same = tally(models, rows, 0, zero, SIMULATIONS, everything)
        show(f"{rows} rows, no change", same)
        any_found = share(same.any_found, SIMULATIONS)
        print(f"{rows} rows, no change: any of three, after Holm: {any_found}", flush=True)
        tails = tally(
            lambda r, n, c: models(r, n, c, 6), rows, 0, zero, SIMULATIONS, spec("squared_error")
        )
        show(f"{rows} rows, other errors", tails)
        change = 3 / rows**0.5
        show(
            f"{rows} rows, changed",
            tally(models, rows, change, truth(change), SIMULATIONS, everything),
        )
        expected = "  ".join(
            f"{n} {100 * p:.1f} %" for n, p in textbook_power(rows, change).items()
        )
        print(f"{rows} rows, changed: textbook power: {expected}", flush=True)


def designs() -> None:
    """Measure rows in groups, and several training seeds."""
    both, zero = spec("accuracy", "log_loss"), dict.fromkeys(METRICS, 0.0)
    show(
        "1000 rows in 100 groups",
        tally(grouped, 1000, 0, zero, SIMULATIONS, spec("accuracy", "log_loss", group="group")),
    )
    for many in ((2, 2), (3, 3), (5, 5), (1, 5)):
        for between in (0.0, 0.05, 0.3):
            title = f"300 rows, {many[0]} and {many[1]} seeds, ± {between}"
            show(title, tally(seeds(many, between), 300, 0, zero, SIMULATIONS, both))


if __name__ == "__main__":
    if sys.argv[1:] == ["replicates"]:
        replicates(SIMULATIONS)
    else:
        main([int(a) for a in sys.argv[1:]] or [100, 1000, 10_000])
        designs()
        replicates(SIMULATIONS)
