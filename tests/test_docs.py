"""README and docs are transcripts: each console block has a name, and a test of that name."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import BaseModel

from reprise.cli import make_parser
from reprise.dvc.settings import Replicates, Settings
from reprise.review.declared import CalibrationSpec, MetricSpec, PredictionsSpec, TableSpec
from tests.conftest import ROOT, YAML_, Project, copied, new_project
from tests.test_predict import own_csv
from website.reference import pages

PAGES = sorted(
    [
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "recipes").glob("*.md"),
        *ROOT.glob("*.md"),
    ]
)
BLOCK = re.compile(r"(?:<!-- console: ([\w-]+) -->\n)?```console\n(.*?)```", re.DOTALL)
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
# Blocks that no test of this file runs, and why.
NOT_RUN = {
    "ci": "posts to a forge: tests/reprise/forge has one",
    "init": "of a repository of its own: tests/reprise/init",
    "install": "takes packages from the network: `make smoke`",
    "recipes": "half an hour of training: tests/training/test_recipes.py",
    "replicates": "trains seven models: tests/reprise/replicate",
    "resume": "is killed at some moment: tests/training/test_kill_storm.py",
    "retrain": "pushes to a forge: tests/reprise/retrain",
    "serve": "goes on until Ctrl-C: tests/reprise/flows/server",
    "workers": "needs several machines: tests/reprise/flows/server",
}


class Block(NamedTuple):
    """A console block. commands: without the prompt and comments; shown: what they print."""

    page: Path
    name: str
    commands: list[str]
    shown: list[str]


def blocks() -> Iterator[Block]:
    for page in PAGES:
        for name, lines in BLOCK.findall(page.read_text(encoding="utf-8")):
            commands, shown = [], []
            for line in lines.splitlines():
                if line.startswith("$ "):
                    commands.append(re.sub(r"\s+# .*", "", line[2:]))
                else:
                    shown.append(line)
            yield Block(page, name, commands, shown)


BLOCKS = {block.name: block for block in blocks()}


def anonymous(lines: list[str]) -> list[str]:
    """Replace seconds, which differ from run to run."""
    return [re.sub(r"[\d.]+ s\b", "… s", line) for line in lines]


def assert_in_order(shown: list[str], output: str) -> None:
    """Each shown line is one of the output's, in their order."""
    assert shown
    assert [line for line in output.splitlines() if line in shown] == shown


def shell(project: Project, command: str, env: dict[str, str] | None = None) -> str:
    return project.run("sh", "-c", command, env=env)


# The blocks


def test_every_console_block_has_a_name_of_its_own() -> None:
    found = [block.name for block in blocks()]
    unnamed = [(block.page.name, block.commands[0]) for block in blocks() if not block.name]
    assert not unnamed, "put <!-- console: NAME --> before:"
    assert sorted(found) == sorted(set(found))


def test_every_block_is_run_by_the_test_of_its_name_or_says_why_not() -> None:
    run = {name for name in BLOCKS if f"test_block_{name.replace('-', '_')}" in globals()}
    assert run | NOT_RUN.keys() == BLOCKS.keys()
    assert not run & NOT_RUN.keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_transcript_is_a_console_block(page: Path) -> None:
    for fence in FENCE.findall(page.read_text(encoding="utf-8")):
        if not fence.startswith("```console"):
            assert not re.search(r"^\$ ", fence, re.MULTILINE), fence


@pytest.mark.parametrize("name", BLOCKS)
def test_every_shown_reprise_command_is_one_that_the_parser_takes(name: str) -> None:
    for command in BLOCKS[name].commands:
        for part in command.split(" && "):
            if part.startswith("reprise "):
                make_parser().parse_args(shlex.split(part)[1:])


def test_the_reasons_name_tests_that_are_there() -> None:
    for reason in NOT_RUN.values():
        for path in re.findall(r"tests/[\w/.]+", reason):
            assert (ROOT / path).exists(), path


class Trained(NamedTuple):
    """The project, trained as `make repro` does and committed to main, and what that printed."""

    project: Project
    output: str


@pytest.fixture(scope="module")
def trained(commands: str, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    project = new_project(tmp_path_factory.mktemp("docs"), commands)
    project.run("git", "checkout", "-qb", "main")
    recipe = re.search(r"^repro:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    output = "".join(shell(project, line.strip()) for line in recipe[1].splitlines())
    project.commit()
    return Trained(project, output)


trains = pytest.mark.xdist_group("docs")  # its fixture takes long


@trains
@pytest.mark.parametrize("name", ["repro", "tutorial-repro"])
def test_block_repro(name: str, trained: Trained) -> None:
    assert BLOCKS[name].commands[-1] == "make repro"
    assert_in_order(BLOCKS[name].shown, trained.output)


test_block_tutorial_repro = test_block_repro


@trains
def test_block_change(trained: Trained, tmp_path: Path) -> None:
    project = copied(trained.project, tmp_path)
    edit, plan, rerun = BLOCKS["change"].commands
    shell(project, edit)
    assert project.params != trained.project.params
    lines = shell(project, plan).splitlines()
    lines += [
        line for line in shell(project, rerun).splitlines() if line.startswith(("Stage", "Running"))
    ]
    assert lines == BLOCKS["change"].shown


@trains
def test_block_tutorial_change(trained: Trained, tmp_path: Path) -> None:
    project = copied(trained.project, tmp_path)
    edit, plan, run = BLOCKS["tutorial-change"].commands
    shell(project, edit)
    assert shell(project, plan).splitlines() == BLOCKS["tutorial-change"].shown
    shell(project, run)
    commit, *change, report = BLOCKS["tutorial-report"].commands
    for command in (commit, *change):
        shell(project, command)
    shown = BLOCKS["tutorial-report"].shown
    text = shell(project, f"{report} --format text", {"COLUMNS": "80"})  # as on a terminal
    assert text.splitlines()[: len(shown)] == shown


test_block_tutorial_report = test_block_tutorial_change  # which the other one goes on from


def test_block_report() -> None:
    """The tutorial's, without the commit before it."""
    tutorial = BLOCKS["tutorial-report"]
    assert BLOCKS["report"].commands == tutorial.commands[1:]
    assert BLOCKS["report"].shown == tutorial.shown


def test_block_report_better() -> None:
    """The report that is in git as a golden one."""
    golden = ROOT / "tests/reprise/review/golden/drifted_rows.txt"
    shown = BLOCKS["report-better"].shown
    assert golden.read_text(encoding="utf-8").splitlines()[: len(shown)] == shown


def test_block_plan(finished: Project, tmp_path: Path) -> None:
    project = copied(finished, tmp_path)
    project.run("reprise", "run", "-f", "evaluate", "-s")
    project.set({"evaluate.bins": 20})
    (command,) = BLOCKS["plan"].commands
    assert anonymous(shell(project, command).splitlines()) == anonymous(BLOCKS["plan"].shown)


def test_block_check(finished: Project, tmp_path: Path) -> None:
    (command,) = BLOCKS["check"].commands
    assert_in_order(BLOCKS["check"].shown, shell(copied(finished, tmp_path), command))


def test_block_own_data(finished: Project, tmp_path: Path) -> None:
    project = copied(finished, tmp_path / "project")
    shutil.copytree(ROOT / "recipes", project.root / "recipes")
    own_csv(tmp_path / "customers.csv", 200)
    own_data = re.search(r"^own-data:.*\n\t(.*)\n", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert own_data is not None
    for command in BLOCKS["own-data"].commands:
        if command == "dvc repro":
            project.set({"prepare.target": "bought", "prepare.task": "classification"})
            project.set({"train.epochs": 2})
        made = own_data[1] if command == "make own-data" else command
        shell(project, made, {"HOME": str(tmp_path)})
    assert "bought" in (project.root / "data/prepared/schema.json").read_text()
    assert (project.root / "data/evaluation/metrics.json").exists()


def test_block_predict(finished: Project, tmp_path: Path) -> None:
    project = copied(finished, tmp_path)
    names = [f"pixel_{number:02}" for number in range(64)]
    (project.root / "new.csv").write_text(",".join(names) + "\n" + ",".join(["0"] * 64) + "\n")
    (command,) = BLOCKS["predict"].commands
    shell(project, command)
    assert len((project.root / "predictions.csv").read_text().splitlines()) == 2


# Links


def slugs(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text)):
        if re.match(r"https?:|mailto:", link):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        if anchor:
            assert anchor in slugs(target.read_text(encoding="utf-8")), link


def test_every_page_is_linked_from_the_readme_or_from_a_page_that_is() -> None:
    reached, queue = set(), [ROOT / "README.md"]
    while queue:
        page = queue.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        for link in re.findall(r"\]\(([^)\s#]+)", page.read_text(encoding="utf-8")):
            target = (page.parent / link).resolve()
            if target.exists():
                queue.append(target)
    assert {page for page in PAGES if page.parent == ROOT / "docs"} <= reached


# Everything is in the docs


def test_every_make_target_is_in_the_docs_and_no_other() -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
    ).stdout
    targets = {line.split()[0] for line in listed.splitlines()}
    page = (ROOT / "docs" / "make.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)) == targets
    for page_ in PAGES:
        if page_.name != "CHANGELOG.md":
            text = page_.read_text(encoding="utf-8")
            assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets, page_.name


@pytest.mark.parametrize("name", ["cli.md", "params.md"])
def test_the_reference_is_what_the_code_says(name: str) -> None:
    """Commands, options and params keys: `make reference` writes the pages anew."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == pages()[name]


def test_the_params_page_has_every_key_of_the_file() -> None:
    page = pages()["params.md"]
    for section, keys in YAML_.load(ROOT / "params.yaml").items():
        for key in keys:
            assert f"| `{section}.{key}` |" in page


def rows(text: str, heading: str) -> set[str]:
    """Return the keys in the first column of the first table after the line."""
    table = text.partition(f"{heading}\n")[2].partition("\n\n")[0]
    return {key for line in table.splitlines() for key in re.findall(r"`(\w+)`", cell(line))}


def cell(line: str) -> str:
    return line.split("|")[1]


def names(kind: type) -> set[str]:
    if issubclass(kind, BaseModel):
        return set(kind.model_fields)
    assert is_dataclass(kind)
    return {field.name for field in fields(kind)}


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("| key | default | |\n|---|---|---|", Settings),
        ("`replicates` has three keys:\n\n| key | default | |", Replicates),
        ("| key of `predictions` | default | |", PredictionsSpec),
        ("| key of a metric | default | |", MetricSpec),
        ("| key of `calibration` | default | |", CalibrationSpec),
        ("| key of `table` | default | |", TableSpec),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_key_of_meta_reprise_is_in_the_docs(heading: str, kind: type) -> None:
    page = (ROOT / "docs" / "meta.md").read_text(encoding="utf-8")
    assert rows(page, heading) == names(kind)


def test_every_stage_has_a_heading(finished: Project) -> None:
    stages = list(YAML_.load(ROOT / "dvc.yaml")["stages"])
    page = (ROOT / "docs" / "stages.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (\w+)$", page, re.MULTILINE)
    assert headings == stages


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 110
    assert (ROOT / "docs" / "report.png").stat().st_size <= 200_000
