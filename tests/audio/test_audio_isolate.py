"""Workers: what importing them costs, and whose code they run. What they do to a clip is tested with `bundle.listen`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from musicgenre import errors


def test_importing_audio_is_light() -> None:
    heavy = "pandas tensorflow scipy pydantic librosa mlflow"
    code = f"import sys, musicgenre.audio; print([m for m in '{heavy}'.split() if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_worker_runs_the_code_of_its_parent_wherever_that_lies(tmp_path: Path) -> None:
    """As in a bento: the package is on `sys.path` of the parent and installed nowhere, or installed in another version."""
    package = Path(errors.__file__).parent
    copy = shutil.copytree(package, tmp_path / "rooms" / package.name, ignore=shutil.ignore_patterns("__pycache__", "synth", "models"))
    with (copy / "audio" / "worker.py").open("a") as worker:
        worker.write("\n\ndef origin(request, blobs):\n    return {'file': errors_file()}, {}\n")
        worker.write("\n\ndef errors_file():\n    import musicgenre.errors\n\n    return musicgenre.errors.__file__\n")
    text = (copy / "audio" / "worker.py").read_text()
    start = text.index('if __name__ == "__main__"')
    end = text.index("def origin")
    (copy / "audio" / "worker.py").write_text(text[:start] + text[end:] + "\n\n" + text[start:end])
    program = (
        f"import sys; sys.path.insert(0, {str(copy.parent)!r})\n"
        "from musicgenre.audio.isolate import IsolatedWorkers\n"
        "with IsolatedWorkers('musicgenre.audio.worker:origin') as workers: print(workers.call({})[0]['file'])\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert Path(done.stdout.strip()).is_relative_to(copy)
