"""A folder that holds what a stage declares and nothing else, in which its command runs."""

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from reprise.dvc import Stage
from reprise.params.cut import cut
from reprise.sandbox.undeclared import Section, Undeclared


class Sandbox:
    """Hard links (or copies) of the declared files, under `folder`, laid out as in the workspace."""

    def __init__(
        self,
        stage: Stage,
        folder: Path,
        extra: Sequence[Undeclared] = (),
        instead: Mapping[Path, Mapping[str, Path]] = MappingProxyType({}),
    ) -> None:
        """Lists what belongs in it; `build` makes it. `extra`: what to supply as if it were declared.

        instead: deps whose bytes come from elsewhere: the name of each file in the dep, and where it lies.
        """
        self.stage = stage
        self.folder = folder
        more = [u.path for u in extra if u.section == "deps"]
        # ../ has a place too
        self._base = Path(
            os.path.commonpath([stage.workspace.root, *stage.relative_outside, *more])
        )
        paths = [*map(Path, stage.dep_paths), *more]
        self._inputs = {
            p: list(stage.files(p)) if p.is_dir() else None
            for p in paths
            if self._mirrored(p) and p.exists()
        }
        self._params = {
            p: keys for p, keys in stage.params.items() if self._mirrored(p) and p.is_file()
        }
        for u in extra:
            if u.section == "params" and self._params.get(u.path):
                self._params[u.path] = [*self._params[u.path], u.key]
        self._instead = instead
        self._outs = {p: persists for p, persists in stage.outputs.items() if self._mirrored(p)}
        self._given: set[str] = set()  # files, as strings: there may be a hundred thousand

    def build(self) -> None:
        self.folder.mkdir(parents=True)
        self.wdir.mkdir(parents=True, exist_ok=True)
        for path, files in self._inputs.items():
            if path in self._instead:
                self._copy(path, self._instead[path])
            elif files is None:
                self._link_all(path.parent, [path])
            else:
                self._place(path).mkdir(exist_ok=True)
                self._link_all(path, files)
        for path, keys in self._params.items():
            if not self.path_of(path).exists():  # a dep too: then it is there as a whole
                self._place(path).write_text(cut(path, keys), encoding="utf-8")
        for path, persists in self._outs.items():
            place = self._place(path)
            if persists and path.exists():
                copy = shutil.copytree if path.is_dir() else shutil.copy2
                copy(path, place)
                for made in [place, *place.rglob("*")]:
                    made.chmod(
                        made.stat().st_mode | stat.S_IWUSR
                    )  # links into the cache are read-only
        self._given = set(self._files())

    def _mirrored(self, path: Path) -> bool:
        return path.is_relative_to(self._base)

    def inside(self, path: Path) -> Path:
        """Where a path of the workspace is in the sandbox."""
        return self.folder / path.relative_to(self._base)

    @property
    def wdir(self) -> Path:
        return self.path_of(self.stage.wdir)

    def _place(self, path: Path) -> Path:
        place = self.path_of(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def _link_all(self, folder: Path, files: Iterable[Path]) -> None:
        """Hard links, or copies where the file system has none, to what the paths name."""
        above, made = len(str(folder)), set[str]()
        top = str(self.path_of(folder))
        for file in map(str, files):
            place = top + file[above:]
            below = place[: place.rindex(os.sep)]
            if below not in made:
                os.makedirs(below, exist_ok=True)
                made.add(below)
            try:
                os.link(os.path.realpath(file) if os.path.islink(file) else file, place)
            except FileExistsError:
                pass  # two deps, one inside the other
            except OSError:
                shutil.copy2(file, place)

    def _copy(self, path: Path, files: Mapping[str, Path]) -> None:
        """Of a dep that is a single file, the name is its own."""
        for name, file in files.items():
            place = self._place(path / name if path.is_dir() else path)
            shutil.copyfile(file, place)

    def _files(self) -> Iterator[str]:
        for folder, below, files in os.walk(self.folder):
            below[:] = [b for b in below if b != "__pycache__"]
            yield from (os.path.join(folder, f) for f in files)

    def undeclared_writes(self) -> list[str]:
        """Files that the command left beside the outs, relative to the root."""
        outs = [str(self.path_of(o)) for o in self._outs]
        new = [f for f in self._files() if f not in self._given]
        beside = [f for f in new if not any(f == o or f.startswith(f"{o}{os.sep}") for o in outs)]
        return sorted(os.path.relpath(f, self.path_of(self.stage.workspace.root)) for f in beside)

    def missing_outs(self) -> list[str]:
        return [
            os.path.relpath(o, self.stage.workspace.root)
            for o in self._outs
            if not self.path_of(o).exists()
        ]

    def bring_back(self) -> None:
        """Moves the outs that exist into the workspace, in place of old ones."""
        for number, path in enumerate(self._outs):
            made = self.path_of(path)
            if not os.path.lexists(made):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(path) and (path.is_dir() or made.is_dir()):
                shutil.move(path, self.folder / f".replaced-{number}")
            shutil.move(made, path)  # copies where .dvc/tmp is another mount

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    # What it hasn't

    def counterpart(self, path: Path) -> Path:
        """Where it would have any path, seen from the working directory."""
        return Path(os.path.normpath(self.wdir / os.path.relpath(path, self.stage.wdir)))

    def lacks(self, path: Path) -> bool:
        """Whether the workspace has the path and the sandbox hasn't, and no out is meant."""
        root = self.stage.workspace.root
        hidden = path.is_relative_to(root) and {".git", ".dvc"} & set(path.relative_to(root).parts)
        if hidden or any(path.is_relative_to(out) for out in self.stage.outputs):
            return False
        return os.path.exists(path) and not os.path.exists(self.counterpart(path))

    def undeclared(self, path: Path) -> Undeclared:
        """The path as a dep to add."""
        return Undeclared(Section.DEPS, os.path.relpath(path, self.stage.wdir), path=path)
