"""What a command reads without declaring it is named, with the line to add; what fails otherwise is not."""

from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.corpus import Made
from tests.pipeline.random_dags import text

FILES = {
    "a.txt": "1\n",
    "b.txt": "2\n",
    "data/in.csv": "x\n1\n",
    "data/other.csv": "x\n2\n",
    "data/deep/er/f.txt": "3\n",
    "conf.json": '{"k": 1}',
    "conf.yaml": "k: 1\n",
    "conf.toml": "k = 1\n",
    "conf.ini": "[s]\nk = 1\n",
    "conf.py": "K = 1\n",
    "notes with space.txt": "4\n",
    "é.txt": "5\n",
    "mod.py": "one = 1\n",
    "uses.py": "import mod2\n",
    "mod2.py": "two = 2\n",
    "pkg/__init__.py": "",
    "pkg/inner.py": "from . import sibling\nvalue = 1\n",
    "pkg/sibling.py": "s = 1\n",
    "pkg/sub/__init__.py": "",
    "pkg/sub/deep.py": "d = 1\n",
    "space/only.py": "o = 1\n",
    "run.sh": "sh inner.sh\n",
    "inner.sh": "cat a.txt\n",
    "params.yaml": "train: {lr: 0.1, epochs: 3, opt: {name: sgd, momentum: 0.9}}\nseed: 1\nlist: [1, 2]\n",
    "p.json": '{"model": {"size": 3}, "x": 1}',
    "p.toml": "x = 1\n[model]\nsize = 3\n",
    "sub/own.txt": "6\n",
    "sub/helper.py": "h = 1\n",
    "table.parquet": "",
}
PARAMS = "import yaml; p = yaml.safe_load(open('params.yaml')); "

# name: (Python code or `$ shell`, what else the stage declares, the line to add, its section)
OMISSIONS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "open": ("open('a.txt').read()", {}, "a.txt", "deps"),
    "open-bytes": ("open('a.txt', 'rb').read()", {}, "a.txt", "deps"),
    "pathlib": ("from pathlib import Path; Path('data/in.csv').read_text()", {}, "data/in.csv", "deps"),
    "dotted-path": ("open('./data/../b.txt').read()", {}, "b.txt", "deps"),
    "os-open": ("import os; os.open('b.txt', os.O_RDONLY)", {}, "b.txt", "deps"),
    "stat": ("import os; os.stat('b.txt')", {}, "b.txt", "deps"),
    "listdir": ("import os; os.listdir('data/deep')", {}, "data/deep", "deps"),
    "csv": ("import csv; list(csv.reader(open('data/in.csv')))", {}, "data/in.csv", "deps"),
    "json": ("import json; json.load(open('conf.json'))", {}, "conf.json", "deps"),
    "yaml": ("import yaml; yaml.safe_load(open('conf.yaml'))", {}, "conf.yaml", "deps"),
    "toml": ("import tomllib; tomllib.load(open('conf.toml', 'rb'))", {}, "conf.toml", "deps"),
    "ini": (
        "import configparser; c = configparser.ConfigParser(); c.read_file(open('conf.ini'))",
        {},
        "conf.ini",
        "deps",
    ),
    "space": ("open('notes with space.txt')", {}, "notes with space.txt", "deps"),
    "accent": ("open('é.txt')", {}, "é.txt", "deps"),
    "copy": ("import shutil; shutil.copy('a.txt', 'copy')", {}, "a.txt", "deps"),
    "chdir": ("import os; os.chdir('data')", {}, "data", "deps"),
    "sibling-file": ("open('data/other.csv')", {"deps": ["data/in.csv"]}, "data/other.csv", "deps"),
    "sibling-of-folder": ("open('data/other.csv')", {"deps": ["data/deep"]}, "data/other.csv", "deps"),
    "from-folder": ("open('data/deep/er/f.txt')", {}, "data/deep/er/f.txt", "deps"),
    "parquet": ("import pyarrow.parquet as pq; pq.read_table('table.parquet')", {}, "table.parquet", "deps"),
    "arrow-csv": ("import pyarrow.csv as pc; pc.read_csv('data/in.csv')", {}, "data/in.csv", "deps"),
    "duckdb": ("import duckdb; duckdb.sql(\"from 'data/in.csv'\").fetchall()", {}, "data/in.csv", "deps"),
    "numpy": ("import numpy; numpy.loadtxt('a.txt')", {}, "a.txt", "deps"),
    "sqlite": ("import sqlite3; sqlite3.connect('file:a.txt?mode=ro', uri=True)", {"deps": ["b.txt"]}, "a.txt", "deps"),
    "safetensors": ("from safetensors.torch import load_file; load_file('a.txt')", {}, "a.txt", "deps"),
    "child-cat": ("import subprocess as s; s.run(['cat', 'a.txt'], check=True)", {}, "a.txt", "deps"),
    "child-shell": ("import subprocess as s; s.run('cat < b.txt', shell=True, check=True)", {}, "b.txt", "deps"),
    "shell-cat": ("$ cat a.txt", {}, "a.txt", "deps"),
    "shell-redirect": ("$ sort < b.txt", {}, "b.txt", "deps"),
    "shell-cp": ("$ cp data/in.csv copy.csv", {}, "data/in.csv", "deps"),
    "shell-cd": ("$ cd data", {}, "data", "deps"),
    "shell-source": ("$ . ./inner.sh", {}, "inner.sh", "deps"),
    "shell-script": ("$ sh run.sh", {}, "run.sh", "deps"),
    "script-in-script": ("$ sh run.sh", {"deps": ["run.sh"]}, "inner.sh", "deps"),
    "grep": ("$ grep -q 1 conf.py", {}, "conf.py", "deps"),
    "import": ("import mod", {}, "mod.py", "deps"),
    "import-from": ("from mod import one", {}, "mod.py", "deps"),
    "importlib": ("import importlib; importlib.import_module('mod')", {}, "mod.py", "deps"),
    "import-of-import": ("import uses", {"deps": ["uses.py"]}, "mod2.py", "deps"),
    "package": ("import pkg.inner", {}, "pkg/__init__.py", "deps"),
    "submodule": ("import pkg.inner", {"deps": ["pkg/__init__.py"]}, "pkg/inner.py", "deps"),
    "relative-import": ("import pkg.inner", {"deps": ["pkg/__init__.py", "pkg/inner.py"]}, "pkg/sibling.py", "deps"),
    "deep-package": ("import pkg.sub.deep", {"deps": ["pkg/__init__.py"]}, "pkg/sub/__init__.py", "deps"),
    "deep-module": (
        "from pkg.sub import deep",
        {"deps": ["pkg/__init__.py", "pkg/sub/__init__.py"]},
        "pkg/sub/deep.py",
        "deps",
    ),
    "namespace-package": ("import space.only", {}, "space/only.py", "deps"),
    "runpy": ("import runpy; runpy.run_path('mod.py')", {}, "mod.py", "deps"),
    "params-file": ("open('p.json')", {}, "p.json", "deps"),
    "params-key": (PARAMS + "p['train']['lr']", {"params": ["seed"]}, "train.lr", "params"),
    "params-key-later": (PARAMS + "t = p['train']\nt['epochs']", {"params": ["train.lr"]}, "train.epochs", "params"),
    "params-section": (PARAMS + "p['train']", {"params": ["seed"]}, "train", "params"),
    "params-deep": (PARAMS + "p['train']['opt']['momentum']", {"params": ["seed"]}, "train.opt.momentum", "params"),
    "params-list": (PARAMS + "p['list'][0]", {"params": ["seed"]}, "list", "params"),
    "params-json": (
        "import json; json.load(open('p.json'))['model']['size']",
        {"params": [{"p.json": ["x"]}]},
        "p.json: model.size",
        "params",
    ),
    "params-toml": (
        "import tomllib; tomllib.load(open('p.toml', 'rb'))['model']",
        {"params": [{"p.toml": ["x"]}]},
        "p.toml: model",
        "params",
    ),
    "wdir": ("open('own.txt')", {"wdir": "sub"}, "own.txt", "deps"),
    "wdir-parent": ("open('../a.txt')", {"wdir": "sub"}, "../a.txt", "deps"),
    "wdir-module": ("import helper", {"wdir": "sub"}, "helper.py", "deps"),
}

# What fails for other reasons, though it names declared files or files that exist nowhere.
OTHERWISE: dict[str, tuple[str, dict[str, Any]]] = {
    "declared": ("print('a.txt is bad: 1'); raise SystemExit(1)", {"deps": ["a.txt"]}),
    "misspelt": ("open('a.text')", {"deps": ["a.txt"]}),
    "assertion": ("assert open('a.txt').read() == '2'", {"deps": ["a.txt"]}),
    "no-module": ("import nowhere_to_be_found", {}),
    "no-key": ("{}['nothing']", {"params": ["seed"]}),
    "no-command": ("$ surely-no-such-command", {}),
    "declared-key": (PARAMS + "p['train']['lr'] + 'x'", {"params": ["train"]}),
}


def stages(cases: dict[str, tuple[Any, ...]]) -> tuple[dict[str, Any], dict[str, str]]:
    """A stage and a script a case."""
    made, scripts = {}, {}
    for name, (code, more, *_) in cases.items():
        up = "../" if "wdir" in more else ""
        folder = "sub/" if "wdir" in more else ""
        entry = {"cmd": code.removeprefix("$ "), "outs": [f"{name}.out"], **more}
        if not code.startswith("$ "):
            # Beside what it imports, as a script is; in the folder that it runs in.
            scripts[f"{folder}{name}_.py"] = code + "\n"
            entry |= {"cmd": f"python {name}_.py", "deps": [*more.get("deps", []), f"{name}_.py"]}
        assert up or not folder
        made[name] = entry
    return made, scripts


def output(cases: dict[str, tuple[Any, ...]], folder: Path, commands: str) -> dict[str, str]:
    """The line in which each stage failed."""
    pipeline, scripts = stages(cases)
    spec = {"files": {**FILES, **scripts, "dvc.yaml": text({"stages": pipeline})}}
    made = Made(folder, spec, commands).create()
    lines = made.run("reprise", "run", "-k", code=1).splitlines()
    return {line.split(":", 1)[0]: line for line in lines if ": failed: " in line}


@pytest.fixture(scope="module")
def said(commands: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return output(OMISSIONS, tmp_path_factory.mktemp("omissions"), commands)


@pytest.mark.parametrize("name", OMISSIONS)
def test_an_omission_is_named_with_the_line_to_add(name: str, said: dict[str, str]) -> None:
    _, _, line, section = OMISSIONS[name]
    assert f"add '- {line}' to {section} of stage '{name}' in dvc.yaml" in said[name]
    assert said[name].count("is not declared") == 1, said[name]


def test_there_are_50_omissions() -> None:
    assert len(OMISSIONS) >= 50


def test_other_failures_name_nothing(commands: str, tmp_path: Path) -> None:
    said = output(OTHERWISE, tmp_path, commands)
    assert said.keys() == OTHERWISE.keys()
    assert not [line for line in said.values() if "not declared" in line]
