"""Tables as the template wants them: text to show and a value to sort by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from musicgenre.evaluation.bootstrap import Interval
from musicgenre.evaluation.comparison import Comparison
from musicgenre.evaluation.explain.label_errors import Suspect
from musicgenre.evaluation.metrics import GenreFigures, confusion, predicted_labels
from musicgenre.evaluation.results import Evaluation, FamilyResult
from musicgenre.evaluation.robustness import Robustness
from musicgenre.evaluation.scoring import Level


@dataclass(frozen=True)
class Cell:
    """`sort` orders the column (numbers as numbers); `note` is small print; `track` makes a play button; `bar` 0…1 a bar behind."""

    text: str
    sort: float | str = ""
    note: str = ""
    track: str = ""
    bar: float | None = None
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """`columns`: (heading, whether it holds numbers, what it means)."""

    name: str
    columns: Sequence[tuple[str, bool, str]]
    rows: Sequence[Sequence[Cell]] = field(default_factory=list)


def number(value: float | None, form: str = ".3f", *, missing: str = "no number") -> Cell:
    """A figure, or words where there is none."""
    if value is None or not math.isfinite(value):
        return Cell(missing, sort=-1e9)
    return Cell(format(value, form).replace("-", "−"), sort=value)


def bounded(figure: Interval | None, form: str = ".3f") -> Cell:
    """A figure with its interval as small print."""
    if figure is None or not math.isfinite(figure.value):
        return Cell("no number", sort=-1e9)
    note = "" if figure.low is None or figure.high is None else f"{figure.low:.2f} to {figure.high:.2f}".replace("-", "−")
    return Cell(format(figure.value, form).replace("-", "−"), sort=figure.value, note=note)


def families(evaluation: Evaluation) -> Table:
    """One line a family: quality and cost."""
    columns = [
        ("family", False, ""),
        ("validation macro F1", True, "mean of the genres' F1 on validation; decides what is selected"),
        ("test macro F1", True, "the same on test tracks, which nothing was tuned on"),
        ("accuracy", True, "share of test tracks named rightly"),
        ("top 3", True, "share of test tracks whose genre is among the three likeliest"),
        ("ROC AUC", True, "one genre against the rest, averaged"),
        ("PR AUC", True, "average precision, one against the rest, averaged"),
        ("log loss", True, "mean −log probability of the true genre; lower is better"),
        ("calibration error", True, "gap between confidence and accuracy; lower is better"),
        ("fit s", True, "seconds to train the winner"),
        ("latency ms", True, "median of a 30 s clip, features included"),
        ("size MB", True, "bundle on disk"),
        ("memory MB", True, "resident memory that the loaded bundle adds"),
    ]
    shown = {item.name for item in evaluation.ranked}
    ordered = [*evaluation.ranked, *(item for item in evaluation.families if item.name not in shown)]
    return Table("families", columns, [_family(item, evaluation.selected) for item in ordered])


def _family(item: FamilyResult, selected: str) -> list[Cell]:
    test, validation = item.figures.get("test"), item.figures.get("validation")
    why = item.failure or (test.why if test else "") or (validation.why if validation else "")
    name = Cell(item.name, sort=item.name, note="selected" if item.name == selected else why, strong=item.name == selected)
    head = test.headline if test else {}
    cost = item.cost
    return [
        name,
        bounded(validation.headline.get("macro_f1") if validation else None),
        bounded(head.get("macro_f1")),
        bounded(head.get("accuracy")),
        number(item.value("test", "top_3")),
        bounded(head.get("roc_auc")),
        bounded(head.get("pr_auc")),
        bounded(head.get("log_loss")),
        number(item.value("test", "calibration_error")),
        number(item.fit_s, ".1f", missing="–"),
        number(cost.latency_ms if cost else None, ".0f", missing="–"),
        number(cost.size_mb if cost else None, ".2f", missing="–"),
        number(cost.memory_mb if cost else None, ".0f", missing="–"),
    ]


_FIGURES = (
    ("accuracy", "accuracy", "share named rightly"),
    ("macro_f1", "macro F1", "mean of the genres' F1"),
    ("macro_precision", "macro precision", "mean of the genres' precision"),
    ("macro_recall", "macro recall", "mean of the genres' recall"),
    ("weighted_f1", "weighted F1", "F1 weighted by the genres' size"),
    ("weighted_precision", "weighted precision", "precision weighted by the genres' size"),
    ("weighted_recall", "weighted recall", "recall weighted by the genres' size"),
    ("roc_auc", "ROC AUC", "one genre against the rest, averaged"),
    ("pr_auc", "PR AUC", "average precision, one against the rest, averaged"),
    ("top_3", "top 3", "share whose genre is among the three likeliest"),
    ("log_loss", "log loss", "mean −log probability of the true genre; lower is better"),
    ("calibration_error", "calibration error", "gap between confidence and accuracy; lower is better"),
)


def all_figures(evaluation: Evaluation, level: Level, split: str = "test") -> Table:
    """Every headline figure with its interval, a line a family, of tracks or of single segments."""
    columns = [("family", False, ""), *((title, True, words) for _, title, words in _FIGURES)]
    rows = []
    for item in evaluation.ranked:
        head = item.figures[split].of(level).headline
        name = Cell(item.name, sort=item.name, strong=item.name == evaluation.selected)
        rows.append([name, *(bounded(head.get(figure)) for figure, _, _ in _FIGURES)])
    return Table(f"{level}-figures", columns, rows)


def genres(item: FamilyResult, classes: Sequence[str], level: Level = "track", split: str = "test") -> Table:
    """One line a genre."""
    return genre_lines(f"genres of {item.name}, {level}s", classes, item.figures[split].of(level).genres, level, split)


def genre_lines(name: str, classes: Sequence[str], lines: Sequence[GenreFigures], level: Level = "track", split: str = "test") -> Table:
    """One line a genre, of the figures in `lines`, a line a class."""
    columns = [
        ("genre", False, ""),
        (f"{level}s", True, f"test {level}s of the genre"),
        ("precision", True, f"of the {level}s called so, the share that is"),
        ("recall", True, f"of the genre's {level}s, the share found"),
        ("F1", True, "harmonic mean of both"),
        ("ROC AUC", True, "against all other genres"),
        ("PR AUC", True, "average precision against all other genres"),
    ]
    rows = []
    for genre, line in zip(classes, lines, strict=True):
        missing = f"no {split} {level}" if line.support == 0 else "never answered"
        note = f"one {level}: 0 or 1" if line.support == 1 else ""
        recall = number(line.recall, missing=missing)
        rows.append(
            [
                Cell(genre, sort=genre),
                number(line.support, ".0f"),
                number(line.precision, missing="never answered"),
                Cell(recall.text, recall.sort, note=note),
                Cell(number(line.f1, missing=missing).text, number(line.f1).sort, bar=None if math.isnan(line.f1) else line.f1),
                number(line.roc_auc, missing=missing),
                number(line.pr_auc, missing=missing),
            ]
        )
    return Table(name, columns, rows)


def mistakes(item: FamilyResult, split: str = "test", limit: int = 10) -> Table:
    """The commonest confusions."""
    columns = [
        ("is", False, ""),
        ("called", False, ""),
        ("tracks", True, ""),
        ("share of the genre", True, "of the genre's test tracks"),
    ]
    scores = item.scores[split]
    counts = confusion(scores.y, predicted_labels(scores.p), len(scores.classes))
    totals = counts.sum(axis=1)
    pairs = [(int(counts[a, b]), a, b) for a in range(len(counts)) for b in range(len(counts)) if a != b and counts[a, b]]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    rows = [
        [
            Cell(scores.classes[a], sort=scores.classes[a]),
            Cell(scores.classes[b], sort=scores.classes[b]),
            number(count, ".0f"),
            Cell(f"{count / totals[a]:.0%}", sort=count / float(totals[a]), bar=count / float(totals[a])),
        ]
        for count, a, b in pairs[:limit]
    ]
    return Table(f"mistakes of {item.name}", columns, rows)


def comparisons(found: Sequence[Comparison]) -> Table:
    """Every pair of families on the same test tracks."""
    columns = [
        ("first", False, ""),
        ("second", False, ""),
        ("macro F1 difference", True, "first minus second, with its paired interval"),
        ("accuracy difference", True, "first minus second, with its paired interval"),
        ("first ahead", True, "share of resamples in which the first has the higher macro F1"),
        ("only first right", True, "tracks"),
        ("only second right", True, "tracks"),
        ("McNemar p", True, "exact; chance of so uneven a count if both were equally good"),
        ("verdict", False, "what the interval of the macro F1 difference says"),
    ]
    rows = [
        [
            Cell(item.first, sort=item.first),
            Cell(item.second, sort=item.second),
            bounded(item.macro_f1, "+.3f"),
            bounded(item.accuracy, "+.3f"),
            number(item.share_better, ".0%"),
            number(item.mcnemar.only_first, ".0f"),
            number(item.mcnemar.only_second, ".0f"),
            number(item.mcnemar.p_value),
            Cell(item.verdict, sort=item.verdict, strong=item.verdict != "no difference shown"),
        ]
        for item in found
    ]
    return Table("pairs", columns, rows)


def robustness(found: Robustness) -> Table:
    """What each perturbation costs."""
    columns = [
        ("perturbation", False, ""),
        ("accuracy", True, "on the perturbed tracks"),
        ("accuracy lost", True, "undisturbed minus perturbed, with its paired interval"),
        ("macro F1", True, "on the perturbed tracks"),
        ("answers changed", True, "share of tracks"),
        ("shift", True, "mean distance between the probabilities, 0 to 1"),
    ]
    plain = [Cell("undisturbed", sort=" "), number(found.accuracy), number(0.0), number(found.macro_f1), number(0.0, ".0%"), number(0.0)]
    rows = [
        [
            Cell(row.label, sort=row.label),
            bounded(row.accuracy),
            bounded(row.lost_interval, "+.3f"),
            number(row.macro_f1),
            number(row.flipped, ".0%"),
            number(row.shift),
        ]
        for row in found.rows
    ]
    return Table("robustness", columns, [plain, *rows])


def robustness_of_all(found: Sequence[Robustness]) -> Table:
    """Accuracy that each perturbation takes from each family."""
    columns = [("perturbation", False, ""), *((item.family, True, "accuracy lost, with its paired interval") for item in found)]
    plain = [Cell("accuracy undisturbed", sort=" "), *(number(item.accuracy) for item in found)]
    rows = [
        [Cell(lines[0].label, sort=lines[0].label), *(bounded(row.lost_interval, "+.3f") for row in lines)]
        for lines in zip(*(item.rows for item in found), strict=True)
    ]
    return Table("robustness-of-all", columns, [plain, *rows])


def label_errors(found: Sequence[Suspect]) -> Table:
    """Suspected label errors, for the owner of the data."""
    columns = [
        ("track", False, ""),
        ("labelled", False, ""),
        ("sounds like", False, "to models that never saw it or its artist"),
        ("probability", True, "of what it sounds like, out of fold"),
        ("margin", True, "over the labelled genre"),
        ("families agreeing", True, "of those that scored the track"),
    ]
    rows = [
        [
            Cell(item.track_id, sort=item.track_id, track=item.track_id),
            Cell(item.genre, sort=item.genre),
            Cell(item.proposed, sort=item.proposed),
            number(item.probability, ".2f"),
            number(item.margin, ".2f"),
            Cell(f"{item.agreeing} of {item.asked}" if item.asked else "training track", sort=float(item.agreeing)),
        ]
        for item in found
    ]
    return Table("label-errors", columns, rows)


def answers(rows: Sequence[dict[str, Any]], name: str) -> Table:
    """Tracks with what was answered: {track_id, genre, answer, probability, entropy}."""
    columns = [
        ("track", False, ""),
        ("is", False, ""),
        ("answered", False, ""),
        ("probability", True, "of the answer"),
        ("right", False, ""),
    ]
    found = [
        [
            Cell(row["track_id"], sort=row["track_id"], track=row["track_id"]),
            Cell(row["genre"], sort=row["genre"]),
            Cell(row["answer"], sort=row["answer"]),
            Cell(f"{row['probability']:.2f}", sort=row["probability"], bar=row["probability"]),
            Cell("yes" if row["genre"] == row["answer"] else "no", sort=str(row["genre"] == row["answer"])),
        ]
        for row in rows
    ]
    return Table(name, columns, found)


__all__ = [
    "Cell",
    "Table",
    "all_figures",
    "answers",
    "bounded",
    "comparisons",
    "families",
    "genre_lines",
    "genres",
    "label_errors",
    "mistakes",
    "number",
    "robustness",
    "robustness_of_all",
]
