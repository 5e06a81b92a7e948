"""An interrupt is heeded wherever it falls."""

from __future__ import annotations

import subprocess
import sys

# The signal is raised inside a frame that belongs, by its file name, to the import machinery, as
# the callback of a module's lock does; what is raised there is dropped by the interpreter.
_CODE = """
import signal, time, weakref
{heed}
class Lock: pass
scope = {{"signal": signal}}
exec(compile("def cb(ref):\\n    signal.raise_signal(signal.SIGINT)", "<frozen importlib._bootstrap>", "exec"), scope)
lock = Lock(); ref = weakref.ref(lock, scope["cb"])
try:
    del lock
    time.sleep(1)
    print("lost")
except KeyboardInterrupt:
    print("heeded")
"""


def _run(heed: str) -> str:
    return subprocess.run([sys.executable, "-c", _CODE.format(heed=heed)], capture_output=True, text=True, check=True).stdout.strip()


def test_an_interrupt_inside_an_import_is_heeded_a_moment_later() -> None:
    assert _run("") == "lost"  # what the interpreter does by itself
    assert _run("from musicgenre.cli.interrupt import heed_interrupts; heed_interrupts()") == "heeded"


def test_who_ignores_interrupts_goes_on_ignoring_them() -> None:
    ignored = "signal.signal(signal.SIGINT, signal.SIG_IGN)\nfrom musicgenre.cli.interrupt import heed_interrupts; heed_interrupts()"
    assert _run(ignored) == "lost"
