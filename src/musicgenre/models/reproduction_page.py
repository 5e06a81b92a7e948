"""`reports/reproduction/report.html`: the systems that were run again, in one page that needs no network.

The table; the loss and accuracy curves of every publication's systems on one
figure; and for each system, under its own split and under the honest one, the
confusion matrix, the ROC curves, precision, recall and F1 a genre, and the
answer for one test track.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import qualitative
from plotly.subplots import make_subplots

from musicgenre.evaluation import metrics
from musicgenre.models.reproduction_table import COLUMNS, row

WAYS = {"own": "own split", "honest": "honest split"}
_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:.25rem .7rem;text-align:left;border-bottom:1px solid #dde3ea}
.scroll{overflow-x:auto}h2{margin-top:3rem}.pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:1rem}
@media(max-width:50rem){.pair{grid-template-columns:minmax(0,1fr)}}"""


def write_page(folder: Path, results: Sequence[Mapping[str, Any]], skipped: Mapping[str, str]) -> None:
    """Write `folder/report.html` from the results and the tables of predictions and histories beside them."""
    from musicgenre.atomic import write_text

    body = ["<h1>Published systems, run again</h1>", _table(COLUMNS, [row(item) for item in results])]
    body += [f"<p>Skipped {escape(name)}: {escape(reason)}</p>" for name, reason in skipped.items()]
    for source in dict.fromkeys(str(item["source"]) for item in results):
        members = [item for item in results if item["source"] == source]
        body.append(f"<h2>{escape(source)}</h2>")
        curves = _curves(folder, members)
        body += [_plot(curves)] if curves.data else []
        for item in members:
            body += _system(folder, item)
    text = "\n".join(body).replace(_PLOTLY, _library(), 1)
    page = '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    write_text(folder / "report.html", f"{page}<title>Published systems</title><style>{_STYLE}</style></head><body>{text}</body></html>\n")


_PLOTLY = "<!-- plotly -->"


def _library() -> str:
    from plotly.offline import get_plotlyjs

    return f"<script>{get_plotlyjs()}</script>"


def _plot(figure: go.Figure) -> str:
    figure.update_layout(template="plotly_white", margin={"l": 50, "r": 10, "t": 40, "b": 40})
    return _PLOTLY + str(figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True}))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["".join(f"<td>{escape(cell)}</td>" for cell in cells) for cells in rows]
    title = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f'<div class="scroll"><table><tr>{title}</tr>{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'


def _curves(folder: Path, members: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Loss and accuracy under the own split, a colour a system: training dotted (segments), validation solid (tracks)."""
    figure = make_subplots(1, 2, subplot_titles=("loss", "accuracy"))
    for index, item in enumerate(members):
        path = folder / f"{item['name']}-own-history.parquet"
        history = pd.read_parquet(path) if path.is_file() else pd.DataFrame()
        if len(history) < 2:
            continue
        colour = qualitative.D3[index % len(qualitative.D3)]
        for column, what in ((1, "loss"), (2, "accuracy")):
            for side, dash in (("train", "dot"), ("validation", "solid")):
                line = {"color": colour, "dash": dash}
                name = f"{item['name']}, {side}"
                values = history[f"{side}_{what}"]
                figure.add_scatter(
                    x=history["epoch"], y=values, name=name, line=line, showlegend=column == 1, row=1, col=column, mode="lines"
                )
    figure.update_xaxes(title_text="epoch")
    return figure


def _system(folder: Path, item: Mapping[str, Any]) -> list[str]:
    notes = str(item["notes"]).replace("`", "")
    parts = [f"<h3>{escape(item['name'])}</h3><p>{escape(item['title'])}. {escape(notes)}</p>"]
    for way, words in WAYS.items():
        table = pd.read_parquet(folder / f"{item['name']}-{way}-predictions.parquet")
        columns = [name for name in table.columns if name.startswith("p_")]
        classes = [name.removeprefix("p_") for name in columns]
        y = table["genre"].map({name: index for index, name in enumerate(classes)}).to_numpy().astype(np.intp)
        p = table[columns].to_numpy(dtype=np.float64)
        figures = [
            [name, str(found.support), *(_number(value) for value in (found.precision, found.recall, found.f1, found.roc_auc))]
            for name, found in zip(classes, metrics.per_genre(y, p), strict=True)
        ]
        plots = f'<div class="pair"><div>{_plot(_confusion(y, p, classes))}</div><div>{_plot(_roc(y, p, classes))}</div></div>'
        first = table.iloc[0]
        best = sorted(zip(p[0], classes, strict=True), reverse=True)[:3]
        answer = ", ".join(f"{name} {share:.2f}" for share, name in best)
        parts += [
            f"<h4>{words}, {len(table)} tested</h4>{plots}",
            _table(("genre", "tested", "precision", "recall", "F1", "ROC AUC"), figures),
            f"<p>{escape(str(first['track_id']))}, which is {escape(str(first['genre']))}: {escape(answer)}.</p>",
        ]
    return parts


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "–"


def _confusion(y: metrics.Labels, p: metrics.Probabilities, classes: Sequence[str]) -> go.Figure:
    counts = metrics.confusion(y, metrics.predicted_labels(p), len(classes))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    heat = go.Heatmap(
        z=share, x=classes, y=classes, text=counts, texttemplate="%{text}", zmin=0, zmax=1, colorscale="Blues", showscale=False
    )
    figure = go.Figure(heat)
    figure.update_xaxes(title_text="predicted", type="category")
    figure.update_yaxes(title_text="true", autorange="reversed", type="category")
    return figure


def _roc(y: metrics.Labels, p: metrics.Probabilities, classes: Sequence[str]) -> go.Figure:
    """One genre against the rest, a curve a genre that occurs."""
    from sklearn.metrics import roc_curve

    figure = go.Figure()
    for label, name in enumerate(classes):
        if 0 < np.count_nonzero(y == label) < len(y):
            fpr, tpr, _ = roc_curve(y == label, p[:, label])
            figure.add_scatter(x=fpr, y=tpr, name=name, mode="lines")
    figure.update_xaxes(title_text="false positive rate", range=[0, 1])
    figure.update_yaxes(title_text="true positive rate", range=[0, 1.01])
    return figure


__all__ = ["write_page"]
