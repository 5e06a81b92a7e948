"""The command line: one command a stage and a user task."""

from __future__ import annotations

import sys

from musicgenre.cli.interrupt import heed_interrupts


def main() -> None:
    """Entry point. The application is imported inside, so that Ctrl-C in the first third of a second is one line too."""
    heed_interrupts()
    try:
        from musicgenre.cli.app import main as run

        run()
    except KeyboardInterrupt:
        print("error: interrupted before anything began.", file=sys.stderr)
        sys.exit(130)


__all__ = ["main"]
