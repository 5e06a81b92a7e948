"""The plots that `dvc plots show` and `dvc plots diff` read, from the same numbers as the report.

========================  ============================================= =======================
`curves/<family>.csv`     epoch, train_loss, validation_loss, …          template `linear`
`confusion.csv`           actual, predicted, one row a test track        template `confusion`
`roc.csv`                 fpr, tpr of the selected family, micro-average template `simple`
`per_genre.csv`           genre, f1 of the selected family on test       template `bar_horizontal`
`intervals.csv`           family, split, level, figure, value, low, high table
`reliability.csv`         confidence, accuracy, tracks                   template `scatter`
`genres.csv`              family, split, level, genre and its figures   table
`comparisons.csv`         every pair of families on test                table
`robustness.csv`          family, perturbation, what it costs           table
`label_errors.csv`        suspected labels, for the owner of the data   table
========================  ============================================= =======================
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicgenre.evaluation import metrics
from musicgenre.evaluation.results import Evaluation, FamilyResult
from musicgenre.evaluation.scoring import Level

if TYPE_CHECKING:
    import pandas as pd

CURVES = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy", "validation_macro_f1")


def confusion_rows(result: FamilyResult, split: str = "test") -> pd.DataFrame:
    """actual, predicted: one row a track."""
    import pandas as pd

    scores = result.scores[split]
    predicted = metrics.predicted_labels(scores.p)
    return pd.DataFrame({"actual": scores.tracks["genre"].to_numpy(), "predicted": [scores.classes[label] for label in predicted]})


def thinned(*columns: NDArray[np.float64], limit: int = 200) -> tuple[NDArray[np.float64], ...]:
    """At most `limit` points of a curve, evenly, its ends among them; `columns` are float64 [n] each."""
    keep = np.unique(np.linspace(0, len(columns[0]) - 1, min(limit, len(columns[0]))).round().astype(int))
    return tuple(column[keep] for column in columns)


def roc_points(result: FamilyResult, split: str = "test", limit: int = 200) -> pd.DataFrame:
    """fpr, tpr of all one-against-rest decisions pooled (micro-average), at most `limit` points."""
    import pandas as pd
    from sklearn.metrics import roc_curve

    scores = result.scores[split]
    positive = np.eye(len(scores.classes), dtype=bool)[scores.y]
    fpr, tpr, _ = roc_curve(positive.ravel(), scores.p.ravel())
    fpr, tpr = thinned(fpr, tpr, limit=limit)
    return pd.DataFrame({"fpr": fpr.round(6), "tpr": tpr.round(6)})


def curves(result: FamilyResult, *, least: int = 2) -> pd.DataFrame | None:
    """The winner's history with the columns of `CURVES` that it has; None for a family with fewer than `least` epochs."""
    history = result.source.history()
    if history is None or "epoch" not in history or len(history) < least:
        return None
    columns = [name for name in CURVES if name in history and history[name].notna().any()]
    return history[["epoch", *columns]].round(6)


LEVELS: tuple[Level, ...] = ("track", "segment")


def _interval_rows(evaluation: Evaluation) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {"family": item.name, "split": split, "level": level, "figure": name, **figure.to_dict()}
        for item in evaluation.families
        for split, figures in item.figures.items()
        for level in LEVELS
        for name, figure in figures.of(level).headline.items()
    ]
    return pd.DataFrame(rows, columns=["family", "split", "level", "figure", "value", "low", "high"]).round(6)


def _genre_rows(evaluation: Evaluation) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {"family": item.name, "split": split, "level": level, "genre": genre, **asdict(line)}
        for item in evaluation.families
        for split, figures in item.figures.items()
        for level in LEVELS
        for genre, line in zip(evaluation.classes, figures.of(level).genres, strict=False)
    ]
    return pd.DataFrame(rows).round(6)


def _explanations(evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """The tables of what was found beside the figures; a section that was not made has none."""
    import pandas as pd

    tables: dict[str, pd.DataFrame] = {}
    if evaluation.comparisons:
        tables["comparisons.csv"] = pd.json_normalize([item.to_dict() for item in evaluation.comparisons], sep="_").round(6)
    if evaluation.robustness_of_all:
        rows = [{"family": item.family, **asdict(row)} for item in evaluation.robustness_of_all for row in item.rows]
        tables["robustness.csv"] = pd.json_normalize(rows, sep="_").round(6)
    suspects = evaluation.sections.get("label_errors")
    if isinstance(suspects, tuple) and suspects:
        tables["label_errors.csv"] = pd.DataFrame([asdict(item) for item in suspects]).round(6)
    return tables


def write_plots(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write every plot into `folder`, which is replaced as a whole."""
    import pandas as pd

    from musicgenre.atomic import atomic_directory

    with atomic_directory(folder) as temporary:
        tables: dict[str, pd.DataFrame] = {
            "intervals.csv": _interval_rows(evaluation),
            "genres.csv": _genre_rows(evaluation),
            **_explanations(evaluation),
        }
        for item in evaluation.families:
            history = curves(item)
            if history is not None:
                tables[f"curves/{item.name}.csv"] = history
        if evaluation.selected and evaluation.family(evaluation.selected).figures["test"].headline:
            selected = evaluation.family(evaluation.selected)
            scores = selected.scores["test"]
            bins = metrics.reliability(scores.y, scores.p)
            tables["confusion.csv"] = confusion_rows(selected)
            tables["roc.csv"] = roc_points(selected)
            tables["per_genre.csv"] = pd.DataFrame(
                {"genre": evaluation.classes, "f1": [round(item.f1, 6) for item in selected.figures["test"].genres]}
            )
            tables["reliability.csv"] = pd.DataFrame(
                {"confidence": bins.confidence.round(6), "accuracy": bins.accuracy.round(6), "tracks": bins.count}
            ).dropna()
        for name, table in tables.items():
            (temporary / name).parent.mkdir(exist_ok=True)
            table.to_csv(temporary / name, index=False)
    return [folder / name for name in tables]


__all__ = ["CURVES", "LEVELS", "confusion_rows", "curves", "roc_points", "thinned", "write_plots"]
