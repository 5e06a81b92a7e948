"""Single tracks: what was misheard and how, what is sure and unsure, the map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from musicgenre.errors import FeatureError
from musicgenre.evaluation.explain.embedding_map import EmbeddingMap
from musicgenre.evaluation.explain.occlusion import Occlusion
from musicgenre.evaluation.metrics import predicted_labels
from musicgenre.evaluation.report.media import Media
from musicgenre.evaluation.report.plotting import Figure, as_json
from musicgenre.evaluation.report.style import colour, symbol
from musicgenre.evaluation.results import FamilyResult
from musicgenre.evaluation.scoring import Features

DETAILED = 24
EXTREMES = 8


@dataclass(frozen=True)
class Misheard:
    """One misclassified track. `images` are (kind, data URI)."""

    track_id: str
    genre: str
    answer: str
    probability: float
    own: float
    rank: int
    duration_s: float
    images: tuple[tuple[str, str], ...]
    figure: str


def rows_of(item: FamilyResult, split: str = "test") -> list[dict[str, Any]]:
    """track_id, genre, answer, probability, own (probability of the true genre), entropy, index; a row a track."""
    scores = item.scores[split]
    label = predicted_labels(scores.p)
    entropy = -(scores.p * np.log(np.clip(scores.p, 1e-12, None))).sum(axis=1)
    return [
        {
            "index": row,
            "track_id": str(scores.tracks["track_id"].iloc[row]),
            "genre": str(scores.tracks["genre"].iloc[row]),
            "answer": scores.classes[int(label[row])],
            "probability": float(scores.p[row, label[row]]),
            "own": float(scores.p[row, scores.y[row]]),
            "rank": int((scores.p[row] > scores.p[row, scores.y[row]]).sum()) + 1,
            "entropy": float(entropy[row]),
        }
        for row in range(len(scores.tracks))
    ]


def timeline(item: FamilyResult, index: int, split: str = "test", shown: int = 4) -> Figure:
    """Probability over time of the track's likeliest genres and its true one, stacked."""
    scores = item.scores[split]
    parts, times = scores.segments[index].astype(np.float64), scores.times_s[index]
    wanted = list(np.argsort(-parts.mean(axis=0))[:shown])
    if scores.y[index] not in wanted:
        wanted[-1] = scores.y[index]
    edges = np.append(times, times[-1] + scores.segment_s)
    figure = go.Figure()
    for label in wanted:
        name = scores.classes[int(label)]
        figure.add_scatter(
            x=edges,
            y=np.append(parts[:, label], parts[-1, label]),
            name=f"{name} (true)" if label == scores.y[index] else name,
            mode="lines",
            line={"shape": "hv", "width": 1, "color": colour(scores.classes, name)},
            stackgroup="one",
            hovertemplate=name + " at %{x:.1f} s: %{y:.0%}<extra></extra>",
        )
    return as_json(
        figure,
        xaxis={"title": {"text": "seconds", "standoff": 2}, "range": [0, float(edges[-1])]},
        yaxis={"range": [0, 1.001], "tickformat": ".0%", "nticks": 3},
    )


def misheard(
    item: FamilyResult, features: Features, media: Media, figures: dict[str, Figure]
) -> tuple[list[Misheard], list[dict[str, Any]]]:
    """(the surest mistakes with pictures, the rest as rows)."""
    wrong = sorted((row for row in rows_of(item) if row["genre"] != row["answer"]), key=lambda row: (-row["probability"], row["track_id"]))
    found = []
    for row in wrong[:DETAILED]:
        images = []
        for kind in ("mel", "scalogram"):
            try:
                values = features.store(kind).track(row["track_id"])
            except FeatureError:
                continue
            images.append((kind, media.image(values)))
        name = f"timeline-{row['index']}"
        figures[name] = timeline(item, row["index"])
        duration = float(item.scores["test"].tracks["duration_s"].iloc[row["index"]])
        shown = {key: row[key] for key in ("track_id", "genre", "answer", "probability", "own", "rank")}
        found.append(Misheard(**shown, duration_s=duration, images=tuple(pair for pair in images if pair[1]), figure=name))
    return found, wrong[DETAILED:]


def extremes(item: FamilyResult) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(most certain, least certain) test tracks by the entropy of their probabilities."""
    rows = sorted(rows_of(item), key=lambda row: (row["entropy"], row["track_id"]))
    return rows[:EXTREMES], rows[::-1][:EXTREMES]


def map_figure(found: EmbeddingMap, media: Media) -> Figure:
    """A point a track, coloured by genre; tracks that can be heard are larger. `customdata` is the track id."""
    names = sorted(set(found.genres))
    figure = go.Figure()
    genres, splits = np.array(found.genres), np.array(found.splits)
    heard = np.array([track in media.sounds for track in found.track_ids])
    for name in names:
        rows = np.flatnonzero(genres == name)
        figure.add_scatter(
            x=found.xy[rows, 0],
            y=found.xy[rows, 1],
            customdata=[[found.track_ids[row], splits[row]] for row in rows],
            name=name,
            mode="markers",
            marker={
                "color": colour(names, name),
                "symbol": symbol(names, name),
                "size": np.where(heard[rows], 10, 6),
                "opacity": np.where(heard[rows], 0.95, 0.4),
            },
            hovertemplate="%{customdata[0]}<br>" + name + ", %{customdata[1]}<extra></extra>",
        )
    plain = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": "", "showline": False}
    return as_json(figure, xaxis=plain, yaxis=plain, hovermode="closest")


def occlusion_figure(found: Occlusion) -> Figure:
    """What hiding each patch takes from the answer: red costs, blue helps."""
    bands, times = found.drop.shape
    limit = float(max(np.abs(found.drop).max(), 0.02))
    width = found.length_s / times
    figure = go.Figure(
        go.Heatmap(
            z=found.drop,
            x=found.start_s + width * (np.arange(times) + 0.5),
            y=np.arange(bands),
            zmin=-limit,
            zmax=limit,
            showscale=False,
            hovertemplate="%{x:.1f} s, band patch %{y}: %{z:+.3f}<extra></extra>",
        )
    )
    return as_json(
        figure,
        meta={"scale": "diverge"},
        xaxis={"title": {"text": "seconds", "standoff": 2}, "nticks": 5},
        yaxis={"title": {"text": "low → high"}, "showticklabels": False},
    )


def image_of(values: NDArray[Any], kind: str, media: Media) -> str:
    """The picture of an occluded segment."""
    return media.image(values, columns=200)


__all__ = ["DETAILED", "EXTREMES", "Misheard", "extremes", "image_of", "map_figure", "misheard", "occlusion_figure", "rows_of", "timeline"]
