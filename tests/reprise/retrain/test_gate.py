"""What a challenger must reach: tonight, over several nights, and beside the best champion."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from reprise.cli import main
from reprise.errors import PipelineError
from reprise.retrain.choices import PromoteWhen
from reprise.retrain.decision import Decision, Outcome
from reprise.retrain.gate import decide
from reprise.retrain.options import Gate
from reprise.retrain.publish import commit_message
from reprise.review.declared import Direction, MetricSpec, PredictionsSpec
from reprise.review.predictions import ComparedPredictions, OlderModel
from reprise.review.report import Report, RevisionLabel
from reprise.review.stats.verdicts import compare_metrics, compare_with_mean
from tests.reprise.retrain.project import Retrainable, rows

ROWS = 1000
BASE, ANCHOR = "b" * 40, "a" * 40
NOT_WORSE = Gate(when=PromoteWhen.NOT_WORSE, margin=0.02)


def model(right: float, lost: int = 0) -> pa.Table:
    """Predictions of which a share is right: the first ones, but for those that are lost."""
    correct = np.arange(ROWS) < right * ROWS
    correct[:lost] = False
    return pa.table({"id": range(ROWS), "correct": correct.astype("int8")})


def report(
    old: pa.Table,
    new: pa.Table,
    *earlier: pa.Table,
    better: Direction = Direction.HIGHER,
    margin: float | None = None,
    older: Sequence[OlderModel] = (),
    same: bool = False,
) -> Report:
    metric = MetricSpec(column="correct", better=better, margin=margin)
    spec = PredictionsSpec(metrics={"accuracy": metric})
    together = None
    if earlier:
        together = compare_with_mean([old], [new, *earlier], spec)
    comparison = compare_metrics([old], [new], spec, same=same)
    compared = ComparedPredictions("p", comparison, None, together=together, older=[*older])
    main, challenger = RevisionLabel("main", None), RevisionLabel("new", None)
    return Report(main, challenger, [compared], [], [], [], [], [], [])


def test_one_night_is_judged_alone() -> None:
    decision = decide(report(model(0.8), model(0.85)), Gate(), BASE)
    assert decision.outcome is Outcome.PROMOTED
    assert decision.reason == "accuracy is better: found 0.05, expected 0.04904"
    assert (decision.nights, decision.together) == (None, None)
    assert decision.expected == pytest.approx(0.04904, abs=1e-5)


def test_nights_that_disagree_keep_the_champion() -> None:
    """Tonight's is better; with those of the nights before, there is no difference."""
    decision = decide(report(model(0.8), model(0.85), model(0.79), model(0.76)), Gate(), BASE)
    assert decision.outcome is Outcome.KEPT
    assert decision.reason == (
        "accuracy is better tonight, but not over 3 nights together: no detectable difference"
    )
    assert decision.nights == 3
    assert decision.together == pytest.approx(0, abs=1e-12)


def test_nights_that_agree_promote() -> None:
    """What is to be expected is what the nights have in common."""
    decision = decide(report(model(0.8), model(0.85), model(0.82), model(0.83)), Gate(), BASE)
    assert decision.outcome is Outcome.PROMOTED
    assert decision.together == pytest.approx(0.1 / 3, rel=1e-4)
    assert decision.reason.startswith("accuracy is better: found 0.05, expected 0.03")
    assert decision.reason.endswith(", over 3 nights together too")


def test_nights_without_a_verdict_keep_the_champion() -> None:
    """A loss that is infinite in one row of an earlier night does not switch the nights off."""
    endless = model(0.9)
    values = endless["correct"].cast("float64").to_numpy().copy()
    values[3] = np.inf
    endless = pa.table({"id": endless["id"], "correct": values})
    decision = decide(report(model(0.8), model(0.9), endless), Gate(), BASE)
    assert decision.outcome is Outcome.KEPT
    assert "but not over 2 nights together: no verdict: its column" in decision.reason


def test_earlier_nights_alone_promote_nothing() -> None:
    decision = decide(report(model(0.8), model(0.8), model(0.9), model(0.9)), Gate(), BASE)
    assert (decision.outcome, decision.reason) == (
        Outcome.KEPT,
        "accuracy: no detectable difference",
    )


@pytest.mark.parametrize("better", Direction)
def test_the_least_effect_is_asked_of_the_lower_end(better: Direction) -> None:
    sides = [model(0.8), model(0.85)]
    if better is Direction.LOWER:
        sides.reverse()
    found = report(*sides, better=better)
    low = decide(found, Gate(min_effect=0.03), BASE)
    assert low.outcome is Outcome.PROMOTED
    high = decide(found, Gate(min_effect=0.045), BASE)
    assert high.outcome is Outcome.KEPT
    assert high.reason.startswith("accuracy is better by at least 0.03")
    assert high.reason.endswith("less than 0.045")


def test_not_worse_needs_a_margin() -> None:
    gate = Gate(when=PromoteWhen.NOT_WORSE)
    with pytest.raises(PipelineError, match="not-worse: accuracy: found no margin; expected --mar"):
        decide(report(model(0.8), model(0.8)), gate, BASE)
    declared = decide(report(model(0.8), model(0.8), margin=0.02), gate, BASE)
    assert declared.outcome is Outcome.PROMOTED


@pytest.mark.parametrize(
    ("new", "outcome", "reason"),
    [
        (model(0.8), Outcome.PROMOTED, "accuracy is worse by 0.00"),
        (model(0.795), Outcome.PROMOTED, "accuracy is worse by 0.01"),
        (model(0.78), Outcome.KEPT, "accuracy may be worse by 0.0"),
        (model(0.85), Outcome.PROMOTED, "accuracy is better: found 0.05"),
        (model(0.86, lost=60), Outcome.KEPT, "accuracy may be worse by 0.02"),
    ],
)
def test_not_worse_is_beyond_noise(new: pa.Table, outcome: Outcome, reason: str) -> None:
    decision = decide(report(model(0.8), new), NOT_WORSE, BASE)
    assert decision.outcome is outcome
    assert decision.reason.startswith(reason)


def before(commit: str, old: pa.Table, new: pa.Table) -> OlderModel:
    """A champion of before, beside the challenger."""
    spec = PredictionsSpec(metrics={"accuracy": MetricSpec(column="correct", better="higher")})
    return OlderModel(commit, compare_metrics([old], [new], spec))


def test_what_is_not_worse_again_and_again_does_not_sink() -> None:
    """Each is within the margin of the one before; the best one so far holds them."""
    first = decide(report(model(0.9), model(0.895)), NOT_WORSE, BASE)
    assert (first.outcome, first.anchor) == (Outcome.PROMOTED, BASE)
    assert commit_message(first).endswith(f"\n\nReprise-Anchor: {BASE}")
    new = model(0.89)
    found = report(model(0.895), new, older=[before(ANCHOR, model(0.9), new)])
    second = decide(found, NOT_WORSE, BASE)
    assert (second.outcome, second.anchor) == (Outcome.PROMOTED, ANCHOR)
    new = model(0.885)
    found = report(model(0.89), new, older=[before(ANCHOR, model(0.9), new)])
    third = decide(found, NOT_WORSE, BASE)
    assert third.outcome is Outcome.KEPT
    assert third.reason.startswith(f"beside {'a' * 12}, the best champion so far: accuracy may be")
    new = model(0.95)
    found = report(model(0.89), new, older=[before(ANCHOR, model(0.9), new)])
    better = decide(found, NOT_WORSE, BASE)
    assert (better.outcome, better.anchor) == (Outcome.PROMOTED, None)
    assert "Reprise-Anchor" not in commit_message(better)


def test_the_best_of_the_champions_on_these_rows_holds() -> None:
    """It need not be the last one, nor the first."""
    new = model(0.885)
    champions = [("c" * 40, 0.88), (ANCHOR, 0.9), ("d" * 40, 0.89)]
    older = [before(commit, model(right), new) for commit, right in champions]
    kept = decide(report(model(0.885), new, older=older), NOT_WORSE, BASE)
    assert kept.reason.startswith(f"beside {'a' * 12}, the best champion so far: ")
    older = [before("c" * 40, model(0.88), new)]
    promoted = decide(report(model(0.89), new, older=older), NOT_WORSE, BASE)
    assert (promoted.outcome, promoted.anchor) == (Outcome.PROMOTED, BASE)


def test_the_best_champion_of_a_loss_has_the_lowest() -> None:
    new = model(0.2)
    spec = PredictionsSpec(metrics={"accuracy": MetricSpec(column="correct", better="lower")})
    older = [OlderModel(ANCHOR, compare_metrics([model(0.17)], [new], spec))]
    found = report(model(0.2), new, better=Direction.LOWER, older=older)
    decision = decide(found, NOT_WORSE, BASE)
    assert decision.reason.startswith(f"beside {'a' * 12}, the best champion so far: accuracy may")


@pytest.mark.parametrize(
    ("older", "why"),
    [
        (OlderModel(ANCHOR, None, "no column 'x'"), "no column 'x'"),
        (before(ANCHOR, model(0.8).slice(0, 5), model(0.8)), "accuracy: the test rows differ"),
    ],
)
def test_a_champion_of_before_without_results_is_named(older: OlderModel, why: str) -> None:
    expected = f"^{'a' * 12}, a champion of before, cannot be compared with the challenger: {why}"
    with pytest.raises(PipelineError, match=expected) as raised:
        decide(report(model(0.8), model(0.8), older=[older]), NOT_WORSE, BASE)
    assert "trailer `Reprise-Anchor: COMMIT`" in str(raised.value)


def test_nights_of_several_seeds_are_counted_as_nights() -> None:
    """Each night has two trainings of one recipe; their mean over nights is compared."""
    spec = PredictionsSpec(metrics={"accuracy": MetricSpec(column="correct", better="higher")})
    old = [model(0.8), model(0.8, lost=1)]
    nights = [[model(0.85), model(0.86)], [model(0.84), model(0.85)], [model(0.83), model(0.84)]]
    tonight, *earlier = nights
    alone = compare_metrics(old, tonight, spec)
    together = compare_with_mean(old, [*tonight, *earlier[0], *earlier[1]], spec)
    found = ComparedPredictions("p", alone, None, together=together)
    sides = RevisionLabel("main", None), RevisionLabel("new", None)
    decision = decide(Report(*sides, [found], [], [], [], [], [], []), Gate(), BASE)
    assert decision.outcome is Outcome.PROMOTED
    assert decision.nights == 3
    assert decision.together == pytest.approx(0.845 - 0.7995)
    assert decision.reason.endswith(", over 3 nights together too")


def test_a_champion_without_results_is_an_error() -> None:
    empty = Report(RevisionLabel("m", None), RevisionLabel("n", None), [], [], [], [], [], [], [])
    with pytest.raises(PipelineError, match=r"dvc\.yaml declares no predictions"):
        decide(empty, Gate(), BASE)
    with pytest.raises(PipelineError, match=r"cannot be compared .*: accuracy: .* paired"):
        decide(report(model(0.8).slice(0, 5), model(0.8).slice(0, 5)), Gate(), BASE)


def test_a_decision_of_before_can_be_read() -> None:
    old = Decision(outcome=Outcome.KEPT, reason="x", base=BASE).model_dump_json(exclude_none=True)
    assert Decision.model_validate_json(old).nights is None


def test_more_nights_than_are_remembered_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["retrain", "--nights", "31"])
    said = capsys.readouterr().err
    assert said.endswith("--nights: found '31'; expected a whole number from 1 to 30\n")


# End to end


@pytest.fixture
def made(tmp_path: Path, commands: str) -> Retrainable:
    return Retrainable(tmp_path, commands).create()


def test_nights_are_remembered(made: Retrainable) -> None:
    """A bad night, and a good one that does not make up for it."""
    made.source.write_text(rows(range(2)))
    assert made.retrain("--dry-run").splitlines()[-1] == "kept: accuracy is worse"
    made.source.write_text(rows(range(14)))
    said = "kept: accuracy is better tonight, but not over 2 nights together: worse"
    assert made.retrain("--dry-run").splitlines()[-1] == said


@pytest.mark.slow
def test_the_same_night_is_counted_once(made: Retrainable) -> None:
    made.source.write_text(rows(range(2)))
    made.retrain("--dry-run")
    made.source.write_text(rows(range(14)))
    said = made.retrain("--dry-run").splitlines()[-1]
    assert "over 2 nights together" in said
    assert made.retrain("--dry-run").splitlines()[-1] == said
    alone = made.retrain("--dry-run", "--nights", "1").splitlines()[-1]
    assert alone.startswith("promoted: accuracy is better: found 0.05, expected 0.0")


@pytest.mark.slow
def test_nights_on_other_rows_predict_tonights(made: Retrainable) -> None:
    """Earlier challengers are evaluated on rows that they had not; those of no model are left."""
    made.source.write_text(rows(range(30), range(20)))
    made.retrain("--dry-run", "--min-effect", "0.9")
    made.source.write_text(rows(range(32), range(20, 40)))
    said = made.retrain("--dry-run").splitlines()[-1]
    assert said.startswith("promoted: accuracy is better")
    assert said.endswith("over 2 nights together too")
    (clone,) = (path for path in (made.folder / "work").iterdir() if path.is_dir())
    shutil.rmtree(clone / ".dvc" / "cache")
    said = made.retrain("--dry-run")
    assert "an earlier model that is left out" not in said.splitlines()[-1]


def test_a_champion_that_knows_not_the_new_rows_fails_the_run(made: Retrainable) -> None:
    evaluate = made.checkout / "evaluate.py"
    evaluate.write_text(
        evaluate.read_text().replace(
            'model.get(r["x"], "0")', 'model[r["x"]] if r["x"] in model else exit("x " + r["x"])'
        )
    )
    made.source.write_text(rows(range(10), range(10)))
    made.run("dvc", "update", "-q", "rows.csv.dvc", cwd=made.checkout)
    made.run("dvc", "repro", "-q", cwd=made.checkout)
    made.publish("strict")
    made.source.write_text(rows(range(40)))
    said = made.retrain(code=1).splitlines()[-1]
    expected = "the champion cannot be compared with the challenger: "
    assert said.startswith(f"reprise: {expected}")
    assert said.endswith(": x 10")
    assert "with the old model" in said


@pytest.mark.parametrize(
    ("gate", "outcome"), [(Gate(), Outcome.KEPT), (NOT_WORSE, Outcome.PROMOTED)]
)
def test_a_challenger_with_the_same_predictions_is_neither_better_nor_worse(
    gate: Gate, outcome: Outcome
) -> None:
    found = report(model(0.8), model(0.8), same=True)
    decision = decide(found, gate, BASE)
    assert (decision.outcome, decision.reason) == (outcome, "accuracy: the same predictions")
    assert decision.verdict == "the same predictions"
    assert (decision.low, decision.p_value, decision.expected) == (None, None, None)
