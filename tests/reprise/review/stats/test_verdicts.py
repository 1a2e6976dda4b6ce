"""Compares tables of predictions, and checks what is said of them."""

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.calibration import METRICS, SIMULATIONS, models, spec, tally, truth
from reprise.errors import PipelineError
from reprise.review.declared import PredictionsSpec
from reprise.review.stats.results import Comparison, MetricComparison
from reprise.review.stats.verdicts import compare_metrics


def table(ids: Any = None, **columns: Any) -> pa.Table:
    rows = len(next(iter(columns.values())))
    return pa.table({"id": np.arange(rows) if ids is None else ids, **columns})


def declared(column: str = "x", better: str = "higher", **more: Any) -> PredictionsSpec:
    metric = {
        "column": column,
        "better": better,
        **({"margin": more.pop("margin")} if "margin" in more else {}),
    }
    return PredictionsSpec.model_validate({"metrics": {column: metric}, **more})


def only(c: Comparison) -> MetricComparison:
    (metric,) = c.metrics
    return metric


def pairs(gained: int, lost: int, rows: int) -> tuple[list[pa.Table], list[pa.Table]]:
    """Rows right in both, but for those gained and lost."""
    old, new = np.ones(rows, bool), np.ones(rows, bool)
    old[:gained], new[gained : gained + lost] = False, False
    return [table(x=old)], [table(x=new)]


def losses(shift: float, rows: int = 200) -> tuple[list[pa.Table], list[pa.Table]]:
    rng = np.random.default_rng(3)
    old = rng.exponential(size=rows)
    return [table(x=old)], [table(x=old + shift + 0.3 * rng.normal(size=rows))]


def test_more_right_answers_are_better() -> None:
    c = compare_metrics(*pairs(20, 4, 200), declared())
    m = only(c)
    assert (c.rows_old, c.rows_new, c.paired, c.only_old, c.only_new) == (200, 200, 200, 0, 0)
    assert (c.seeds_old, c.seeds_new) == (1, 1)
    assert (m.old, m.new, m.difference, m.verdict, m.why) == (0.9, 0.98, 0.08, "better", None)
    assert m.low is not None
    assert m.low > 0
    assert m.p_value == pytest.approx(0.00154, abs=1e-5)


@pytest.mark.parametrize(
    ("gained", "lost", "better", "verdict"),
    [(20, 4, "lower", "worse"), (4, 20, "higher", "worse"), (4, 20, "lower", "better")],
)
def test_direction_is_as_declared(gained: int, lost: int, better: str, verdict: str) -> None:
    assert (
        only(compare_metrics(*pairs(gained, lost, 200), declared(better=better))).verdict == verdict
    )


@pytest.mark.parametrize(
    ("shift", "verdict"), [(0.2, "worse"), (-0.2, "better"), (0.0, "no detectable difference")]
)
def test_losses_that_move_are_seen(shift: float, verdict: str) -> None:
    m = only(compare_metrics(*losses(shift), declared(better="lower")))
    assert m.verdict == verdict
    assert m.low is not None
    assert m.high is not None
    assert m.low <= shift <= m.high
    assert (m.low > 0 or m.high < 0) == (verdict != "no detectable difference")


def test_interval_reaches_zero_where_the_exact_test_does_not_exclude_it() -> None:
    """6 gained, 16 lost of 161: Tango's interval is −0.124 to −0.005, but p is 0.0525."""
    m = only(compare_metrics(*pairs(6, 16, 161), declared()))
    assert (m.high, m.verdict) == (0, "no detectable difference")
    assert m.low == pytest.approx(-0.1240, abs=1e-4)
    assert m.p_value == pytest.approx(0.0525, abs=1e-4)


def test_the_primary_metric_pays_for_no_other_and_the_others_by_holm() -> None:
    """14 gained, 4 lost: p is 0.031. As one of two others it is doubled, its interval widened."""
    old, new = (x[0].append_column("y", pa.array(np.zeros(200))) for x in pairs(14, 4, 200))
    x, y = ({"column": column, "better": "higher"} for column in "xy")

    def judged(**metrics: Any) -> list[MetricComparison]:
        spec = PredictionsSpec.model_validate({"metrics": metrics})
        return compare_metrics([old], [new], spec).metrics

    alone = only(compare_metrics([old], [new], declared()))
    assert alone.p_value == pytest.approx(0.0309, abs=1e-4)
    first, _, _ = judged(a=x, b=y, c=y)
    assert (first.verdict, first.p_value, first.detectable) == (
        "better",
        alone.p_value,
        alone.detectable,
    )
    (_, second) = judged(b=y, a=x)
    assert (second.verdict, second.p_value) == ("better", alone.p_value)
    _, third, _ = judged(b=y, a=x, c=y)
    assert (third.verdict, third.low, third.high) == ("no detectable difference", 0, alone.high)
    assert third.p_value == pytest.approx(2 * 0.0309, abs=2e-4)


def test_interval_within_the_margin_is_equivalent() -> None:
    alike, moved = losses(0), losses(-0.1, 2000)
    assert only(compare_metrics(*alike, declared(margin=0.2))).verdict == "equivalent"
    assert (
        only(compare_metrics(*alike, declared(margin=0.03))).verdict == "no detectable difference"
    )
    assert (
        only(compare_metrics(*moved, declared(margin=0.2))).verdict == "equivalent"
    )  # it moved, by too little to matter
    assert only(compare_metrics(*moved, declared(margin=0.1))).verdict == "worse"


def test_the_same_model_makes_no_difference() -> None:
    old, _ = losses(0)
    m = only(compare_metrics(old, old, declared()))
    assert (m.difference, m.low, m.high, m.p_value, m.verdict) == (
        0,
        0,
        0,
        1,
        "no detectable difference",
    )
    assert only(compare_metrics(old, old, declared(margin=0.01))).verdict == "equivalent"


def test_one_shift_of_all_rows_is_sure() -> None:
    m = only(
        compare_metrics([table(x=np.arange(50.0))], [table(x=np.arange(50.0) + 1)], declared())
    )
    assert (m.difference, m.low, m.high, m.verdict) == (1, 1, 1, "better")


def test_rows_pair_by_id_in_any_order_and_width() -> None:
    (old,), (new,) = pairs(20, 4, 200)
    mixed = new.take(np.random.default_rng(0).permutation(200))
    narrow = mixed.set_column(0, "id", mixed["id"].cast(pa.int16()))
    assert compare_metrics([old], [narrow], declared()) == compare_metrics([old], [new], declared())
    as_text = [t.set_column(0, "id", t["id"].cast(pa.string())) for t in (old, mixed)]
    coded = as_text[1].set_column(0, "id", as_text[1]["id"].dictionary_encode())
    assert compare_metrics([as_text[0]], [coded], declared()) == compare_metrics(
        [old], [new], declared()
    )


def test_numbers_of_any_type_are_taken() -> None:
    (old,), (new,) = pairs(20, 4, 200)
    expected = only(compare_metrics([old], [new], declared()))
    for kind in (pa.int8(), pa.uint64(), pa.float32(), pa.float64()):
        a, b = (t.set_column(1, "x", t["x"].cast(kind)) for t in (old, new))
        assert only(compare_metrics([a], [b], declared())) == expected


def test_results_repeat_and_are_json() -> None:
    c = compare_metrics(*losses(0.02), declared())
    assert compare_metrics(*losses(0.02), declared()) == c
    assert compare_metrics(*losses(0.02), declared(), seed=1) != c
    assert (
        json.loads(json.dumps(asdict(c), allow_nan=False))["metrics"][0]["verdict"]
        == only(c).verdict
    )


def test_rows_of_a_group_count_once() -> None:
    (old,), (new,) = losses(0.05, 60)
    a, b = (
        [table(x=np.repeat(t["x"], 9), g=np.repeat(np.arange(60), 9).astype(str))]
        for t in (old, new)
    )
    once, alone, together = (
        only(compare_metrics([old], [new], declared())),
        only(compare_metrics(a, b, declared())),
        only(compare_metrics(a, b, declared(group="g"))),
    )
    assert (together.low, together.high, together.p_value) == pytest.approx(
        (once.low, once.high, once.p_value)
    )
    assert alone.p_value is not None
    assert together.p_value is not None
    assert alone.p_value < together.p_value
    assert "groups" in together.method


def test_missing_values_take_the_verdict_of_their_metric_alone() -> None:
    (old,), (new,) = pairs(20, 4, 200)
    y = np.where(np.arange(200) < 3, np.nan, 1.0)
    new = new.append_column("y", pa.array(y, from_pandas=True))
    old = old.append_column("y", pa.array(np.where(np.arange(200) < 1, np.inf, 1.0)))
    two = {"a": {"column": "x", "better": "higher"}, "b": {"column": "y", "better": "higher"}}
    a, b = compare_metrics([old], [new], PredictionsSpec.model_validate({"metrics": two})).metrics
    assert (a.verdict, b.verdict, b.old, b.new, b.difference, b.p_value) == (
        "better",
        None,
        None,
        None,
        None,
        None,
    )
    assert b.why == "its column is empty or not finite in 1 of 200 paired rows of old"
    assert (
        a.p_value == only(compare_metrics([old], [new], declared())).p_value
    )  # Holm counts what is tested


def test_metric_of_one_side_has_no_verdict() -> None:
    m = only(compare_metrics([table(y=np.ones(50))], [table(x=np.ones(50))], declared()))
    assert (m.old, m.new, m.difference, m.verdict, m.why) == (
        None,
        1,
        None,
        None,
        "old has no such column",
    )


def test_few_rows_have_no_verdict() -> None:
    m = only(compare_metrics(*pairs(10, 0, 19), declared()))
    assert (m.verdict, m.why, m.low) == (None, "19 rows are paired; at least 20 are needed", None)
    assert m.difference == pytest.approx(10 / 19)
    groups = [table(x=np.arange(40.0), g=np.arange(40) % 19)]
    assert (
        only(compare_metrics(groups, groups, declared(group="g"))).why
        == "19 groups are paired; at least 20 are needed"
    )


def test_the_primary_metric_comes_first() -> None:
    metrics = {name: {"column": name, "better": "higher"} for name in ("a", "b", "c")}
    spec = PredictionsSpec.model_validate({"metrics": metrics, "primary": "b"})
    values = {name: np.arange(50.0) for name in metrics}
    found = compare_metrics([table(**values)], [table(**values)], spec)
    assert [metric.name for metric in found.metrics] == ["b", "a", "c"]
    assert found.primary.name == "b"


@pytest.mark.parametrize("same_rows", [True, False])
def test_values_that_depend_on_other_rows_are_compared_over_the_same_rows_only(
    same_rows: bool,
) -> None:
    metric = {"column": "x", "better": "higher", "same_rows": same_rows}
    spec = PredictionsSpec.model_validate({"metrics": {"x": metric}})
    old, new = pairs(20, 4, 200)
    same = only(compare_metrics(old, new, spec))
    assert (same.verdict, same.why) == ("better", None)
    fewer = only(compare_metrics(old, [new[0].slice(3)], spec))
    assert (fewer.verdict is None) == same_rows
    if same_rows:
        assert fewer.why == (
            "a row's value depends on the other rows, and 3 rows are not in both; "
            "the means are over all rows of a side"
        )
        assert (fewer.old, fewer.new) == (fewer.old_all, fewer.new_all)
    assert fewer.unpaired is None


def test_the_means_are_those_of_the_pairs() -> None:
    """Rows that one side alone has are in the means over all rows, and nowhere else."""
    old, new = pairs(20, 4, 200)
    same = only(compare_metrics(old, new, declared()))
    easy = table(np.arange(1000, 1100), x=np.ones(100, bool))
    more = only(compare_metrics(old, [pa.concat_tables([new[0], easy])], declared()))
    assert replace(more, new_all=same.new_all) == same
    assert same.new == same.new_all
    assert same.new_all is not None
    assert more.new_all == pytest.approx((200 * same.new_all + 100) / 300)


def test_other_test_rows_are_refused() -> None:
    old, new = (
        table(np.arange(100), x=np.zeros(100)),
        table(np.arange(60, 160), x=np.tile([0.0, 1.0], 50)),
    )
    c = compare_metrics([old], [new], declared())
    m = only(c)
    assert (c.paired, c.only_old, c.only_new) == (40, 60, 60)
    assert c.refused == (
        "the test rows differ too much: 40 of the 100 rows of old are in every table "
        "of both sides; at least 50 % are needed"
    )
    assert (m.verdict, m.why, m.p_value, m.low) == (None, c.refused, None, None)
    assert m.unpaired is not None
    assert (m.unpaired.old, m.unpaired.new, m.unpaired.difference) == (0, 0.5, 0.5)
    assert m.unpaired.low == pytest.approx(0.5 - 2.001 * (0.25 * 60 / 59 / 60) ** 0.5, abs=1e-4)
    assert (
        only(compare_metrics([old], [new.slice(40)], declared())).difference is None
    )  # no row is in both


def test_rows_without_a_pair_are_compared_apart() -> None:
    ids = np.arange(109, 9, -1)
    old, new = table(np.arange(100), x=np.zeros(100)), table(ids, x=np.where(ids < 100, 1.0, 3.0))
    m = only(compare_metrics([old], [new], declared()))
    assert (m.verdict, m.difference) == ("better", 1)
    assert m.unpaired is not None
    assert (m.unpaired.rows_old, m.unpaired.rows_new, m.unpaired.new, m.unpaired.low) == (
        10,
        10,
        3,
        None,
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            table(y=[1]),
            table(y=[1]),
            "new predictions: found no column 'x'; expected it beside ['id', 'y']",
        ),
        (
            table(x=[1]),
            pa.table({"x": [1]}),
            "new predictions: found no column 'id'; expected it beside ['x']",
        ),
        (
            table([1, 7, 7], x=[1, 2, 3]),
            table(x=[1]),
            "old predictions: id column 'id': found 7 in 2 rows; expected each id once",
        ),
        (
            table(x=[1]),
            table([None, "a"], x=[1, 2]),
            "predictions: id column 'id': found int64 in old and string in new;",
        ),
        (
            table(["a"], x=[1]),
            table([None, "a"], x=[1, 2]),
            "new predictions: id column 'id': found 1 empty; expected none",
        ),
        (
            table([1.5], x=[1]),
            table([1.5], x=[1]),
            "predictions: id column 'id': found double in old and double in new;",
        ),
        (
            table(x=["1"]),
            table(x=[1]),
            "old predictions: column 'x': found string; expected numbers",
        ),
    ],
)
def test_wrong_tables_are_named(old: pa.Table, new: pa.Table, message: str) -> None:
    with pytest.raises(PipelineError) as e:
        compare_metrics([old], [new], declared())
    assert str(e.value).startswith(message)


def test_seeds_enter_the_interval() -> None:
    """Three seeds that differ much make a difference of one pair of seeds undecided."""
    rng, easy = np.random.default_rng(0), np.random.default_rng(1).normal(size=300)
    old = [table(x=easy + moved + 0.1 * rng.normal(size=300)) for moved in (0, 0.3, -0.2)]
    new = [table(x=easy + moved + 0.1 * rng.normal(size=300)) for moved in (0.2, -0.1, 0.5)]
    one, all_of_them = (
        compare_metrics(old[:1], new[:1], declared()),
        compare_metrics(old, new, declared()),
    )
    assert only(one).verdict == "better"
    assert only(all_of_them).verdict == "no detectable difference"
    assert one.note.startswith("One training run a side")
    assert all_of_them.note == "3 and 3 training seeds: how much they differ is in the intervals."
    assert (all_of_them.seeds_old, all_of_them.seeds_new) == (3, 3)
    assert (
        only(
            compare_metrics(new, [table(x=t["x"].to_numpy() + 5) for t in new], declared())
        ).verdict
        == "better"
    )


def test_rows_that_not_every_seed_has_are_left_out() -> None:
    old, new = losses(0)
    c = compare_metrics([old[0], old[0].slice(20)], new, declared())
    assert (c.rows_old, c.paired, c.only_new) == (200, 180, 20)
    assert c.note.endswith("Rows that not every seed of a side has are left out.")


def test_small_calibration() -> None:
    """At most six of 50 changes of nothing are found; the slow test has the figures."""
    t = tally(models, 100, 0, dict.fromkeys(METRICS, 0.0), 50, spec("accuracy", "log_loss"))
    assert max(t.found.values()) <= 6
    assert min(t.covered.values()) >= 44


@pytest.mark.slow
@pytest.mark.parametrize("rows", [100, 1000, 10_000])
def test_calibration(rows: int) -> None:
    """Of no change 5 % are found at most; intervals hold 93 to 97 %, within the noise."""
    same = tally(models, rows, 0, dict.fromkeys(METRICS, 0.0), SIMULATIONS, spec(*METRICS))
    change = 3 / rows**0.5
    moved = tally(models, rows, change, truth(change), SIMULATIONS, spec(*METRICS))
    noise = 3 * (0.05 * 0.95 / SIMULATIONS) ** 0.5
    print(same, moved)
    assert max(*same.found.values(), same.any_found) <= SIMULATIONS * (0.05 + noise)
    for t in (same, moved):
        assert min(t.covered.values()) >= SIMULATIONS * (0.95 - noise)
        assert max(t.covered.values()) <= SIMULATIONS * (0.97 + noise)
