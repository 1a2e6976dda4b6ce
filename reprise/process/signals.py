"""Handle signals that end a run: raise at once, or note the signal and raise between steps."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: its terminal was closed


class Interrupted(BaseException):
    """Raised for one of SIGNALS. status: to exit with, 128 + the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.status = 128 + number


@contextmanager
def handling_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Give SIGNALS to the handler instead of the usual one.

    In another thread than the main one nothing changes: it gets no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            leave_closed_terminal()
        handler(number, frame)

    usual = {}
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_IGN:
            continue  # by nohup, or for a shell's background job
        usual[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, former in usual.items():
            signal.signal(number, former)


def leave_closed_terminal() -> None:
    """Print into nothing from now on if the terminal is gone: each line would be an error."""
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")
        except OSError:
            with open(os.devnull, "wb") as null:
                os.dup2(null.fileno(), descriptor)


@contextmanager
def exiting_at_once() -> Iterator[None]:
    """Exit with 130 on Ctrl-C, without a word: for imports, which may hold up an exception.

    A process that ignores Ctrl-C, as a shell's background job does, goes on to ignore it.
    """
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


@contextmanager
def unwrapping_ctrl_c() -> Iterator[None]:
    """Raise KeyboardInterrupt again where an error has come of it.

    A module in C that is imported meanwhile makes it an ImportError, and others may wrap that.
    """
    try:
        yield
    except Exception as e:
        error: BaseException | None = e
        while error is not None:
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            error = error.__cause__ or error.__context__
        raise


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted for SIGNALS. Only the main thread gets signals."""

    def interrupt(number: int, _: object) -> None:
        raise Interrupted(number)

    with handling_signals(interrupt):
        yield


class PendingSignal:
    """Keeps the signal that came, if one did, until `check` is called."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """wake: called from the signal handler when a signal comes."""
        self._wake = wake
        self._number: int | None = None

    def note(self, number: int, _: object) -> None:
        """Keep the signal. A handler for `handling_signals`."""
        self._number = number
        self._wake()

    def check(self) -> None:
        """Raise Interrupted if a signal came."""
        if self._number is not None:
            raise Interrupted(self._number)

    def forget(self) -> None:
        """Drop the signal, so that what is left to do is done whole."""
        self._number = None


@contextmanager
def after_signals() -> Iterator[None]:
    """Raise Interrupted for a signal once the block has ended, so that it is done whole."""
    pending = PendingSignal(lambda: None)
    with handling_signals(pending.note):
        yield
    pending.check()
