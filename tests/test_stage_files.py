"""Every stage file has one shape: checked params, small functions, `run`, a short `__main__`."""

import ast

import pytest

from tests.conftest import ROOT
from tests.test_contract import STAGES

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
