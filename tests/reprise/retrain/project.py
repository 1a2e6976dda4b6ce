"""A project to retrain: a bare origin, a DVC remote, and data imported from a file that changes."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests import warm

SPLIT = """
import csv
rows = [*csv.DictReader(open("rows.csv"))]
if any(r["y"] not in "01" for r in rows):
    raise SystemExit("validate: y: 1 of %d rows unexpected; expected one of 0, 1" % len(rows))
for name in ("train", "test"):
    with open(name + ".csv", "w", newline="") as file:
        out = csv.DictWriter(file, ["id", "x", "y"])
        out.writeheader()
        out.writerows({k: r[k] for k in out.fieldnames} for r in rows if r["split"] == name)
"""
TRAIN = """
import collections, csv, json
seen = collections.defaultdict(collections.Counter)
for r in csv.DictReader(open("train.csv")):
    seen[r["x"]][r["y"]] += 1
json.dump({x: max(sorted(c), key=c.get) for x, c in sorted(seen.items())}, open("model.json", "w"))
"""
EVALUATE = """
import csv, json
model, out = json.load(open("model.json")), []
for r in csv.DictReader(open("test.csv")):
    y = model.get(r["x"], "0")
    out.append([r["id"], r["y"], y, int(y == r["y"])])
with open("predictions.csv", "w", newline="") as file:
    csv.writer(file).writerows([["id", "target", "prediction", "correct"], *out])
json.dump({"accuracy": sum(r[3] for r in out) / len(out)}, open("metrics.json", "w"))
"""
PIPELINE = """
stages:
  split:
    cmd: python split.py
    deps: [split.py, rows.csv]
    outs: [train.csv, test.csv]
  train:
    cmd: python train.py
    deps: [train.py, train.csv]
    outs: [model.json]
  evaluate:
    cmd: python evaluate.py
    deps: [evaluate.py, model.json, test.csv]
    outs:
      - predictions.csv:
          meta:
            reprise:
              predictions:
                model: [model.json]
                target: target
                prediction: prediction
                metrics: {accuracy: {column: correct, better: higher}}
    metrics: [metrics.json: {cache: false}]
"""


def rows(learnt: range, tested: range = range(40), copies: int = 10) -> str:
    """Write rows of y = x % 2. `learnt`, `tested`: the values of x in train and in test rows."""
    lines = [f"a{x}-{i},{x},{x % 2},train" for x in learnt for i in range(copies)]
    lines += [f"b{x}-{i},{x},{x % 2},test" for x in tested for i in range(copies)]
    return "\n".join(["id,x,y,split", *lines]) + "\n"


@dataclass
class Retrainable:
    """Holds the folder of origin.git, checkout, store (DVC's remote) and rows.csv (the source)."""

    folder: Path
    path: str  # PATH

    def create(self, store: str | None = None, **config: str) -> "Retrainable":
        """store: DVC's remote, a folder if None; config: of it."""
        self.source.write_text(rows(range(10)))
        self.run("git", "init", "-q", "--bare", "--initial-branch", "main", self.origin)
        self.run("git", "clone", "-q", self.origin, self.checkout)
        self.run("git", "checkout", "-qB", "main", cwd=self.checkout)
        files = {
            "split.py": SPLIT,
            "train.py": TRAIN,
            "evaluate.py": EVALUATE,
            "dvc.yaml": PIPELINE,
        }
        for name, text in files.items():
            (self.checkout / name).write_text(text)
        for key, value in (("user.name", "a"), ("user.email", "a@example.org")):
            self.run("git", "config", key, value, cwd=self.checkout)
        self.run("dvc", "init", "-q", cwd=self.checkout)
        self.run(
            "dvc", "remote", "add", "-q", "-d", "store", store or self.store, cwd=self.checkout
        )
        for key, value in config.items():
            self.run("dvc", "remote", "modify", "-q", "store", key, value, cwd=self.checkout)
        self.run("dvc", "import-url", "-q", self.source, "rows.csv", cwd=self.checkout)
        self.run("dvc", "repro", "-q", cwd=self.checkout)
        self.publish("first")
        return self

    def publish(self, message: str) -> None:
        """What the checkout has, to both remotes."""
        self.run("dvc", "push", "-q", cwd=self.checkout)
        self.publish_code(message)

    def publish_code(self, message: str) -> None:
        """Commit what the checkout has and push it to origin, with no data."""
        self.run("git", "add", "-A", cwd=self.checkout)
        self.run("git", "commit", "-qm", message, cwd=self.checkout)
        self.run("git", "push", "-q", "origin", "HEAD:main", cwd=self.checkout)

    @property
    def origin(self) -> Path:
        return self.folder / "origin.git"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    @property
    def source(self) -> Path:
        return self.folder / "rows.csv"

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "GITLAB_", "CI_"))
        }
        site = str(self.folder / "site")
        return {**kept, "PATH": self.path, "DVC_SITE_CACHE_DIR": site}

    def run(
        self,
        *command: str | Path,
        cwd: Path | None = None,
        code: int = 0,
        more: dict[str, str] | None = None,
    ) -> str:
        variables = {**self.environment, **(more or {})}
        output, status = warm.run(command, cwd or self.folder, variables, subprocess.STDOUT)
        assert status == code, output
        return output

    def retrain(
        self, *options: str | Path, code: int = 0, more: dict[str, str] | None = None
    ) -> str:
        command = ("reprise", "retrain", self.origin, "--workplace", self.folder / "work", *options)
        return self.run(*command, code=code, more=more)

    def branches(self) -> dict[str, str]:
        """Of the origin: name and commit."""
        lines = self.run(
            "git", "for-each-ref", "--format=%(refname:short) %(objectname)", cwd=self.origin
        ).splitlines()
        return dict(line.split() for line in lines)
