"""Many files through one bundle: decoding and features in processes that may die, the model here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from musicgenre.bundle.predictor import Prediction, Predictor
from musicgenre.errors import AudioError, MissingInput

if TYPE_CHECKING:
    from musicgenre.audio import Limits

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".au", ".snd", ".aif", ".aiff", ".aifc", ".m4a", ".mp4", ".webm"})


@dataclass(frozen=True)
class Outcome:
    """What became of one file: a prediction, or the error that says why there is none."""

    path: Path
    format: str = ""
    prediction: Prediction | None = None
    error: AudioError | None = None


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Files as named, and every audio file below a folder (by suffix, hidden ones left out), each once, folders sorted.

    Raises
    ------
    MissingInput
        If a path is not there, or a folder holds no audio.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(
                file
                for file in path.rglob("*")
                if file.suffix.lower() in SUFFIXES
                and not any(part.startswith(".") for part in file.relative_to(path).parts)
                and file.is_file()
            )
            if not inside:
                raise MissingInput(f"{path} holds no audio file ({', '.join(sorted(SUFFIXES))}).")
            found.update(dict.fromkeys(inside))
        elif path.is_file():
            found[path] = None
        else:
            raise MissingInput(f"{path} is not there. Name audio files or folders.")
    return list(found)


def classify_files(predictor: Predictor, paths: Iterable[Path], *, limits: Limits | None = None, workers: int = 0) -> Iterator[Outcome]:
    """Classify files in order, several at once; a bad file is an outcome, never the end.

    Parameters
    ----------
    workers
        Listening processes, and files worked on at once; 0 means one a core.
    """
    from musicgenre.audio import PlainLimits
    from musicgenre.bundle.listen import Listener

    def one(path: Path) -> Outcome:
        try:
            listened = listener.file(path)
            prediction = predictor.classify_heard(listened.heard)
        except AudioError as error:
            return Outcome(path, error=error)
        if listened.info.truncated:
            note = "truncated: the file ends before its header says it does."
            prediction = replace(prediction, warnings=(*prediction.warnings, note))
        return Outcome(path, format=listened.info.format, prediction=prediction)

    paths = list(paths)
    workers = min(workers or cores(), max(1, len(paths)))
    with Listener(predictor.spec.front_end, predictor.kinds, limits=limits or PlainLimits(), workers=workers) as listener:
        yield from listener.map(one, paths)


__all__ = ["SUFFIXES", "Outcome", "classify_files", "cores", "find_files"]
