"""A folder that holds what a stage declares and nothing else, in which its command runs."""

import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.params_file import cut, names
from pipeline.repository import Stage

QUOTED = re.compile(r"""['"`‘“]([^'"`’”\n]+)['"`’”]""")
WORD = re.compile(r"[^\s'\"`,;()<>\[\]{}=]+")
MODULE = re.compile(
    r"No module named ['\"]?([\w.]+)|from ['\"]?([\w.]+)['\"]? \(|cannot import name '(\w+)' from '([\w.]+)'"
)
LAST_LINES = 12  # of a command's output, in which its error is looked for


@dataclass(frozen=True)
class Undeclared:
    """Something that the workspace has, the sandbox hasn't, and the command's error names."""

    section: str  # deps or params
    line: str  # to add to the section in dvc.yaml
    path: Path  # absolute, in the workspace

    def said(self, stage: Stage) -> str:
        what = f"{self.line} (in {self.path.name})" if self.section == "params" else self.line
        return f"{what} is not declared: add '- {self.line}' to {self.section} of stage '{stage.name}' in {stage.file}"


class Sandbox:
    """Hard links (or copies) of the declared files, under `folder`, laid out as in the workspace."""

    def __init__(self, stage: Stage, folder: Path, extra: Sequence[Undeclared] = ()) -> None:
        """Lists what belongs in it; `build` makes it. `extra`: what to supply as if it were declared."""
        self.stage = stage
        self.folder = folder
        self._base = Path(os.path.commonpath([stage.repository.root, *stage.relative_outside]))  # ../ has a place too
        paths = [*map(Path, stage.dep_paths), *(u.path for u in extra if u.section == "deps")]
        self._inputs = {
            p: list(stage.files(p)) if p.is_dir() else None for p in paths if self._mirrored(p) and p.exists()
        }
        self._params = {p: keys for p, keys in stage.params.items() if self._mirrored(p) and p.is_file()}
        for path in {u.path for u in extra if u.section == "params"}:
            if self._params.get(path):
                more = [u.line.split(":", 1)[-1].strip() for u in extra if u.section == "params" and u.path == path]
                self._params[path] = [*self._params[path], *more]
        self._outs = {p: persists for p, persists in stage.outputs.items() if self._mirrored(p)}
        self._given: set[str] = set()

    def build(self) -> None:
        self.folder.mkdir(parents=True)
        self.wdir.mkdir(parents=True, exist_ok=True)
        for path, files in self._inputs.items():
            if files is None:
                _link(path, self._place(path))
            else:
                self._link_all(path, files)
        for path, keys in self._params.items():
            if not self.inside(path).exists():  # a dep too: then it is there as a whole
                self._place(path).write_text(cut(path, keys), encoding="utf-8")
        for path, persists in self._outs.items():
            place = self._place(path)
            if persists and path.exists():
                copy = shutil.copytree if path.is_dir() else shutil.copy2
                copy(path, place)
                for made in [place, *place.rglob("*")]:
                    made.chmod(made.stat().st_mode | stat.S_IWUSR)  # links into the cache are read-only
        self._given = set(self._files())

    def _mirrored(self, path: Path) -> bool:
        return path.is_relative_to(self._base)

    def inside(self, path: Path) -> Path:
        """Where a path of the workspace is in the sandbox."""
        return self.folder / path.relative_to(self._base)

    @property
    def wdir(self) -> Path:
        return self.inside(self.stage.wdir)

    def _place(self, path: Path) -> Path:
        place = self.inside(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def _link_all(self, folder: Path, files: list[Path]) -> None:
        top, made = self._place(folder), set[Path]()
        top.mkdir(exist_ok=True)
        for file in files:
            place = top / file.relative_to(folder)
            if place.parent not in made:
                place.parent.mkdir(parents=True, exist_ok=True)
                made.add(place.parent)
            _link(file, place)

    def _files(self) -> Iterator[str]:
        for folder, below, files in os.walk(self.folder):
            below[:] = [b for b in below if b != "__pycache__"]
            yield from (os.path.join(folder, f) for f in files)

    def undeclared_writes(self) -> list[str]:
        """Files that the command left beside the outs, relative to the root."""
        outs = [str(self.inside(o)) for o in self._outs]
        new = [f for f in self._files() if f not in self._given]
        beside = [f for f in new if not any(f == o or f.startswith(f"{o}{os.sep}") for o in outs)]
        return sorted(os.path.relpath(f, self.inside(self.stage.repository.root)) for f in beside)

    def missing_outs(self) -> list[str]:
        return [os.path.relpath(o, self.stage.repository.root) for o in self._outs if not self.inside(o).exists()]

    def bring_back(self) -> None:
        """Moves the outs that exist into the workspace, in place of old ones."""
        for number, path in enumerate(self._outs):
            made = self.inside(path)
            if not os.path.lexists(made):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(path) and (path.is_dir() or made.is_dir()):
                shutil.move(path, self.folder / f".replaced-{number}")
            shutil.move(made, path) if _other_device(made, path.parent) else os.replace(made, path)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    # What the command's error names

    def undeclared(self, output: str) -> list[Undeclared]:
        """What the workspace has and the sandbox hasn't among all that the end of the output names."""
        lines = output.strip().splitlines()[-LAST_LINES:]
        modules = [*self._modules("\n".join(lines))]
        # `No module named 'helpers'` names the folder too, but it is the module that is needed.
        paths = [p for p in self._paths("\n".join(lines)) if not any(m.path.is_relative_to(p.path) for m in modules)]
        return list(dict.fromkeys([*paths, *modules])) or list(dict.fromkeys(self._keys("\n".join(lines[-4:]))))

    def _paths(self, text: str) -> Iterator[Undeclared]:
        words = [piece.rstrip(".!") for w in WORD.findall(text) for piece in (w, *re.split("[:?]", w))]
        for token in dict.fromkeys([*QUOTED.findall(text), *words]):
            if token and "\0" not in token and len(token) < 1000:
                yield from self._path(Path(os.path.normpath(self.wdir / token)))

    def _path(self, place: Path) -> Iterator[Undeclared]:
        """If the workspace has the path and the sandbox hasn't; `place` is in the sandbox."""
        if not place.is_relative_to(self.folder):
            return
        path = self._base / place.relative_to(self.folder)
        hidden = {".git", ".dvc"} & set(path.relative_to(self._base).parts)
        if path != self._base and not hidden and path.exists() and not place.exists():
            yield Undeclared("deps", os.path.relpath(path, self.stage.wdir), path)

    def _modules(self, text: str) -> Iterator[Undeclared]:
        roots = {self.wdir, self.inside(self.stage.repository.root)}
        roots |= {self.inside(Path(p)).parent for p in self.stage.dep_paths if p.endswith(".py")}
        for match in MODULE.findall(text):
            name = ".".join(part for part in (match[0] or match[1], match[3], match[2]) if part)
            parts = name.split(".")
            for root in sorted(roots):
                for end in range(len(parts), 0, -1):
                    place = root.joinpath(*parts[:end])
                    hits = [*self._path(place.with_name(f"{place.name}.py")), *self._path(place / "__init__.py")]
                    if not hits and any(u.path.is_dir() for u in self._path(place)):
                        inner = re.findall(rf"\b{re.escape(name)}\.([\w.]+)", text)  # a package without __init__.py
                        hits = [u for i in inner for u in self._path(place.joinpath(*i.split(".")).with_suffix(".py"))]
                        hits = hits or [*self._path(place)]
                    if hits:
                        yield from hits
                        return

    def _keys(self, text: str) -> Iterator[Undeclared]:
        """Params keys that the text names: `train.lr` where it says train and lr, else all that end in such a name."""
        words = {*QUOTED.findall(text), *(w.strip(".:!?") for w in WORD.findall(text))}
        for path, keys in self.stage.params.items():
            if not keys or not path.exists():
                continue
            missing = [n for n in map(".".join, names(self.stage.params_of(path))) if not _touches(n, keys)]
            named = [n for n in missing if n in words or n.rsplit(".", 1)[-1] in words]
            named = [n for n in named if n in words or words.issuperset(n.split("."))] or named
            for name in named:
                if not any(other.startswith(f"{name}.") for other in named):
                    yield Undeclared("params", self._params_line(path, name), path)

    def _params_line(self, path: Path, key: str) -> str:
        file = os.path.relpath(path, self.stage.wdir)
        return key if file == "params.yaml" else f"{file}: {key}"


def _touches(name: str, keys: Sequence[str]) -> bool:
    """Whether one of the declared keys holds the name or is held by it."""
    return any(name == k or name.startswith(f"{k}.") or k.startswith(f"{name}.") for k in keys)


def _link(source: Path, place: Path) -> None:
    """A hard link to what the path names, a copy where the file system has none."""
    try:
        os.link(os.path.realpath(source), place)
    except FileExistsError:
        return  # two deps, one inside the other
    except OSError:
        shutil.copy2(source, place)


def _other_device(source: Path, folder: Path) -> bool:
    return source.lstat().st_dev != folder.stat().st_dev
