"""`reports/report.md`: what changed, in a screenful, for a pull request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from musicgenre.atomic import write_text
from musicgenre.evaluation.ledger import parent_metrics
from musicgenre.evaluation.results import Evaluation, FamilyResult
from musicgenre.layout import Layout

_FIGURES = (("macro_f1", "macro F1"), ("accuracy", "accuracy"), ("roc_auc", "ROC AUC"))


def _number(figure: Any, form: str = ".3f") -> str:
    value = figure.get("value") if isinstance(figure, Mapping) else figure
    return "no number" if value is None else format(value, form)


def _bounded(figure: Mapping[str, Any] | None) -> str:
    if not figure or figure.get("value") is None:
        return "no number"
    if figure.get("low") is None:
        return _number(figure)
    return f"{figure['value']:.3f} ({figure['low']:.2f}–{figure['high']:.2f})"


def _change(now: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> str:
    values = [item.get("value") if item else None for item in (now, before)]
    if values[0] is None or values[1] is None:
        return "–"
    return f"{values[0] - values[1]:+.3f}"


def _families(metrics: Mapping[str, Any], parent: Mapping[str, Any], order: list[FamilyResult]) -> list[str]:
    lines = [
        "| family | validation macro F1 | test macro F1 | change | test accuracy | ROC AUC | latency ms | size MB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    names = [item.name for item in order] + [name for name in metrics["families"] if name not in {item.name for item in order}]
    for name in names:
        entry, old = metrics["families"][name], (parent.get("families") or {}).get(name) or {}
        test = entry.get("test") or {}
        if not test.get("macro_f1"):
            lines.append(f"| {name} | {entry.get('why') or test.get('why') or 'no number'} | | | | | | |")
            continue
        shown = f"**{name}** (selected)" if name == metrics["selected"] else name
        cells = (
            shown,
            _bounded((entry.get("validation") or {}).get("macro_f1")),
            _bounded(test["macro_f1"]),
            _change(test["macro_f1"], (old.get("test") or {}).get("macro_f1")),
            _number(test.get("accuracy")),
            _number(test.get("roc_auc")),
            _number(entry.get("latency_ms"), ".0f"),
            _number(entry.get("size_mb"), ".1f"),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _against(metrics: Mapping[str, Any], other: Mapping[str, Any], title: str) -> list[str]:
    """The selected families of two evaluations, side by side."""
    now = (metrics["families"].get(metrics["selected"]) or {}).get("test") or {}
    before = ((other.get("families") or {}).get(str(other.get("selected"))) or {}).get("test") or {}
    if not before or not now:
        return []
    same = (metrics.get("split") or {}).get("id") == (other.get("split") or {}).get("id")
    parts = [
        f"{words} {_number(before.get(name))} → {_number(now.get(name))} ({_change(now.get(name), before.get(name))})"
        for name, words in _FIGURES
    ]
    note = "" if same else " *The test set is another one: the figures do not compare.*"
    return [f"**{title}** ({other['selected']} → {metrics['selected']}): " + ", ".join(parts) + "." + note]


def _champion(metrics: Mapping[str, Any], registry: Mapping[str, Any]) -> list[str]:
    """The selected family beside the champion's figures as the gate recorded them."""
    version = str(registry.get("champion") or "")
    if not version:
        return ["**Champion**: none yet; the gate decides after this."]
    known: Mapping[str, Any] = next((item for item in registry.get("versions") or () if str(item.get("version")) == version), {})
    before = known.get("figures") or {}
    now = (metrics["families"].get(metrics["selected"]) or {}).get("test") or {}
    name = f"version {version}, {known.get('family') or 'of unknown family'}"
    parts = [
        f"{words} {float(before[key]):.3f} → {_number(now.get(key))} ({_change(now.get(key), {'value': before[key]})})"
        for key, words in _FIGURES
        if before.get(key) is not None
    ]
    if not parts or not now:
        return [f"**Champion**: {name}; no figures of it to compare with. The gate decides after this."]
    same = (metrics.get("split") or {}).get("id") == (known.get("lineage") or {}).get("split_id")
    note = "" if same else " *It was judged on another test set; the gate scores both on this one.*"
    return [f"**Against the champion** ({name} → {metrics['selected'] or 'none'}): " + ", ".join(parts) + "." + note]


def render_markdown(evaluation: Evaluation, *, parent: Mapping[str, Any], registry: Mapping[str, Any]) -> str:
    """The whole text.

    Parameters
    ----------
    parent
        `metrics.json` of the parent commit (empty when there is none; see `ledger.parent_metrics`).
    registry
        `models/registry.json` as it stands (empty when there is none).
    """
    metrics = evaluation.to_metrics()
    percent = f"{evaluation.confidence:.0%}"
    lines = ["## Evaluation", ""]
    if evaluation.problems:
        lines += ["> **Problems**", *(f"> - {item.family + ': ' if item.family else ''}{item.words}" for item in evaluation.problems), ""]
    lines += [*_families(metrics, parent, evaluation.ranked), ""]
    lines += [f"{percent} intervals over groups; *change* is test macro F1 against the parent commit's metrics.", ""]
    lines += [*(_against(metrics, parent, "Against the parent commit") or ["**Against the parent commit**: it has no metrics."]), ""]
    lines += [*_champion(metrics, registry), ""]
    differing = [item for item in evaluation.comparisons if item.verdict != "no difference shown"]
    if differing:
        lines.append("Differences that the paired bootstrap shows: " + "; ".join(_difference(item) for item in differing) + ".")
    elif evaluation.comparisons:
        lines.append(f"The paired bootstrap shows no difference between any two families on {evaluation.counts['test']} test tracks.")
    lines += ["", f"This test set has judged {evaluation.test_uses} set{'' if evaluation.test_uses == 1 else 's'} of models."]
    robustness = evaluation.robustness
    if robustness is not None and robustness.rows:
        worst = max(robustness.rows, key=lambda row: row.lost)
        lines += [
            f"Robustness ({robustness.family}, {robustness.tracks} tracks): {worst.label} costs most, {worst.lost:+.1%} accuracy lost."
        ]
    return "\n".join(lines) + "\n"


def _difference(item: Any) -> str:
    figure = item.macro_f1
    return f"{item.verdict} ({item.first} − {item.second}: {figure.value:+.3f}, {figure.low:+.2f} to {figure.high:+.2f})"


def write_markdown(evaluation: Evaluation, layout: Layout) -> None:
    """Write `reports/report.md` against the parent commit's metrics and the registry."""
    import json

    registry = json.loads(layout.registry.read_text(encoding="utf-8")) if layout.registry.is_file() else {}
    parent = parent_metrics(layout.root, dirty=bool(evaluation.lineage.get("git_dirty", True)))
    write_text(layout.reports / "report.md", render_markdown(evaluation, parent=parent, registry=registry))


__all__ = ["render_markdown", "write_markdown"]
