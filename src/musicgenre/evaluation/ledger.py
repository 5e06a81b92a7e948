"""How often a test set has been looked at: every look at one more set of models costs some of its worth.

A *use* is a set of models scored on one split. Scoring the same models again tells
nothing new and is not counted, so that a repeated run gives the same figures.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from musicgenre.atomic import write_json
from musicgenre.layout import Layout

Ledger = dict[str, list[str]]


def _lists(value: Any) -> Ledger:
    if not isinstance(value, Mapping):
        return {}
    return {str(split): [str(item) for item in uses] for split, uses in value.items() if isinstance(uses, list)}


def committed_metrics(root: Path, revision: str = "HEAD") -> dict[str, Any]:
    """`reports/metrics.json` as it stands in git at `revision`; empty when there is none."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "show", f"{revision}:./reports/metrics.json"], capture_output=True, text=True, timeout=20, check=False
        )
        found = json.loads(done.stdout) if done.returncode == 0 else {}
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def parent_metrics(root: Path, *, dirty: bool) -> dict[str, Any]:
    """The metrics of the commit that this evaluation follows: the parent of what was evaluated.

    A work tree with changes becomes a child of HEAD; a clean one is HEAD itself, whose first parent counts
    (in a pull request's merge commit: the branch that it goes into). Empty when there is none.
    """
    return committed_metrics(root, "HEAD" if dirty else "HEAD^")


def _merged(*ledgers: Ledger) -> Ledger:
    merged: Ledger = {}
    for ledger in ledgers:
        for split, uses in ledger.items():
            known = merged.setdefault(split, [])
            known.extend(item for item in uses if item not in known)
    return merged


def record_use(layout: Layout, split_id: str, models: Sequence[str]) -> Ledger:
    """Enter one use and return the whole ledger: split id → ids of the sets of models scored on it.

    The work cache and the committed metrics are joined, because the first is disposable
    and the second may be of another branch.

    Parameters
    ----------
    split_id
        Of the current split (`lineage.split_id`).
    models
        Identities of the models scored.
    """
    from musicgenre.lineage import canonical_hash

    path = layout.work / "test_uses.json"
    try:
        local = _lists(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        local = {}
    use = canonical_hash(sorted(models))
    ledger = _merged(_lists(committed_metrics(layout.root).get("test_ledger")), local, {split_id: [use]})
    write_json(path, ledger)
    return ledger


__all__ = ["Ledger", "committed_metrics", "parent_metrics", "record_use"]
