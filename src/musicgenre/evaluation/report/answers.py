"""Figures of labels, probabilities and histories alone, whoever gave them: a family, or a published system run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from musicgenre.evaluation import metrics
from musicgenre.evaluation.dvcplots import thinned
from musicgenre.evaluation.report.plotting import Figure, as_json, diagonal, unit_axis
from musicgenre.evaluation.report.style import colour

if TYPE_CHECKING:
    import pandas as pd

MANY = 16  # genres, above which numbers in cells and names in a legend no longer fit
_CURVES = (
    ("validation_loss", 1, "solid"),
    ("train_loss", 1, "dot"),
    ("validation_accuracy", 2, "solid"),
    ("train_accuracy", 2, "dot"),
    ("validation_macro_f1", 3, "solid"),
)


def learning_curves(histories: Mapping[str, pd.DataFrame], names: Sequence[str]) -> Figure:
    """Loss, accuracy and macro F1 over epochs, a colour (its place in `names`) a history; a point where that is one epoch.

    A history has `epoch` and any of train_loss, validation_loss, train_accuracy, validation_accuracy, validation_macro_f1.
    """
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.04)
    for item, table in histories.items():
        first = True
        for column, row, dash in _CURVES:
            if column not in table:
                continue
            words = column.replace("_", " ").replace("f1", "F1")
            figure.add_scatter(
                row=row,
                col=1,
                x=table["epoch"].tolist(),
                y=table[column].tolist(),
                name=item,
                legendgroup=item,
                showlegend=first,
                mode="lines" if len(table) > 1 else "markers",
                line={"color": colour(names, item), "dash": dash, "width": 2},
                marker={"size": 9, "symbol": "circle" if dash == "solid" else "circle-open", "color": colour(names, item)},
                hovertemplate=f"{item}, {words}<br>epoch %{{x}}: %{{y:.3f}}<extra></extra>",
            )
            first = False
    for row, title in enumerate(("loss", "accuracy", "macro F1"), start=1):
        figure.update_yaxes(title={"text": title}, row=row, col=1)
    figure.update_xaxes(title={"text": "epoch"}, row=3, col=1)
    return as_json(figure)


def confusion_matrix(y: metrics.Labels, p: metrics.Probabilities, classes: Sequence[str], *, noun: str = "track") -> Figure:
    """Rows: what a track is; columns: what was answered; colour: share of the row, text: how many."""
    counts = metrics.confusion(y, metrics.predicted_labels(p), len(classes))
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    figure = go.Figure(
        go.Heatmap(
            z=share,
            x=list(classes),
            y=list(classes),
            text=[[str(value) if value else "" for value in row] for row in counts.tolist()],
            texttemplate="%{text}" if len(classes) <= MANY else None,
            customdata=counts,
            hovertemplate="is %{y}, called %{x}: %{customdata} " + noun + "s (%{z:.0%} of the genre)<extra></extra>",
            zmin=0,
            zmax=1,
            showscale=False,
            xgap=1,
            ygap=1,
        )
    )
    # A genre may be called 1980: names are categories, whatever they look like.
    across = {"type": "category", "title": {"text": "answered"}, "side": "bottom", "tickangle": -45, "automargin": True}
    return as_json(
        figure,
        meta={"scale": "sequence"},
        xaxis={**across, "constrain": "domain"},
        yaxis={"type": "category", "title": {"text": "is"}, "autorange": "reversed", "automargin": True},
    )


def roc_curves(y: metrics.Labels, p: metrics.Probabilities, classes: Sequence[str], figures: Sequence[metrics.GenreFigures]) -> Figure:
    """One genre against the rest, a curve a genre that occurs; its area (from `figures`, a line a class) beside the name."""
    from sklearn.metrics import roc_curve

    figure = go.Figure()
    for label, name in enumerate(classes):
        positive = y == label
        if not positive.any() or positive.all():
            continue
        fpr, tpr, _ = roc_curve(positive, p[:, label])
        fpr, tpr = thinned(fpr, tpr)
        figure.add_scatter(
            x=fpr,
            y=tpr,
            name=f"{name} {figures[label].roc_auc:.2f}",
            mode="lines",
            line={"color": colour(classes, name), "width": 1.5},
            hovertemplate=name + "<br>%{x:.1%} false, %{y:.1%} found<extra></extra>",
        )
    diagonal(figure)
    shown = len(classes) <= MANY
    return as_json(figure, showlegend=shown, xaxis=unit_axis("false positive rate"), yaxis=unit_axis("true positive rate"))


__all__ = ["MANY", "confusion_matrix", "learning_curves", "roc_curves"]
