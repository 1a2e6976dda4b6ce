"""Signals are taken in the main thread, and left alone in others."""

import os
import signal
import threading

import pytest

from reprise.process.signals import Interrupted, handling_signals, interruptible


def test_the_handler_is_for_the_block_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    received: list[int] = []
    with handling_signals(lambda number, _: received.append(number)):
        os.kill(os.getpid(), signal.SIGTERM)
    assert received == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_interrupts_with_its_exit_status() -> None:
    with pytest.raises(Interrupted) as caught, interruptible():
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.status == 143


def test_nohup_keeps_its_meaning() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_changes_no_handler() -> None:
    """As a retraining that a program of the user's own starts in a thread."""
    before = signal.getsignal(signal.SIGTERM)
    inside = []

    def work() -> None:
        with handling_signals(lambda *_: None), interruptible():
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [before]
