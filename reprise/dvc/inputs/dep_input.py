"""Takes down one dep as DVC would record it now, and can let DVC see just that later."""

from typing import Any

from dvc.output import Output

from reprise.dvc.changes import Change, ChangeKind

SAVED = ("hash_info", "hash_name", "meta", "obj", "files")  # what DVC's `save` sets of a dep


class DepInput:
    """Holds what a dep was at one moment. This is all that is known of one in a cloud."""

    def __init__(self, dep: Output) -> None:
        """Have DVC hash the dep, and leave DVC's object as it is.

        Raises DVC's own error for one that is missing.
        """
        self.dep = dep
        # Set where the command has a copy of its own, which nobody else writes to.
        self.is_private = False
        before = dict(vars(dep))
        try:
            dep.save()
            self.saved = {name: value for name, value in vars(dep).items() if name in SAVED}
        finally:
            vars(dep).clear()
            vars(dep).update(before)

    def changes(self) -> list[Change]:
        """List what changed of it since, where the command may have read it."""
        if self.dep.get_hash() == self.saved["hash_info"]:
            return []
        return [Change(ChangeKind.DEP, str(self.dep))]

    def pins(self) -> dict[str, Any]:
        """Return methods that, on DVC's object, answer as if it were that moment."""
        return {
            "save": lambda: vars(self.dep).update(self.saved),
            "get_hash": lambda: self.saved["hash_info"],
        }
