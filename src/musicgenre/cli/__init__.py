"""The command line: `musicgenre <stage>` and the tasks people do by hand."""

from __future__ import annotations

from musicgenre.cli.app import main

__all__ = ["main"]
