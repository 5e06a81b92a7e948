"""The ensemble: a greedy weighted average of the families, chosen and calibrated on validation.

Greedy selection with replacement (Caruana et al. 2004, "Ensemble selection from
libraries of models"): start from the best family, add in each round the one whose
inclusion makes the average best; a family's weight is how often it was taken.
A temperature (Guo et al. 2017) then makes the mixed probabilities honest: the
mixture's logarithm is divided by it. How well that calibrates is measured out of
fold, over groups, so that the figure is no optimism about its own data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.atomic import atomic_directory, write_json
from musicgenre.errors import MissingInput, SearchError
from musicgenre.layout import Layout
from musicgenre.lineage import canonical_hash, collect
from musicgenre.params import FAMILIES, EnsembleParams, Params

if TYPE_CHECKING:
    import pandas as pd

Probabilities = NDArray[np.float64]
NAME = "ensemble"
_FOLDS = 5
_TEMPERATURES = np.geomspace(0.2, 5.0, 161)


@dataclass(frozen=True)
class EnsembleSummary:
    """`models/ensemble/summary.json`. `candidates` maps every family to its macro F1 alone."""

    family: str = NAME
    members: Sequence[str] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    temperature: float = 1.0
    candidates: Mapping[str, float] = field(default_factory=dict)
    validation_macro_f1: float = 0.0
    validation: Mapping[str, float] = field(default_factory=dict)
    calibration_error_before: float = 0.0
    calibration_error: float = 0.0
    rounds: int = 0
    skipped: Mapping[str, str] = field(default_factory=dict)
    mlflow_run: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def greedy(candidates: Mapping[str, Probabilities], labels: NDArray[np.intp], *, rounds: int, max_members: int) -> dict[str, float]:
    """Weights that sum to one, by name, best first.

    A round's best is the highest macro F1 of the average, then the lowest log loss
    (macro F1 moves in steps on small sets), then the name. The weights returned are
    those of the best round, the earliest on a tie.
    """
    names = sorted(candidates)
    total = np.zeros_like(candidates[names[0]])
    taken: list[str] = []
    best: tuple[tuple[float, float], list[str]] | None = None
    for _ in range(rounds):
        allowed = names if len(set(taken)) < max_members else sorted(set(taken))
        scored = [(_score((total + candidates[name]) / (len(taken) + 1), labels), name) for name in allowed]
        top = max(score for score, _ in scored)
        name = next(name for score, name in scored if score == top)
        taken.append(name)
        total = total + candidates[name]
        if best is None or top > best[0]:
            best = top, list(taken)
    assert best is not None
    chosen = best[1]
    share = {name: chosen.count(name) / len(chosen) for name in set(chosen)}
    return dict(sorted(share.items(), key=lambda item: (-item[1], item[0])))


def _score(p: Probabilities, labels: NDArray[np.intp]) -> tuple[float, float]:
    from sklearn.metrics import f1_score

    from musicgenre.evaluation.metrics import predicted_labels, present

    macro = float(f1_score(labels, predicted_labels(p), labels=present(labels, p.shape[1]), average="macro", zero_division=0))
    return round(macro, 9), round(-_log_loss(p, labels), 9)


def _log_loss(p: Probabilities, labels: NDArray[np.intp]) -> float:
    return float(-np.log(np.clip(p[np.arange(len(labels)), labels], 1e-12, None)).mean())


def apply_temperature(p: Probabilities, temperature: float) -> Probabilities:
    """Softmax of log p / temperature, row by row."""
    z = np.log(np.clip(p, 1e-12, None)) / temperature
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(z / z.sum(axis=1, keepdims=True))


def fit_temperature(p: Probabilities, labels: NDArray[np.intp]) -> float:
    """The temperature of least log loss, on a grid from 0.2 to 5 in steps of 2 %."""
    losses = [_log_loss(apply_temperature(p, float(value)), labels) for value in _TEMPERATURES]
    return float(round(_TEMPERATURES[int(np.argmin(losses))], 4))


def calibrate(p: Probabilities, labels: NDArray[np.intp], groups: Sequence[str]) -> tuple[float, float, float]:
    """Temperature of all rows; calibration error before; and after, each row scaled by the temperature of the other folds.

    Folds keep groups whole and are decided by a hash of the group's name. When scaling
    does not lower the log loss out of fold, the temperature is 1: there was nothing to gain.
    """
    from musicgenre.evaluation.metrics import reliability

    before = reliability(labels, p).error
    fold = np.array([int(canonical_hash(["fold", group], length=8), 16) % _FOLDS for group in groups])
    held = p.copy()
    for number in np.unique(fold):
        mine = fold == number
        if mine.all():
            return 1.0, before, before
        held[mine] = apply_temperature(p[mine], fit_temperature(p[~mine], labels[~mine]))
    if _log_loss(held, labels) >= _log_loss(p, labels):
        return 1.0, before, before
    return fit_temperature(p, labels), before, reliability(labels, held).error


def _read(layout: Layout) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Validation tables by family, and why others are left out."""
    import pandas as pd

    tables: dict[str, pd.DataFrame] = {}
    skipped: dict[str, str] = {}
    for family in FAMILIES:
        summary = layout.model(family) / "summary.json"
        if not summary.is_file():
            raise MissingInput(f"{summary} is not there. Run `musicgenre search {family}` first (or switch it off: enabled: false).")
        if not json.loads(summary.read_text(encoding="utf-8")).get("enabled", True):
            skipped[family] = "switched off"
            continue
        tables[family] = pd.read_parquet(layout.model(family) / "validation.parquet").sort_values("track_id").reset_index(drop=True)
    if not tables:
        raise SearchError("every family is switched off: there is nothing to mix. Set search.<family>.enabled to true for one.")
    first = next(iter(tables.values()))
    for name, table in tables.items():
        if list(table.columns) != list(first.columns) or not table["track_id"].equals(first["track_id"]):
            raise SearchError(f"models/{name} was searched on other validation tracks or genres. Run `musicgenre search {name}` again.")
    return tables, skipped


def build(params: Params, layout: Layout) -> EnsembleSummary:
    """Choose members, weights and temperature on validation; write `models/ensemble/` and its run.

    Raises
    ------
    MissingInput
        If a family has not been searched.
    SearchError
        If all are switched off, or they were searched on different tracks.
    TrackingUnavailable
        If the experiment store does not answer.
    """
    from musicgenre.tracking import ensure_available, resolve

    ensure_available(resolve(params.tracking, layout))
    tables, skipped = _read(layout)
    first = next(iter(tables.values()))
    classes = [name.removeprefix("p_") for name in first.columns if name.startswith("p_")]
    labels = first["genre"].map({name: index for index, name in enumerate(classes)}).to_numpy().astype(np.intp)
    columns = [f"p_{name}" for name in classes]
    stacks = {family: table[columns].to_numpy(np.float64) for family, table in tables.items()}
    summary, mixed = _choose(params.ensemble, stacks, labels, _groups(layout, first["track_id"]))
    table = first[["track_id", "genre"]].copy()
    table[columns] = mixed.astype(np.float32)
    summary = replace(summary, skipped=skipped)
    return _write(params, layout, summary, table, classes, labels, mixed)


def _groups(layout: Layout, track_ids: pd.Series[str]) -> list[str]:
    import pandas as pd

    splits = pd.read_parquet(layout.splits, columns=["track_id", "group"]).set_index("track_id")["group"]
    return [str(group) for group in splits.reindex(track_ids).fillna("")]


def _choose(
    params: EnsembleParams, stacks: Mapping[str, Probabilities], labels: NDArray[np.intp], groups: Sequence[str]
) -> tuple[EnsembleSummary, Probabilities]:
    from musicgenre.evaluation.metrics import headline

    weights = greedy(stacks, labels, rounds=params.rounds, max_members=params.max_members)
    mixture = np.sum([weight * stacks[name] for name, weight in weights.items()], axis=0)
    mixture = mixture / mixture.sum(axis=1, keepdims=True)
    error = headline(labels, mixture)["calibration_error"]
    temperature, before, after = calibrate(mixture, labels, groups) if params.calibrate else (1.0, error, error)
    final = apply_temperature(mixture, temperature) if temperature != 1.0 else mixture
    figures = {name: value for name, value in headline(labels, final).items() if np.isfinite(value)}
    summary = EnsembleSummary(
        members=tuple(weights),
        weights=weights,
        temperature=temperature,
        candidates={name: headline(labels, stack)["macro_f1"] for name, stack in stacks.items()},
        validation_macro_f1=figures["macro_f1"],
        validation=figures,
        calibration_error_before=before,
        calibration_error=after,
        rounds=params.rounds,
    )
    return summary, final


def _write(
    params: Params,
    layout: Layout,
    summary: EnsembleSummary,
    table: pd.DataFrame,
    classes: Sequence[str],
    labels: NDArray[np.intp],
    mixed: Probabilities,
) -> EnsembleSummary:
    from musicgenre.bundle.files import load_bundle, write_bundle
    from musicgenre.bundle.reference import build_reference
    from musicgenre.models.corpus import Corpus
    from musicgenre.search.ensemble_run import log_ensemble

    specs = {family: load_bundle(layout.bundle(family)) for family in summary.weights}
    members = [(replace(specs[name].members[0], name=name, weight=weight), layout.bundle(name)) for name, weight in summary.weights.items()]
    kinds = sorted({kind for spec in specs.values() for kind in spec.kinds})
    with atomic_directory(layout.model(NAME)) as temporary:
        table.to_parquet(temporary / "validation.parquet")
        lineage = collect(layout)
        run = log_ensemble(params, layout, summary, lineage, classes, labels, mixed)
        summary = replace(summary, mlflow_run=run)
        write_bundle(
            temporary / "bundle",
            classes=classes,
            front_end=next(iter(specs.values())).front_end,
            members=members,
            temperature=summary.temperature,
            lineage=replace(lineage, mlflow_run=run),
            reference=build_reference(Corpus.open(layout), kinds),
        )
        write_json(temporary / "summary.json", summary.to_dict())
    return summary


__all__ = ["EnsembleSummary", "apply_temperature", "build", "calibrate", "fit_temperature", "greedy"]
