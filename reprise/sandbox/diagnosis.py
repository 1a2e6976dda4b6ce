"""What a command that failed asked for, if the workspace has it and the sandbox hasn't.

Nobody sees which files a command fails to open, so this reads what it printed. A name counts where a message speaks of
something absent; only if none is found so, the code that failed and the commands themselves are searched for names.
"""

import os
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from glob import glob
from pathlib import Path

from reprise.params.keys import Coverage, KeyPath, coverage, key_paths
from reprise.sandbox import error_patterns as text
from reprise.sandbox.sandbox import Sandbox
from reprise.sandbox.undeclared import Undeclared

PATTERN = re.compile(r"[*?[]")
LAST_LINES = 12  # of the output, in which keys are looked for


def diagnose(sandbox: Sandbox, output: str) -> list[Undeclared]:
    """`output`: the end of what the command printed."""
    search = _Search(sandbox, output)
    for look in (search.in_messages, search.keys, search.in_code, search.in_commands):
        found = list(dict.fromkeys(look()))
        if found:
            return found
    return []


class _Search:
    def __init__(self, sandbox: Sandbox, output: str) -> None:
        self.sandbox, self.stage, self.output = sandbox, sandbox.stage, output
        self.commands = "\n".join(self.stage.commands)
        lines = [line for line in output.splitlines() if not text.NO_COMMAND.search(line)]
        self.no_file = "\n".join(line for line in lines if text.NO_FILE.search(line))
        self.absent = "\n".join(
            line for line in lines if text.NO_FILE.search(line) or text.ABSENT.search(line)
        )
        self.end = "\n".join(lines[-LAST_LINES:])

    # Files

    def in_messages(self) -> Iterator[Undeclared]:
        modules = self._modules()
        words = [
            w for word in text.WORD.findall(self.absent) for w in (word, *re.split("[:?]", word))
        ]
        # `missing 'data'` may speak of a column; `cannot open 'data'` does not.
        paths = [
            w.rstrip(".!") for w in [*text.quoted(self.absent), *words] if "/" in w or "." in w
        ]
        for token in dict.fromkeys(
            [*paths, *text.quoted(self.no_file), *text.BARE.findall(self.no_file)]
        ):
            # `No module named 'helpers'` names the folder too, but it is the module that is needed.
            yield from (
                f
                for f in self._files(token)
                if not any(m.path.is_relative_to(f.path) for m in modules)
            )
        yield from modules

    def in_code(self) -> Iterator[Undeclared]:
        """What the failed code reads, as far as it is written there; it may go on without a file for a while."""
        asserted = "AssertionError" in self.end.rpartition("\n")[2]
        if not self.absent and (asserted or not self._frames):
            return
        read = [
            path
            for code in self._code
            for path in text.paths_read(code, all_strings=bool(self.absent))
        ]
        folders = [self.stage.wdir / path for path in read if (self.stage.wdir / path).is_dir()]
        for path in read:
            yield from self._files(path, folders if PATTERN.search(path) else ())

    def in_commands(self) -> Iterator[Undeclared]:
        """Only if the message is of something absent, or there is none: `test -f` says nothing."""
        if self.absent or not self.output.strip():
            for word in text.WORD.findall(text.WRITTEN_TO.sub("", self.commands)):
                if "/" in word or "." in word:
                    yield from self._files(word)

    def _files(self, token: str, folders: Iterable[Path] = ()) -> Iterator[Undeclared]:
        """The file or folder, or those of a pattern, if only the workspace has it.

        A relative path starts in the working directory, in one that the command changed to, or in `folders`.
        """
        token = re.sub(r"^file:(?://)?|\?\w+=.*$", "", token)
        if token.strip("./") and "\0" not in token:
            for folder in [*self._folders, *folders]:
                found = [p for p in self._meant(folder, token) if self.sandbox.lacks(p)]
                if found:
                    folders = {p.parent for p in found}
                    whole = PATTERN.search(token) and all(map(self.sandbox.lacks, folders))
                    yield from map(self.sandbox.undeclared, sorted(folders) if whole else found)
                    return

    @cached_property
    def _folders(self) -> list[Path]:
        changed = [
            c for code in (self.commands, *self._code) for c in text.CHANGED_TO.findall(code)
        ]
        return [
            self.stage.wdir,
            *(Path(os.path.normpath(self.stage.wdir / c)) for c in dict.fromkeys(changed)),
        ]

    def _meant(self, folder: Path, token: str) -> list[Path]:
        """Paths of the workspace for what a command calls so when it is in the folder's place in the sandbox."""
        here = self.sandbox.counterpart(folder)
        place = Path(os.path.normpath(here / token))
        if os.path.isabs(token) and not place.is_relative_to(self.stage.workspace.temporary):
            return []
        path = os.path.normpath(
            folder / os.path.relpath(place, here)
        )  # ../ may lead out of the sandbox
        return (
            [Path(p) for p in glob(path, recursive=True)] if PATTERN.search(token) else [Path(path)]
        )

    # The code that failed, in Python

    @cached_property
    def _frames(self) -> list[tuple[Path, int]]:
        """Files of the sandbox, and lines, in tracebacks."""
        found = [
            (self.sandbox.wdir / file, int(line)) for file, line in text.FRAME.findall(self.output)
        ]
        return [
            (file, line)
            for file, line in found
            if file.is_relative_to(self.sandbox.folder) and file.is_file()
        ]

    @cached_property
    def _code(self) -> list[str]:
        """Of the files in tracebacks and of those that the commands name."""
        named = [
            self.sandbox.wdir / word
            for word in text.WORD.findall(self.commands)
            if word.endswith((".py", ".sh"))
        ]
        files = dict.fromkeys([*(file for file, _ in self._frames), *named])
        return [
            file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file()
        ]

    @cached_property
    def _failed_lines(self) -> str:
        """The lines of code in tracebacks; the commands, which may hold code themselves, if there are none."""
        texts = {
            file: file.read_text(encoding="utf-8", errors="replace").splitlines()
            for file, _ in self._frames
        }
        lines = [texts[file][line - 1] for file, line in self._frames if line <= len(texts[file])]
        return "\n".join(lines) or self.commands

    # Python modules

    def _modules(self) -> list[Undeclared]:
        found: list[Undeclared] = []
        for missing, name, package in text.NO_MODULE.findall(self.output):
            module = (missing or f"{package}.{name}").rstrip(".")
            # `import a.b` fails at a, but needs both.
            inner = re.findall(rf"(?<![\w.]){re.escape(module)}(?:\.\w+)+", self.output)
            for dotted in dict.fromkeys([module, *inner]):
                hits = (self._module(root, dotted.split(".")) for root in self._roots)
                found += next(filter(None, hits), [])
        return [
            f
            for f in found
            if not any(other.path.is_relative_to(f.path) for other in found if other != f)
        ]

    @cached_property
    def _roots(self) -> list[Path]:
        """Folders of the workspace in which Python may look for modules."""
        stage, root = self.stage, self.stage.workspace.root
        scripts = [Path(p).parent for p in stage.dep_paths if p.endswith(".py")]
        listed = stage.environment.get("PYTHONPATH", "").split(os.pathsep)
        listed += [
            p
            for match in re.findall(r"PYTHONPATH=(\S+)", self.commands)
            for p in match.split(os.pathsep)
        ]
        below = [
            p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")
        ]  # put on sys.path by code
        return [
            *dict.fromkeys(
                [stage.wdir, root, *scripts, *(stage.wdir / p for p in listed if p), *below]
            )
        ]

    def _module(self, root: Path, parts: list[str]) -> list[Undeclared]:
        """The files that the sandbox lacks of a module and of the packages it lies in."""
        packages = [root.joinpath(*parts[: i + 1]) for i in range(len(parts))]
        files = [package / "__init__.py" for package in packages]
        files += [package.with_name(f"{package.name}.py") for package in packages]
        files += [packages[-1] / "__main__.py"] if "__main__" in self.end else []
        # Last, a package without __init__.py, of which nothing more is known.
        whole = packages[:1] if len(parts) == 1 and packages[0].is_dir() else []
        found = [file for file in files if self.sandbox.lacks(file)] or [
            p for p in whole if self.sandbox.lacks(p)
        ]
        return [*map(self.sandbox.undeclared, found)]

    # Params

    def keys(self) -> Iterator[Undeclared]:
        """`train.lr` where the message names train, lr or both, and the failed line what the message leaves out."""
        said = "\n".join(line for line in self.end.splitlines() if text.NO_KEY.search(line))
        if not said:
            return
        named = re.sub(r"NoneType.*", "", said)  # of None it names what is no key
        told = {*text.quoted(named), *(k for pair in text.KEY.findall(self.end) for k in pair if k)}
        told |= {word.strip(".:") for word in text.WORD.findall(named) if "." in word}
        if named != said:
            told |= {*text.GOT.findall(self._failed_lines)}
        elif "null" in said:  # jq says no more
            told |= {*text.quoted(self.commands), *re.findall(r"(?<=\.)\w+", self.commands)}
        around = told | {*re.findall(r"\w+", self._failed_lines)}
        for path, keys in self.stage.params.items():
            if keys and path.exists():
                undeclared = [
                    n
                    for n in key_paths(self.stage.params_of(path))
                    if coverage(n, keys) is Coverage.NONE
                ]
                hits = [n for n in undeclared if _is_named(n, told, around, keys)]
                narrowest = [
                    n
                    for n in hits
                    if not any(n == other[: len(n)] and n != other for other in hits)
                ]
                yield from (
                    Undeclared("params", self._line(path, ".".join(n)), path) for n in narrowest
                )

    def _line(self, path: Path, key: str) -> str:
        file = os.path.relpath(path, self.stage.wdir)
        return key if file == "params.yaml" else f"{file}: {key}"


def _is_named(name: KeyPath, told: set[str], around: set[str], keys: list[str]) -> bool:
    if ".".join(name) in told and len(name) > 1:
        return True
    # A key is missed where the mapping that it lies in is there: else it is that mapping which is missed first.
    if name[-1] in told and (len(name) == 1 or coverage(name[:-1], keys) is Coverage.PART):
        return True
    return bool(told & {*name}) and around.issuperset(name)
