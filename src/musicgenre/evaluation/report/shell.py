"""What every page of ours is made of: the frame, its style and script, the plot library, and room under a cap."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping
from typing import Any

from musicgenre import __version__
from musicgenre.errors import EvaluationError
from musicgenre.evaluation.report.media import Media
from musicgenre.evaluation.report.plotting import Figure

PREVIEW_RATE = 22050


def asset(name: str, package: str = "musicgenre.evaluation.report") -> str:
    """The text of a file that ships with the package."""
    return importlib.resources.files(package).joinpath(name).read_text(encoding="utf-8")


def plotly() -> str:
    """The plot library's code."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element: without any `<`."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def frame_size(figures: Mapping[str, Figure]) -> int:
    """Bytes of a page with these figures, without tables, words and media."""
    return sum(len(part.encode("utf-8")) for part in (plotly(), asset("page.css"), asset("page.js"), script_json(figures)))


def room_for_media(max_mb: float, fixed: int) -> int:
    """Bytes that are left for sounds and pictures under `evaluate.max_report_mb`, when all else has `fixed` bytes.

    Raises
    ------
    EvaluationError
        If even without media the page would be over the cap.
    """
    if fixed > max_mb * 1e6:
        raise EvaluationError(
            f"evaluate.max_report_mb is {max_mb:g}; without any sound or picture the page has {fixed / 1e6:.1f} MB. "
            f"Allow at least {fixed / 1e6 + 1:.0f}."
        )
    return int(max_mb * 1e6) - fixed


def render(template: str, figures: Mapping[str, Figure], media: Media, **values: Any) -> str:
    """The page's HTML. `template` extends `shell.html.j2` and may import `macros.html.j2`; everything in it is escaped."""
    from jinja2 import DictLoader, Environment, StrictUndefined

    shared = {name: asset(name) for name in ("shell.html.j2", "macros.html.j2")}
    environment = Environment(loader=DictLoader(shared), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    return environment.from_string(template).render(
        figure_ids=set(figures),
        figures=script_json(figures),
        sounds=script_json(media.sounds),
        media=media,
        plotly=plotly(),
        css=asset("page.css"),
        js=asset("page.js"),
        version=__version__,
        **values,
    )


__all__ = ["PREVIEW_RATE", "asset", "frame_size", "plotly", "render", "room_for_media", "script_json"]
