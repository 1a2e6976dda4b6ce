"""A sandbox that hears what its command asks for, supplies it, and keeps a list."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from reprise.check.syscalls import Kind
from reprise.dvc import Stage
from reprise.sandbox.sandbox import Sandbox
from reprise.sandbox.undeclared import Undeclared

# Tools look for these in every folder above the one they are in, and change their ways when they find one.
OF_TOOLS = {
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "tox.ini",
    "uv.lock",
    "poetry.lock",
    "Pipfile",
    "package.json",
}
OF_TOOLS |= {"node_modules", "site-packages", "pyvenv.cfg", "dvc.yaml", "dvc.lock"}
ENDINGS = (".dvc", ".egg-info", ".dist-info", ".pyc")


class Watched(Sandbox):
    """`learning`: what the command asks for and only the workspace has comes into the sandbox before it looks."""

    def __init__(
        self, stage: Stage, folder: Path, extra: Sequence[Undeclared], *, learning: bool
    ) -> None:
        super().__init__(stage, folder, extra)
        self.learning = learning
        self.differs = (
            False  # from a sandbox of what is declared, in a way that `needs` does not tell
        )
        self._asked: dict[
            Path, None
        ] = {}  # files that only the workspace has, in the order of asking
        self._used: set[Path] = set()  # in the workspace
        self._listed: list[Path] = []  # folders that only the workspace has
        self._supplied: set[Path] = set()  # links and folders, in the sandbox
        self._heard: set[tuple[Kind, str]] = set()

    def hear(self, kind: Kind, place: str) -> None:
        """Before the kernel looks for the path."""
        if (kind, place) in self._heard or not place.startswith(str(self.stage.workspace.root)):
            return
        self._heard.add((kind, place))
        path = self._meant(Path(place))
        if path is None:
            return
        if kind == "write":
            self._separate(Path(place))
            return
        self._used.add(path)
        if self._is_inside(Path(place)):
            with suppress(
                PermissionError
            ):  # what this user may not read, the command may not read either
                if self.learning:
                    self._supply(kind, Path(place), path)
        elif (
            path.is_file()
            and kind in ("read", "update")
            and not self._is_declared(path)
            and self._counts(path)
        ):
            self._asked[path] = None

    def _meant(self, place: Path) -> Path | None:
        """The path of the workspace; of what is beside or above the sandbox, if it may be."""
        if place.is_relative_to(self.stage.workspace.temporary):
            return Path(os.path.normpath(self.stage.wdir / os.path.relpath(place, self.wdir)))
        return place if place.is_relative_to(self.stage.workspace.root) else None

    def _supply(self, kind: Kind, place: Path, path: Path) -> None:
        if not os.path.lexists(place) and path.exists() and self._counts(path):
            if path.is_dir():
                place.mkdir(parents=True, exist_ok=True)
                self._supplied.add(place)
                self.differs = True
            else:
                self._link_all(path.parent, [path])
                self._supplied.add(place)
        if place.is_dir():
            if kind == "list" and path.is_dir():
                self._supply_listing(place, path)
        elif place in self._supplied:
            self._asked[path] = None
            if kind == "update":
                self._separate(place)

    def _supply_listing(self, place: Path, path: Path) -> None:
        if place in self._supplied:
            self._listed.append(path)
        # Python lists the folders of its modules; who else lists one may mean to count.
        self.differs |= path != self.stage.wdir and not any(path.glob("*.py"))
        for entry in os.scandir(path):
            inner, there = path / entry.name, place / entry.name
            if not os.path.lexists(there) and self._counts(inner):
                if entry.is_dir():
                    there.mkdir(exist_ok=True)
                elif entry.is_file():
                    self._link_all(path, [inner])
                self._supplied.add(there)

    def _separate(self, place: Path) -> None:
        """A copy in place of a link: the command may write to it."""
        if place in self._supplied and place.is_file():
            copy = place.with_name(f".{place.name}.copy")
            shutil.copy2(place, copy)
            copy.replace(place)

    def _counts(self, path: Path) -> bool:
        """Whether it may be an input: no out of the stage, no tool's own file, nothing that git ignores but DVC has."""
        root = self.stage.workspace.root
        parts = path.relative_to(root).parts if path.is_relative_to(root) else path.parts[-1:]
        if any(part.startswith(".") or part.endswith(ENDINGS) for part in parts) or OF_TOOLS & {
            *parts
        }:
            return False
        if any(path.is_relative_to(out) for out in self.stage.outputs):
            return False
        around = {path, *path.parents}
        return not around & self.stage.workspace.ignored or bool(around & self.stage.workspace.data)

    def _is_declared(self, path: Path) -> bool:
        return path in self.stage.params or any(
            path.is_relative_to(p) for p in self.stage.dep_paths
        )

    def _is_inside(self, place: Path) -> bool:
        return place.is_relative_to(self.folder)

    # Afterwards

    def undeclared_writes(self) -> list[str]:
        root = self.path_of(self.stage.workspace.root)
        supplied = {os.path.relpath(place, root) for place in self._supplied}
        return [file for file in super().undeclared_writes() if file not in supplied]

    @property
    def used(self) -> set[Path]:
        """What it looked at, in the workspace, and the folders above."""
        return self._used | {above for path in self._used for above in path.parents}

    def needs(self) -> list[Undeclared]:
        """What it asked for that the stage does not declare; a folder where it listed it and read all or nothing."""
        found = [*self._asked]
        walked: set[Path] = set()
        for folder in sorted(self._listed):
            files = {*self._files_of(folder)}
            if all(file.suffix == ".py" for file in files) or any(
                o.is_relative_to(folder) for o in self._outs
            ):
                continue  # Python looks for modules there; an out can't be in a dep
            read = [path for path in found if path.is_relative_to(folder)]
            if not read and (folder.parent in walked or self._is_one_of_all(folder)):
                walked.add(folder)
            elif files <= {*read} or not (read or {*folder.parents} & {*found}):
                place = found.index(read[0]) if read else len(found)
                found = [
                    *(p for p in found[:place]),
                    folder,
                    *(p for p in found[place:] if p not in read),
                ]
        return [self.undeclared(path) for path in found]

    def _is_one_of_all(self, folder: Path) -> bool:
        """Listed with all that stand beside it: `find .` walks the whole tree."""
        beside = [p for p in folder.parent.iterdir() if p.is_dir() and self._counts(p)]
        return len(beside) > 1 and self._used.issuperset(beside)

    def _files_of(self, folder: Path) -> Iterator[Path]:
        return (path for path in folder.rglob("*") if path.is_file() and self._counts(path))
