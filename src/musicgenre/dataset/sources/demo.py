"""The built-in demo set as a source; `musicgenre.dataset.demo` composes and renders it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from musicgenre.dataset.sources.base import Source, SourceFile
from musicgenre.dataset.sources.folder import genre_files


class Demo(Source):
    """Synthetic music in ten styles named after GTZAN's genres."""

    name: ClassVar[str] = "demo"
    title: ClassVar[str] = "Synthetic demo set"
    citation: ClassVar[str] = "Composed and rendered by musicgenre itself (musicgenre.dataset.demo); it contains no recorded music."
    licence: ClassVar[str] = "CC0-1.0: do with it as you like."

    def files(self, root: Path) -> tuple[SourceFile, ...]:
        return genre_files(root, next_step="Run `musicgenre source`: it renders the demo set.")


__all__ = ["Demo"]
