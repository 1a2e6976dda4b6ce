"""Hold what a run is asked to do."""

import os
from dataclasses import dataclass, field

from reprise.described import DescribedEnum


class OnError(DescribedEnum):
    """Names what a run does after a stage failed."""

    FAIL = "fail", "no further stage starts"
    KEEP_GOING = "keep-going", "those that do not depend on it run"
    IGNORE = "ignore", "all of them run, and the run counts as a success"


def count_cores() -> int:
    """Count the cores of this machine; 1 where the system does not tell."""
    return os.cpu_count() or 1


@dataclass(frozen=True)
class RunOptions:
    """Holds the options of `reprise run`, of which its help says more.

    jobs: how many stages run at a time. pull: get missing data and runs from the remote.
    commit: put outs and runs into the cache. run_cache: restore stages from it. reads_stdin:
    commands get the standard input.
    """

    jobs: int = field(default_factory=count_cores)
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
