"""The page as a whole: what goes in, in which order, and under which cap."""

from __future__ import annotations

import importlib.resources
import json
import os
from dataclasses import dataclass, field
from typing import Any

from musicgenre import __version__
from musicgenre.atomic import write_text
from musicgenre.errors import AudioError, EvaluationError, FeatureError, MusicGenreError
from musicgenre.evaluation.dvcplots import LEVELS
from musicgenre.evaluation.explain.sections import Importances, Occlusions
from musicgenre.evaluation.report import figures, tables, tracks
from musicgenre.evaluation.report.media import Media
from musicgenre.evaluation.report.published import leak_words, published_table
from musicgenre.evaluation.results import Evaluation, FamilyResult
from musicgenre.evaluation.scoring import Features, Level
from musicgenre.evaluation.sounds import Sounds
from musicgenre.layout import Layout
from musicgenre.params import Params

PREVIEW_RATE = 22050


@dataclass
class Page:
    """What the template reads. A missing part is None or an empty list, or words that say why."""

    evaluation: Evaluation
    media: Media
    figures: dict[str, figures.Figure] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)


def _asset(name: str) -> str:
    return importlib.resources.files("musicgenre.evaluation.report").joinpath(name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("</", "<\\/").replace("<!--", "<\\!--")


def _quality(page: Page) -> None:
    evaluation, shown = page.evaluation, page.figures
    page.parts["families"] = tables.families(evaluation)
    usable = [item for item in evaluation.ranked if item.figures["test"].headline]
    page.parts["usable"] = [item.name for item in usable]
    levels: list[Level] = [level for level in LEVELS if all(item.figures["test"].of(level).genres for item in usable)]
    page.parts["levels"] = levels
    page.parts["all_figures"] = {level: tables.all_figures(evaluation, level) for level in levels}
    page.parts["genres"] = {(item.name, level): tables.genres(item, evaluation.classes, level) for item in usable for level in levels}
    page.parts["mistakes"] = {item.name: tables.mistakes(item) for item in usable}
    page.parts["comparisons"] = tables.comparisons(evaluation.comparisons) if evaluation.comparisons else None
    if usable:
        shown["intervals"] = figures.intervals(evaluation)
        shown["cost"] = figures.cost_quality(evaluation)
        shown["roc"] = figures.roc(evaluation)
        for level in levels:
            shown[f"reliability-{level}"] = figures.reliability(evaluation, level)
            for item in usable:
                shown[f"confusion-{item.name}-{level}"] = figures.confusion(item, level)
                shown[f"roc-{item.name}-{level}"] = figures.roc_by_genre(item, level)
    if (found := figures.training_curves(evaluation)) is not None:
        shown["curves"] = found


def _understanding(page: Page, selected: FamilyResult, layout: Layout, sounds: Sounds | None) -> None:
    evaluation, media = page.evaluation, page.media
    sections = evaluation.sections
    workers = os.cpu_count() or 1
    detailed, rest = tracks.misheard(selected, Features(layout), media, page.figures)
    certain, uncertain = tracks.extremes(selected)
    suspects = sections.get("label_errors")
    wanted = [item.track_id for item in detailed]
    wanted += [row["track_id"] for row in [*certain, *uncertain]]
    wanted += [item.track_id for item in suspects] if isinstance(suspects, tuple) else []
    images = sections.get("occlusions")
    if isinstance(images, Occlusions):
        page.parts["occlusions"] = []
        for number, item in enumerate(images.maps):
            page.figures[f"occlusion-{number}"] = tracks.occlusion_figure(item)
            page.parts["occlusions"].append((item, tracks.image_of(item.image, item.kind, media), f"occlusion-{number}"))
        wanted += [item.track_id for item in images.maps]
    wanted += [row["track_id"] for row in rest]
    wanted += selected.scores["test"].tracks["track_id"].tolist()
    if sounds is not None:
        media.add_sounds(wanted, sounds, workers=workers)
    page.parts.update(
        misheard=detailed,
        misheard_rest=tables.answers(rest, "misheard-rest") if rest else None,
        certain=tables.answers(certain, "certain"),
        uncertain=tables.answers(uncertain, "uncertain"),
        suspects=tables.label_errors(suspects) if isinstance(suspects, tuple) and suspects else None,
        suspects_words=suspects if isinstance(suspects, str) else "No label looks wrong.",
    )
    if not isinstance(sections.get("map"), (str, type(None))):
        page.figures["map"] = tracks.map_figure(sections["map"], media)
    found = sections.get("importances")
    if isinstance(found, Importances):
        page.figures["importances"] = figures.importances(found.groups)
    if (robustness := evaluation.robustness) is not None:
        page.figures["robustness"] = figures.robustness(evaluation, robustness)
        page.parts["robustness"] = tables.robustness(robustness)
        page.parts["robustness_of_all"] = tables.robustness_of_all(evaluation.robustness_of_all)


def _sounds(params: Params, layout: Layout) -> Sounds | None:
    try:
        return Sounds(layout, params.dataset, PREVIEW_RATE)
    except MusicGenreError:
        return None


def build_page(evaluation: Evaluation, params: Params, layout: Layout) -> Page:
    """Everything the template needs; media fill what the cap leaves.

    Raises
    ------
    EvaluationError
        If even without media the page would be over `evaluate.max_report_mb`.
    """
    cap = int(params.evaluate.max_report_mb * 1e6)
    page = Page(evaluation, Media(budget=0))
    _quality(page)
    fixed = sum(len(part) for part in (_plotly(), _asset("page.css"), _asset("page.js"), script_json(page.figures))) + 400_000
    if fixed > cap:
        raise EvaluationError(
            f"evaluate.max_report_mb is {params.evaluate.max_report_mb:g}; without any sound or picture the page has {fixed / 1e6:.1f} MB. "
            f"Allow at least {fixed / 1e6 + 1:.0f}."
        )
    page.media.budget = cap - fixed
    if evaluation.selected and evaluation.family(evaluation.selected).figures["test"].headline:
        try:
            _understanding(page, evaluation.family(evaluation.selected), layout, _sounds(params, layout))
        except (FeatureError, AudioError) as error:
            page.parts["understanding_words"] = f"Single tracks cannot be shown: {error}"
    page.parts["published"] = published_table(evaluation, layout)
    page.parts["leak"] = leak_words(layout)
    return page


def render(page: Page, params: Params) -> str:
    """The HTML text."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    template = environment.from_string(_asset("page.html.j2"))
    evaluation = page.evaluation
    return template.render(
        e=evaluation,
        parts={
            "misheard": [],
            "misheard_rest": None,
            "robustness": None,
            "robustness_of_all": None,
            "occlusions": [],
            "suspects": None,
            **page.parts,
        },
        selected=evaluation.family(evaluation.selected) if evaluation.selected else None,
        figure_ids=set(page.figures),
        figures=script_json(page.figures),
        sounds=script_json(page.media.sounds),
        media=page.media,
        plotly=_plotly(),
        css=_asset("page.css"),
        js=_asset("page.js"),
        synthetic=params.dataset.source == "demo",
        version=__version__,
        percent=f"{evaluation.confidence:.0%}",
    )


def write_report(evaluation: Evaluation, params: Params, layout: Layout) -> None:
    """Write `reports/report.html`."""
    write_text(layout.reports / "report.html", render(build_page(evaluation, params, layout), params))


__all__ = ["Page", "build_page", "render", "script_json", "write_report"]
