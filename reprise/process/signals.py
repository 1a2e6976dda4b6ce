"""SIGINT and SIGTERM: as an exception at once, or noted and heard between two steps."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(BaseException):
    """SIGINT or SIGTERM. status: for exit, 128 + the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.status = 128 + number


@contextmanager
def handling_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Both signals go to the handler in place of what they would do. For the main thread."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGINT and SIGTERM raise Interrupted. In another thread than the main one, nobody signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, _: object) -> None:
        raise Interrupted(number)

    with handling_signals(interrupt):
        yield


class PendingSignal:
    """The signal that came, if one did."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake`: called when one comes, in the signal handler."""
        self._wake = wake
        self._number: int | None = None

    def note(self, number: int, _: object) -> None:
        """For `handling_signals`."""
        self._number = number
        self._wake()

    def check(self) -> None:
        """Between two steps: raises Interrupted if a signal came."""
        if self._number is not None:
            raise Interrupted(self._number)

    def forget(self) -> None:
        """What is left to do is done whole."""
        self._number = None
