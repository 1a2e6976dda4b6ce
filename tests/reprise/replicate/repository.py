"""Makes repositories whose trainings differ by their seed, to train again."""

from pathlib import Path

from tests.reprise.corpus import Made
from tests.reprise.review.repository import commit

NOISY = """
import csv, random, yaml
p = yaml.safe_load(open("params.yaml"))["train"]
seed = random.Random(f"{p['seed']} of {p['skill']}")
skill = p["skill"] + seed.uniform(-p["luck"], p["luck"])
with open("predictions.csv", "w", newline="") as f:
    w = csv.writer(f)
    w.writerow(["id", "correct"])
    for i in range(2000):
        dice = random.Random(f"{i} {p['seed']}")
        w.writerow([i, int(dice.random() < skill)])
"""
PIPELINE = """
stages:
  train:
    cmd: python work.py && cat data.csv > /dev/null
    deps: [work.py, data.csv]
    params: [train]
    meta: {reprise: {sandbox: true, replicates: {param: train.seed, base: 5, change: 4}}}
    outs:
      - predictions.csv:
          meta: {reprise: {predictions: {metrics: {accuracy: {column: correct, better: higher}}}}}
"""
PREDICTIONS = {"predictions": {"metrics": {"accuracy": {"column": "correct", "better": "higher"}}}}
BASE, CHANGE = 5, 4


def noisy(folder: Path, commands: str, luck: float = 0.01) -> Made:
    """Make a commit on main of a recipe whose trainings differ, and a branch to change it on."""
    files = {
        "dvc.yaml": PIPELINE,
        "work.py": NOISY,
        "params.yaml": f"train: {{skill: 0.7, luck: {luck}, seed: 1}}\n",
    }
    made = Made(folder, {"files": files}, commands).create()
    made.run("git", "checkout", "-qb", "main")
    (made.root / "data.csv").write_text("1\n")
    made.run("dvc", "add", "-q", "data.csv")
    made.run("dvc", "repro")
    commit(made, "first")
    made.run("git", "checkout", "-qb", "feature")
    return made


def edit_params(made: Made, old: str, new: str) -> None:
    """Edit params.yaml and run."""
    file = made.root / "params.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    made.run("dvc", "repro")


def first_line(report: str) -> str:
    return next(line for line in report.splitlines() if "**" in line)
