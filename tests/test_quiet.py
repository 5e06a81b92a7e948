"""Noise of C libraries is kept off the terminal, and the terminal comes back."""

from __future__ import annotations

import subprocess
import sys


def test_only_what_is_written_inside_is_lost() -> None:
    code = """
import os
from musicgenre.quiet import quiet_native
os.write(2, b"before ")
try:
    with quiet_native():
        os.write(2, b"inside ")
        raise ValueError
except ValueError:
    os.write(2, b"after")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "before after"
