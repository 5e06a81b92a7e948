"""Figures of quality and cost, as plotly figures without colours of paper and ink: the page adds those of its theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from musicgenre.evaluation import metrics
from musicgenre.evaluation.dvcplots import curves, roc_points
from musicgenre.evaluation.explain.importance import Importance
from musicgenre.evaluation.report.answers import confusion_matrix, learning_curves, roc_curves
from musicgenre.evaluation.report.plotting import Figure, as_json, diagonal, unit_axis
from musicgenre.evaluation.report.style import colour
from musicgenre.evaluation.results import Evaluation, FamilyResult
from musicgenre.evaluation.robustness import Robustness
from musicgenre.evaluation.scoring import Level


def _names(evaluation: Evaluation) -> list[str]:
    return [item.name for item in evaluation.families]


def intervals(evaluation: Evaluation) -> Figure:
    """Macro F1 of every family on both splits, bars with intervals, the best at the top."""
    order = list(reversed(evaluation.ranked))
    figure = go.Figure()
    for split, opacity in (("test", 1.0), ("validation", 0.45)):
        found = [(item, item.figures[split].headline["macro_f1"]) for item in order if item.figures[split].headline]
        figure.add_bar(
            x=[figure_.value for _, figure_ in found],
            y=[item.name for item, _ in found],
            orientation="h",
            name=split,
            opacity=opacity,
            marker_color=[colour(_names(evaluation), item.name) for item, _ in found],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [(f.high if f.high is not None else f.value) - f.value for _, f in found],
                "arrayminus": [f.value - (f.low if f.low is not None else f.value) for _, f in found],
                "thickness": 1.5,
                "width": 4,
            },
            customdata=[[f.low, f.high] for _, f in found],
            hovertemplate="%{y}, " + split + ": %{x:.3f} (%{customdata[0]:.3f}–%{customdata[1]:.3f})<extra></extra>",
        )
    return as_json(
        figure, barmode="group", bargap=0.3, xaxis={"title": {"text": "macro F1"}, "range": [0, 1.02]}, yaxis={"automargin": True}
    )


COSTS = (("latency_ms", "latency, ms"), ("size_mb", "size, MB"), ("memory_mb", "memory, MB"), ("fit_s", "training, s"))


def _log_axis(values: Sequence[float]) -> dict[str, Any]:
    """A logarithmic axis that holds `values` with room, the fewer ticks a decade the more decades there are."""
    if not values:
        return {"type": "log"}
    low, high = math.log10(min(values)) - 0.25, math.log10(max(values)) + 0.25
    steps = (1, 2, 5) if high - low < 1 else (1, 3) if high - low < 2.2 else (1,)
    ticks = [step * 10.0**decade for decade in range(math.floor(low), math.ceil(high) + 1) for step in steps]
    ticks = [tick for tick in ticks if low <= math.log10(tick) <= high]
    return {"type": "log", "range": [low, high], "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks], "tickangle": 0}


def cost_quality(evaluation: Evaluation) -> Figure:
    """Test macro F1 against each cost, small multiples with logarithmic costs."""
    figure = make_subplots(rows=2, cols=2, shared_yaxes=True, horizontal_spacing=0.1, vertical_spacing=0.2)
    for index, (name, title) in enumerate(COSTS):
        row, column = index // 2 + 1, index % 2 + 1
        for item in evaluation.ranked:
            f1 = item.figures["test"].headline.get("macro_f1")
            cost = item.fit_s if name == "fit_s" else getattr(item.cost, name) if item.cost else None
            if f1 is None or cost is None or cost <= 0:
                continue
            figure.add_scatter(
                row=row,
                col=column,
                x=[cost],
                y=[f1.value],
                name=item.name,
                legendgroup=item.name,
                showlegend=index == 0,
                mode="markers",
                marker={"size": 13, "color": colour(_names(evaluation), item.name)},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [(f1.high if f1.high is not None else f1.value) - f1.value],
                    "arrayminus": [f1.value - (f1.low if f1.low is not None else f1.value)],
                    "thickness": 1,
                    "width": 3,
                },
                hovertemplate=f"{item.name}<br>{title}: %{{x:.3g}}<br>macro F1: %{{y:.3f}}<extra></extra>",
            )
        values = [float(x) for trace in figure.select_traces(row=row, col=column) for x in trace.x]
        figure.update_xaxes(title={"text": title, "standoff": 4}, **_log_axis(values), row=row, col=column)
    figure.update_yaxes(title={"text": "test macro F1"}, col=1)
    return as_json(figure)


def training_curves(evaluation: Evaluation) -> Figure | None:
    """Loss, accuracy and macro F1 of every family that has a history; a point where that is one epoch."""
    found = {item.name: table for item in evaluation.families if (table := curves(item, least=1)) is not None}
    return learning_curves(found, _names(evaluation)) if found else None


def confusion(item: FamilyResult, level: Level = "track", split: str = "test") -> Figure:
    """Rows: what a track (or segment) is; columns: what was answered."""
    scores = item.scores[split]
    found = scores.answers(level)
    return confusion_matrix(found.y, found.p, scores.classes, noun=level)


def roc(evaluation: Evaluation) -> Figure:
    """All one-against-rest decisions pooled, a curve a family."""
    figure = go.Figure()
    for item in evaluation.ranked:
        if item.figures["test"].why:
            continue
        points = roc_points(item)
        figure.add_scatter(
            x=points["fpr"],
            y=points["tpr"],
            name=item.name,
            mode="lines",
            line={"color": colour(_names(evaluation), item.name), "width": 2},
            hovertemplate=item.name + "<br>%{x:.1%} false, %{y:.1%} found<extra></extra>",
        )
    diagonal(figure)
    return as_json(figure, xaxis=unit_axis("false positive rate"), yaxis=unit_axis("true positive rate"))


def roc_by_genre(item: FamilyResult, level: Level = "track", split: str = "test") -> Figure:
    """One genre against the rest, a curve a genre."""
    found = item.scores[split].answers(level)
    return roc_curves(found.y, found.p, item.scores[split].classes, item.figures[split].of(level).genres)


def reliability(evaluation: Evaluation, level: Level = "track") -> Figure:
    """Confidence against accuracy; the area of a point is its number of tracks or segments."""
    figure = go.Figure()
    for item in evaluation.ranked:
        if item.figures["test"].why:
            continue
        found = item.scores["test"].answers(level)
        if not len(found.y):
            continue
        bins = metrics.reliability(found.y, found.p)
        used = bins.count > 0
        error = bins.error
        figure.add_scatter(
            x=bins.confidence[used],
            y=bins.accuracy[used],
            customdata=bins.count[used],
            name=f"{item.name} {error:.2f}",
            mode="lines+markers",
            line={"color": colour(_names(evaluation), item.name), "width": 1.5},
            marker={"size": 5 + 22 * np.sqrt(bins.count[used] / bins.count.sum())},
            visible=True if item.name == evaluation.selected or len(evaluation.ranked) <= 3 else "legendonly",
            hovertemplate=item.name + "<br>says %{x:.0%}, is right %{y:.0%} of %{customdata} " + level + "s<extra></extra>",
        )
    diagonal(figure)
    return as_json(figure, xaxis=unit_axis("confidence"), yaxis=unit_axis("accuracy"))


def robustness(evaluation: Evaluation, found: Robustness) -> Figure:
    """Accuracy lost by each perturbation: bars with paired intervals for `found`, marks for the other families."""
    rows = list(reversed(found.rows))
    figure = go.Figure(
        go.Bar(
            name=found.family,
            showlegend=False,
            x=[row.lost for row in rows],
            y=[row.label for row in rows],
            orientation="h",
            marker_color=colour(_names(evaluation), found.family),
            opacity=0.75,
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [(row.lost_interval.high or row.lost) - row.lost for row in rows],
                "arrayminus": [row.lost - (row.lost_interval.low if row.lost_interval.low is not None else row.lost) for row in rows],
                "thickness": 1.5,
                "width": 4,
            },
            customdata=[[row.accuracy.value, row.flipped] for row in rows],
            hovertemplate="%{y}<br>accuracy lost %{x:+.3f}, left %{customdata[0]:.3f}"
            "<br>%{customdata[1]:.0%} of answers changed<extra></extra>",
        )
    )
    for other in evaluation.robustness_of_all:
        if other.family == found.family:
            continue
        figure.add_scatter(
            x=[row.lost for row in reversed(other.rows)],
            y=[row.label for row in reversed(other.rows)],
            name=other.family,
            mode="markers",
            marker={"size": 9, "symbol": "diamond", "color": colour(_names(evaluation), other.family)},
            hovertemplate=other.family + ", %{y}<br>accuracy lost %{x:+.3f}<extra></extra>",
        )
    return as_json(figure, xaxis={"title": {"text": "accuracy lost"}, "zeroline": True}, yaxis={"automargin": True})


def importances(found: Sequence[Importance], limit: int = 20) -> Figure:
    """Log loss that shuffling a group costs, the dearest at the top."""
    rows = list(reversed(found[:limit]))
    figure = go.Figure(
        go.Bar(
            x=[row.loss for row in rows],
            y=[row.group.replace("_", " ") for row in rows],
            orientation="h",
            marker_color="#4f83ff",
            error_x={"type": "data", "array": [row.deviation for row in rows], "thickness": 1.5, "width": 4},
            customdata=[row.size for row in rows],
            hovertemplate="%{y} (%{customdata} columns)<br>log loss %{x:+.3f}<extra></extra>",
        )
    )
    return as_json(figure, xaxis={"title": {"text": "log loss added when shuffled"}}, yaxis={"automargin": True})


__all__ = [
    "COSTS",
    "confusion",
    "cost_quality",
    "importances",
    "intervals",
    "reliability",
    "robustness",
    "roc",
    "roc_by_genre",
    "training_curves",
]
