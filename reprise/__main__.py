"""Start `reprise`, the command and `python -m reprise`."""

from reprise.process.signals import exiting_at_once


def main() -> None:
    """Import the command line and run it. Ctrl-C ends the imports at once: they leave nothing."""
    with exiting_at_once():
        from reprise import cli
    cli.main()


if __name__ == "__main__":
    main()
