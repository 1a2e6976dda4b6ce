"""Hold what a run is asked to do."""

import os
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RunOptions:
    """Holds the options of `reprise run`, of which its help says more.

    jobs: how many stages run at a time. pull: get missing data and runs from the remote.
    """

    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    force: bool = False
    keep_going: bool = False
    pull: bool = False
    sandbox: bool = True
