"""The plots that `dvc plots show` and `dvc plots diff` read, from the same numbers as the report.

========================  ============================================= =======================
`curves/<family>.csv`     epoch, train_loss, validation_loss, …          template `linear`
`confusion.csv`           actual, predicted, one row a test track        template `confusion`
`roc.csv`                 fpr, tpr of the selected family, micro-average template `simple`
`per_genre.csv`           genre, f1 of the selected family on test       template `bar_horizontal`
`intervals.csv`           family, split, figure, value, low, high        table
`reliability.csv`         confidence, accuracy, tracks                   template `scatter`
========================  ============================================= =======================
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musicgenre.evaluation import metrics
from musicgenre.evaluation.results import Evaluation, FamilyResult

if TYPE_CHECKING:
    import pandas as pd

CURVES = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy", "validation_macro_f1")


def confusion_rows(result: FamilyResult, split: str = "test") -> pd.DataFrame:
    """actual, predicted: one row a track."""
    import pandas as pd

    scores = result.scores[split]
    predicted = metrics.predicted_labels(scores.p)
    return pd.DataFrame({"actual": scores.tracks["genre"].to_numpy(), "predicted": [scores.classes[label] for label in predicted]})


def roc_points(result: FamilyResult, split: str = "test", limit: int = 200) -> pd.DataFrame:
    """fpr, tpr of all one-against-rest decisions pooled (micro-average), at most `limit` points."""
    import pandas as pd
    from sklearn.metrics import roc_curve

    scores = result.scores[split]
    positive = np.eye(len(scores.classes), dtype=bool)[scores.y]
    fpr, tpr, _ = roc_curve(positive.ravel(), scores.p.ravel())
    keep = np.unique(np.linspace(0, len(fpr) - 1, min(limit, len(fpr))).round().astype(int))
    return pd.DataFrame({"fpr": fpr[keep].round(6), "tpr": tpr[keep].round(6)})


def curves(result: FamilyResult) -> pd.DataFrame | None:
    """The winner's history with the columns of `CURVES` that it has; None for a family without epochs."""
    history = result.source.history()
    if history is None or "epoch" not in history or len(history) < 2:
        return None
    columns = [name for name in CURVES if name in history and history[name].notna().any()]
    return history[["epoch", *columns]].round(6)


def _interval_rows(evaluation: Evaluation) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {"family": item.name, "split": split, "figure": name, "value": figure.value, "low": figure.low, "high": figure.high}
        for item in evaluation.families
        for split, figures in item.figures.items()
        for name, figure in figures.headline.items()
    ]
    return pd.DataFrame(rows, columns=["family", "split", "figure", "value", "low", "high"]).round(6)


def write_plots(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write every plot into `folder`, which is replaced as a whole."""
    import pandas as pd

    from musicgenre.atomic import atomic_directory

    with atomic_directory(folder) as temporary:
        tables: dict[str, pd.DataFrame] = {"intervals.csv": _interval_rows(evaluation)}
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


__all__ = ["CURVES", "confusion_rows", "curves", "roc_points", "write_plots"]
