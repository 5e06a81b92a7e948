"""`musicgenre monitor`: is what the service hears still like what the model was trained on?

Reads the service's prediction log (see `serving.prediction_log`), checks the lines with
Great Expectations and the distributions with `registry.drift`, and writes
`reports/monitor/result.json` and `report.md`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicgenre.atomic import atomic_directory
from musicgenre.bundle import BundleSpec, load_bundle
from musicgenre.errors import MissingInput
from musicgenre.layout import Layout
from musicgenre.params import MonitorParams
from musicgenre.registry.drift import Shift, estimated_priors, shift, total_variation

if TYPE_CHECKING:
    import pandas as pd

OK, DRIFT, TOO_FEW = 0, 3, 4  # exit codes; 1 stays with errors
_INFORMATIVE = ("duration_s",)  # shown, never an alarm: people upload what they have
_COLUMNS = ("time", "request_id", "model", "version", "duration_s", "genre")


@dataclass(frozen=True)
class Check:
    """One expectation or statistic: `passed`, and in words what was found and what is allowed."""

    name: str
    passed: bool
    words: str


@dataclass(frozen=True)
class Monitoring:
    """What was found. `state` is ok, drift or too few; `exit_code` is 0, 3 or 4."""

    state: str
    exit_code: int
    model: str
    answers: int
    unreadable: int
    other_models: int
    since: str
    until: str
    checks: tuple[Check, ...]
    shifts: tuple[Shift, ...]
    priors: dict[str, dict[str, float]]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_log(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Lines of the log, and how many could not be read (a line cut by a crash is not a reason to stop).

    Raises
    ------
    MissingInput
        If there is no log.
    """
    if not path.is_file():
        raise MissingInput(f"{path} is not there. Set `serve.prediction_log` in params.yaml (opt-in) and let the service answer.")
    lines, unreadable = [], 0
    with path.open(encoding="utf-8", errors="replace") as handle:
        for text in handle:
            if not text.strip():
                continue
            try:
                line = json.loads(text)
                if (
                    not isinstance(line, dict)
                    or not isinstance(line.get("probabilities"), dict)
                    or not isinstance(line.get("statistics"), dict)
                ):
                    raise ValueError
            except ValueError:
                unreadable += 1
                continue
            lines.append(line)
    return lines, unreadable


def frame(lines: Iterable[Mapping[str, Any]], classes: tuple[str, ...]) -> pd.DataFrame:
    """One row an answer: the columns of the log, `probability_sum`, `unlike`, `s_<statistic>`, `p_<class>`."""
    import pandas as pd

    rows = []
    for line in lines:
        row: dict[str, Any] = {name: line.get(name) for name in _COLUMNS}
        row["probability_sum"] = float(sum(float(value) for value in line["probabilities"].values()))
        row["unlike"] = float("unlike_training" in (line.get("warnings") or []))
        row |= {f"s_{name}": value for name, value in line["statistics"].items()}
        row |= {f"p_{name}": line["probabilities"].get(name) for name in classes}
        rows.append(row)
    return pd.DataFrame(rows)


def expectations(table: pd.DataFrame, spec: BundleSpec, limits: MonitorParams) -> list[Check]:
    """What every line and the log as a whole must satisfy, by Great Expectations."""
    import great_expectations as gx
    import great_expectations.expectations as known

    gxe: Any = known  # its expectations are made by a metaclass that types do not show
    quantiles: Mapping[str, list[float]] = spec.reference.get("quantiles", {})
    suite: list[tuple[str, Any]] = [
        (f"every answer says its {name}", gxe.ExpectColumnValuesToNotBeNull(column=name)) for name in ("time", "model", "genre")
    ]
    suite += [
        ("genres are the model's", gxe.ExpectColumnValuesToBeInSet(column="genre", value_set=[*spec.classes, "unknown"])),
        ("probabilities sum to one", gxe.ExpectColumnValuesToBeBetween(column="probability_sum", min_value=0.999, max_value=1.001)),
        ("durations are positive", gxe.ExpectColumnValuesToBeBetween(column="duration_s", min_value=0, strict_min=True)),
        (
            f"at most {limits.max_unlike_share:.0%} of the clips are unlike the training data",
            gxe.ExpectColumnMeanToBeBetween(column="unlike", max_value=limits.max_unlike_share),
        ),
    ]
    for name, values in quantiles.items():
        if f"s_{name}" in table and name not in _INFORMATIVE:
            low, high = values[2], values[-3]  # 10 % and 90 % of the training tracks
            words = f"the median {name} is within the middle 80 % of training"
            suite.append((words, gxe.ExpectColumnMedianToBeBetween(column=f"s_{name}", min_value=low, max_value=high)))
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # it tells of its temporary folders
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]  # a mapping is what it stores
    asset = context.data_sources.add_pandas("log").add_dataframe_asset("answers")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": table})
    checks = []
    for words, expectation in suite:
        result = batch.validate(expectation)
        observed = result.result.get("observed_value", result.result.get("unexpected_count", "nothing"))
        shown = f"{observed:.4g}" if isinstance(observed, float) else str(observed)
        unit = "" if "observed_value" in result.result else " exceptions"
        checks.append(Check(words, bool(result.success), f"Observed: {shown}{unit}."))
    return checks


def shifts_of(table: pd.DataFrame, spec: BundleSpec) -> list[Shift]:
    """Every statistic that both the log and the reference have."""
    reference = spec.reference
    found = []
    for name, quantiles in (reference.get("quantiles") or {}).items():
        column = f"s_{name}"
        if column in table and (values := table[column].dropna().to_numpy(dtype=np.float64)).size:
            found.append(shift(name, quantiles, values, int(reference.get("tracks", len(values)))))
    return found


def _drift_checks(shifts: Iterable[Shift], limits: MonitorParams) -> list[Check]:
    checks = []
    for item in shifts:
        drifted = item.drifted(max_psi=limits.max_psi, max_ks=limits.max_ks) and item.name not in _INFORMATIVE
        chance = f"; chance alone reaches {item.psi_noise:.2f} in so few clips" if item.psi_noise > limits.max_psi else ""
        index = "–" if item.psi is None else f"{item.psi:.3f} (limit {limits.max_psi:g}{chance})"
        moved = f"median {item.median:.4g}, in training {item.trained_median:.4g}"
        words = f"PSI {index}, KS {item.ks:.3f} (limit {limits.max_ks:g}, p {item.p_value:.2g}); {moved}."
        checks.append(Check(f"distribution of {item.name}", not drifted, words))
    return checks


def _priors(table: pd.DataFrame, spec: BundleSpec, limits: MonitorParams) -> tuple[dict[str, dict[str, float]], list[Check]]:
    known = spec.reference.get("priors") or {}
    trained = np.array([float(known.get(name, 0.0)) for name in spec.classes])
    if not trained.sum() or (trained <= 0).any():
        return {}, []
    p = table[[f"p_{name}" for name in spec.classes]].to_numpy(dtype=np.float64)
    p = p[np.isfinite(p).all(axis=1)]
    now = estimated_priors(p, trained / trained.sum())
    moved = total_variation(now, trained / trained.sum())
    words = f"Genre shares moved by {moved:.2f} (total variation, estimated by EM), limit {limits.max_prior_shift:g}."
    shares = {name: {"trained": float(a), "now": float(b)} for name, a, b in zip(spec.classes, trained, now, strict=True)}
    return shares, [Check("shares of the genres", moved <= limits.max_prior_shift, words)]


def monitor(limits: MonitorParams, layout: Layout, log: Path, *, bundle: Path | None = None, days: float | None = None) -> Monitoring:
    """Compare a prediction log with the training data of the model that answered.

    Parameters
    ----------
    bundle
        The model's bundle; the champion by default. Answers of other models are counted and left out.
    days
        Only answers of so many last days.

    Raises
    ------
    MissingInput
        If there is no log, or the bundle carries no reference of its training data.
    """
    spec = load_bundle(bundle if bundle is not None else layout.champion)
    if not spec.reference:
        raise MissingInput(f"model {spec.model_id} carries no reference of its training data. Train it again to monitor it.")
    lines, unreadable = read_log(log)
    if days is not None:
        start = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        lines = [line for line in lines if str(line.get("time", "")) >= start]
    mine = [line for line in lines if line.get("model") == spec.digest]
    times = sorted(str(line.get("time", "")) for line in mine)
    checks: list[Check] = []
    shifts: list[Shift] = []
    priors: dict[str, dict[str, float]] = {}
    enough = len(mine) >= limits.min_answers
    if enough:
        table = frame(mine, spec.classes)
        checks = expectations(table, spec, limits)
        shifts = shifts_of(table, spec)
        checks += _drift_checks(shifts, limits)
        priors, more = _priors(table, spec, limits)
        checks += more
    state = "too few" if not enough else "ok" if all(item.passed for item in checks) else "drift"
    found = Monitoring(
        state=state,
        exit_code={"ok": OK, "drift": DRIFT, "too few": TOO_FEW}[state],
        model=spec.digest,
        answers=len(mine),
        unreadable=unreadable,
        other_models=len(lines) - len(mine),
        since=times[0] if times else "",
        until=times[-1] if times else "",
        checks=tuple(checks),
        shifts=tuple(shifts),
        priors=priors,
    )
    with atomic_directory(layout.reports / "monitor") as folder:
        (folder / "result.json").write_text(json.dumps(found.to_dict(), indent=2, sort_keys=True) + "\n", encoding="utf-8")
        (folder / "report.md").write_text(report(found, limits), encoding="utf-8")
    return found


def report(found: Monitoring, limits: MonitorParams) -> str:
    """The findings as Markdown."""
    lines = [f"# Monitoring of model {found.model[:12]}", ""]
    lines += [f"{found.answers} answers from {found.since or '–'} to {found.until or '–'}; state: **{found.state}**."]
    if found.unreadable or found.other_models:
        lines += ["", f"Left out: {found.other_models} answers of other models, {found.unreadable} unreadable lines."]
    if found.state == "too few":
        lines += ["", f"Fewer than {limits.min_answers} answers say nothing about drift (`monitor.min_answers`)."]
    if found.checks:
        lines += ["", "| passed | what | found |", "| --- | --- | --- |"]
        lines += [f"| {'yes' if item.passed else '**no**'} | {item.name} | {item.words} |" for item in found.checks]
    if found.priors:
        lines += ["", "| genre | share in training | share now |", "| --- | ---: | ---: |"]
        lines += [f"| {name} | {item['trained']:.1%} | {item['now']:.1%} |" for name, item in found.priors.items()]
    if found.state == "drift":
        lines += [
            "",
            "Next: label some of these clips, add them to the data set, `dvc repro`; the gate decides whether the new model is better.",
        ]
    return "\n".join(lines) + "\n"


__all__ = ["DRIFT", "OK", "TOO_FEW", "Check", "Monitoring", "expectations", "frame", "monitor", "read_log", "report"]
