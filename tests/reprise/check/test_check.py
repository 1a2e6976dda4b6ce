"""`reprise check` finds every undeclared input at once, `--fix` declares them.

`reprise verify` runs stages again and compares their outs.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.reprise.corpus import YAML_, Made
from tests.reprise.random_dags import text

SCRIPT = """
import json, sys, yaml
import helpers.more
from lib import scale
params = yaml.safe_load(open("params.yaml"))
table = open("data/table.csv").read()
config = json.load(open("config.json"))
print(params["train"]["lr"], params["seed"])
open("out.txt", "w").write(table + str(scale(config["a"])))
"""
DVC_YAML = """\
# The pipeline.
stages:
  make:  # writes out.txt
    cmd: python make.py
    params:
      - seed
    outs:
      - out.txt

  use:
    cmd: cat out.txt words.txt | sort > use.txt && sh last.sh
    deps:
      - out.txt  # of make
    outs:
      - use.txt
      - last.txt
  each:
    foreach: [a, b]
    do:
      cmd: cat words.txt > ${item}.txt
      outs: ["${item}.txt"]
"""
FILES = {
    "make.py": SCRIPT,
    "lib.py": "from helpers.deep.inner import one\n\ndef scale(x):\n    return x * one\n",
    "helpers/__init__.py": "",
    "helpers/more.py": "",
    "helpers/deep/__init__.py": "",
    "helpers/deep/inner.py": "one = 1\n",
    "data/table.csv": "a\n",
    "config.json": '{"a": 1}\n',
    "params.yaml": "train:\n  lr: 0.1\n  epochs: 3\nseed: 1\n",
    "words.txt": "w\n",
    "last.sh": "cat more.txt > last.txt\n",
    "more.txt": "m\n",
    "dvc.yaml": DVC_YAML,
}


@pytest.fixture
def made(tmp_path: Path, commands: str) -> Made:
    return Made(tmp_path, {"files": FILES}, commands).create()


def test_check_names_all_that_is_undeclared_and_changes_nothing(made: Made) -> None:
    output = made.run("reprise", "check", "make", "use", code=1)
    assert output == (
        "make: undeclared; add to dvc.yaml:\n"
        "    deps:\n"
        "      - make.py\n"
        "      - helpers/__init__.py\n"
        "      - helpers/more.py\n"
        "      - lib.py\n"
        "      - helpers/deep/__init__.py\n"
        "      - helpers/deep/inner.py\n"
        "      - data/table.csv\n"
        "      - config.json\n"
        "    params:\n"
        "      - train.lr\n"
        "use: undeclared; add to dvc.yaml:\n"
        "    deps:\n"
        "      - words.txt\n"
        "      - last.sh\n"
        "      - more.txt\n"
        "2 stages checked: 12 undeclared, 0 failed\n"
    )
    assert (made.root / "dvc.yaml").read_text() == DVC_YAML
    assert not (made.root / "dvc.lock").exists()


def test_fix_leaves_a_repository_that_check_passes(made: Made) -> None:
    made.run("reprise", "check", "--fix")
    text = (made.root / "dvc.yaml").read_text()
    for comment in ("# The pipeline.", "# writes out.txt", "# of make"):
        assert comment in text
    output = made.run("reprise", "check")
    assert output.endswith("4 stages checked: 0 undeclared, 0 failed\n")
    made.run("reprise", "run")
    assert "Data and pipelines are up to date" in made.run("dvc", "status")


def test_fix_adds_lines_and_changes_none(tmp_path: Path, commands: str) -> None:
    """Anchors, quotes, comments, wide dashes and line ends stay as they are."""
    text = (
        "# of all\r\n\r\nstages:\r\n  a:\r\n"
        "    cmd: 'cat one.txt two.txt > a.out'   # quoted\r\n"
        '    deps:\r\n    -   "one.txt"\r\n\r\n    outs: [ a.out ]\r\n'
    )
    files = {"one.txt": "1\n", "two.txt": "2\n"}
    made = Made(tmp_path, {"files": files}, commands).create()
    file = made.root / "dvc.yaml"
    file.write_bytes(text.encode())
    made.run("reprise", "check", "--fix")
    added = '"one.txt"\r\n    -   two.txt\r\n'
    assert file.read_bytes().decode() == text.replace('"one.txt"\r\n', added)


def test_fix_says_what_it_cannot_add_alone(tmp_path: Path, commands: str) -> None:
    text = """stages:
  a: {cmd: cat one.txt two.txt > a.out, deps: &d [one.txt], outs: [a.out]}
  b: {cmd: cat one.txt > b.out, deps: *d, outs: [b.out]}
"""
    files = {"one.txt": "1\n", "two.txt": "2\n", "dvc.yaml": text}
    made = Made(tmp_path, {"files": files}, commands).create()
    output = made.run("reprise", "check", "--fix", code=1)
    assert "      - two.txt\n" in output
    assert output.endswith("expected you to add the lines that are listed above\n")
    assert (made.root / "dvc.yaml").read_text() == text


@pytest.mark.slow
def test_fix_declares_what_each_item_needs_by_the_items_own_name(
    tmp_path: Path, commands: str
) -> None:
    text = """stages:
  each:
    foreach: [a, b]
    do: {cmd: "cat data/a-list.txt data/${item}.csv > ${item}.txt", outs: ["${item}.txt"]}
  key:
    foreach: {k: {n: 1}, l: {n: 2}}
    do: {cmd: "cat ${key}.d n${item.n} > ${key}.o", outs: ["${key}.o"]}
  grid:
    matrix: {x: [p, q], y: [r]}
    cmd: "cat ${item.x}/${item.y} > ${item.x}.o"
    outs: ["${item.x}.o"]
  some:
    foreach: [s, t]
    do: {cmd: "[ ${item} = s ] && cat s.csv; echo > ${item}.o", outs: ["${item}.o"]}
"""
    names = [
        "data/a.csv",
        "data/b.csv",
        "data/a-list.txt",
        "k.d",
        "l.d",
        "n1",
        "n2",
        "p/r",
        "q/r",
        "s.csv",
    ]
    made = Made(
        tmp_path, {"files": {"dvc.yaml": text, **dict.fromkeys(names, "1\n")}}, commands
    ).create()
    made.run("reprise", "check", "--fix")
    stages = YAML_.load(made.root / "dvc.yaml")["stages"]
    assert stages["each"]["do"]["deps"] == ["data/a-list.txt", "data/${item}.csv"]
    assert stages["key"]["do"]["deps"] == ["${key}.d", "n1", "n2"]  # n1 is a word of its own, not 1
    assert stages["grid"]["deps"] == ["${item.x}/${item.y}"]
    assert stages["some"]["do"]["deps"] == ["s.csv"]
    assert made.run("reprise", "check").endswith("8 stages checked: 0 undeclared, 0 failed\n")


FIXES: dict[
    str, tuple[dict[str, Any], str, list[str]]
] = {  # the stage, the files that it reads, the deps declared
    "words in numbers": (
        {"foreach": {"k": {"n": 1}, "l": {"n": 2}}},
        "${key}.d n${item.n}",
        ["${key}.d", "n1", "n2"],
    ),
    "booleans": (
        {"foreach": {"k": {"on": True}, "l": {"on": False}}},
        "${key}/${item.on}",
        ["k/true", "l/false"],
    ),
    "no name": ({"foreach": {"k": {"v.1": "p"}, "l": {"v.1": "q"}}}, "${key}.d", ["${key}.d"]),
    "one item": ({"foreach": ["k"]}, "src/${item}.py", ["src/k.py"]),
    "the same for all": ({"foreach": {"k": {"n": 1}, "l": {"n": 1}}}, "1-1", ["1-1"]),
    "one for all": ({"foreach": [2020, 2021]}, "${item}.csv 2020.csv", ["2020.csv", "2021.csv"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FIXES)
def test_fix_writes_what_loads_and_what_check_passes(
    name: str, tmp_path: Path, commands: str
) -> None:
    each, read, expected = FIXES[name]
    out = "${key}.o" if isinstance(each["foreach"], dict) else "${item}.o"
    document = {"stages": {"each": {**each, "do": {"cmd": f"cat {read} > {out}", "outs": [out]}}}}
    names = [
        "k.d",
        "l.d",
        "n1",
        "n2",
        "k/true",
        "l/false",
        "src/k.py",
        "1-1",
        "2020.csv",
        "2021.csv",
    ]
    made = Made(
        tmp_path, {"files": {"dvc.yaml": text(document), **dict.fromkeys(names, "1\n")}}, commands
    ).create()
    made.run("reprise", "check", "--fix")
    assert YAML_.load(made.root / "dvc.yaml")["stages"]["each"]["do"]["deps"] == expected
    made.run("reprise", "check")
    made.run("dvc", "repro")


def test_fix_refuses_what_dvc_would_not_load(tmp_path: Path, commands: str) -> None:
    do = '{cmd: "[ ${item} = 2 ] && cat s1; echo > s${item}", outs: ["s${item}"]}'
    declared = f"stages: {{each: {{foreach: [1, 2], do: {do}}}}}"
    made = Made(tmp_path, {"files": {"s1": "", "dvc.yaml": declared}}, commands).create()
    output = made.run("reprise", "check", "--fix", code=1)
    assert output.endswith(
        "reprise: dvc.yaml: s1: found that siblings of 'each@1' read its out; expected none to\n"
    )
    assert (made.root / "dvc.yaml").read_text() == declared


def test_check_names_deps_that_nothing_opens(tmp_path: Path, commands: str) -> None:
    text = "stages:\n  make: {cmd: cat a > o, deps: [a, b, folder], outs: [o]}\n"
    made = Made(
        tmp_path, {"files": {"a": "1\n", "b": "2\n", "folder/c": "", "dvc.yaml": text}}, commands
    ).create()
    output = made.run("reprise", "check")
    assert output == (
        "make: nothing undeclared\n"
        "  never opened: b, folder\n"
        "1 stages checked: 0 undeclared, 0 failed\n"
    )


def test_check_tells_a_failure_of_the_command_itself(tmp_path: Path, commands: str) -> None:
    text = "stages:\n  make: {cmd: cat a && exit 3, deps: [a], outs: [o]}\n"
    made = Made(tmp_path, {"files": {"a": "1\n", "dvc.yaml": text}}, commands).create()
    output = made.run("reprise", "check", code=1)
    assert output.startswith("make: failed: exit status 3: cat a && exit 3\n1\n")


def test_verify_names_the_first_out_that_differs(tmp_path: Path, commands: str) -> None:
    text = """stages:
  same: {cmd: cat a > same.txt, deps: [a], outs: [same.txt]}
  log: {cmd: date >> log.txt, deps: [a], outs: [log.txt: {persist: true}]}
  other: {cmd: "mkdir o && cat same.txt > o/a && date +%N > o/b", deps: [same.txt], outs: [o]}
"""
    made = Made(tmp_path, {"files": {"a": "1\n", "dvc.yaml": text}}, commands).create()
    assert "stage 'same' is not up to date: `reprise run` first" in made.run(
        "reprise", "verify", code=1
    )
    made.run("reprise", "run")
    before = made.state()
    assert made.run("reprise", "verify", code=1) == (
        "same: the same\nlog: not verified: its outs persist from run to run\nother: o/b differs\n"
    )
    assert made.state() == before


def test_a_long_folder_for_temporary_files(
    tmp_path: Path, commands: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket's path may have 107 bytes."""
    long = tmp_path / ("t" * 120)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    made = Made(tmp_path, {"files": {"a": "1\n", "dvc.yaml": ONE}}, commands).create()
    assert "1 stages checked: 0 undeclared, 0 failed" in made.run("reprise", "check")


ONE = "stages: {s: {cmd: cat a > o, deps: [a], outs: [o]}}\n"
