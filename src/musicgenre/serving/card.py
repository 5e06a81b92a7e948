"""`GET /model`: what answers here, where it comes from, and which process it is."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from musicgenre import __version__
from musicgenre.serving.engine import Engine


def model_card(engine: Engine) -> dict[str, Any]:
    """The loaded model as plain JSON: identity, classes, members, front end, lineage, limits, process."""
    spec = engine.predictor.spec
    settings = engine.settings
    return {
        "model": engine.identity.to_dict(),
        "created": spec.created,
        "classes": list(spec.classes),
        "temperature": spec.temperature,
        "members": [
            {
                "name": member.name,
                "family": member.family,
                "weight": member.weight,
                "inputs": [item.kind for item in member.inputs],
                "segment_s": member.segmenting.length_s,
                "hop_s": member.segmenting.hop_s,
            }
            for member in spec.members
        ],
        "trained_on": {
            "tracks": spec.reference.get("tracks"),
            "priors": spec.reference.get("priors"),
            "shortest_s": spec.reference.get("min_duration_s"),
        },
        "evaluation": dict(engine.located.figures),
        "lineage": dict(spec.lineage),
        "front_end": dict(spec.front_end),
        "limits": {
            "max_upload_mb": settings.max_upload_mb,
            "max_duration_s": settings.max_duration_s,
            "request_timeout_s": settings.request_timeout_s,
            "max_batch_files": settings.max_batch_files,
            "top_k": settings.top_k,
            "reject_below": settings.reject_below,
        },
        "service": {
            "version": __version__,
            "bento": engine.located.bento,
            "pid": os.getpid(),
            "started": datetime.fromtimestamp(engine.started, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        },
    }


__all__ = ["model_card"]
