"""A plotly figure as the page wants it: plain JSON without colours of paper and ink, which the page adds."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

Figure = dict[str, Any]


def _decoded(value: dict[str, Any]) -> list[Any]:
    """Plotly packs arrays into base64; the page's own code wants to read them too."""
    array = np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"])
    shape = [int(part) for part in str(value.get("shape", "")).split(",") if part]
    found: list[Any] = (array.reshape(shape) if shape else array).tolist()
    return found


def _rounded(value: Any) -> Any:
    """Plain lists with five digits: a third of the bytes. What is not finite becomes null."""
    if isinstance(value, np.ndarray):
        return _rounded(value.tolist())
    if isinstance(value, dict):
        return _rounded(_decoded(value)) if "bdata" in value else {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return float(f"{number:.5g}") if np.isfinite(number) else None
    return value.item() if isinstance(value, np.generic) else value


def as_json(figure: go.Figure, **layout: Any) -> Figure:
    """A figure as the page wants it: no template, nothing to drag on a phone, `layout` laid over."""
    figure.update_layout(dragmode=False, hoverlabel={"namelength": -1}, **layout)
    found = figure.to_plotly_json()
    found["layout"].pop("template", None)
    return {"data": _rounded(found["data"]), "layout": _rounded(found["layout"])}


def unit_axis(title: str) -> Mapping[str, Any]:
    """An axis of shares."""
    return {"title": {"text": title}, "range": [-0.01, 1.01]}


def diagonal(figure: go.Figure) -> None:
    """A dashed line from (0, 0) to (1, 1)."""
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dash", "width": 1, "color": "#8a93a6"}, showlegend=False, hoverinfo="skip"
    )


__all__ = ["Figure", "as_json", "diagonal", "unit_axis"]
