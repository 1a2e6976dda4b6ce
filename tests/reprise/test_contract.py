"""Hold the house of `reprise`: which layer may import which, and how the code reads."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

# A file or folder of reprise/ imports only what stands above it. Those on one line never import
# each other.
LAYERS = [
    ("described", "shorten", "text", "checked_json"),
    ("errors", "process", "params"),
    ("git", "forge"),
    ("dvc",),
    ("state",),
    ("sandbox",),
    ("runner", "check", "review"),
    ("replicate", "init"),
    ("retrain",),
    ("flows",),
    ("commands",),
    ("cli",),
    ("__main__",),
]
# The one folder of reprise/ that may import a library.
HOMES = {
    "dvc": "dvc",
    "dvc_data": "dvc",
    "dvc_objects": "dvc",
    "dulwich": "dvc",
    "scmrepo": "dvc",
    "voluptuous": "dvc",
    "prefect": "flows",
    "prefect_dask": "flows",
    "distributed": "flows",
    "httpx": "flows",
    "requests": "forge",
    "urllib3": "forge",
}
MOST_FILES = 20  # in a folder
MOST_BRANCHES = 30  # in 100 lines of functions
CODE = ("reprise", "pipeline", "src")
BRANCHES = (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.IfExp, ast.comprehension)
FRAGMENT = re.compile(r"(Of|What|Whether|Where|How|Who|Which)\b")


@cache
def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def imported(file: Path) -> set[str]:
    """Name the modules that a file imports, in functions too: `from a import b` may name a.b."""
    names: set[str] = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            submodules = {f"{module}.{alias.name}" for alias in node.names}
            found = {name for name in submodules if is_module(name)}
            names.update(found)
            if len(found) < len(submodules):
                names.add(module)
    return names


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def rooms() -> Iterator[tuple[Path, str]]:
    """Give each file of reprise/ with the file or folder of the first level that it is in."""
    for file in files("reprise"):
        name = file.relative_to(ROOT / "reprise").parts[0].removesuffix(".py")
        if name != "__init__":
            yield file, name


def test_every_room_has_a_layer() -> None:
    assert {room for _, room in rooms()} == {room for layer in LAYERS for room in layer}


def test_imports_run_one_way() -> None:
    position = {room: i for i, layer in enumerate(LAYERS) for room in layer}
    for file, room in rooms():
        for name in imported(file):
            if name.startswith("reprise."):
                other = name.split(".")[1]
                assert other == room or position[other] < position[room], f"{file}: {name}"


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {module_of(file): imported(file) for file in files("reprise")}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " imports ".join([*path, module])
        if module not in done:
            for name in graph.get(module, set()):
                visit(name, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_a_library_is_imported_in_its_one_folder() -> None:
    for file, room in rooms():
        for name in imported(file):
            library = name.split(".")[0]
            assert HOMES.get(library, room) == room, f"{file}: {name}"


def test_reprise_knows_nothing_of_this_project_or_of_ml() -> None:
    strangers = {"src", "pipeline", "torch", "sklearn", "great_expectations"}
    for file in files("reprise"):
        assert not {name.split(".")[0] for name in imported(file)} & strangers, file


def test_what_judges_reads_no_files_and_what_renders_reads_a_report() -> None:
    """Keep stats and data of reviews apart, and let render know only what a report holds."""
    forbidden = {
        "stats": ("reprise.dvc", "reprise.review.data", "reprise.review.render", "duckdb"),
        "data": ("reprise.review.stats", "reprise.review.render"),
        "render": ("reprise.dvc", "reprise.git", "duckdb", "pyarrow"),
    }
    for folder, names in forbidden.items():
        for file in files(f"reprise/review/{folder}"):
            found = [name for name in imported(file) if name.startswith(names)]
            assert not found, f"{file}: {found}"


@pytest.mark.parametrize("folder", [*CODE, "tests"])
def test_no_folder_is_crowded(folder: str) -> None:
    counts: dict[Path, int] = {}
    for file in files(folder):
        counts[file.parent] = counts.get(file.parent, 0) + 1
    assert {str(path): count for path, count in counts.items() if count > MOST_FILES} == {}


def test_no_two_files_differ_by_an_s() -> None:
    for folder in {file.parent for file in files("reprise")}:
        names = {path.stem for path in folder.iterdir()}
        assert not {name for name in names if f"{name}s" in names}, folder


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def branches(function: ast.AST) -> int:
    """Count the function, its branches and comprehensions, and operands of and / or but one."""
    count = 1
    for node in ast.walk(function):
        if isinstance(node, BRANCHES):
            count += 1
        elif isinstance(node, ast.BoolOp):
            count += len(node.values) - 1
    return count


@pytest.mark.parametrize("folder", CODE)
def test_code_is_unfolded(folder: str) -> None:
    decisions = lines = 0
    for file in files(folder):
        for function in functions(file):
            assert function.end_lineno is not None
            decisions += branches(function)
            lines += function.end_lineno - function.lineno + 1
    assert 100 * decisions <= MOST_BRANCHES * max(lines, 1), f"{decisions} in {lines} lines"


def test_no_docstring_is_a_fragment() -> None:
    """One that begins with Of, What or Whether is half a sentence."""
    for folder in CODE:
        for file in files(folder):
            for node in ast.walk(tree(file)):
                if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                    text = ast.get_docstring(node) or ""
                    assert not FRAGMENT.match(text), f"{file}: {text.splitlines()[0]}"
