"""Hand the results of jobs from their threads to the runner's."""

import queue
from collections import deque

from reprise.dvc import Stage
from reprise.process.job import JobResult


class EndedJobs:
    """Collects jobs that ended, until the runner finishes their stages one after the other.

    collected: the jobs to finish, oldest first. Only the runner's thread uses it.
    """

    def __init__(self) -> None:
        self.collected: deque[tuple[Stage, JobResult]] = deque()
        # None: no job ended, but the runner is to look for a signal.
        self._events: queue.SimpleQueue[tuple[Stage, JobResult] | None] = queue.SimpleQueue()

    def put(self, stage: Stage, result: JobResult) -> None:
        """Hand over a result. For any thread."""
        self._events.put((stage, result))

    def wake(self) -> None:
        """End a wait in `collect`. For a signal handler too."""
        self._events.put(None)

    def collect(self, patience: float) -> None:
        """Collect all jobs that ended. patience: seconds to wait for the first."""
        try:
            event = self._events.get(timeout=patience)
            while True:
                if event is not None:
                    self.collected.append(event)
                event = self._events.get_nowait()
        except queue.Empty:
            return
