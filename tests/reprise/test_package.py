"""The installed tool lives beside whatever packages a user has."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from reprise.cli import REVIEW
from tests.conftest import ROOT
from tests.reprise.corpus import Made
from tests.reprise.without_review import WITHOUT_REVIEW

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
STAGES = "stages:\n  copy:\n    cmd: cp a.txt b.txt\n    deps: [a.txt]\n    outs: [b.txt]\n"


def test_a_repository_may_have_a_package_named_pipeline(commands: str, tmp_path: Path) -> None:
    files = {"dvc.yaml": STAGES, "a.txt": "1\n"}
    files |= {"pipeline/__init__.py": "raise SystemExit('a user s own package')\n"}
    made = Made(tmp_path, {"files": files}, commands).create()
    command = [sys.executable, "-m", "reprise.cli", "plan"]
    env = {**os.environ, "PYTHONPATH": "."}
    done = subprocess.run(command, cwd=made.root, env=env, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "copy" in done.stdout


@pytest.mark.slow
def test_a_wheel_holds_the_tool_and_nothing_of_the_project(tmp_path: Path) -> None:
    """Installed beside a user's package pipeline with its own errors.py, both import."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("dvc_reprise-*.whl")
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True)
    assert {path.name for path in site.iterdir()} >= {"reprise"}
    assert not (site / "pipeline").exists()
    assert not (site / "src").exists()
    (site / "pipeline").mkdir()
    (site / "pipeline" / "__init__.py").write_text("")
    (site / "pipeline" / "errors.py").write_text("OWN = True\n")
    code = "import pipeline.errors, reprise.cli; print(pipeline.errors.OWN, reprise.cli.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout.split() == ["True", str(site / "reprise" / "cli.py")]


def test_the_pinned_packages_take_the_first_python_3_11() -> None:
    """Debian 12 has 3.11.2, in which pip refuses what wants 3.11.5."""
    pinned = set()
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            pinned.add(canonicalize_name(line.partition("==")[0]))
    assert "dvc" in pinned
    wanting = []
    for package in distributions():
        if canonicalize_name(package.name) not in pinned:
            continue
        if "Requires-Python" not in package.metadata:
            continue
        wants = package.metadata["Requires-Python"]
        if not SpecifierSet(wants).contains("3.11.0"):
            wanting.append(f"{package.name} {package.version} wants {wants}")
    assert wanting == []


def test_what_a_missing_extra_asks_for_can_be_installed() -> None:
    """A message that says `pip install 'dvc-reprise[x]'` names an extra that is there."""
    assert PROJECT["project"]["name"] == "dvc-reprise"
    extras = PROJECT["project"]["optional-dependencies"]
    assert {"review", "train", "prefect", "dask", "dev"} <= extras.keys()
    assert set(REVIEW) == {package.partition(">=")[0] for package in extras["review"]}


@pytest.mark.parametrize("command", ["plan", "run", "check", "verify", "init", "completion"])
def test_what_computes_no_report_runs_without_its_packages(
    command: str, commands: str, tmp_path: Path
) -> None:
    made = Made(tmp_path, {"files": {"dvc.yaml": STAGES, "a.txt": "1\n"}}, commands).create()
    made.run("reprise", "run")
    made.run("git", "add", "-A")
    made.run("git", "commit", "-qm", "all")
    made.run(sys.executable, "-c", WITHOUT_REVIEW, *command.split())


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        ("publish x", "x/decision.json: "),  # in CI beside a token that may write
        ("replicate", "the working tree: found no stage with replicates"),
    ],
)
def test_what_trains_or_pushes_runs_without_its_packages(
    command: str, refusal: str, commands: str, tmp_path: Path
) -> None:
    made = Made(tmp_path, {"files": {"dvc.yaml": STAGES, "a.txt": "1\n"}}, commands).create()
    said = made.run(sys.executable, "-c", WITHOUT_REVIEW, *command.split(), code=1)
    assert said.startswith(f"reprise: {refusal}"), said


@pytest.mark.parametrize("command", ["report", "retrain --dry-run --nights 1"])
def test_what_computes_a_report_names_the_extra(
    command: str, commands: str, tmp_path: Path
) -> None:
    made = Made(tmp_path, {"files": {"dvc.yaml": STAGES, "a.txt": "1\n"}}, commands).create()
    said = made.run(sys.executable, "-c", WITHOUT_REVIEW, *command.split(), code=1)
    name = command.partition(" ")[0]
    assert re.fullmatch(
        rf"reprise: {name}: found no \w+; expected: pip install 'dvc-reprise\[review\]'\n", said
    )
