"""Runs `reprise report` on a small repository, as a reviewer does, and compares whole texts."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options

from reprise.cli import main
from tests.conftest import made_once, one_in
from tests.reprise.corpus import Made
from tests.reprise.review.repository import (
    PARAMS,
    PIPELINE,
    change,
    commit,
    repository,
    rows,
    with_remote,
)
from tests.reprise.review.terminal import shown_on_terminal, without_colours
from tests.reprise.stand_in import TOKEN, StandIn

GOLDEN = Path(__file__).parent / "golden"
NEW_PARAMS = "train: {skill: 0.8, salt: b, epochs: 6}\n"
NEW_DATA = rows(450).replace("r7,0", "r7,6")
CHANGES = {
    "params": {"params.yaml": NEW_PARAMS},
    "data": {"raw.csv": NEW_DATA},
    "both": {"params.yaml": NEW_PARAMS, "raw.csv": NEW_DATA},
}


@pytest.fixture(scope="module")
def first(commands: str, shared_folder: Path) -> Iterator[Made]:
    """One commit on main, the same on every machine and day; all workers have the same one."""
    with pytest.MonkeyPatch.context() as patch:
        for key in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
            patch.setenv(key, "2026-01-01T00:00:00Z")
        folder = made_once(shared_folder / "review", lambda path: repository(path, commands))
        yield Made(folder, {}, commands)


@pytest.fixture
def made(first: Made, tmp_path: Path) -> Made:
    """A branch of it, to change."""
    shutil.copytree(first.root, tmp_path / "repo", symlinks=True)
    copy = Made(tmp_path, first.spec, first.path)
    copy.run("git", "checkout", "-qb", "feature")
    return copy


def report(made: Made, *arguments: str, code: int = 0) -> str:
    return made.run("reprise", "report", *arguments, code=code)


def cloned(made: Made, folder: Path, *options: str) -> Made:
    made.run("git", "clone", "-q", *options, f"file://{made.root}", folder / "clone" / "repo")
    return Made(folder / "clone", made.spec, made.path)


@pytest.mark.parametrize("name", one_in(2, CHANGES))
def test_the_whole_report(name: str, made: Made) -> None:
    """Compare with golden texts. After a wanted change, write them anew and read the difference."""
    change(made, CHANGES[name])
    for ending in ("md", "json"):
        text = report(made, "main", "feature", "--format", ending)
        assert text == (GOLDEN / f"{name}.{ending}").read_text()
        assert str(made.root) not in text


BEGINS = {"text": "accuracy 0.7 → ", "md": "<!-- reprise", "json": "{", "html": "<!doctype html>"}


def test_the_format_is_that_of_the_files_name(made: Made) -> None:
    change(made, {"params.yaml": NEW_PARAMS})
    chosen = {"a.html": "html", "a.json": "json", "a.md": "md", "a.txt": "text", "A.HTML": "html"}
    chosen |= {"a.log": "md", "html": "md"}
    for file, form in chosen.items():
        assert report(made, "main", "--out", file) == ""
        assert (made.root / file).read_text().startswith(BEGINS[form]), file
    report(made, "main", "--out", "a.json", "--format", "text")
    written = (made.root / "a.json").read_text()
    assert written.startswith(BEGINS["text"])
    assert max(map(len, written.splitlines())) <= 80  # whatever the terminal
    assert report(made, "main").startswith(BEGINS["md"])  # on a pipe


def test_a_terminal_shows_text(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    change(made, {"params.yaml": NEW_PARAMS})
    monkeypatch.chdir(made.root)
    monkeypatch.delenv("NO_COLOR", raising=False)

    def command() -> None:
        with pytest.raises(SystemExit) as ended:
            main(["report", "main"])
        assert ended.value.code == 0

    shown = shown_on_terminal(command, 90, monkeypatch)
    assert shown.startswith("\x1b[1;32maccuracy 0.7 → ")
    assert max(map(len, without_colours(shown).splitlines())) <= 90


def test_the_headline(made: Made) -> None:
    change(made, {"params.yaml": PARAMS.replace("salt: a", "salt: c")})
    second = report(made, "main").splitlines()[1]
    found = re.fullmatch(
        r"\*\*accuracy 0\.7 → ([\d.]+): no detectable difference\*\* "
        r"\(([+−][\d.]+) pp, 95 % CI ([+−][\d.]+) to ([+−][\d.]+), 400 rows paired, "
        r"smallest difference this test set could show: ([\d.]+) pp\)",
        second,
    )
    assert found, second
    new, difference, low, high, reach = (float(g.replace("−", "-")) for g in found.groups())
    assert difference == pytest.approx(100 * (new - 0.7), abs=0.051)
    assert low < difference < high
    assert reach > 0


BASELINES = """
json.dump({"accuracy": 0.7, "log_loss": 0.1, "simple": {"line": {"accuracy": 0.7, "log_loss": 0.2},
    "mean": {"accuracy": 0.5, "log_loss": None}}}, open("metrics.json", "w"))
"""


def test_the_primary_metric_and_its_baselines_are_those_declared(made: Made) -> None:
    """The key's value comes from params.yaml: an edit there changes which metric decides."""
    declared = "predictions:\n                primary: ${judge}\n                baselines: simple"
    files = {
        "dvc.yaml": PIPELINE.replace("predictions:\n", f"{declared}\n"),
        "work.py": (made.root / "work.py").read_text() + BASELINES,
    }
    change(made, {**files, "params.yaml": NEW_PARAMS + "judge: log_loss\n"})
    lines = report(made, "main").splitlines()
    assert lines[1].startswith("**log_loss 0.7 → ")
    assert not [line for line in lines if "does not beat" in line]
    change(made, {"params.yaml": NEW_PARAMS + "judge: accuracy\n"})
    lines = report(made, "main").splitlines()
    assert lines[1].startswith("**accuracy 0.7 → ")
    assert lines[3] == "**accuracy 0.7 does not beat `simple.line` (0.7)**"
    found = json.loads(report(made, "main", "--format", "json"))["baselines"]
    assert [(entry["name"], entry["beaten"]) for entry in found] == [
        ("simple.line", False),
        ("simple.mean", True),
    ]
    change(made, {"dvc.yaml": files["dvc.yaml"].replace("simple", "elsewhere")})
    note = "- no metrics file has accuracy and `elsewhere.*.accuracy`, its baseline"
    assert note in report(made, "main").splitlines()


def test_a_primary_metric_that_is_not_declared_is_one_line(made: Made) -> None:
    text = PIPELINE.replace("predictions:\n", "predictions:\n                primary: auc\n")
    (made.root / "dvc.yaml").write_text(text)
    (line,) = report(made, "main", code=1).splitlines()
    assert line.endswith(
        "meta.reprise.predictions.primary: found 'auc'; "
        "expected one of its metrics: accuracy, log_loss"
    )


def test_rows_that_do_not_pair_are_compared_plainly(made: Made) -> None:
    change(made, {"raw.csv": rows(400, start=60), "params.yaml": PARAMS.replace("0.7", "0.9")})
    text = report(made, "main")
    assert (
        "340 rows are in both test sets and were paired; "
        "60 are in the old one only, 60 in the new one only." in text
    )
    assert re.search(
        r"Of rows that did not pair, accuracy is 0\.\d+ → 0\.\d+ "
        r"\(95 % interval [+−][\d.]+ to [+−][\d.]+ pp\)\.",
        text,
    )


def test_worse_fails_only_when_asked(made: Made) -> None:
    change(made, {"params.yaml": PARAMS.replace("0.7", "0.3")})
    said = report(made, "main")
    assert "this model is worse on these rows; 1 of 1 others worse: log_loss; " in said
    report(made, "main", "--fail-on", "worse", code=1)
    report(made, "main", "--fail-on", "worse", "--metric", "log_loss", code=1)
    said = report(made, "main", "--fail-on", "worse", "--metric", "auc", "--out", "r.md", code=1)
    assert said == "reprise: --metric: found 'auc'; expected one of accuracy, log_loss\n"
    said = report(made, "main", "--metric", "log_loss", code=1)
    assert said == "reprise: --metric: found no --fail-on; expected it, to say what fails\n"


def test_a_gate_that_could_not_judge_says_so(made: Made) -> None:
    change(made, {"params.yaml": PARAMS.replace("0.7", "0.3")})
    shutil.rmtree(made.root / ".dvc" / "cache")
    said = report(made, "main", "feature", "--fail-on", "worse", "--out", "report.md")
    assert said == "reprise: --fail-on worse: found no verdict to go by; see the report's notes\n"


def test_no_verdict_fails_where_that_was_asked_for(made: Made) -> None:
    change(made, {"params.yaml": PARAMS.replace("0.7", "0.3")})
    shutil.rmtree(made.root / ".dvc" / "cache")
    report(made, "main", "feature", "--fail-on", "no-verdict", code=1)


def test_the_same_predictions_are_a_verdict_that_fails_nothing(made: Made) -> None:
    change(made, {"params.yaml": PARAMS.replace("epochs: 5", "epochs: 6")})
    said = report(made, "main", "--fail-on", "no-verdict", "--format", "md")
    assert "**accuracy 0.7 → 0.7: the same predictions** (400 rows paired)" in said
    assert "95 % CI" not in said
    report(made, "main", "--fail-on", "worse", "--metric", "log_loss")


def test_outs_that_are_not_what_dvc_recorded_are_told(made: Made) -> None:
    (made.root / "predictions.csv").unlink()
    shutil.copy(made.root / "data.csv", made.root / "predictions.csv")
    text = report(made)
    assert "`predictions.csv` is not what DVC recorded" in text
    assert text.splitlines()[1].startswith(
        "**The working tree is not what `dvc.lock` and the `.dvc` files say: `predictions.csv`**: "
        "dvc checkout mends it. **accuracy 0.7 → "
    )
    page = report(made, "--format", "html")
    assert "<bdi>dvc checkout</bdi></code> mends it." in page


def test_better_does_not_fail(made: Made) -> None:
    change(made, {"params.yaml": PARAMS.replace("0.7", "0.95")})
    assert "this model is better on these rows**" in report(made, "main", "--fail-on", "worse")


def test_the_names_in_the_header_are_those_of_the_numbers(made: Made) -> None:
    """Two names are these two; three dots, and the working tree, leave out what main did."""
    change(made, {"params.yaml": PARAMS.replace("salt: a", "salt: b")})
    made.run("git", "checkout", "-q", "main")
    left = made.run("git", "rev-parse", "main").strip()[:7]
    made.run("dvc", "checkout", "-q")
    change(made, {"params.yaml": PARAMS.replace("epochs: 5", "epochs: 9")})
    main, feature = (made.run("git", "rev-parse", name).strip()[:7] for name in ("main", "feature"))
    base = f"merge base of {{}} and {{}} ({left})"

    text = report(made, "main", "feature")
    assert header(text) == f"feature ({feature}) against main ({main})"
    assert "`train.salt`" in text
    assert "| `train.epochs` | 9 | 5 |" in text

    text = report(made, "main...feature")
    assert header(text) == f"feature ({feature}) against {base.format('main', 'feature')}"
    assert "`train.salt`" in text
    assert "epochs" not in text

    text = report(made, "feature")
    assert header(text) == f"the working tree against {base.format('feature', 'HEAD')}"
    assert "salt" not in text
    assert "| `train.epochs` | 5 | 9 |" in text


def header(text: str) -> str:
    (line,) = (line for line in text.splitlines() if " against " in line)
    return line.replace("`", "")


def test_a_working_tree_that_has_not_run_is_said_to_be_stale(made: Made) -> None:
    made.edit({"params.yaml": NEW_PARAMS})
    text = report(made)
    assert text.splitlines()[1].startswith(
        "**The working tree is stale: something changed since train ran**: "
        "reprise run mends it. **accuracy 0.7 → "
    )
    assert "stage train has not run since" in text
    assert "train.salt" in text


def seconds(made: Made, *revisions: str) -> Any:
    """Return the seconds of the stage train, as the report of these revisions has it."""
    stages = json.loads(report(made, *revisions, "--format", "json"))["stages"]
    (train,) = (stage for stage in stages if stage["name"] == "train")
    return train["seconds"]


def test_times_are_those_of_the_run_that_was_recorded(made: Made) -> None:
    """A run of the same stage with other params, or that `dvc repro` did, is another one."""
    work = "import time; time.sleep(SLEEP)\n" + (made.root / "work.py").read_text()
    made.edit({"params.yaml": NEW_PARAMS, "work.py": work.replace("SLEEP", "0.6")})
    made.run("reprise", "run")
    commit(made, "slow")
    slow = seconds(made, "main")
    assert slow > 0.6
    made.edit({"work.py": work.replace("SLEEP", "0")})
    made.run("reprise", "run")
    assert seconds(made, "main") not in (slow, None)
    assert seconds(made, "main", "HEAD") == slow
    made.run("git", "checkout", "-q", ".")  # dvc.lock says the slow run, which is in the run-cache
    made.run("dvc", "checkout", "-q")
    made.run("reprise", "run")
    assert seconds(made, "main") == slow
    change(made, {"params.yaml": PARAMS.replace("0.7", "0.2")})  # by `dvc repro`
    assert seconds(made, "main") is None
    assert "| train | `train.skill`, `work.py` | – |" in report(made, "main")


def test_what_the_cache_lacks_is_pulled(made: Made, tmp_path: Path) -> None:
    """Pull a folder's listing first, no more if it names no table, and nothing of a new table."""
    with_remote(made, tmp_path)
    work = "import os; os.makedirs('model'); open('model/weights.bin', 'w').write('w' * 10)\n"
    work += "open('more.csv', 'w').write('x')\n"
    outs = {
        "dvc.yaml": PIPELINE.replace(
            "- history.csv", "- history.csv\n      - model\n      - more.csv"
        )
    }
    change(
        made,
        {"params.yaml": NEW_PARAMS, "work.py": work + (made.root / "work.py").read_text(), **outs},
    )
    made.run("dvc", "push", "-q", "--all-commits")
    whole = report(made, "main")
    shutil.rmtree(made.root / ".dvc" / "cache")
    shutil.rmtree(made.root / "model")
    for name in ("predictions.csv", "data.csv", "history.csv", "more.csv"):
        (made.root / name).unlink()
    assert report(made, "main") == whole
    assert "| more.csv | added |" in whole.replace("`", "")
    for unread in (b"w" * 10, b"x"):
        digest = hashlib.md5(unread).hexdigest()
        place = Path("files", "md5", digest[:2], digest[2:])
        assert (tmp_path / "store" / place).exists()
        assert not (made.root / ".dvc" / "cache" / place).exists()


def test_what_nothing_has_is_named(made: Made) -> None:
    change(made, {"params.yaml": NEW_PARAMS})
    shutil.rmtree(made.root / ".dvc" / "cache")
    text = report(made, "main", "feature")
    assert "`predictions.csv`: not compared row by row" in text
    assert "**accuracy 0.7 → " in text
    assert "can't be told apart" in text


def test_no_predictions_declared(made: Made) -> None:
    """Plain differences, and the report says that they are."""
    plain = re.sub(
        r"meta:\s+reprise:\s+predictions:.*?\n {4}metrics:",
        "persist: false\n    metrics:",
        PIPELINE,
        flags=re.S,
    )
    assert "predictions:" not in plain
    made.edit({"dvc.yaml": plain})
    commit(made, "plain")
    made.run("git", "branch", "-f", "main")
    change(made, {"params.yaml": NEW_PARAMS})
    text = report(made, "main")
    assert (
        "no results a row on both sides, so noise and real change can't be told apart"
        in text.splitlines()[1]
    )
    assert "| accuracy | 0.7 | " in text


def test_a_metric_on_one_side_only(made: Made) -> None:
    work = (
        (made.root / "work.py")
        .read_text()
        .replace('"rows": len(rows)', '"f1": 0.5, "nan": float("nan")')
    )
    change(made, {"work.py": work})
    text = report(made, "main")
    assert "| f1 | – | 0.5 | – |" in text
    assert "| rows | 400 | – | – |" in text
    assert "| nan | – | nan | – |" in text
    assert json.loads(report(made, "main", "--format", "json"))


def test_nan_in_a_column_leaves_no_verdict(made: Made) -> None:
    work = (
        (made.root / "work.py")
        .read_text()
        .replace("round(0.1 + 2 * (1 - correct), 6)", '"nan" if not out else 0.5')
    )
    change(made, {"work.py": work})
    text = report(made, "main")
    assert "**no verdict**" in text
    assert "not finite in 1 of 400" in text
    assert "**accuracy 0.7 → 0.7: no detectable difference**" in text


def test_before_the_first_commit(commands: str, tmp_path: Path) -> None:
    made = repository(tmp_path, commands)
    shutil.rmtree(made.root / ".git")
    made.run("git", "init", "-q")
    text = report(made)
    assert "can't be told apart" in text.splitlines()[1]
    assert "| accuracy | – | 0.7 | – |" in text


def test_a_base_without_a_pipeline(made: Made) -> None:
    made.run("git", "checkout", "-q", "--orphan", "empty")
    made.run("git", "rm", "-rqf", "--cached", ".")
    (made.root / "README").write_text("hello\n")
    made.run("git", "add", "README")
    made.run("git", "commit", "-qm", "start")
    made.run("git", "branch", "start")
    commit(made, "all")
    text = report(made, "start")
    assert "| accuracy | – | 0.7 | – |" in text
    assert "| train | added |" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["nowhere"],
            "reprise: nowhere: found no such revision; expected a branch, tag or commit of git",
        ),
        (
            ["main", "nowhere"],
            "reprise: nowhere: found no such revision; expected a branch, tag or commit of git",
        ),
        (
            ["main..feature"],
            "reprise: main..feature: found no such revision; "
            "expected a branch, tag or commit of git",
        ),
        (
            ["main...nowhere"],
            "reprise: nowhere: found no such revision; expected a branch, tag or commit of git",
        ),
        (["--out", "no/such/folder"], "reprise: no/such/folder: No such file or directory"),
    ],
)
def test_errors_are_one_line(arguments: list[str], said: str, made: Made) -> None:
    assert report(made, *arguments, code=1).splitlines() == [said]


def test_a_shallow_clone_says_what_it_lacks(made: Made, tmp_path: Path) -> None:
    change(made, {"params.yaml": NEW_PARAMS})
    made.run("git", "checkout", "-q", "main")
    change(made, {"params.yaml": PARAMS.replace("epochs: 5", "epochs: 9")})
    made.run(
        "git",
        "clone",
        "-q",
        "--depth",
        "1",
        "--no-single-branch",
        f"file://{made.root}",
        str(tmp_path / "c" / "repo"),
    )
    clone = Made(tmp_path / "c", made.spec, made.path)
    said = report(clone, "origin/feature", code=1)
    assert said.startswith(
        "reprise: origin/feature: found no common ancestor with HEAD; expected one; "
        "this clone is shallow"
    )


def test_the_merge_commit_that_ci_checks_out(made: Made, tmp_path: Path) -> None:
    """GitHub's refs/pull/N/merge, two commits deep: its first parent is the base."""
    with_remote(made, tmp_path)
    change(made, {"params.yaml": NEW_PARAMS})
    expected = report(made, "main", "feature")
    made.run("dvc", "push", "-q", "--all-commits")
    made.run("git", "checkout", "-q", "main")
    made.run("git", "merge", "-q", "--no-ff", "-m", "merge", "feature")
    clone = cloned(made, tmp_path, "--depth", "2")
    text = report(clone, "HEAD^1", "HEAD")

    def body(t: str) -> list[str]:
        return [
            line for line in t.splitlines() if "against" not in line and not line.startswith("grey")
        ]

    assert body(text) == body(expected)


def test_from_the_merge_commit_to_one_comment(
    made: Made, tmp_path: Path, stand_in: StandIn
) -> None:
    """Do as report.yml and comment.yml: clone two commits deep, pull, report, post; then update."""
    with_remote(made, tmp_path)
    environment = {
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_API_URL": stand_in.address,
        "GITHUB_TOKEN": TOKEN,
    }
    for attempt, (skill, code) in enumerate([("0.3", 1), ("0.95", 0)]):
        change(made, {"params.yaml": PARAMS.replace("0.7", skill)})
        made.run("dvc", "push", "-q", "--all-commits")
        made.run("git", "checkout", "-q", "--detach", "main")
        made.run("git", "merge", "-q", "--no-ff", "-m", "merge", "feature")
        made.run("git", "checkout", "-q", "-B", f"merge-{attempt}")
        folder = tmp_path / str(attempt)
        clone = cloned(made, folder, "--depth", "2", "--branch", f"merge-{attempt}")
        report(clone, "HEAD^1", "--out", "report.md", "--fail-on", "worse", code=code)
        with pytest.MonkeyPatch.context() as patch:
            for key, value in environment.items():
                patch.setenv(key, value)
            posted = clone.run("reprise", "comment", "report.md", "--pull-request", "7")
        assert posted == f"{stand_in.comments[0]['html_url']}\n"
        assert [c["body"] for c in stand_in.comments] == [(clone.root / "report.md").read_text()]
        made.run("git", "checkout", "-qf", "feature")
    assert "this model is better on these rows**" in stand_in.comments[0]["body"]
    assert [call.split()[0] for call in stand_in.calls if "comments" in call] == [
        "GET",
        "POST",
        "GET",
        "PATCH",
    ]


def test_a_comment_without_a_token_is_refused(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "o/r")
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    said = made.run("reprise", "comment", "dvc.yaml", "--pull-request", "7", code=1)
    assert said.startswith("reprise: environment: found no GITHUB_TOKEN")


SEEDS = """
stages:
  train:
    foreach: [1, 2, 3]
    do:
      cmd: python regress.py ${item} p${item}.csv
      deps: [regress.py]
      params: [shift]
      outs:
        - p${item}.csv:
            meta:
              reprise:
                predictions: {seeds: true, metrics: {mse: {column: loss, better: lower}}}
"""
REGRESS = """
import random, sys, yaml
shift, dice = yaml.safe_load(open("params.yaml"))["shift"], random.Random(int(sys.argv[1]))
with open(sys.argv[2], "w") as file:
    file.write("id,loss\\n")
    for i in range(200):
        file.write(f"{i},{(i % 7 - 3 + shift + dice.gauss(0, 0.1)) ** 2}\\n")
"""


def test_seeds_of_a_foreach_are_one_comparison(commands: str, tmp_path: Path) -> None:
    """A regression: squared errors, of three trainings a side."""
    files = {"dvc.yaml": SEEDS, "params.yaml": "shift: 0.0\n", "regress.py": REGRESS}
    made = Made(tmp_path, {"files": files}, commands).create()
    made.run("dvc", "repro")
    commit(made, "first")
    change(made, {"params.yaml": "shift: 2.0\n"})
    found = json.loads(report(made, "HEAD~1", "HEAD", "--format", "json"))
    (compared,) = found["compared"]
    comparison = compared["comparison"]
    assert (compared["name"], comparison["seeds_old"], comparison["seeds_new"]) == ("train", 3, 3)
    (mse,) = comparison["metrics"]
    assert mse["verdict"] == "worse"
    assert mse["difference"] == pytest.approx(4.0, abs=0.3)  # the square of the shift
    assert report(made, "HEAD~1", "HEAD").splitlines()[1].startswith("**mse ")


HOSTILE = [
    "<script>alert(1)</script>",
    "| a | b |",
    "**bold** [x](http://evil) ![i](http://evil/p.png)",
    "@octocat #1 https://evil.example",
    "``` ` ``",
    "</details><h1>",
    "<!-- reprise report -->",
    "${{ secrets.TOKEN }}",
    "\u202eevil",
    "x" * 10_000,
    "two\nlines",
    "",
]


def test_hostile_content_is_inert(made: Made) -> None:
    """No HTML, link, image, mention or table cell of an id, label, param or branch comes alive."""
    lines = "".join(f'"{h}",1,"{h}"\n' for h in HOSTILE[:-1])
    salt, x = json.dumps(HOSTILE[0]), json.dumps(HOSTILE[:4])
    params = f"train: {{skill: 0.2, salt: {salt}, epochs: 5, x: {x}}}\n"
    params += "".join(
        f"{json.dumps(h or 'empty')}: {json.dumps(h)}\n" for h in HOSTILE if len(h) < 99
    )
    made.edit({"raw.csv": rows(40) + lines})
    made.run("dvc", "repro")
    commit(made, "hostile data")
    made.run("git", "branch", "-f", "main")
    made.run("git", "checkout", "-qb", "x<script>&`${{a}}`")
    change(made, {"params.yaml": params})
    text = report(made, "main", "x<script>&`${{a}}`")
    html = cmarkgfm.github_flavored_markdown_to_html(text, options=Options.CMARK_OPT_UNSAFE)
    alive = re.sub(r"<code[^>]*>.*?</code>", "", html, flags=re.S)
    ours = {"p", "strong", "em", "h3", "h4", "ul", "li", "pre", "details", "summary"}
    ours |= {"table", "thead", "tbody", "tr", "th", "td"}
    assert set(re.findall(r"</?(\w+)", alive)) <= ours
    assert not re.search(r"script|evil|octocat|secrets|http|bold", alive)
    assert text.count("<!-- reprise report -->") - html.count("&lt;!-- reprise report") == 1
    assert len(text) < 60_000
    assert "\u202e" not in text
    for table in re.findall(r"<table>.*?</table>", html, flags=re.S):
        assert len({row.count("<t") for row in re.findall(r"<tr>.*?</tr>", table, flags=re.S)}) == 1
