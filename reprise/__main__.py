"""Start `reprise`, the command and `python -m reprise`."""

import gc
import os
import sys

from reprise.process.signals import exiting_at_once

# Objects after which Python looks for garbage. By default it does after 700, which takes a plan of
# many stages a tenth to a fifth of its time: imports and plans make objects that stay.
GARBAGE_THRESHOLD = 50_000


def main() -> None:
    """Import the command line and run it. Ctrl-C ends the imports at once: they leave nothing."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by `>&-`: print into nothing
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    with exiting_at_once():
        from reprise import cli
    try:
        cli.main()
    finally:
        gc.freeze()  # Python looks through the rest once more before it ends


if __name__ == "__main__":
    main()
