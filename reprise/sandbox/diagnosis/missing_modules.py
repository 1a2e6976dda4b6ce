"""Find the Python modules that a failed import lacked."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from reprise.sandbox.diagnosis.error_patterns import MODULE_NOT_FOUND, PYTHON_PATH
from reprise.sandbox.diagnosis.failure import Failure
from reprise.sandbox.undeclared import Undeclared


def missing_modules(failure: Failure) -> list[Undeclared]:
    """Return the files of the modules that messages of Python name.

    These messages are:

        ModuleNotFoundError: No module named 'helpers.more'
        ImportError: cannot import name 'more' from 'helpers' (unknown location)

    A folder is not among them if a file in it is.
    """
    modules = list(_modules_named(failure.output))
    if not modules:
        return []
    folders = _module_folders(failure)
    files: list[Path] = []
    for module in modules:
        for folder in folders:
            missing = _missing_files(failure, folder, module.split("."))
            if missing:
                files += missing
                break
    parents = {parent for file in files for parent in file.parents}
    return [failure.sandbox.undeclared(file) for file in files if file not in parents]


def _modules_named(output: str) -> Iterator[str]:
    """Yield the dotted names of the modules that the messages are of."""
    for match in MODULE_NOT_FOUND.finditer(output):
        module = match["module"] or f"{match['package']}.{match['name']}"
        module = module.rstrip(".")
        yield module
        # `import a.b` fails at a, but needs both: the traceback has the line.
        yield from re.findall(rf"(?<![\w.]){re.escape(module)}(?:\.\w+)+", output)


def _module_folders(failure: Failure) -> list[Path]:
    """List the folders of the workspace in which Python may look for modules, the likeliest first.

    These are the working directory, the root, the folders of declared scripts, those of PYTHONPATH,
    and the folders in the root, which code may put on sys.path.
    """
    stage = failure.stage
    root = stage.workspace.root
    scripts = [Path(path) for path in stage.dep_paths if path.endswith(".py")]
    environment = stage.environment.get("PYTHONPATH", "")
    python_path = os.pathsep.join([environment, *PYTHON_PATH.findall(failure.commands)])
    folders = [stage.wdir, root]
    folders += [script.parent for script in scripts]
    folders += [stage.wdir / name for name in python_path.split(os.pathsep)]
    folders += [path for path in root.iterdir() if path.is_dir() and path.name[0] != "."]
    return list(dict.fromkeys(folders))


def _missing_files(failure: Failure, folder: Path, parts: list[str]) -> list[Path]:
    """List the files that the sandbox lacks of a module and of the packages it lies in.

    folder: in which Python may look for the module; parts: of its dotted name.
    """
    lacks = failure.sandbox.lacks
    paths = [folder.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
    files = [path / "__init__.py" for path in paths]
    files += [path.with_name(f"{path.name}.py") for path in paths]
    if "__main__" in failure.last_lines:  # `python -m` says that it lacks the package's
        files.append(paths[-1] / "__main__.py")
    missing = list(filter(lacks, files))
    if missing or len(parts) > 1:
        return missing
    # Last, a package without __init__.py, of which nothing more is known.
    return [path for path in paths if path.is_dir() and lacks(path)]
