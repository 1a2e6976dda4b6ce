"""Decide which stage may start next.

Its upstream stages have ended, a job is free, and its group has room.
"""

import heapq
import math
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from reprise.dvc import Stage


@dataclass(frozen=True)
class _Retry:
    """Holds an attempt to make later. due: a time of the monotonic clock, in seconds."""

    stage: Stage
    number: int
    due: float


class Scheduler:
    """Keeps which stages are ready, and which are to be tried again after a pause."""

    def __init__(
        self, stages: Sequence[Stage], jobs: int, *, retries_keep_slots: bool = False
    ) -> None:
        """Make all stages ready that wait for no other.

        stages: in plan order, each with its upstream stages. jobs: how many run at a time.
        retries_keep_slots: a stage that failed counts as running until it is tried again.
        """
        self._stages = stages
        self._jobs = jobs
        self._retries_keep_slots = retries_keep_slots
        self._retries: list[_Retry] = []
        self._ready: list[int] = []  # a heap of positions
        # By position, when a stage's inputs will have settled: times of the monotonic clock.
        self._settling: dict[int, float] = {}
        self.position: dict[Stage, int] = {}  # in the plan
        self._missing: dict[Stage, int] = {}  # stages to wait for that have not ended yet
        self._followers: dict[Stage, list[Stage]] = {stage: [] for stage in stages}
        for position, stage in enumerate(stages):
            self.position[stage] = position
            before = [*stage.upstream]
            if stage.after is not None:
                before.append(stage.after)
            self._missing[stage] = len(before)
            for other in before:
                self._followers[other].append(stage)
            if not before:
                self._ready.append(position)

    def has_due_retry(self) -> bool:
        """Tell whether a retry's pause is over."""
        now = time.monotonic()
        return any(retry.due <= now for retry in self._retries)

    def is_empty(self) -> bool:
        """Tell whether no stage is ready or will be after its pause."""
        return not self._ready and not self._settling and not self._retries

    def patience(self, most: float) -> float:
        """Return for how many seconds nothing settles; `most` if that is longer."""
        due = min(self._settling.values(), default=math.inf)
        return min(most, max(0.0, due - time.monotonic()))

    def take_settled(self) -> bool:
        """Make the stages ready whose inputs have settled; tell whether there are any."""
        now = time.monotonic()
        settled = [position for position, due in self._settling.items() if due <= now]
        for position in settled:
            del self._settling[position]
            heapq.heappush(self._ready, position)
        return bool(settled)

    def ready(self, running: Collection[Stage]) -> Iterator[Stage]:
        """Take the stages to start, while there is room.

        `running` grows meanwhile, and stages that end make others ready.
        """
        without_room: list[int] = []  # their groups are full
        try:
            while self._has_next() and len(self._busy(running)) < self._jobs:
                position = heapq.heappop(self._ready)
                if self.has_room(self._stages[position], running):
                    yield self._stages[position]
                else:
                    without_room.append(position)
        finally:
            for position in without_room:
                heapq.heappush(self._ready, position)

    def _has_next(self) -> bool:
        """Tell whether a stage is ready, and none that comes before it in the plan settles."""
        first_settling = min(self._settling, default=math.inf)
        return bool(self._ready) and self._ready[0] < first_settling

    def due_retries(self, running: Collection[Stage]) -> Iterator[tuple[Stage, int]]:
        """Take the stages to try again, each with the number of the attempt."""
        now = time.monotonic()
        for retry in list(self._retries):
            if retry.due <= now and self.has_room(retry.stage, running):
                self._retries.remove(retry)
                yield retry.stage, retry.number

    def has_room(self, stage: Stage, running: Collection[Stage]) -> bool:
        """Tell whether a job is free for the stage, and its group below the limit of all in it."""
        others = [other for other in self._busy(running) if other != stage]
        if len(others) >= self._jobs:
            return False
        group = stage.settings.group
        if group is None:
            return True
        limits = [other.settings.limit for other in others if other.settings.group == group]
        return len(limits) < min([stage.settings.limit, *limits])

    def _busy(self, running: Collection[Stage]) -> list[Stage]:
        busy = list(running)
        if self._retries_keep_slots:
            busy += [retry.stage for retry in self._retries]
        return busy

    def retry(self, stage: Stage, number: int, pause: float) -> None:
        """Try the stage again after a pause of so many seconds. number: of the attempt."""
        self._retries.append(_Retry(stage, number, time.monotonic() + pause))

    def ended(self, stage: Stage, pause: float = 0.0) -> None:
        """Make the stages ready that waited for this one last.

        pause: seconds until what the stage wrote has settled. They are not ready before.
        """
        for follower in self._followers[stage]:
            self._missing[follower] -= 1
            if self._missing[follower] > 0:
                continue
            position = self.position[follower]
            if pause:
                self._settling[position] = time.monotonic() + pause
            else:
                heapq.heappush(self._ready, position)
