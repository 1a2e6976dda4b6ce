"""Find the stages that a path belongs to."""

import os
from collections.abc import Sequence

from reprise.dvc.recorded.stage_record import StageRecord
from reprise.state.trace.signature import DOTTED, FILES

_NONE: Sequence[int] = ()


class Owners:
    """Finds stages, by their positions in the plan."""

    def __init__(self, records: Sequence[StageRecord]) -> None:
        """Take the records of the stages, in plan order."""
        self._of: dict[str, list[int]] = {}
        self._declaring: dict[str, list[int]] = {}
        for position, record in enumerate(records):
            for path in (*record.deps, *record.outs):
                self._of.setdefault(path, []).append(position)
            for path in record.params:
                self._declaring.setdefault(path, []).append(position)

    def find(self, path: str) -> list[int]:
        """List the stages of which the path is an out or a dep, or lies in one."""
        found: list[int] = []
        above = path
        while True:
            found += self._of.get(above, _NONE)
            path, above = above, os.path.dirname(above)
            if above == path:
                return found

    def declaring(self, path: str) -> Sequence[int]:
        """List the stages of which the path is a params file."""
        return self._declaring.get(path, _NONE)

    def decides_more(self, path: str) -> bool:
        """Tell whether the path decides about stages, be it a dep of some or not.

        That is a file of DVC's or git's by its name, or a params file; or what is no stage's.
        """
        name = os.path.basename(path)
        if name.startswith(DOTTED) or name.endswith(FILES) or path in self._declaring:
            return True
        return not self.find(path)
