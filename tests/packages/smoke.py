"""Install the wheel into an empty environment, and run each command in a small DVC repository.

First without extras, where reports say what to install, then with the extra `review`.

python -m tests.packages.smoke [PYTHON]: prints packages and MB, beside DVC alone. It
takes packages from the index, in the versions of constraints.txt, and needs none to start.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DVC_YAML = """\
stages:
  square:
    cmd: python square.py
    deps: [square.py, numbers.csv]
    params: [offset]
    outs:
    - squares.csv:
        meta:
          reprise:
            predictions:
              metrics: {error: {column: error, better: lower}}
"""
SQUARE = """\
import csv
import re

offset = int(re.search(r"offset: (\\d+)", open("params.yaml").read())[1])
with open("numbers.csv") as source, open("squares.csv", "w", newline="") as target:
    rows = csv.writer(target)
    rows.writerow(["id", "error"])
    for row in csv.DictReader(source):
        rows.writerow([row["id"], float(row["number"]) ** 2 + offset])
"""
INSTALL = "pip install 'dvc-reprise[{}]'"
COMMANDS = [
    "check",
    "comment",
    "completion",
    "init",
    "plan",
    "publish",
    "replicate",
    "report",
    "retrain",
    "run",
    "verify",
]


class Environment:
    """A virtual environment in the folder."""

    def __init__(self, folder: Path, python: str) -> None:
        subprocess.run([python, "-m", "venv", folder], check=True)
        self.folder = folder

    def install(self, what: str) -> None:
        pip = [str(self.folder / "bin/python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), what], check=True)

    def run(self, root: Path, *command: str, status: int = 0) -> str:
        """Run a command in the repository; return what it printed."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": str(root.parent), "DVC_NO_ANALYTICS": "1"}
        done = subprocess.run(
            command,
            cwd=root,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == status, f"{' '.join(command)}: {done.returncode}\n{done.stdout}"
        assert "Traceback" not in done.stdout, done.stdout
        return done.stdout

    def size(self) -> tuple[int, int]:
        """Return the number of packages but pip's own, and their MB."""
        packages = list((self.folder / "lib").glob("*/site-packages/*.dist-info"))
        own = [package for package in packages if package.name.startswith(("pip-", "setuptools-"))]
        files = [path for path in (self.folder / "lib").rglob("*") if path.is_file()]
        counted = [path for path in files if not {"pip", "__pycache__"} & {*path.parts}]
        return len(packages) - len(own), sum(path.stat().st_size for path in counted) // 10**6


def make_repository(root: Path, environment: Environment) -> None:
    """Make a repository of one stage, committed to main."""
    root.mkdir()
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "square.py").write_text(SQUARE)
    (root / "params.yaml").write_text("offset: 1\n")
    rows = "".join(f"{i},{i / 100}\n" for i in range(100))
    (root / "numbers.csv").write_text(f"id,number\n{rows}")
    for command in (
        "git init --quiet --initial-branch main",
        "git config user.name a",
        "git config user.email a@example.org",
        "dvc init --quiet",
    ):
        environment.run(root, *command.split())


def run_without_extras(root: Path, environment: Environment) -> None:
    """Run what needs no extra, and see that the rest names the one that it needs."""
    assert environment.run(root, "reprise", "--version").startswith("reprise ")
    assert "square" in environment.run(root, "reprise", "plan", "--exit-code", status=2)
    environment.run(root, "reprise", "run")
    environment.run(root, "git", "add", "--all")
    environment.run(root, "git", "commit", "--quiet", "--message", "a state")
    assert "0 undeclared" in environment.run(root, "reprise", "check")
    assert "square: the same" in environment.run(root, "reprise", "verify")
    (root / "params.yaml").write_text("offset: 2\n")
    assert "offset 1 → 2" in environment.run(root, "reprise", "plan")
    environment.run(root, "reprise", "run")
    for command in COMMANDS:
        environment.run(root, "reprise", command, "--help")
    environment.run(root, "reprise", "init")
    prefect = environment.run(root, "reprise", "run", "--prefect", status=1)
    assert INSTALL.format("prefect") in prefect
    for arguments in (["report"], ["retrain", "--dry-run"]):
        said = environment.run(root, "reprise", *arguments, status=1)
        assert INSTALL.format("review") in said, said
    replicate = environment.run(root, "reprise", "replicate", status=1)
    assert "found no stage with replicates" in replicate, replicate
    publish = environment.run(root, "reprise", "publish", "x", status=1)
    assert "x/decision.json: No such file" in publish, publish


def run_reports(root: Path, environment: Environment) -> None:
    """Write the report of the param that the run above changed."""
    assert "**worse**" in environment.run(root, "reprise", "report")
    environment.run(root, "reprise", "report", "--out", "report.html")
    comment = ["reprise", "comment", "report.html", "--pull-request", "1"]
    assert "found neither GITHUB_REPOSITORY" in environment.run(root, *comment, status=1)


def copy_source(target: Path) -> Path:
    """Copy what git does not ignore, new files too.

    pip leaves `build/` where it builds, and takes old files from there.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, os.fsdecode(listing.stdout).split("\0")):
        if (ROOT / name).is_file():  # not one that was removed and not yet committed
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    return target


def main() -> None:
    """Print a line for each environment, and fail where a command does."""
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        alone = Environment(folder / "alone", python)
        alone.install("dvc")
        print("{} packages, {} MB: DVC alone".format(*alone.size()), flush=True)
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--quiet",
            "wheel",
            "--no-deps",
            "-w",
            str(folder),
            str(copy_source(folder / "source")),
        ]
        subprocess.run(pip, check=True)
        (wheel,) = folder.glob("dvc_reprise-*.whl")
        environment = Environment(folder / "environment", python)
        environment.install(str(wheel))
        print("{} packages, {} MB: with reprise".format(*environment.size()), flush=True)
        repository = folder / "repository"
        make_repository(repository, environment)
        run_without_extras(repository, environment)
        environment.install(f"{wheel}[review]")
        print("{} packages, {} MB: with review".format(*environment.size()), flush=True)
        run_reports(repository, environment)
        print("each command ran")


if __name__ == "__main__":
    main()
