"""Find the Python modules that a failed import lacked."""

import os
import re
from collections.abc import Iterator
from itertools import accumulate
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
    folders = _module_folders(failure)
    files: list[Path] = []
    for module in _modules_named(failure.output):
        for folder in folders:
            missing = _missing_files(failure, folder, module.split("."))
            if missing:
                files += missing
                break
    parents: set[Path] = set()
    for file in files:
        parents.update(file.parents)
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
    environment = stage.environment.get("PYTHONPATH", "")
    python_path = os.pathsep.join([environment, *PYTHON_PATH.findall(failure.commands)])
    folders = [stage.wdir, root]
    folders += [Path(path).parent for path in stage.dep_paths if path.endswith(".py")]
    folders += [stage.wdir / name for name in python_path.split(os.pathsep)]
    folders += [path for path in root.iterdir() if path.is_dir() and path.name[0] != "."]
    return list(dict.fromkeys(folders))


def _missing_files(failure: Failure, folder: Path, parts: list[str]) -> list[Path]:
    """List the files that the sandbox lacks of a module and of the packages it lies in.

    folder: in which Python may look for the module; parts: of its dotted name.
    """
    lacks = failure.sandbox.lacks
    _, *paths = accumulate(parts, Path.joinpath, initial=folder)  # each in the one before
    files = [path / "__init__.py" for path in paths]
    files += [path.with_name(f"{path.name}.py") for path in paths]
    if "__main__" in failure.last_lines:  # `python -m` says that it lacks the package's
        files.append(paths[-1] / "__main__.py")
    missing = list(filter(lacks, files))
    if missing or len(parts) > 1:
        return missing
    # Last, a package without __init__.py, of which nothing more is known.
    folders = filter(os.path.isdir, paths)
    return list(filter(lacks, folders))
