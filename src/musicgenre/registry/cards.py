"""Model card and data card as Markdown.

After Mitchell et al. 2019, *Model Cards for Model Reporting*, and Gebru et al. 2021, *Datasheets for Datasets*.

Every number is read from what the stages wrote; what is not there is said to be unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from musicgenre.layout import Layout

if TYPE_CHECKING:
    from musicgenre.bundle import BundleSpec
    from musicgenre.registry.gate import Evidence, Verdict

_SOURCES = {
    "demo": ("Synthetic music that this project composes and renders itself; no recording, no performer.", "as the project (Apache-2.0)"),
    "folder": ("A folder of the user's own audio.", "the user's; unknown to this project"),
    "gtzan": (
        "GTZAN (Tzanetakis & Cook 2002), 1,000 clips of 30 s in ten genres.",
        "unclear: excerpts of commercial recordings, for research",
    ),
    "fma_small": (
        "FMA small (Defferrard et al. 2017), 8,000 clips of 30 s in eight genres.",
        "Creative Commons, per track; see its metadata",
    ),
    "fma_medium": (
        "FMA medium (Defferrard et al. 2017), 25,000 clips of 30 s, 16 genres.",
        "Creative Commons, per track; see its metadata",
    ),
}

_FIGURES = {
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "top_3": "right genre among the first three",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
}


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _figure(figure: Any) -> str:
    if not isinstance(figure, Mapping) or figure.get("value") is None:
        return str(figure.get("why", "unknown")) if isinstance(figure, Mapping) else "unknown"
    text = f"{figure['value']:.3f}"
    if figure.get("low") is not None and figure.get("high") is not None:
        text += f" ({figure['low']:.3f}–{figure['high']:.3f})"
    return text


def _json(path: Any) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _metrics_part(metrics: Mapping[str, Any], family: str) -> str:
    figures = (metrics.get("families") or {}).get(family) or {}
    rows = []
    for name, words in _FIGURES.items():
        found = [(figures.get(split) or {}).get(name) for split in ("validation", "test")]
        if any(item is not None for item in found):
            rows.append((words, *(_figure(item) for item in found)))
    if not rows:
        return "No figures of this family in reports/metrics.json."
    uses = metrics.get("test_uses")
    note = f"\n\n95 % intervals by bootstrap over groups. Chosen on validation; uses of this test set: {uses}." if uses else ""
    return _table(("figure", "validation", "test"), rows) + note


def _robustness_part(metrics: Mapping[str, Any]) -> str:
    found = metrics.get("robustness")
    if not isinstance(found, Mapping):
        return "Not measured (`evaluate.robustness` was off)."
    rows = found.get("perturbations", {}).items()
    lines = [(name.replace("_", " "), f"{float(row['lost']):+.1%}") for name, row in rows if row.get("lost") is not None]
    if not lines:
        return "See reports/report.html."
    return f"Accuracy lost, family {found.get('family', '')}:\n\n" + _table(("disturbance", "accuracy lost"), lines)


def _members_part(spec: BundleSpec) -> str:
    total = sum(item.weight for item in spec.members) or 1.0
    rows = [
        (
            item.name,
            item.family,
            ", ".join(given.kind for given in item.inputs),
            f"{item.segmenting.length_s:g} s every {item.segmenting.hop_s:g} s",
            f"{item.weight / total:.2f}",
        )
        for item in spec.members
    ]
    return _table(("member", "family", "reads", "segments", "weight"), rows)


def model_card(spec: BundleSpec, layout: Layout, *, family: str, evidence: Evidence, verdict: Verdict, decision: str, words: str) -> str:
    """The card of one version: purpose, data, split, figures, robustness, limits, cost, decision, lineage."""
    metrics = _json(layout.metrics)
    reference, lineage = spec.reference, spec.lineage
    source = str(lineage.get("data_source", ""))
    what, licence = _SOURCES.get(source, ("Unknown.", "unknown"))
    counts = metrics.get("split") or {}
    recall = sorted(evidence.figures.recall.items(), key=lambda item: item[1])
    weakest = ", ".join(f"{name} {value:.2f}" for name, value in recall[:3])
    shortest = reference.get("min_duration_s")
    criteria = [(("yes" if item.passed else "**no**"), item.name, item.words) for item in verdict.criteria]
    parts = [
        f"# Music genre classifier {spec.model_id}",
        f"Family **{family or 'unknown'}**, trained {spec.created or 'at an unknown time'}, decision: **{decision}**. {words}",
        "## Purpose",
        f"Tells which of {len(spec.classes)} genres a clip of music belongs to: {', '.join(spec.classes)}. "
        "For sorting and searching collections. Not for deciding about people, payment or rights: genres are conventions, not facts.",
        "## Data",
        f"{what} Licence: {licence}. {_quarantine_words(layout)}",
        f"Split policy `{lineage.get('split_policy', 'unknown')}`"
        + (f": {', '.join(f'{name} {counts[name]}' for name in ('train', 'validation', 'test') if name in counts)}." if counts else "."),
        "## Figures",
        _metrics_part(metrics, family),
        f"Weakest recall on test: {weakest or 'unknown'}.",
        "## Robustness",
        _robustness_part(metrics),
        "## Limits",
        "\n".join(
            [
                "- A clip always gets one of these genres, also speech, noise or music of another kind; low probabilities and the warning "
                "`unlike_training` are the only hints.",
                f"- Trained on clips of at least {shortest:.1f} s; shorter ones are repeated."
                if shortest
                else "- Shorter clips than a segment are repeated.",
                "- Probabilities are calibrated by one temperature on validation; "
                f"the calibration error on test is {evidence.figures.calibration_error:.3f}.",
                *(["- Synthetic training music: figures do not carry over to real recordings."] if source == "demo" else []),
                *([f"- Does not know {', '.join(evidence.missing_genres)}."] if evidence.missing_genres else []),
            ]
        ),
        "## Cost",
        f"{evidence.latency_ms:.0f} ms for a 30 s clip on one core, {evidence.size_mb:.1f} MB on disk. Needs ONNX Runtime, not TensorFlow.",
        "## Decision",
        _table(("passed", "criterion", "in words"), criteria),
        "## Made of",
        _members_part(spec),
        "## Lineage",
        _table(
            ("what", "which"),
            [(name.replace("_", " "), f"`{value}`") for name, value in sorted(lineage.items()) if value not in ("", None)],
        ),
        f"Bundle digest `{spec.digest}`. Bring it back: `musicgenre trace {spec.model_id} --checkout`.",
    ]
    return "\n\n".join(parts) + "\n"


def _quarantine_words(layout: Layout) -> str:
    if not layout.quarantine.is_file():
        return "Faults found in it: unknown (no data/quarantine.csv)."
    rows = _quarantine(layout)
    if not rows:
        return "No faulty file was found in it."
    return (
        f"{len(rows)} faulty files were taken out, a file for one or more of these: "
        + ", ".join(f"{count} {code}" for code, count in _by_code(rows).items())
        + "."
    )


def _quarantine(layout: Layout) -> list[dict[str, str]]:
    import csv

    with layout.quarantine.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def _by_code(rows: Iterable[Mapping[str, str]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        for reason in (row.get("reasons") or "unknown").split(";"):
            code = reason.strip().split(":")[0].split(" ")[0] or "unknown"
            counts[code] = counts.get(code, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def data_card(layout: Layout, source: str) -> str:
    """The card of the data: what it is, how much, how it was cleaned and split."""
    import pandas as pd

    what, licence = _SOURCES.get(source, ("Unknown.", "unknown"))
    parts = [f"# Data: {source or 'unknown'}", f"{what} Licence: {licence}."]
    if layout.manifest.is_file():
        manifest = pd.read_parquet(layout.manifest)
        seconds = manifest["duration_s"].dropna()
        formats = ", ".join(f"{count} {name}" for name, count in manifest["format"].value_counts().items())
        hours = f"{seconds.sum() / 3600:.1f} hours, {seconds.min():.1f} to {seconds.max():.1f} s a file"
        parts.append(f"{len(manifest)} files found ({formats}), {hours}. Same recordings were found by fingerprint, not by name.")
    parts += ["## Faults", _quarantine_words(layout)]
    if layout.splits.is_file():
        splits = pd.read_parquet(layout.splits)
        table = splits.groupby(["genre", "split"]).size().unstack(fill_value=0)
        order = [name for name in ("train", "validation", "test") if name in table.columns]
        groups = splits.groupby("genre")["group"].nunique()
        rows = [(genre, groups[genre], *(int(table.loc[genre, name]) for name in order)) for genre in table.index]
        parts += ["## Split", _table(("genre", "groups", *order), rows), "No group (artist, album) and no recording is on two sides."]
    return "\n\n".join(parts) + "\n"


__all__ = ["data_card", "model_card"]
