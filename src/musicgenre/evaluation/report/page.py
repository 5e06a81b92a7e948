"""The page as a whole: what goes in, in which order, and under which cap."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from musicgenre.atomic import write_text
from musicgenre.errors import AudioError, FeatureError, MusicGenreError
from musicgenre.evaluation.dvcplots import LEVELS
from musicgenre.evaluation.explain.sections import Importances, Occlusions
from musicgenre.evaluation.report import figures, shell, tables, tracks
from musicgenre.evaluation.report.media import Media
from musicgenre.evaluation.report.plotting import Figure
from musicgenre.evaluation.report.published import leak_words, published_table
from musicgenre.evaluation.report.shell import PREVIEW_RATE, frame_size, room_for_media
from musicgenre.evaluation.results import Evaluation, FamilyResult
from musicgenre.evaluation.scoring import Features, Level
from musicgenre.evaluation.sounds import Sounds
from musicgenre.layout import Layout
from musicgenre.params import Params

_TEXT = 400_000  # bytes for tables and words


@dataclass
class Page:
    """What the template reads. A missing part is None or an empty list, or words that say why."""

    evaluation: Evaluation
    media: Media
    figures: dict[str, Figure] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)


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
    page = Page(evaluation, Media(budget=0))
    _quality(page)
    page.media.budget = room_for_media(params.evaluate.max_report_mb, frame_size(page.figures) + _TEXT)
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
    evaluation = page.evaluation
    missing: dict[str, Any] = {
        "misheard": [],
        "misheard_rest": None,
        "robustness": None,
        "robustness_of_all": None,
        "occlusions": [],
        "suspects": None,
    }
    return shell.render(
        shell.asset("page.html.j2"),
        page.figures,
        page.media,
        e=evaluation,
        parts={**missing, **page.parts},
        selected=evaluation.family(evaluation.selected) if evaluation.selected else None,
        synthetic=params.dataset.source == "demo",
        percent=f"{evaluation.confidence:.0%}",
    )


def write_report(evaluation: Evaluation, params: Params, layout: Layout) -> None:
    """Write `reports/report.html`."""
    write_text(layout.reports / "report.html", render(build_page(evaluation, params, layout), params))


__all__ = ["Page", "build_page", "render", "write_report"]
