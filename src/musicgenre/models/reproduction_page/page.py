"""The page as a whole: what goes in, in which order, and under which cap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from musicgenre.atomic import write_text
from musicgenre.evaluation import metrics
from musicgenre.evaluation.report import answers, shell
from musicgenre.evaluation.report.media import Media
from musicgenre.evaluation.report.plotting import Figure
from musicgenre.evaluation.report.tables import Table, genre_lines
from musicgenre.evaluation.scoring import Level
from musicgenre.layout import Layout
from musicgenre.models.reproduction_page import figures
from musicgenre.models.reproduction_page.cards import KINDS, SHOWN, Card, Predictions, Sources, card, in_turns, listed
from musicgenre.params import Params

_SPARE = 2_000  # bytes for words on what is missing
_FRAME = 500  # bytes that a card grows by when it has a picture and a sound, beside the track's name


@dataclass
class Panel:
    """One system on the page.

    Attributes
    ----------
    cards, wrong, sample
        Its surest mistakes under the honest split, how many there are, and one tested track.
    importances, measure
        Name of the figure of descriptors that matter, and what it measures; without a name, words why there is no figure;
        both empty for a system that reads no descriptors.
    """

    result: Mapping[str, Any]
    notes: str
    tables: dict[str, Table]
    cards: list[Card]
    wrong: int
    sample: Card
    importances: str = ""
    measure: str = ""


@dataclass
class Page:
    """What the template reads."""

    results: Sequence[Mapping[str, Any]]
    skipped: Mapping[str, str]
    figures: dict[str, Figure] = field(default_factory=dict)
    curves: dict[str, str] = field(default_factory=dict)
    panels: list[Panel] = field(default_factory=list)
    media: Media = field(default_factory=lambda: Media(budget=0))
    pictures: dict[str, str] = field(default_factory=dict)
    kind: str = ""
    words: tuple[str, ...] = ()


def _curves(page: Page, folder: Path) -> None:
    """The curves of every publication's systems on one figure, under their own split; a model fitted at one go has none."""
    for number, source in enumerate(dict.fromkeys(str(item["source"]) for item in page.results)):
        names = [str(item["name"]) for item in page.results if item["source"] == source]
        found = {}
        for name in names:
            path = folder / f"{name}-own-history.parquet"
            history = pd.read_parquet(path) if path.is_file() else pd.DataFrame()
            if len(history) > 1:
                found[name] = history
        if found:
            page.figures[f"curves-{number}"] = answers.learning_curves(found, names)
            page.curves[f"curves-{number}"] = source


def _panel(page: Page, folder: Path, item: Mapping[str, Any], everyone: Sequence[Predictions], honest: Predictions) -> Panel:
    name = str(item["name"])
    lines = {}
    for way, found in (("own", Predictions.read(folder / f"{name}-own-predictions.parquet")), ("honest", honest)):
        genres = metrics.per_genre(found.y, found.p)
        level: Level = "segment" if way == "own" and str(item["protocol"]).startswith("segments") else "track"
        lines[way] = genre_lines(f"genres-{name}-{way}", found.classes, genres, level)
        matrix = answers.confusion_matrix(found.y, found.p, found.classes, noun=level)
        matrix["layout"]["meta"]["cards"] = way == "honest"
        page.figures[f"confusion-{name}-{way}"] = matrix
        page.figures[f"roc-{name}-{way}"] = answers.roc_curves(found.y, found.p, found.classes, genres)
    wrong = honest.wrong
    return Panel(
        result=item,
        notes=str(item["notes"]).replace("`", ""),
        tables=lines,
        cards=[card(honest, int(row), everyone) for row in wrong[:SHOWN]],
        wrong=len(wrong),
        sample=card(honest, 0, everyone),
        **_importances(page, folder, item),
    )


def _importances(page: Page, folder: Path, item: Mapping[str, Any]) -> dict[str, str]:
    """Draw the descriptors that matter; what `Panel` says of them."""
    if item["family"] != "classical":
        return {}
    path, name = folder / f"{item['name']}-honest-descriptors.parquet", f"importances-{item['name']}"
    if not path.is_file():
        return {"measure": f"Not kept by that run; musicgenre reproduce {item['name']} --again keeps them."}
    found = figures.importances(pd.read_parquet(path))
    if found is None:
        return {"measure": "This model weighs tracks, not descriptors: it has no importances."}
    page.figures[name], measure = found
    return {"importances": name, "measure": measure}


def build_page(folder: Path, results: Sequence[Mapping[str, Any]], skipped: Mapping[str, str], params: Params, layout: Layout) -> Page:
    """Everything the template needs; media fill what the cap leaves.

    Raises
    ------
    EvaluationError
        If even without media the page would be over `evaluate.max_report_mb`.
    """
    page = Page(results, skipped)
    everyone = [Predictions.read(folder / f"{item['name']}-honest-predictions.parquet") for item in results]
    if results:
        page.figures["summary"] = figures.summary(results)
    _curves(page, folder)
    page.panels = [_panel(page, folder, item, everyone, honest) for item, honest in zip(results, everyone, strict=True)]
    cards = [item for panel in page.panels for item in (panel.sample, *panel.cards)]
    fixed = len(render(page).encode("utf-8")) + _SPARE + sum(_FRAME + 8 * len(item.track_id.encode("utf-8")) for item in cards)
    page.media.budget = shell.room_for_media(params.evaluate.max_report_mb, fixed)
    sources = Sources.open(params, layout)
    shown = in_turns([panel.sample.track_id, *(item.track_id for item in panel.cards)] for panel in page.panels)
    page.pictures, page.kind, page.words = sources.fill(page.media, shown), sources.kind, tuple(sources.words)
    return page


def render(page: Page) -> str:
    """The HTML text."""
    return shell.render(
        shell.asset("page.html.j2", "musicgenre.models.reproduction_page"),
        page.figures,
        page.media,
        page=page,
        systems=figures.systems(page.results),
        ways=figures.WAYS,
        picture_of=listed(page.pictures),
        kinds=KINDS,
        limit=SHOWN,
        rows=figures.DESCRIPTORS,
        choices={
            "true": ("is", sorted({item.genre for panel in page.panels for item in panel.cards})),
            "called": ("called", sorted({item.answer for panel in page.panels for item in panel.cards})),
        },
    )


def write_page(folder: Path, results: Sequence[Mapping[str, Any]], skipped: Mapping[str, str], params: Params, layout: Layout) -> None:
    """Write `folder/report.html` from the results and the tables of predictions, histories and descriptors beside them."""
    write_text(folder / "report.html", render(build_page(folder, results, skipped, params, layout)))


__all__ = ["Page", "Panel", "build_page", "render", "write_page"]
