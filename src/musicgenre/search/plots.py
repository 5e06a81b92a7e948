"""Pictures for the MLflow UI: of a study (one offline page) and of a model on validation (PNG and CSV)."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

_DPI = 110


def study_page(path: Path, study: optuna.Study, title: str) -> list[str]:
    """History, importance, parallel coordinates, curves (and the Pareto front) in one HTML file that needs no network.

    Returns the names of the plots that are on it; one that Optuna cannot draw from
    these trials (importance of two trials, say) is left out.
    """
    from optuna import visualization as draw

    several = len(study.directions) > 1
    target: dict[str, Any] = {"target_name": "macro F1"}
    if several:
        target["target"] = lambda trial: trial.values[0]
    plots: dict[str, Callable[[], Any]] = {
        "History": lambda: draw.plot_optimization_history(study, **target),
        "Importance of parameters": lambda: draw.plot_param_importances(study, **target),
        "Parameters and results": lambda: draw.plot_parallel_coordinate(study, **target),
    }
    if several:
        plots = {"Pareto front": lambda: draw.plot_pareto_front(study, target_names=["macro F1", "cost"]), **plots}
    elif any(len(trial.intermediate_values) > 1 for trial in study.trials):  # families without epochs have no curves
        titles = {"xaxis_title": "epoch", "yaxis_title": "validation macro F1"}
        plots["Curves"] = lambda: draw.plot_intermediate_values(study).update_layout(**titles)
    parts: list[str] = []
    shown: list[str] = []
    for name, make in plots.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "too few trials for …": the page shows as much
                figure = make()
        except Exception as error:  # Optuna raises what its evaluator raises; a missing plot is no reason to fail a study
            log.debug("no plot %r: %s", name, error)
            continue
        if not figure.data:
            continue
        figure.update_layout(title=name, template="plotly_white")
        parts.append(figure.to_html(full_html=False, include_plotlyjs=not parts))
        shown.append(name)
    body = "\n".join(parts) or "<p>Too few trials for a plot.</p>"
    page = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head><body>{body}</body></html>'
    path.write_text(page, encoding="utf-8")
    return shown


def model_figures(folder: Path, labels: NDArray[Any], p: NDArray[np.float64], classes: Sequence[str]) -> None:
    """`confusion_matrix.png`, `roc.png` and `per_genre.csv` of one model on validation tracks.

    Parameters
    ----------
    labels
        int [n], indices into `classes`.
    p
        Probabilities [n, C].
    """
    from musicgenre.evaluation.metrics import confusion, per_genre, predicted_labels

    folder.mkdir(parents=True, exist_ok=True)
    counts = confusion(labels, predicted_labels(p), len(classes))
    _confusion(folder / "confusion_matrix.png", counts, classes)
    _roc(folder / "roc.png", labels, p, classes)
    lines = ["genre,tracks,precision,recall,f1,roc_auc,pr_auc"]
    for name, row in zip(classes, per_genre(labels, p), strict=True):
        values = (row.precision, row.recall, row.f1, row.roc_auc, row.pr_auc)
        lines.append(f"{name},{row.support}," + ",".join("" if value != value else f"{value:.4f}" for value in values))
    (folder / "per_genre.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)  # no pyplot: nothing global, no display
    return figure


def _confusion(path: Path, counts: NDArray[np.int64], classes: Sequence[str]) -> None:
    side = max(4.5, 0.55 * len(classes) + 2)
    figure = _figure(side + 1, side)
    axes = figure.subplots()
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(image, ax=axes, label="share of the true genre")
    axes.set_xticks(range(len(classes)), classes, rotation=60, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title("Validation tracks")
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if share[row, column] > 0.55 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=9)
    figure.savefig(path)


def _roc(path: Path, labels: NDArray[Any], p: NDArray[np.float64], classes: Sequence[str]) -> None:
    from sklearn.metrics import roc_auc_score, roc_curve

    figure = _figure(7.5, 6)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance")
    for index, name in enumerate(classes):
        positive = labels == index
        if positive.any() and not positive.all():
            false, true, _ = roc_curve(positive, p[:, index])
            axes.plot(false, true, label=f"{name} {roc_auc_score(positive, p[:, index]):.2f}", linewidth=1.4)
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.set_title("ROC on validation tracks, each genre against the rest (area)")
    if len(classes) <= 24:
        axes.legend(fontsize=8, loc="lower right")
    figure.savefig(path)


__all__ = ["model_figures", "study_page"]
