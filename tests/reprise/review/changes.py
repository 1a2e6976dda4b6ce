"""Makes one small repository, and on a branch of it each change that a golden report shows.

Its stage copies files that are in git, so that each change is a few edits and one quick run.
"""

import json
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.reprise.corpus import Made
from tests.reprise.review.repository import commit

METRICS = [f"m{n:02}" for n in range(1, 30)]
PIPELINE = """
stages:
  evaluate:
    cmd: cp in/* .
    deps: [in, raw]
    params: [rate, labels]
    outs:
      - train.csv: {meta: {reprise: {table: {id: id, target: y, split: train}}}}
      - history.csv
      - roc.csv
      - classes.csv: CLASSES
      - predictions.csv: {meta: {reprise: {predictions: {id: id, target: y, prediction: guess,
          metrics: {accuracy: {column: correct, better: higher, margin: 0.02},
                    log_loss: {column: loss, better: lower} MORE} SLICES}}}}
    metrics: [metrics.json: {cache: false}]
plots:
  - loss: {x: epoch, y: {history.csv: loss}}
  - roc.csv: {template: classes, x: fpr, y: tpr, title: ROC}
"""
CLASSES = "{meta: {reprise: {predictions: {target: y, prediction: guess, metrics: {accuracy: \
{column: correct, better: higher}}}}}}"
TEMPLATE = {
    "mark": "line",
    "data": {"values": "<DVC_METRIC_DATA>"},
    "encoding": {
        "x": {"field": "<DVC_METRIC_X>"},
        "y": {"field": "<DVC_METRIC_Y>"},
        "color": {"field": "class"},
    },
}
OTHER = {"cat": "dog", "dog": "cat"}
Row = dict[str, Any]


def pipeline(*, metrics: bool = False, slices: bool = False, classes: bool = False) -> str:
    """Write dvc.yaml; what else it declares than accuracy and log_loss of predictions.csv."""
    more = [f"{name}: {{column: {name}, better: higher}}" for name in METRICS if metrics]
    text = PIPELINE.replace(" MORE", "".join(f", {line}" for line in more))
    text = text.replace(" SLICES", ", slices: [region]" if slices else "")
    return text.replace("CLASSES", CLASSES if classes else "{}")


def csv(rows: Iterable[Row]) -> str:
    listed = list(rows)
    lines = [",".join(listed[0]), *(",".join(map(str, row.values())) for row in listed)]
    return "\n".join(lines) + "\n"


def predictions(
    skill: Callable[[Row], float] = lambda row: 0.8,
    relabelled: int = 0,
    shift: Callable[[str], float] = lambda metric: 0.0,
) -> str:
    """Write 300 test rows.

    skill: the chance that a row is right; relabelled: how many rows have the other label; shift: of
    a metric's values.
    """
    return csv(_predictions(skill, relabelled, shift))


def _predictions(
    skill: Callable[[Row], float], relabelled: int, shift: Callable[[str], float]
) -> Iterator[Row]:
    dice = random.Random(0)
    for n in range(300):
        row: Row = {"id": f"t{n}", "y": "cat" if n % 3 else "dog"}
        row["region"] = ("north", "south", "east")[n % 7 % 3]
        luck = dice.random()
        is_right = luck < skill(row)
        if n < relabelled:
            row["y"] = OTHER[row["y"]]
            is_right = not is_right
        row["guess"] = row["y"] if is_right else OTHER[row["y"]]
        row["correct"] = int(is_right)
        row["loss"] = round(0.1 + 0.2 * luck if is_right else 1 + luck, 4)
        noise = {name: dice.gauss(0, 1) for name in METRICS}
        yield row | {name: round(noise[name] + shift(name), 4) for name in METRICS}


def classes(mistaken: Callable[[int, int], bool]) -> str:
    """Write 40 rows of each of 10 classes, and 4 of each of 190 more, which are too few to judge.

    mistaken: tells whether a class's n-th row is.
    """
    rows = []
    for label in range(200):
        for turn in range(40 if label < 10 else 4):
            guess = (label + 1) % 200 if mistaken(label, turn) else label
            row = {"id": f"{label}-{turn}", "y": f"c{label}", "guess": f"c{guess}"}
            rows.append({**row, "correct": int(guess == label)})
    return csv(rows)


def train(count: int = 400, added: int = 0, relabelled: int = 0) -> str:
    """Write rows of training data. added: how many more there are, whose income is 1.65 times."""
    dice = random.Random(1)
    rows = []
    for n in range(count + added):
        income = round(dice.gauss(30, 5) * (1 if n < count else 1.65), 2)
        label = dice.random() < 0.4
        if n < relabelled:
            label = not label
        day = f"2025-{1 + n // 60:02}-{1 + n % 28:02}"
        row = {"id": f"r{n}", "day": day, "income": income, "city": "ABC"[n % 3], "y": int(label)}
        rows.append(row)
    return csv(rows)


def raw(start: int, count: int, factor: float = 1) -> str:
    rows = []
    for n in range(count):
        rows.append({"key": n + start, "size": round(n % 17 * factor, 2), "kind": "xyz"[n % 3]})
    return csv(rows)


def history(last: float) -> str:
    return csv({"epoch": n, "loss": round(last + 1 / n, 4)} for n in range(1, 9))


def roc(bend: float) -> str:
    rows = []
    for name in OTHER:
        for fpr in (0, 0.1, 0.3, 1):
            rows.append({"class": name, "fpr": fpr, "tpr": round(fpr**bend, 4)})
    return csv(rows)


def metrics(accuracy: float) -> str:
    return json.dumps({"accuracy": accuracy, "ece": round(1 - accuracy, 3), "rows": 300})


def first(folder: Path, commands: str) -> Made:
    """Make one commit on main in which everything has run."""
    files = {
        "dvc.yaml": pipeline(),
        "params.yaml": "rate: 0.1\nlabels: [cat, dog]\n",
        ".dvc/plots/classes.json": json.dumps(TEMPLATE),
        "in/predictions.csv": predictions(),
        "in/classes.csv": classes(lambda label, turn: turn % 4 == 0),
        "in/train.csv": train(),
        "in/history.csv": history(0.3),
        "in/roc.csv": roc(0.3),
        "in/metrics.json": metrics(0.8),
        "raw/a.csv": raw(0, 150),
        "raw/b.csv": raw(150, 150),
        "extra/old.csv": raw(0, 40),
        "extra/notes.txt": "of last year\n",
    }
    made = Made(folder, {"files": files}, commands).create()
    made.run("git", "checkout", "-qb", "main")
    made.run("git", "remote", "add", "origin", "https://github.com/me/digits.git")
    made.run("dvc", "add", "-q", "raw", "extra")
    made.run("dvc", "repro", "-q")
    commit(made, "first")
    return made


Files = dict[str, str | None]


def worse_in_the_north(row: Row) -> float:
    return 0.45 if row["region"] == "north" else 0.85


def moved(metric: str) -> float:
    """Every fourth metric is worse, every ninth better."""
    number = int(metric[1:])
    if number % 4 == 0:
        return -0.5
    return 0.4 if number % 9 == 0 else 0.0


CHANGES: dict[str, Files] = {
    "drifted_rows": {
        "in/train.csv": train(added=80),
        "in/predictions.csv": predictions(lambda _: 0.82),
    },
    "relabelled_rows": {
        "in/predictions.csv": predictions(lambda _: 0.9, relabelled=12),
        "in/train.csv": train(relabelled=15),
        "params.yaml": "rate: 0.1\nlabels: [cat, dog, maybe]\n",
    },
    "thirty_metrics": {
        "dvc.yaml": pipeline(metrics=True),
        "in/predictions.csv": predictions(shift=moved),
        "params.yaml": "rate: 0.05\nlabels: [cat, dog]\n",
    },
    "many_classes": {
        "dvc.yaml": pipeline(classes=True),
        "in/classes.csv": classes(lambda label, turn: turn % 4 == 0 or label in (7, 8, 9)),
    },
    "slices": {
        "dvc.yaml": pipeline(slices=True),
        "in/predictions.csv": predictions(worse_in_the_north),
        "in/history.csv": history(0.2),
        "in/roc.csv": roc(0.2),
        "in/metrics.json": metrics(0.72),
        "params.yaml": "rate: 0.2\nlabels: [cat, dog]\n",
    },
    # the last one: the others begin with the folder as it was
    "changed_folder": {"raw/b.csv": raw(150, 150, 3), "raw/c.csv": raw(300, 60)},
}


def apply(made: Made, name: str) -> None:
    """Make the change on a branch of its own, run, and commit."""
    made.run("git", "checkout", "-q", "-b", name, "main")
    made.edit({**CHANGES[name]})
    if name == "changed_folder":
        made.run("dvc", "add", "-q", "raw")
    made.run("dvc", "repro", "-q")
    commit(made, name)


def without_folder(made: Made) -> None:
    """Remove a tracked folder on a branch of its own, and commit."""
    made.run("git", "checkout", "-q", "-b", "removed_folder", "main")
    made.run("dvc", "remove", "-q", "extra.dvc")
    shutil.rmtree(made.root / "extra")
    commit(made, "remove")


def stale(made: Made) -> None:
    """Leave a working tree on main whose params were edited and whose stage has not run since."""
    made.run("git", "checkout", "-q", "-b", "stale_workspace", "main")
    made.run("dvc", "checkout", "-q")
    made.edit({"params.yaml": "rate: 0.5\nlabels: [cat, dog]\n"})
