"""A leakage measurement as a table, a picture, a file and an MLflow run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from musicgenre.atomic import atomic_path, write_json
from musicgenre.leakage.measure import Estimate, Leakage
from musicgenre.leakage.schemes import SCHEMES

if TYPE_CHECKING:
    from rich.table import Table

    from musicgenre.layout import Layout
    from musicgenre.params import TrackingParams

_LEAKS = {"segments": "pieces of one track on both sides", "duplicates": "copies of one recording", "artists": "one artist on both sides"}


def tables(found: Leakage) -> tuple[Table, Table]:
    """Scores by scheme, and what each leak is worth."""
    from rich.table import Table

    setting = ", ".join(f"{name} {value}" for name, value in found.configuration.items())
    scores = Table(title=f"{found.tracks} tracks, {found.segments} segments; {setting}")
    for heading in ("split", "what it lets leak", "segment accuracy", "track accuracy", "track macro F1"):
        scores.add_column(heading)
    for scheme in SCHEMES:
        name = scheme.name
        figures = (found.segment_accuracy[name], found.track_accuracy[name], found.track_f1[name])
        scores.add_row(name, scheme.words, *(str(figure) for figure in figures))
    worth = Table(title="what the leaks are worth")
    for heading in ("leak", "in track accuracy", "share of it", "in segment accuracy"):
        worth.add_column(heading)
    for leak, words in _LEAKS.items():
        unknown = leak == "artists" and not found.artists_known
        share = found.shares.get(leak)
        if unknown:
            worth.add_row(words, "artists unknown", "–", "–")
        else:
            worth.add_row(words, str(found.worth[leak]), "–" if share is None else f"{share:.0%}", str(found.segment_worth[leak]))
    worth.add_row("all", str(found.worth["all"]), "", str(found.segment_worth["all"]))
    return scores, worth


def draw(found: Leakage, path: Path) -> None:
    """Scores with their intervals, from the leakiest split to the honest one, as SVG or PNG by `path`'s suffix."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for shift, (label, figures) in enumerate((("segments", found.segment_accuracy), ("tracks", found.track_accuracy))):
        rows = [figures[scheme.name] for scheme in SCHEMES]
        places = [number + 0.24 * (shift - 0.5) for number in range(len(rows))]
        errors = [[row.value - row.low for row in rows], [row.high - row.value for row in rows]]
        axes.errorbar(
            [row.value for row in rows], places, xerr=[[max(0.0, e) for e in side] for side in errors], fmt="o", capsize=3, label=label
        )
    axes.set_yticks(range(len(SCHEMES)), [f"{scheme.name}\n({scheme.words})" for scheme in SCHEMES], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(
        f"accuracy, {found.configuration['model']} on {found.configuration.get('kind', 'features')} (95 % interval over groups)"
    )
    axes.grid(axis="x", alpha=0.3)
    axes.legend(title="of", fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lstrip("."), metadata={"Date": None} if path.suffix == ".svg" else None)


def write(found: Leakage, layout: Layout) -> Path:
    """`reports/leakage/leakage.json` and `.svg`; the folder."""
    folder = layout.reports / "leakage"
    write_json(folder / "leakage.json", found.to_dict())
    draw(found, folder / "leakage.svg")
    return folder


def log(found: Leakage, params: TrackingParams, layout: Layout) -> None:
    """One run in the experiment `<prefix>/leakage`; the same configuration on the same data writes to the same run.

    Raises
    ------
    TrackingUnavailable
        If the MLflow store does not answer.
    """
    from musicgenre.errors import TrackingUnavailable
    from musicgenre.lineage import canonical_hash, collect
    from musicgenre.tracking import Tracker
    from musicgenre.tracking.tags import lineage_tags, source_tags

    lineage = collect(layout)
    key = canonical_hash(["leakage", dict(found.configuration), lineage.data_id, lineage.feature_id])
    metrics = {f"{figure}.{name}": estimate.value for figure, values in _figures(found).items() for name, estimate in values.items()}
    metrics |= {f"worth.{leak}": estimate.value for leak, estimate in found.worth.items()}
    metrics |= {f"share.{leak}": share for leak, share in found.shares.items()}
    with Tracker(params, layout, f"{params.prefix}/leakage") as tracker:
        tracker.start(key, "leakage", {**lineage_tags(lineage), **source_tags("musicgenre leakage", lineage), "role": "leakage"})
        tracker.params(key, {name: str(value) for name, value in found.configuration.items()})
        tracker.metrics(key, metrics)
        tracker.artifact(key, layout.reports / "leakage")
        tracker.end(key)
        tracker.flush(60.0)
    if tracker.failure:
        raise TrackingUnavailable(tracker.failure)


def _figures(found: Leakage) -> dict[str, dict[str, Estimate]]:
    return {
        "segment_accuracy": dict(found.segment_accuracy),
        "track_accuracy": dict(found.track_accuracy),
        "track_f1": dict(found.track_f1),
    }


__all__ = ["draw", "log", "tables", "write"]
