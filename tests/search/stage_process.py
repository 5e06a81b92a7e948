"""A search stage as a process of its own, for tests that kill it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from search_project import TOY

SCRIPT = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from musicgenre.layout import Layout
from musicgenre.params import load_params
from musicgenre.search.study import run_search
if __name__ == "__main__":
    root = Path(sys.argv[1])
    try:
        run_search("classical", load_params(root / "params.yaml"), Layout(root), family={TOY!r})
    except KeyboardInterrupt:
        sys.exit(130)
"""


def start(root: Path) -> subprocess.Popen[str]:
    (root / "stage.py").write_text(SCRIPT)
    return subprocess.Popen([sys.executable, str(root / "stage.py"), str(root)], stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def calls(root: Path) -> list[dict[str, float]]:
    path = root / "hooks" / "calls.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.is_file() else []


def dead(pid: float) -> bool:
    try:
        return Path(f"/proc/{int(pid)}/stat").read_text().split()[2] == "Z"
    except OSError:
        return True
