"""Which stage may start next: its upstream stages are done, a job is free, and its group has room."""

import heapq
import time
from collections.abc import Collection, Iterator, Sequence

from reprise.dvc import Stage


class Scheduler:
    """The order in which the stages of a run start."""

    def __init__(
        self, stages: Sequence[Stage], jobs: int, *, retries_keep_slots: bool = False
    ) -> None:
        """`stages`: in plan order, each with its upstream stages. `jobs`: how many run at a time.

        retries_keep_slots: a stage that failed counts as running until it is tried again.
        """
        self._stages, self._jobs, self._retries_keep_slots = stages, jobs, retries_keep_slots
        self.place = {stage: i for i, stage in enumerate(stages)}
        self._waiting = {stage: len(stage.upstream) for stage in stages}
        self._downstream: dict[Stage, list[Stage]] = {stage: [] for stage in stages}
        for stage in stages:
            for upstream in stage.upstream:
                self._downstream[upstream].append(stage)
        self._ready = [
            i for i, stage in enumerate(stages) if not stage.upstream
        ]  # a heap of places in the plan
        self._later: list[
            tuple[float, Stage, int]
        ] = []  # retries: when, which, the how many-th attempt

    @property
    def is_due(self) -> bool:
        """Whether a retry's pause is over."""
        return any(when <= time.monotonic() for when, _, _ in self._later)

    def __bool__(self) -> bool:
        """Whether a stage is ready, or will be after its pause."""
        return bool(self._ready or self._later)

    def ready(self, running: Collection[Stage]) -> Iterator[Stage]:
        """Stages to start, while there is room. `running` grows meanwhile, and stages that end make others ready."""
        full: list[int] = []  # whose groups are
        try:
            while self._ready and len(self._busy(running)) < self._jobs:
                place = heapq.heappop(self._ready)
                if self.has_room(self._stages[place], running):
                    yield self._stages[place]
                else:
                    full.append(place)
        finally:
            for place in full:
                heapq.heappush(self._ready, place)

    def due(self, running: Collection[Stage]) -> Iterator[tuple[Stage, int]]:
        """Stages to try again, and the how many-th attempt it is."""
        now = time.monotonic()
        for retry in [*self._later]:
            when, stage, attempt = retry
            if when <= now and self.has_room(stage, running):
                self._later.remove(retry)
                yield stage, attempt

    def has_room(self, stage: Stage, running: Collection[Stage]) -> bool:
        group, busy = stage.settings.group, [s for s in self._busy(running) if s != stage]
        others = [s.settings.limit for s in busy if group is not None and s.settings.group == group]
        return len(busy) < self._jobs and len(others) < min([stage.settings.limit, *others])

    def _busy(self, running: Collection[Stage]) -> list[Stage]:
        return [*running, *(stage for _, stage, _ in self._later if self._retries_keep_slots)]

    def retry(self, stage: Stage, attempt: int, pause: float) -> None:
        """After `pause` seconds."""
        self._later.append((time.monotonic() + pause, stage, attempt))

    def done(self, stage: Stage) -> None:
        """Stages below it may start, once their other upstream stages are done."""
        for below in self._downstream[stage]:
            self._waiting[below] -= 1
            if self._waiting[below] == 0:
                heapq.heappush(self._ready, self.place[below])

    def below(self, stage: Stage) -> Iterator[Stage]:
        """All stages downstream, each once."""
        above, seen = [stage], {stage}
        while above:
            for s in self._downstream[above.pop()]:
                if s not in seen:
                    seen.add(s)
                    above.append(s)
                    yield s
