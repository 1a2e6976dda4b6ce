"""Hold what a run is asked to do."""

import os
from dataclasses import dataclass, field
from enum import StrEnum


class OnError(StrEnum):
    """Names what a run does after a stage failed."""

    FAIL = "fail"
    KEEP_GOING = "keep-going"
    IGNORE = "ignore"

    @property
    def description(self) -> str:
        """Say what happens to the other stages."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    OnError.FAIL: "no further stage starts",
    OnError.KEEP_GOING: "those that do not depend on it run",
    OnError.IGNORE: "all of them run, and the run counts as a success",
}


@dataclass(frozen=True)
class RunOptions:
    """Holds the options of `reprise run`, of which its help says more.

    jobs: how many stages run at a time. pull: get missing data and runs from the remote.
    commit: put outs and runs into the cache. run_cache: restore stages from it. reads_stdin:
    commands get the standard input.
    """

    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    force: bool = False
    force_downstream: bool = False
    allow_missing: bool = False
    on_error: OnError = OnError.FAIL
    pull: bool = False
    commit: bool = True
    run_cache: bool = True
    interactive: bool = False
    reads_stdin: bool = False
    sandbox: bool = True
