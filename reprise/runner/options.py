"""Hold what a run is asked to do."""

import os
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RunOptions:
    """What the command line of `reprise run` says."""

    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    force: bool = False
    keep_going: bool = False
    pull: bool = False
    sandbox: bool = True
