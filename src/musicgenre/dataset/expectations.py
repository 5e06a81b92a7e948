"""What is expected of a data set, as Great Expectations rules with words a person understands.

A *row* rule judges one track: with severity `error` a track that breaks it is
quarantined, with `warning` it is kept and reported. A *set* rule judges the
whole: with severity `error` the stage fails, with `warning` it is reported.
`validate.severity` changes any rule's severity by its name, or turns it `off`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from musicgenre.errors import ParamsError

if TYPE_CHECKING:
    from musicgenre.params import ValidateParams

Table = Literal["tracks", "genres", "recordings", "groups", "dataset"]
Severity = Literal["error", "warning", "off"]

# Which columns name an offender in each table.
KEYS: dict[Table, tuple[str, ...]] = {
    "tracks": ("track_id",),
    "genres": ("genre",),
    "recordings": ("recording", "members"),
    "groups": ("group", "in_genres"),
    "dataset": ("data_set",),
}
MIN_GROUPS = 3  # one for each side of a split
MAX_GROUP_SHARE = 0.5


@dataclass(frozen=True)
class Rule:
    """One expectation.

    Attributes
    ----------
    name
        The key in `validate.severity` and the reason code in `quarantine.csv`.
    words
        What is expected, as a sentence without its full stop.
    build
        Makes the Great Expectations object from the module `great_expectations.expectations`.
    """

    name: str
    table: Table
    kind: Literal["row", "set"]
    severity: Severity
    words: str
    build: Callable[[Any], Any]


def _between(column: str, low: float | None = None, high: float | None = None) -> Callable[[Any], Any]:
    return lambda gxe: gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high)


def _schema(columns: tuple[str, ...]) -> list[Rule]:
    def rule(name: str, words: str, build: Callable[[Any], Any]) -> Rule:
        return Rule(name, "tracks", "set", "error", words, build)

    return [
        rule(
            "columns",
            "the manifest has the columns this version writes",
            lambda gxe: gxe.ExpectTableColumnsToMatchSet(column_set=list(columns)),
        ),
        rule("not_empty", "there is at least one track", lambda gxe: gxe.ExpectTableRowCountToBeBetween(min_value=1)),
        rule("track_id_present", "every track has an id", lambda gxe: gxe.ExpectColumnValuesToNotBeNull(column="track_id")),
        rule("track_id_unique", "no two tracks share an id", lambda gxe: gxe.ExpectColumnValuesToBeUnique(column="track_id")),
        rule("path_unique", "no file is listed twice", lambda gxe: gxe.ExpectColumnValuesToBeUnique(column="path")),
        rule("genre_present", "every track has a genre", lambda gxe: gxe.ExpectColumnValueLengthsToBeBetween(column="genre", min_value=1)),
        rule("group_present", "every track has a group", lambda gxe: gxe.ExpectColumnValuesToNotBeNull(column="group")),
        rule(
            "sha256_form",
            "file hashes are SHA-256 in hex",
            lambda gxe: gxe.ExpectColumnValuesToMatchRegex(column="sha256", regex="^[0-9a-f]{64}$"),
        ),
        rule("channels_positive", "channel counts are from 1 to 64", _between("channels", 1, 64)),
        rule("shares_in_range", "shares of silence lie in 0 to 1", _between("silence_fraction", 0, 1)),
    ]


def _rows(p: ValidateParams) -> list[Rule]:
    def rule(name: str, words: str, build: Callable[[Any], Any], severity: Severity = "error") -> Rule:
        return Rule(name, "tracks", "row", severity, words, build)

    rules = [
        rule("decodable", "the file decodes", lambda gxe: gxe.ExpectColumnValuesToBeNull(column="error")),
        rule(
            "duration",
            f"it lasts {p.min_duration_s:g} to {p.max_duration_s:g} s",
            _between("duration_s", p.min_duration_s, p.max_duration_s),
        ),
        rule("sample_rate", f"its sampling rate is at least {p.min_sample_rate} Hz", _between("sample_rate", p.min_sample_rate)),
        rule(
            "silence", f"at most {p.max_silence_fraction:.0%} of it is silent", _between("silence_fraction", None, p.max_silence_fraction)
        ),
        rule("level", f"its level is at least {p.min_rms_db:g} dB of full scale", _between("rms_db", p.min_rms_db)),
        rule(
            "clipping",
            f"at most {p.max_clipped_fraction:.0%} of its samples are clipped",
            _between("clipped_fraction", None, p.max_clipped_fraction),
        ),
        rule("dc", f"its mean is at most {p.max_dc_offset:g} of full scale away from zero", _between("dc_offset", None, p.max_dc_offset)),
        rule(
            "whole",
            "the file is not cut short",
            lambda gxe: gxe.ExpectColumnValuesToBeInSet(column="truncated", value_set=[False]),
            "warning",
        ),
        rule(
            "unique_recording",
            "no other file is the same recording",
            lambda gxe: gxe.ExpectColumnValuesToBeUnique(column="recording"),
            "warning",
        ),
    ]
    if p.known_genres is not None:
        known = sorted(p.known_genres)
        words = f"its genre is one of {', '.join(known)}"
        rules.append(rule("known_genre", words, lambda gxe: gxe.ExpectColumnValuesToBeInSet(column="genre", value_set=known)))
    return rules


def _sets(p: ValidateParams) -> list[Rule]:
    def rule(name: str, table: Table, words: str, build: Callable[[Any], Any], severity: Severity = "error") -> Rule:
        return Rule(name, table, "set", severity, words, build)

    return [
        rule("quarantined_share", "dataset", f"at most {p.max_quarantined_share:.0%} of the tracks are quarantined",
             _between("quarantined_share", None, p.max_quarantined_share)),
        rule("genre_count", "dataset", f"at least {p.min_genres} genres are left", _between("genres", p.min_genres)),
        rule("genre_size", "genres", f"every genre has at least {p.min_tracks_per_genre} tracks that may train",
             _between("tracks", p.min_tracks_per_genre)),
        rule("balance", "genres", f"the largest genre is at most {p.max_imbalance:g} times any other",
             _between("times_smaller", None, p.max_imbalance)),
        rule("drift", "dataset", f"at most {p.max_class_drift:.0%} of the tracks would have to change genre to give the last accepted mix",
             _between("drift", None, p.max_class_drift), "warning"),
        rule("genre_groups", "genres", f"every genre has at least {MIN_GROUPS} artists (or albums, or tracks) to put on different sides",
             _between("groups", MIN_GROUPS)),
        rule("group_share", "genres", f"no artist (or album) holds more than {MAX_GROUP_SHARE:.0%} of a genre",
             _between("largest_group_share", None, MAX_GROUP_SHARE), "warning"),
        rule("label_conflict", "recordings", "no recording stands under two genres", _between("genres", None, 1)),
        rule("group_genres", "groups", "no artist (or album) stands under two genres", _between("genres", None, 1), "warning"),
    ]  # fmt: skip


def rules(params: ValidateParams, columns: tuple[str, ...]) -> tuple[Rule, ...]:
    """All rules under `params`, those turned off left out.

    Raises
    ------
    ParamsError
        If `validate.severity` names a rule that does not exist, or relaxes the one that cannot be.
    """
    everything = [*_schema(columns), *_rows(params), *_sets(params)]
    names = [rule.name for rule in everything] + ["known_genre"]
    for name in params.severity:
        if name not in names:
            raise ParamsError(f"params.yaml: `validate.severity.{name}`: no such expectation. There are {', '.join(dict.fromkeys(names))}.")
    if params.severity.get("decodable", "error") != "error":
        raise ParamsError(
            "params.yaml: `validate.severity.decodable` must be error: nothing can be learned from a file that does not decode."
        )
    chosen = [replace(rule, severity=params.severity.get(rule.name, rule.severity)) for rule in everything]
    return tuple(rule for rule in chosen if rule.severity != "off")


__all__ = ["KEYS", "Rule", "Severity", "Table", "rules"]
