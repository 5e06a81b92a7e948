"""The tables that set-wide expectations look at, derived from the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from musicgenre.dataset.expectations import Table


_NAMED = 200  # values of which the members are spelled out


def derived(manifest: pd.DataFrame, asked: pd.DataFrame, accepted: pd.DataFrame, previous: Mapping[str, int]) -> dict[Table, pd.DataFrame]:
    """Every table by name.

    Parameters
    ----------
    manifest
        All rows.
    asked
        Those of genres that are wanted.
    accepted
        Those that are not quarantined.
    previous
        Tracks a genre in the set accepted last time; empty if there was none.
    """
    return {
        "tracks": manifest,
        "genres": genres(accepted, asked),
        "recordings": _spread(accepted, "recording"),
        "groups": _spread(accepted, "group"),
        "dataset": _dataset(manifest, accepted, previous),
    }


def genres(accepted: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    """genre, tracks, groups, recordings, times_smaller (than the largest), largest_group_share; a row a genre, 0 tracks included."""
    names = sorted(manifest["genre"].dropna().unique())
    by = accepted.groupby("genre")
    table = pd.DataFrame(index=pd.Index(names, name="genre"))
    table["tracks"] = by.size().reindex(names, fill_value=0)
    table["groups"] = by["group"].nunique().reindex(names, fill_value=0)
    table["recordings"] = by["recording"].nunique().reindex(names, fill_value=0)
    most = float(table["tracks"].max()) if len(table) else 0.0
    table["times_smaller"] = most / table["tracks"].clip(lower=1)
    largest = accepted.groupby(["genre", "group"]).size().groupby("genre").max().reindex(names, fill_value=0)
    table["largest_group_share"] = largest / table["tracks"].clip(lower=1)
    return table.reset_index()


def _spread(accepted: pd.DataFrame, column: str) -> pd.DataFrame:
    """How many tracks and genres each value of `column` has; `members` and `in_genres` name them where there are several."""
    by = accepted.groupby(column)
    table = by.agg(tracks=("track_id", "size"), genres=("genre", "nunique")).reset_index()
    table["members"] = table[column].astype("object")
    table["in_genres"] = ""
    several = table["genres"] > 1
    if several.any():
        named = table.index[several][:_NAMED]
        several &= table.index.isin(named)
        torn = accepted[accepted[column].isin(table.loc[several, column])]
        members = torn.groupby(column)["track_id"].agg(lambda ids: ", ".join(sorted(ids)[:6]))
        mixed = torn.groupby(column)["genre"].agg(lambda names: ", ".join(sorted(set(names))))
        table.loc[several, "members"] = table.loc[several, column].map(members)
        table.loc[several, "in_genres"] = table.loc[several, column].map(mixed)
    return table


def _dataset(manifest: pd.DataFrame, accepted: pd.DataFrame, previous: Mapping[str, int]) -> pd.DataFrame:
    lost = 1 - len(accepted) / len(manifest) if len(manifest) else 0.0
    now = {str(genre): int(count) for genre, count in accepted["genre"].value_counts().items()}
    row = {
        "data_set": "all",
        "tracks": len(manifest),
        "quarantined_share": lost,
        "genres": accepted["genre"].nunique(),
        "drift": drift(now, previous) if previous else 0.0,
    }
    return pd.DataFrame([row])


def drift(now: Mapping[str, int], before: Mapping[str, int]) -> float:
    """Total variation between two mixes of genres, 0 (the same) to 1 (none in common)."""
    total_now, total_before = sum(now.values()) or 1, sum(before.values()) or 1
    return sum(abs(now.get(g, 0) / total_now - before.get(g, 0) / total_before) for g in {*now, *before}) / 2


__all__ = ["derived", "drift", "genres"]
