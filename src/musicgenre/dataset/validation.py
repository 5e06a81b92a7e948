"""The stage `validate`: which tracks may train, which may not and why, or why the whole set may not."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from musicgenre.atomic import atomic_directory, atomic_path, write_json
from musicgenre.dataset.datadocs import write_pages
from musicgenre.dataset.expectations import rules
from musicgenre.dataset.manifest import COLUMNS, read_manifest
from musicgenre.dataset.suites import Outcome, Suites, offence
from musicgenre.dataset.tables import derived, genres
from musicgenre.errors import ValidationFailed

if TYPE_CHECKING:
    from musicgenre.layout import Layout
    from musicgenre.params import ValidateParams


@dataclass(frozen=True)
class ValidationSummary:
    """What `validate` decided."""

    tracks: int
    accepted: int
    quarantined: int
    duplicates: int
    reasons: Mapping[str, int]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Judgement:
    """A manifest held against the rules.

    Attributes
    ----------
    outcomes
        Of every rule that applied.
    reasons
        Why a track is quarantined, by track id.
    accepted
        The rows that are not, sorted by track id.
    pages
        Great Expectations' own result for each table.
    """

    outcomes: tuple[Outcome, ...]
    reasons: Mapping[str, list[str]]
    accepted: pd.DataFrame
    pages: Mapping[str, Any]

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """Set-wide expectations that stop the stage."""
        return tuple(o for o in self.outcomes if o.rule.kind == "set" and o.rule.severity == "error" and not o.success)


def judge(params: ValidateParams, manifest: pd.DataFrame, previous: Mapping[str, int]) -> Judgement:
    """Hold a manifest against the rules; writes nothing.

    Parameters
    ----------
    params
        Thresholds and severities.
    manifest
        All rows.
    previous
        Tracks a genre in the set accepted last time; empty if there was none.

    Raises
    ------
    ParamsError
        If `validate.severity` names no expectation.
    """
    chosen = rules(params, tuple(COLUMNS))
    suites = Suites()
    outcomes, page = suites.run("tracks", manifest, [rule for rule in chosen if rule.table == "tracks"])
    first = Judgement(tuple(outcomes), {}, manifest.iloc[:0], {"tracks": page})
    if first.failures:  # this is no manifest; nothing derived from it would mean anything
        return first
    reasons = _reasons(manifest, outcomes)
    accepted = manifest[~manifest["track_id"].isin(list(reasons))].sort_values("track_id", ignore_index=True)
    pages = {"tracks": page}
    # A genre that nobody asked for is not missing from the accepted set.
    asked = manifest if params.known_genres is None else manifest[manifest["genre"].isin(list(params.known_genres))]
    for table, frame in derived(manifest, asked, accepted, previous).items():
        of_table = [rule for rule in chosen if rule.table == table]
        if table != "tracks" and of_table:
            more, pages[table] = suites.run(table, frame, of_table)
            outcomes += more
    return Judgement(tuple(outcomes), reasons, accepted, pages)


def validate(params: ValidateParams, layout: Layout) -> ValidationSummary:
    """Write `data/valid.parquet`, `data/quarantine.csv` and `reports/validation/`.

    Raises
    ------
    ValidationFailed
        Listing in words every set-wide expectation of severity `error` that is not met. The
        report and the quarantine are written all the same; `valid.parquet` is not.
    MissingInput
        If there is no manifest.
    ParamsError
        If `validate.severity` names no expectation.
    """
    manifest = read_manifest(layout)
    found = judge(params, manifest, _accepted_before(manifest, layout))
    result = _result(manifest, found)
    _write_quarantine(manifest, found.reasons, layout)
    with atomic_directory(layout.validation_report) as directory:
        (directory / "result.json").write_text(json.dumps(result, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        write_pages(directory, result, found.pages)
    if found.failures:
        layout.valid.unlink(missing_ok=True)
        raise ValidationFailed(_refusal(found.failures, layout))
    with atomic_path(layout.valid) as temporary:
        found.accepted.to_parquet(temporary, index=False)
    _accept(manifest, found.accepted, layout)
    return ValidationSummary(
        tracks=len(manifest),
        accepted=len(found.accepted),
        quarantined=len(found.reasons),
        duplicates=result["duplicates"],
        reasons=result["quarantined_by_reason"],
        warnings=tuple(o.sentence() for o in found.outcomes if o.rule.severity == "warning" and not o.success),
    )


def _refusal(failures: Sequence[Outcome], layout: Layout) -> str:
    lines = "\n".join(f"  - {outcome.sentence()}" for outcome in failures)
    where = layout.validation_report / "index.html"
    advice = f"Correct the data, or the threshold or severity under `validate` in params.yaml. Details: {where}"
    return f"the data set is refused, {len(failures)} expectation{'s' if len(failures) > 1 else ''} not met:\n{lines}\n{advice}"


def _reasons(manifest: pd.DataFrame, outcomes: Sequence[Outcome]) -> dict[str, list[str]]:
    """``code: words`` of every broken row rule of severity `error`, by track."""
    faulty = manifest[manifest["error"].notna()]
    faults = dict(zip(faulty["track_id"], faulty["error_text"].fillna(""), strict=True))
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.rule.kind != "row" or outcome.rule.severity != "error":
            continue
        for track, value in zip(outcome.offenders, outcome.values, strict=True):
            if outcome.rule.name == "decodable":
                reasons[track].append(f"{value}: {faults[track]}")
            else:
                reasons[track].append(f"{outcome.rule.name}: found {offence('', value)}, but {outcome.rule.words}")
    return dict(reasons)


def _write_quarantine(manifest: pd.DataFrame, reasons: Mapping[str, list[str]], layout: Layout) -> None:
    lost = manifest["track_id"].isin(list(reasons))
    table = manifest.loc[lost, ["track_id", "path", "genre"]].sort_values("track_id")
    # A semicolon parts the reasons, so none may stand within one.
    table = table.assign(reasons=[";".join(text.replace(";", ",") for text in reasons[track]) for track in table["track_id"]])
    with atomic_path(layout.quarantine) as temporary:
        table.to_csv(temporary, index=False)


def _result(manifest: pd.DataFrame, found: Judgement) -> dict[str, Any]:
    counts = Counter(text.split(":", 1)[0] for texts in found.reasons.values() for text in texts)
    accepted = found.accepted
    return {
        "success": not found.failures,
        "tracks": len(manifest),
        "accepted": len(accepted),
        "quarantined": len(found.reasons),
        "duplicates": len(accepted) - int(accepted["recording"].nunique()) if len(accepted) else 0,
        "quarantined_by_reason": dict(sorted(counts.items())),
        "expectations": [outcome.to_dict() for outcome in found.outcomes],
        "genres": json.loads(genres(accepted, manifest).to_json(orient="records")) if len(accepted) else [],
    }


def _data_set(manifest: pd.DataFrame) -> str:
    """What tells one data set from another here: the folder that all its files are under."""
    # All of a sorted list share what its first and last have in common.
    ends = [str(manifest["path"].min()), str(manifest["path"].max())]
    return os.path.commonpath([os.path.dirname(end) for end in ends] if all(ends) else ["."])  # noqa: PTH120 (strings, not files)


def _accepted_before(manifest: pd.DataFrame, layout: Layout) -> dict[str, int]:
    path = layout.work / "accepted.json"
    if not path.is_file():
        return {}
    known: dict[str, dict[str, int]] = json.loads(path.read_text(encoding="utf-8"))
    return known.get(_data_set(manifest), {})


def _accept(manifest: pd.DataFrame, accepted: pd.DataFrame, layout: Layout) -> None:
    """Remember the mix of genres, for the drift of the next set."""
    path = layout.work / "accepted.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    known[_data_set(manifest)] = {str(genre): int(count) for genre, count in accepted["genre"].value_counts().items()}
    write_json(path, known)


__all__ = ["ValidationSummary", "validate"]
