"""Start `reprise`, the command and `python -m reprise`."""

import os
import sys

from reprise.process.signals import exiting_at_once


def main() -> None:
    """Import the command line and run it. Ctrl-C ends the imports at once: they leave nothing."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by `>&-`: print into nothing
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    with exiting_at_once():
        from reprise import cli
    cli.main()


if __name__ == "__main__":
    main()
