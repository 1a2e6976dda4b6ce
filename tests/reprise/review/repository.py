"""Makes a small DVC repository with predictions row by row, to review changes of."""

import shutil
from pathlib import Path

from tests.reprise.corpus import Made

WORK = """
import csv, json, random, yaml
p = yaml.safe_load(open("params.yaml"))["train"]
rows = [r for r in csv.DictReader(open("data.csv"))]
out, right = [], 0
for r in rows:
    dice = random.Random(r["id"] + p["salt"])
    correct = int(dice.random() < p["skill"])
    right += correct
    out.append([r["id"], r["y"], r["y"] if correct else "other", correct, \
round(0.1 + 2 * (1 - correct), 6)])
with open("predictions.csv", "w", newline="") as f:
    csv.writer(f).writerows([["id", "target", "prediction", "correct", "loss"], *out])
json.dump({"accuracy": right / len(rows), "rows": len(rows)}, open("metrics.json", "w"))
with open("history.csv", "w") as f:
    f.write("epoch,loss\\n" + \
"".join(f"{e},{p['skill'] / e}\\n" for e in range(1, p["epochs"] + 1)))
"""
PIPELINE = """
stages:
  prepare:
    cmd: python prepare.py
    deps: [prepare.py, raw.csv]
    outs: [data.csv: {meta: {reprise: {table: {id: id, target: y}}}}]
  train:
    cmd: python work.py
    deps: [work.py, data.csv]
    params: [train]
    outs:
      - history.csv
      - predictions.csv:
          meta:
            reprise:
              predictions:
                target: target
                prediction: prediction
                metrics: {accuracy: {column: correct, better: higher}, \
log_loss: {column: loss, better: lower}}
    metrics: [metrics.json: {cache: false}]
plots:
  - loss: {x: epoch, y: {history.csv: loss}}
"""
PARAMS = "train: {skill: 0.7, salt: a, epochs: 5}\n"


def rows(count: int, start: int = 0) -> str:
    return "id,x,y\n" + "".join(
        f"r{i},{i % 7},{'ab'[i % 2]}\n" for i in range(start, start + count)
    )


def repository(folder: Path, commands: str) -> Made:
    """Make one commit on main in which everything has run. raw.csv is in git."""
    files = {
        "dvc.yaml": PIPELINE,
        "params.yaml": PARAMS,
        "work.py": WORK,
        "prepare.py": "open('data.csv', 'w').write(open('raw.csv').read())\n",
        "raw.csv": rows(400),
    }
    made = Made(folder, {"files": files}, commands).create()
    return run_first(made)


def run_first(made: Made, *data: str) -> Made:
    """Commit on main what a first run leaves. data: paths that DVC is to track, without a stage."""
    made.run("git", "checkout", "-qb", "main")
    if data:
        made.run("dvc", "add", "-q", *data)
    made.run("dvc", "repro")
    commit(made, "first")
    return made


def branch_off(first: Made, folder: Path) -> Made:
    """Copy the repository, and begin the branch `feature` in the copy."""
    shutil.copytree(first.folder, folder, symlinks=True)
    copy = Made(folder, first.spec, first.path)
    copy.run("git", "checkout", "-qb", "feature")
    return copy


def commit(made: Made, message: str) -> None:
    made.run("git", "add", "-A")
    made.run("git", "commit", "-qm", message)


def change(made: Made, files: dict[str, str]) -> None:
    """Edit, run and commit."""
    made.edit(dict(files))
    made.run("dvc", "repro")
    commit(made, "change")


def with_remote(made: Made, folder: Path) -> None:
    """Add a remote, on main too: `dvc push` goes by each commit's own configuration."""
    made.run("dvc", "remote", "add", "-d", "store", str(folder / "store"))
    commit(made, "remote")
    made.run("git", "branch", "-f", "main")
