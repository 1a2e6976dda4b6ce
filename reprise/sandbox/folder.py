"""Build a sandbox as a folder of its own, which mirrors the workspace."""

import mmap
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from reprise.dvc import Stage
from reprise.sandbox.sandbox import AS_DECLARED, Contents, Sandbox

TEMPORARY = "REPRISE_TMP"  # of the environment: where `.dvc/tmp/reprise` of the workspace is


class FolderSandbox(Sandbox):
    """Holds hard links to (or copies of) the declared files, laid out as in the workspace.

    For where the kernel gives commands no namespace: absolute paths into the workspace lead past
    the sandbox.
    """

    def __init__(
        self,
        stage: Stage,
        folder: Path,
        contents: Contents = AS_DECLARED,
        *,
        private: bool = False,
    ) -> None:
        """List what belongs in the sandbox; `build` makes it.

        private: copies the inputs, so that the command can't change those of the workspace.
        """
        super().__init__(stage, folder, contents)
        extra_deps = self._deps[len(stage.dep_paths) :]
        # The root, or a folder above it for deps beside the root.
        self._base = Path(
            os.path.commonpath([stage.workspace.root, *stage.relative_outside, *extra_deps])
        )
        self._mirror = folder
        self.ground = stage.workspace.temporary  # `../` may lead out of this sandbox
        self.wdir = self._position(stage.wdir)
        self._inputs = self._list_inputs()
        if private:
            self._put_file = shutil.copy2
        else:
            self.environment = {TEMPORARY: str(stage.workspace.temporary)}
        self._since = 0  # by the clock of the file system: when the sandbox was built
        # Files, as strings, with their inodes: there may be a hundred thousand.
        self._given: dict[str, int] = {}

    def _list_inputs(self) -> dict[Path, list[Path] | None]:
        """Map each input that exists to its files if it is a folder, to None if it is a file."""
        inputs: dict[Path, list[Path] | None] = {}
        for path in filter(self._mirrors, [*self._deps, *self._contents.left]):
            if path.is_dir():
                inputs[path] = list(self.stage.files(path))
            elif path.exists():
                inputs[path] = None
        return inputs

    def build(self) -> None:
        """Make the folder: inputs, params cut to the declared keys, outs that persist."""
        self.folder.mkdir(parents=True)
        self._since = self.folder.stat().st_mtime_ns
        self.wdir.mkdir(parents=True, exist_ok=True)
        for path, files in self._inputs.items():
            self._add_input(path, files)
        for path in filter(self._mirrors, self._params):
            if not self._position(path).exists():  # if it is a dep too, it is there as a whole
                self._write_params(path)
        self._given = self._files()
        self._prepare_outs()

    def _add_input(self, path: Path, files: Iterable[Path] | None) -> None:
        if path in self._contents.replacements:
            self._copy_replacements(path)
        elif files is None:
            self._link_file(path)
        else:
            self._prepare(path).mkdir(exist_ok=True)
            self._link_all(path, files)

    def _link_all(self, folder: Path, files: Iterable[Path]) -> None:
        """Link files of the workspace's folder into the sandbox."""
        prefix = len(str(folder))
        target_folder = str(self._position(folder))
        created: set[str] = set()
        for file in map(str, files):
            target = target_folder + file[prefix:]
            parent = target[: target.rindex(os.sep)]
            if parent not in created:
                os.makedirs(parent, exist_ok=True)
                created.add(parent)
            self._put_file(file, target)

    def _files(self) -> dict[str, int]:
        """Map the files of the sandbox to their inodes.

        Those that Python compiles are not among them: they hold the sandbox's path.
        """
        inodes = {}
        for folder, subfolders, files in os.walk(self.folder):
            if "__pycache__" in subfolders:
                subfolders.remove("__pycache__")  # os.walk leaves it out then
            paths = [os.path.join(folder, name) for name in subfolders]
            links = filter(os.path.islink, paths)
            for file in (*links, *(os.path.join(folder, name) for name in files)):
                inodes[file] = os.lstat(file).st_ino
        return inodes

    def _undeclared_files(self) -> Iterator[Path]:
        outs = tuple(f"{self._position(out)}{os.sep}" for out in self._outs)
        for file, _ in self._files().items() - self._given.items():
            # With a separator after both, `model.csv` is not taken for a part of `model`.
            if not f"{file}{os.sep}".startswith(outs):
                yield self._base / os.path.relpath(file, self.folder)

    def _given_at(self, path: Path) -> Path | None:
        """Return the file of the workspace itself: the command may have replaced the link to it."""
        if str(self._position(path)) not in self._given:
            return None
        return path

    def _deleted_files(self) -> Iterator[Path]:
        for file in self._given.keys() - self._files():
            yield self._base / os.path.relpath(file, self.folder)

    def outs_error(self) -> str | None:
        """Say what is wrong with the outs: one is missing, or names this folder, which will go."""
        error = super().outs_error()
        if error is not None:
            return "; ".join([error, *self._written_outside()])
        for out in self._outs:
            written = self.written(out)
            for file in (written, *written.rglob("*")):
                if _mentions(file, str(self.folder)):
                    name = os.path.relpath(out, self.stage.workspace.root)
                    return (
                        f"{name} holds the path of the command's sandbox, which is removed;"
                        f" set `sandbox: false` for stage '{self.stage.name}'"
                    )
        return None

    def _written_outside(self) -> Iterator[str]:
        """Name the outs that the command wrote into the workspace itself."""
        for out in self._outs:
            if os.path.exists(out) and out.stat().st_mtime_ns >= self._since:
                yield (
                    f"it wrote {out}, outside of its sandbox: expected a relative path,"
                    f" or `sandbox: false` for stage '{self.stage.name}'"
                )

    def written(self, path: Path) -> Path:
        """Return where the file is that the command wrote at a path of the workspace."""
        return self._position(path)

    def counterpart(self, path: Path) -> Path:
        """Return where any path would be in the sandbox, seen from the working directory."""
        return Path(os.path.normpath(self.wdir / os.path.relpath(path, self.stage.wdir)))

    def origin(self, path: Path) -> Path:
        """Return which path of the workspace, or beside it, the command means by a path.

        As seen from the working directory: `../` may lead out of this sandbox.
        """
        if path.is_relative_to(self.ground):
            return Path(os.path.normpath(self.stage.wdir / os.path.relpath(path, self.wdir)))
        return path

    def shows(self, path: Path) -> bool:
        """Tell whether the sandbox has the path."""
        return os.path.exists(self.counterpart(path))

    def holds(self, file: Path) -> bool:
        """Tell whether a file, by the command's path, is one that the sandbox was given."""
        return file.is_relative_to(self.folder) and os.path.isfile(file)


def _mentions(file: Path, text: str) -> bool:
    """Tell whether a file has the text in it, or is a link to a path with it."""
    if file.is_symlink():
        return text in os.readlink(file)
    if not file.is_file() or file.stat().st_size == 0:
        return False
    with (
        file.open("rb") as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return content.find(os.fsencode(text)) >= 0
