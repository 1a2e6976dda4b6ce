"""dvc.yaml, params.yaml, the stages' imports and what a run really opens say the same."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from src.params import keys
from tests.conftest import ROOT, YAML_, Project, copied

STAGES: dict[str, Any] = YAML_.load(ROOT / "dvc.yaml")["stages"]


def imports(module: str) -> set[str]:
    """Names of `src` modules that a module imports, inside functions too."""
    found = set()
    path = ROOT / "src" / f"{module.replace('.', '/')}.py"
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "src":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("src."):
            found.add(str(node.module).removeprefix("src."))
    return found


def reachable(module: str) -> set[str]:
    found, queue = {module}, [module]
    while queue:
        new = imports(queue.pop()) - found
        found |= new
        queue += new
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_deps_name_every_module_the_stage_imports(stage: str) -> None:
    named = {dep for dep in STAGES[stage]["deps"] if dep.startswith("src/")}
    expected = {f"src/{module.replace('.', '/')}.py" for module in reachable(stage)}
    missing = sorted(expected - named)
    assert not missing, "add to dvc.yaml:\n" + "\n".join(f"    - {dep}" for dep in missing)
    unused = sorted(named - expected)
    assert not unused, "remove from dvc.yaml:\n" + "\n".join(f"    - {dep}" for dep in unused)


def test_no_stage_imports_another() -> None:
    for stage in STAGES:
        assert imports(stage).isdisjoint(STAGES), stage


def test_src_knows_nothing_of_dvc_or_prefect() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {n.split(".")[0] for n in names} & {"dvc", "prefect", "reprise"}, path


def test_each_stage_declares_the_params_sections_it_reads() -> None:
    import importlib

    for stage in STAGES:
        read = set(keys(importlib.import_module(f"src.{stage}").Params)) - {"runtime"}
        assert {key.split(".")[0] for key in STAGES[stage]["params"]} == read, stage


def test_one_name_for_stage_section_module_and_test() -> None:
    sections = set(YAML_.load(ROOT / "params.yaml")) - {"runtime"}
    assert sections == set(STAGES)
    for stage in STAGES:
        assert (ROOT / "src" / f"{stage}.py").exists()
        assert (ROOT / "tests" / f"test_{stage}.py").exists()


HOOK = """
import json, runpy, sys
# Else sources would be read from __pycache__.
sys.dont_write_bytecode, sys.pycache_prefix = True, "nowhere"
opened = set()
sys.addaudithook(lambda event, args: opened.add(str(args[0])) if event == "open" else None)
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
print("OPENED", json.dumps(sorted(opened)))
"""


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_opens_what_its_deps_name_and_no_other_project_file(
    stage: str, finished: Project, tmp_path: Path
) -> None:
    """Python's own opens by an audit hook. What C++ readers open is held by the next test."""
    project = copied(finished, tmp_path)
    _, _, module, *paths = STAGES[stage]["cmd"].split()
    (project.root / "hook.py").write_text(HOOK)
    output = project.run("python", "-m", "hook", module, *paths)
    line = next(line for line in output.splitlines() if line.startswith("OPENED"))
    tracked = set(project.run("git", "ls-files", "-co", "--exclude-standard").split()) | {
        "params.yaml"
    }
    opened = {p.removeprefix(f"{project.root}/") for p in json.loads(line.removeprefix("OPENED "))}
    assert f"src/{stage}.py" in opened
    assert opened & tracked <= {*STAGES[stage]["deps"], "params.yaml", "hook.py"}


def only(document: dict[str, Any], declared: list[str]) -> dict[str, Any]:
    """The declared keys, with dots as in dvc.yaml, and what stands there."""
    found: dict[str, Any] = {}
    for key in declared:
        *sections, last = key.split(".")
        source, target = document, found
        for section in sections:
            source, target = source[section], target.setdefault(section, {})
        target[last] = source[last]
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_with_nothing_but_its_deps(
    stage: str, finished: Project, tmp_path: Path
) -> None:
    """In a folder that holds only the deps and the declared params, the outputs are the same."""
    import shutil

    for dep in [*STAGES[stage]["deps"]]:
        source = finished.root / dep
        (tmp_path / dep).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / dep)
    with (tmp_path / "params.yaml").open("w") as file:
        YAML_.dump(only(finished.params, STAGES[stage]["params"]), file)
    Project(tmp_path, finished.path).run(*STAGES[stage]["cmd"].split())
    declared = [
        *STAGES[stage]["outs"],
        *STAGES[stage].get("metrics", []),
    ]  # a path, or {path: settings}
    for out in [
        path for entry in declared for path in (entry if isinstance(entry, dict) else [entry])
    ]:
        files = (
            [tmp_path / out]
            if (tmp_path / out).is_file()
            else sorted((tmp_path / out).rglob("*.*"))
        )
        assert files
        for file in files:
            assert file.read_bytes() == (finished.root / file.relative_to(tmp_path)).read_bytes(), (
                file
            )


# Every stage file has one shape: checked params, small functions, `run`, a short `__main__`.

# What opens, makes or removes files. `run` alone calls these.
DISK = {
    "Schema.read",
    "check_passed",
    "glob",
    "load",
    "mkdir",
    "obtain",
    "open",
    "read_bytes",
    "read_table",
    "read_text",
    "rglob",
    "save",
    "schema.write",
    "scratch",
    "sha256",
    "unlink",
    "whole",
    "write_bytes",
    "write_csv",
    "write_json",
    "write_passed",
    "write_splits",
    "write_table",
    "write_text",
}


def body(stage: str) -> list[ast.stmt]:
    return ast.parse((ROOT / "src" / f"{stage}.py").read_text()).body


def called(function: ast.AST) -> set[str]:
    """Return the names that the function calls: `Schema.read` as such and as `read`."""
    names = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            names |= {name, name.split(".")[-1]}
    return names


@pytest.mark.parametrize("stage", STAGES)
def test_params_come_first_then_functions_then_run_then_main(stage: str) -> None:
    statements = body(stage)
    imports = (ast.Import, ast.ImportFrom)
    docstring, *rest = [node for node in statements if not isinstance(node, imports)]
    assert isinstance(docstring, ast.Expr)
    kinds = [node for node in rest if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.If)]
    first_function = next(i for i, node in enumerate(kinds) if isinstance(node, ast.FunctionDef))
    classes = [node for node in kinds[:first_function] if isinstance(node, ast.ClassDef)]
    params = next(node for node in classes if node.name == "Params")
    assert [ast.unparse(base) for base in params.bases] == ["StageParams"]
    *functions, run, main = kinds[first_function:]
    assert all(isinstance(node, ast.FunctionDef) for node in functions)
    assert isinstance(run, ast.FunctionDef)
    assert run.name == "run"
    assert ast.unparse(main) == "if __name__ == '__main__':\n    main(run)"
    assert rest[-2:] == [run, main]


@pytest.mark.parametrize("stage", STAGES)
def test_run_alone_touches_the_disk(stage: str) -> None:
    functions = [node for node in body(stage) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        if function.name != "run":
            assert not called(function) & DISK, function.name
    assert called(functions[-1]) & DISK
