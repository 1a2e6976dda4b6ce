"""Classes and slices: the same paired test in each, adjusted over all, the worst first."""

import math
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from reprise.errors import PipelineError
from reprise.review.declared import PredictionsSpec
from reprise.review.stats.aligned import align_tables
from reprise.review.stats.parts import PartComparison, PartKind, compare_parts
from reprise.review.stats.verdicts import compare_metrics


def declared(**more: Any) -> PredictionsSpec:
    given: dict[str, Any] = {
        "metrics": {"accuracy": {"column": "correct", "better": "higher"}},
        "target": "target",
        "prediction": "prediction",
        "slices": ["region"],
    }
    return PredictionsSpec.model_validate({**given, **more})


def tables(rows: int = 3000, classes: int = 3, harm: float = 0.0) -> tuple[pa.Table, pa.Table]:
    """Two models of one quality; harm: share of the rows of the south that the new one spoils."""
    rng = np.random.default_rng(0)
    target = rng.integers(classes, size=rows)
    region = rng.choice(["north", "south"], rows)
    other = (target + 1) % classes
    sides = []
    for spoiled in (0.0, harm):
        wrong = rng.random(rows) < 0.1
        wrong |= (region == "south") & (rng.random(rows) < spoiled)
        guess = np.where(wrong, other, target)
        columns = {"id": np.arange(rows), "target": target, "prediction": guess}
        sides.append(pa.table({**columns, "correct": guess == target, "region": region}))
    return sides[0], sides[1].take(pa.array(rng.permutation(rows)))


def compared(old: pa.Table, new: pa.Table, spec: PredictionsSpec) -> list[PartComparison]:
    return compare_parts(align_tables([old], [new], spec), spec)


def verdicts(parts: list[PartComparison]) -> dict[str, str]:
    return {f"{part.kind} {part.name}": str(part.result.verdict) for part in parts}


def test_a_slice_that_is_worse_comes_first() -> None:
    old, new = tables(harm=0.15)
    parts = compared(old, new, declared())
    assert len(parts) == 2 * 3 + 2
    found = verdicts(parts)
    assert found["slice region = south"] == "worse"
    assert found["slice region = north"] == "no detectable difference"
    assert parts[0].result.verdict == "worse"
    differences = [part.result.difference or 0.0 for part in parts if found_worse(part)]
    assert differences == sorted(differences)
    (south,) = [part for part in parts if part.name == "region = south"]
    assert south.result.difference == pytest.approx(-0.135, abs=0.02)


def found_worse(part: PartComparison) -> bool:
    return part.result.verdict == "worse"


@pytest.mark.slow
def test_200_classes() -> None:
    old, new = tables(rows=10_000, classes=200, harm=0.1)
    assert len(compared(old, new, declared())) == 2 * 200 + 2


def test_no_change_moves_no_part() -> None:
    parts = compared(*tables(), declared())
    assert set(verdicts(parts).values()) == {"no detectable difference"}
    for part in parts:
        assert part.result.low is not None
        assert part.result.high is not None
        assert part.result.low <= 0 <= part.result.high


def test_recall_and_precision_are_those_of_the_tables() -> None:
    old, new = tables(harm=0.2)
    parts = {(p.kind, p.name): p.result for p in compared(old, new, declared())}
    for side, table in (("old", old), ("new", new)):
        truth, guess = table["target"].to_numpy(), table["prediction"].to_numpy()
        for name in range(3):
            recall = (guess == name)[truth == name].mean()
            precision = (truth == name)[guess == name].mean()
            assert getattr(parts[PartKind.RECALL, str(name)], side) == pytest.approx(recall)
            assert getattr(parts[PartKind.PRECISION, str(name)], side) == pytest.approx(precision)


def test_parts_of_few_rows_are_left_out() -> None:
    old, new = tables(rows=10_000, classes=200, harm=0.1)
    few = compared(old.slice(0, 300), new, declared())
    assert {part.name for part in few} == {"region = north", "region = south"}


def test_a_regression_has_slices_but_no_classes() -> None:
    old, new = (t.set_column(1, "target", t["target"].cast(pa.float64())) for t in tables())
    parts = compared(old, new, declared())
    assert {part.kind for part in parts} == {"slice"}


def test_a_slice_that_is_not_there_is_named() -> None:
    old, new = tables()
    with pytest.raises(PipelineError, match="new predictions: found no column 'device'"):
        compare_metrics([old], [new], declared(slices=["device"]))


def test_rows_of_a_group_count_once_in_a_part() -> None:
    old, new = tables(harm=0.15)
    groups = [np.asarray(t["id"]) // 100 for t in (old, new)]
    old, new = (t.append_column("g", pa.array(g)) for t, g in zip((old, new), groups, strict=True))
    parts = compared(old, new, declared(group="g"))
    assert all("groups" in part.result.method for part in parts)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([[1], [2], None] * 1000),
        pa.array([{"a": 1}] * 3000),
        pa.array([b"a", b"\xff", b""] * 1000),
        pa.array([b"ab"] * 3000, pa.binary(2)),
        pa.array([[1], [2], [3]] * 1000, pa.list_(pa.int64(), 1)),
        pa.array([None] * 3000, pa.month_day_nano_interval()),
    ],
)
def test_a_slice_of_values_that_are_no_text_is_named(values: pa.Array) -> None:
    old, new = (t.append_column("tags", values) for t in tables())
    expected = rf"new predictions: slice column 'tags': found {re.escape(str(values.type))}; exp"
    with pytest.raises(PipelineError, match=expected):
        compared(old, new, declared(slices=["tags"]))


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (pa.nulls(3000), []),
        (pa.array([math.nan] * 3000), []),
        (pa.array([math.nan, 1.5, None] * 1000), ["kind = 1.5"]),
        (pa.array([True, False, None] * 1000), ["kind = false", "kind = true"]),
        (pa.array(["a", "", "a"] * 1000).dictionary_encode(), ["kind = ", "kind = a"]),
    ],
)
def test_missing_values_are_no_slice(values: pa.Array, names: list[str]) -> None:
    old, new = (t.append_column("kind", values) for t in tables())
    parts = compared(old, new, declared(slices=["kind"], target=None))
    assert sorted(part.name for part in parts) == names


@pytest.mark.parametrize("column", ["target", "prediction"])
def test_classes_that_are_lists_are_not_compared(column: str) -> None:
    old, new = tables()
    lists = pa.array([[1]] * len(old))
    old, new = (t.set_column(t.column_names.index(column), column, lists) for t in (old, new))
    assert {part.kind for part in compared(old, new, declared())} == {"slice"}


def test_slices_are_never_of_a_metric_whose_rows_depend_on_others() -> None:
    metric = {"column": "correct", "better": "higher", "same_rows": True}
    old, new = tables(harm=0.2)
    alone = declared(metrics={"rank": metric})
    assert {part.kind for part in compared(old, new, alone)} == {"recall", "precision"}
    both = {"rank": metric, "accuracy": {"column": "correct", "better": "higher"}}
    parts = compared(old, new, declared(metrics=both))
    assert [p.result.name for p in parts if p.kind is PartKind.SLICE] == ["accuracy"] * 2


def test_groups_that_are_lists_are_named() -> None:
    old, new = (t.append_column("g", pa.array([[1]] * len(t))) for t in tables())
    with pytest.raises(PipelineError, match="old predictions: group column 'g': found list"):
        compare_metrics([old], [new], declared(group="g"))


def test_parts_of_several_seeds_are_means_over_them() -> None:
    """Each seed's table has its own order, and the interval covers how much seeds differ."""
    rng = np.random.default_rng(1)
    pairs = [tables(harm=0.3) for _ in range(3)]
    old = [table.take(pa.array(rng.permutation(len(table)))) for table, _ in pairs]
    new = [table for _, table in pairs]
    spec = declared()
    parts = {(p.kind, p.name): p.result for p in compare_parts(align_tables(old, new, spec), spec)}
    assert len(parts) == 2 * 3 + 2
    south = parts[PartKind.SLICE, "region = south"]
    assert south.verdict == "worse"
    assert "training seeds" in south.method
    alone = {(p.kind, p.name): p.result for p in compared(old[0], new[0], spec)}
    for part, result in parts.items():  # all seeds are one model here
        assert result.old == pytest.approx(alone[part].old)
        assert result.new == pytest.approx(alone[part].new)


def test_a_class_that_one_seed_never_predicts_has_no_precision() -> None:
    old, new = tables(classes=2)
    never = new.set_column(2, "prediction", pa.array(np.zeros(len(new), int)))
    spec = declared()
    parts = compare_parts(align_tables([old, old], [new, never], spec), spec)
    assert {p.name for p in parts if p.kind is PartKind.PRECISION} == {"0"}


def test_parts_do_not_say_what_could_be_detected() -> None:
    """Its search took most of the time, and no table shows it."""
    assert {part.result.detectable for part in compared(*tables(), declared())} == {None}
