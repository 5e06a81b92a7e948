"""Sources of tracks: the demo, one's own folder, and published data sets."""

from __future__ import annotations

from musicgenre.dataset.sources.base import Audit, Prepared, Remote, Source, SourceFile, list_files
from musicgenre.dataset.sources.demo import Demo
from musicgenre.dataset.sources.fma import FmaMedium, FmaSmall
from musicgenre.dataset.sources.folder import Folder
from musicgenre.dataset.sources.gtzan import Gtzan
from musicgenre.dataset.sources.prepare import prepare
from musicgenre.errors import DatasetError

_SOURCES: dict[str, Source] = {source.name: source for source in (Demo(), Folder(), Gtzan(), FmaSmall(), FmaMedium())}


def names() -> tuple[str, ...]:
    """All sources that `dataset.source` may name."""
    return tuple(_SOURCES)


def get(name: str) -> Source:
    """The source called `name`.

    Raises
    ------
    DatasetError
        If there is none; names those there are.
    """
    try:
        return _SOURCES[name]
    except KeyError:
        raise DatasetError(f"No source {name!r}; there are {', '.join(_SOURCES)}.") from None


__all__ = ["Audit", "Prepared", "Remote", "Source", "SourceFile", "get", "list_files", "names", "prepare"]
