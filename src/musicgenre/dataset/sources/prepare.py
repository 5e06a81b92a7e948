"""The stage `source`: render the demo, or see that the configured folder can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicgenre.atomic import atomic_directory, write_text
from musicgenre.dataset.sources.base import Prepared, list_files
from musicgenre.errors import DatasetError

if TYPE_CHECKING:
    from musicgenre.layout import Layout
    from musicgenre.params import ComputeParams, DatasetParams

_MARKER = """The demo set is not in use: dataset.source in params.yaml is {source!r}, and its tracks are at {path}.
Set dataset.source to demo and dataset.path to data/demo, and `musicgenre source` renders it here.
"""


def prepare(params: DatasetParams, layout: Layout, compute: ComputeParams | None = None, *, quiet: bool = False) -> Prepared:
    """Make `data/demo` (always this stage's output) and check that the configured data set can be used.

    Parameters
    ----------
    params
        The `dataset` block.
    layout
        Where the project is.
    compute
        How many processes render; all cores by default. What is rendered does not depend on it.
    quiet
        No progress on standard error.

    Raises
    ------
    DatasetError
        If `dataset.path` is absent, empty, without genre folders, of one genre only, or contradicts `dataset.source`.
    """
    configured = (layout.root / params.path).resolve()
    is_demo_folder = configured == layout.demo.resolve()
    if params.source == "demo":
        if not is_demo_folder:
            raise DatasetError(
                f"dataset.source is demo, but dataset.path is {params.path}; the demo is rendered at data/demo. "
                "Set dataset.path to data/demo, or dataset.source to folder."
            )
        from musicgenre.dataset.demo import render

        rendered, kept = render(params.demo, layout, compute, quiet=quiet)
        files = list_files(params, layout)
        genres = tuple(sorted({file.genre for file in files}))
        return Prepared("demo", params.path, len(files), genres, rendered=rendered, kept=kept)
    if is_demo_folder or layout.demo.resolve() in configured.parents:
        raise DatasetError(
            f"dataset.source is {params.source}, but dataset.path is {params.path}, where the demo set lives. "
            "Set dataset.path to the folder with your tracks."
        )
    files = list_files(params, layout)
    notes = _audit(params, layout)
    with atomic_directory(layout.demo) as folder:
        write_text(folder / "README.txt", _MARKER.format(source=params.source, path=params.path))
    return Prepared(params.source, params.path, len(files), tuple(sorted({file.genre for file in files})), notes=notes)


def _audit(params: DatasetParams, layout: Layout) -> tuple[str, ...]:
    from musicgenre.dataset.sources import get

    audit = get(params.source).audit(layout.root / params.path)
    if audit is None or audit.complete:
        return ()
    return audit.words()


__all__ = ["prepare"]
