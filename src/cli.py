"""Runs a stage from the command line: `python -m src.<stage> PATHS…`."""

import argparse
import inspect
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from src.errors import InputError, OwnCodeError, is_out_of_memory

# Without these, libraries pick instructions by the CPU at hand, and their sums differ in the last
# bit. torch, MKL and oneDNN read them at their first operation, so this is early enough.
SAME_BYTES = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # a workspace a stream, or CUDA's sums differ each time
}


def main(run: Callable[..., None]) -> None:
    """Run a stage: its first argument from params.yaml, the paths from the command line.

    Bad input, a full disk and the like end as one line on stderr and exit status 1; Ctrl-C as 130.
    """
    module = inspect.getmodule(run)
    assert module is not None
    assert module.__file__ is not None
    stage = Path(module.__file__).stem
    params, *paths = inspect.signature(run, eval_str=True).parameters.values()
    parser = argparse.ArgumentParser(f"python -m src.{stage}", description=module.__doc__)
    for path in paths:
        parser.add_argument(path.name, type=Path)
    arguments = vars(parser.parse_args())
    guarded(stage, lambda: run(params.annotation.load(), **arguments))


def guarded(name: str, work: Callable[[], None]) -> None:
    """Run the work; what a user can cause becomes one line and an exit status.

    An error in a class of the user's own keeps its traceback, below that line.
    """
    os.environ.update(SAME_BYTES)
    interrupted = False

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    # Where the caller has Ctrl-C ignored, it stays so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    try:
        work()
    except InputError as e:
        sys.exit(f"{name}: {e}")
    except OwnCodeError as e:
        lines = traceback.format_exception(e.cause)
        sys.exit(f"{name}: {e}\n{''.join(lines).rstrip()}")
    except (MemoryError, RuntimeError) as e:
        if not is_out_of_memory(e):
            raise
        sys.exit(f"{name}: out of memory")
    except OSError as e:
        fail(name, e)
    finally:
        if interrupted:  # however the work ended: libraries make errors of their own of Ctrl-C
            sys.exit(130)


def fail(name: str, error: OSError) -> NoReturn:
    """End with one line; where nobody reads stdout any more, with none."""
    if isinstance(error, BrokenPipeError) and error.filename is None:
        # Else Python would fail once more as it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    reason = os.strerror(error.errno) if error.errno else error
    where = error.filename or "input/output"
    sys.exit(f"{name}: {where}: {reason}")
