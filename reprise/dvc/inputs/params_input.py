"""Takes down the text of a params file, and the values in it that a stage declares."""

from typing import Any

from dvc.dependency import ParamsDependency

from reprise.dvc.changes import MISSING, Change, param_changes
from reprise.dvc.file_cache import FileCache
from reprise.dvc.inputs.dep_input import DepInput


class ParamsInput(DepInput):
    """Holds a params file at one moment: its text, and the declared values in that text."""

    dep: ParamsDependency

    def __init__(self, dep: ParamsDependency, file_cache: FileCache) -> None:
        """Read the file once, for its text and its values."""
        super().__init__(dep)
        self.text = file_cache.params_text(dep.fs_path)

    def changes(self) -> list[Change]:
        """List the declared values that differ. Others do not matter.

        A value that was changed and changed back in the meantime is not seen.
        """
        old, new = self.saved["hash_info"].value, self.dep.read_params()
        changes = []
        for key in dict.fromkeys([*old, *new]):
            before, now = old.get(key, MISSING), new.get(key, MISSING)
            if [before] != [now]:  # in lists, a .nan is equal to itself
                changes += param_changes(str(self.dep), key, before, now)
        return changes

    def pins(self) -> dict[str, Any]:
        """Return methods that, on DVC's object, answer as if it were that moment."""
        return {**super().pins(), "read_params": lambda **_: self.saved["hash_info"].value}
