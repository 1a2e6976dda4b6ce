"""SIGINT and SIGTERM end a run between two steps, never within one."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Interrupted(BaseException):
    """SIGINT or SIGTERM. status: for exit, 128 + the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.status = 128 + number


class Interrupts:
    """The signal that came, if one did."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake`: called when one comes, in the signal handler."""
        self._wake = wake
        self._number: int | None = None

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Signals are noted in place of what they would do. For the main thread."""
        before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, _: object) -> None:
        self._number = number
        self._wake()

    def check(self) -> None:
        """Between two steps: raises Interrupted if a signal came."""
        if self._number is not None:
            raise Interrupted(self._number)

    def forget(self) -> None:
        """What is left to do is done whole."""
        self._number = None
