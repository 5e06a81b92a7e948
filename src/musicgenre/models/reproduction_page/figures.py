"""Figures and tables of systems that were run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from musicgenre.evaluation.bootstrap import Interval
from musicgenre.evaluation.report.plotting import Figure, as_json
from musicgenre.evaluation.report.style import PALETTE
from musicgenre.evaluation.report.tables import Cell, Table, bounded, number

if TYPE_CHECKING:
    import pandas as pd

WAYS = {"own": "own split", "honest": "honest split"}
DESCRIPTORS = 20
_FIGURES = (("accuracy", "accuracy"), ("macro_f1", "macro F1"), ("roc_auc", "ROC AUC"))


def _interval(result: Mapping[str, Any], way: str, figure: str) -> Interval | None:
    found = result[way]["figures"].get(figure)
    return Interval(found["value"], found["low"], found["high"]) if found else None


def summary(results: Sequence[Mapping[str, Any]]) -> Figure:
    """Accuracy of every system as published, under its own split and under the honest one."""
    order = list(reversed(results))
    figure = go.Figure()
    for way, shade in (("honest", PALETTE[0]), ("own", PALETTE[1])):
        found = [(item["name"], interval) for item in order if (interval := _interval(item, way, "accuracy"))]
        figure.add_bar(
            x=[interval.value for _, interval in found],
            y=[name for name, _ in found],
            orientation="h",
            name=WAYS[way],
            marker_color=shade,
            opacity=0.85,
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [(i.value if i.high is None else i.high) - i.value for _, i in found],
                "arrayminus": [i.value - (i.value if i.low is None else i.low) for _, i in found],
                "thickness": 1.5,
                "width": 3,
            },
            hovertemplate="%{y}, " + WAYS[way] + ": %{x:.3f}<extra></extra>",
        )
    known = [item for item in order if "accuracy" in item["published"]]
    figure.add_scatter(
        x=[item["published"]["accuracy"] for item in known],
        y=[item["name"] for item in known],
        name="published",
        mode="markers",
        marker={"size": 11, "symbol": "diamond", "color": PALETTE[4]},
        hovertemplate="%{y}, published: %{x:.3f}<extra></extra>",
    )
    return as_json(
        figure,
        barmode="group",
        bargap=0.3,
        legend={"traceorder": "reversed"},
        xaxis={"title": {"text": "accuracy"}, "range": [0, 1.02]},
        yaxis={"type": "category", "automargin": True},
    )


def systems(results: Sequence[Mapping[str, Any]]) -> Table:
    """One line a system: what was published, and both ways of splitting."""
    columns = [("system", False, "below it what its own split draws, and how much it trains on and tests")]
    columns += [(f"published {title}", True, "as the publication reports it") for _, title in _FIGURES]
    for words in WAYS.values():
        columns += [(f"{words} {title}", True, f"re-run under the {words}, with its 95 % interval") for _, title in _FIGURES]
    columns.append(("CPU s", True, "seconds of processor time of both trainings"))
    rows = []
    for item in results:
        published = {"macro_f1": item["published"].get("f1"), **item["published"]}
        limit = f"; at most {item['epochs_limit']} epochs" if item["epochs_limit"] else ""
        cells = [Cell(item["name"], sort=item["name"], note=f"{item['protocol']}{limit}")]
        cells += [number(published.get(figure), ".2f", missing="–") for figure, _ in _FIGURES]
        cells += [bounded(_interval(item, way, figure)) for way in WAYS for figure, _ in _FIGURES]
        seconds = [float(item[way]["cpu_seconds"]) for way in WAYS]
        rows.append([*cells, Cell(" + ".join(f"{value:.0f}" for value in seconds), sort=sum(seconds))])
    return Table("systems", columns, rows)


def _words(name: str) -> str:
    return name.replace("_", " ")


def importances(table: pd.DataFrame) -> tuple[Figure, str] | None:
    """The descriptors that matter most, and in words by which measure; `table` is `ClassicalModel.descriptors()`.

    Signed coefficients a genre where the model has them, bars of importance otherwise; None where it weighs no descriptor.
    """
    top = table.dropna(subset=["importance"]).head(DESCRIPTORS)
    if top.empty:
        return None
    names = [_words(name) for name in top["feature"]]
    weights = [name for name in table.columns if name.startswith("w_")]
    lines: dict[str, Any] = {"type": "category", "automargin": True, "dtick": 1}
    if weights:
        heat = _coefficients(top[weights].to_numpy(np.float64), [name.removeprefix("w_") for name in weights], names)
        across = {"type": "category", "tickangle": -45, "automargin": True}
        figure = as_json(heat, meta={"scale": "diverge"}, xaxis=across, yaxis={**lines, "autorange": "reversed"})
        return figure, "its coefficients: what one standard deviation adds to the score of a genre (red) or takes from it (blue)"
    bars = go.Bar(
        x=top["importance"].to_numpy(np.float64)[::-1],
        y=names[::-1],
        orientation="h",
        marker_color=PALETTE[0],
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )
    figure = as_json(go.Figure(bars), xaxis={"title": {"text": "importance"}, "rangemode": "tozero"}, yaxis=lines)
    return figure, "its own importances: what splits on a descriptor gain, as a share of all"


def _coefficients(weights: np.ndarray[Any, Any], classes: Sequence[str], names: Sequence[str]) -> go.Figure:
    limit = float(max(np.abs(weights).max(), 1e-6))
    heat = go.Heatmap(
        z=weights,
        x=list(classes),
        y=list(names),
        zmin=-limit,
        zmax=limit,
        xgap=1,
        ygap=1,
        colorbar={"thickness": 10, "outlinewidth": 0},
        hovertemplate="%{y}, %{x}: %{z:+.2f}<extra></extra>",
    )
    return go.Figure(heat)


__all__ = ["DESCRIPTORS", "WAYS", "importances", "summary", "systems"]
