"""All that touches MLflow runs.

`store` finds the experiment store and says whether it answers, `client` is the one
place that calls MLflow, `tracker` queues and batches beside the work, `tags` names
things, `ui` opens the browser's view. Nothing here imports MLflow before it is used.
"""

from __future__ import annotations

from musicgenre.tracking.store import Store, ensure_available, resolve
from musicgenre.tracking.tracker import Tracker

__all__ = ["Store", "Tracker", "ensure_available", "resolve"]
