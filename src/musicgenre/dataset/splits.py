"""The stage `split`: which side of the split every track that may train stands on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pandas as pd

from musicgenre.atomic import atomic_path
from musicgenre.dataset.assignment import Side, assign, fold_sides, leaky_sides
from musicgenre.dataset.official import match, read_lists
from musicgenre.errors import MissingInput, SplitError
from musicgenre.lineage import canonical_hash

if TYPE_CHECKING:
    from musicgenre.layout import Layout
    from musicgenre.params import SplitParams

COLUMNS = ("track_id", "genre", "group", "recording", "split")


@dataclass(frozen=True)
class SplitSummary:
    """What `split` did.

    Attributes
    ----------
    sizes
        Tracks a side.
    genres
        (genre, train, validation, test) of each genre.
    kept
        Tracks that stand where an earlier split had put them.
    missing, extra
        Under `official`: listed but not there (or quarantined), and there but not listed.
    crossing
        Recordings with files on more than one side (0 except where lists or a leaky policy say so).
    leaky
        True under `segments`: for measurement alone, no model of it is ever promoted.
    """

    policy: str
    sizes: dict[str, int]
    genres: tuple[tuple[str, int, int, int], ...]
    kept: int = 0
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    crossing: int = 0
    leaky: bool = False


def split(params: SplitParams, layout: Layout, *, forget: bool = False) -> SplitSummary:
    """Write `data/splits.parquet`.

    Parameters
    ----------
    params
        The `split` block.
    layout
        Where the project is.
    forget
        Under `grouped`: do not keep the sides of the last split with the same parameters.

    Raises
    ------
    SplitError
        If what was asked is not possible with these tracks.
    MissingInput
        If `validate` has not run.
    """
    if not layout.valid.is_file():
        raise MissingInput(f"{layout.valid} is not there. Run `musicgenre validate` first.")
    columns = ["track_id", "genre", "group", "recording", "pcm_sha256"]
    tracks = pd.read_parquet(layout.valid, columns=columns).sort_values("track_id", ignore_index=True)
    ids, genres, groups, recordings = (tracks[name].astype(str).tolist() for name in columns[:4])
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    kept = 0
    if params.policy == "official":
        lists = read_lists(_lists_folder(params, layout))
        matched = match(lists, ids)
        missing, extra = matched.missing, matched.extra
        sides = pd.array(matched.sides, dtype=object)
    elif params.policy == "kfold":
        sides = pd.array(fold_sides(genres, groups, recordings, folds=params.folds, fold=params.fold, seed=params.seed), dtype=object)
    elif params.policy == "segments":
        sides = pd.array(leaky_sides(ids, genres, validation=params.validation, test=params.test, seed=params.seed), dtype=object)
    else:
        previous = {} if forget else _remembered(params, layout, tracks)
        shares = {"validation": params.validation, "test": params.test}
        sides = pd.array(assign(ids, genres, groups, recordings, **shares, seed=params.seed, previous=previous), dtype=object)
        kept = sum(previous.get(track) == side for track, side in zip(ids, sides, strict=True))
    table = tracks.assign(split=sides)
    table = table[table["split"].notna()].reset_index(drop=True)
    _check_sides(table, params)
    with atomic_path(layout.splits) as temporary:
        table[list(COLUMNS)].astype("string").to_parquet(temporary, index=False)
    if params.policy == "grouped":
        _remember(params, layout, table)
    return SplitSummary(
        policy=params.policy,
        sizes={side: int((table["split"] == side).sum()) for side in ("train", "validation", "test")},
        genres=_by_genre(table["genre"].tolist(), table["split"].tolist()),
        kept=kept,
        missing=missing,
        extra=extra,
        crossing=int((table.groupby("recording")["split"].nunique() > 1).sum()),
        leaky=params.policy == "segments",
    )


def _lists_folder(params: SplitParams, layout: Layout) -> Path:
    if params.lists is None:
        raise SplitError("split.policy is official, but split.lists names no folder. Set it to where the published lists are.")
    return layout.root / params.lists


def _check_sides(table: pd.DataFrame, params: SplitParams) -> None:
    """Every genre needs training data; every side that was asked for needs a track."""
    train = set(table.loc[table["split"] == "train", "genre"])
    without = sorted(set(table["genre"]) - train)
    if without:
        raise SplitError(f"no training track of {', '.join(without)}. Add tracks, or choose another split.policy than {params.policy}.")
    for side, share in (("validation", params.validation), ("test", params.test)):
        if share > 0 and not (table["split"] == side).any():
            raise SplitError(f"the {side} side is empty: {len(table)} tracks are too few for split.policy {params.policy}. Add tracks.")


def _by_genre(genres: Sequence[str], sides: Sequence[str]) -> tuple[tuple[str, int, int, int], ...]:
    counts = Counter(zip(genres, sides, strict=True))
    return tuple((g, counts[g, "train"], counts[g, "validation"], counts[g, "test"]) for g in sorted(set(genres)))


def _memory(params: SplitParams, layout: Layout) -> Path:
    """Where sides are remembered: by content, and apart for each set of parameters."""
    return layout.work / "splits" / f"{canonical_hash(params.model_dump(mode='json', include={'seed', 'validation', 'test'}))}.parquet"


def _remembered(params: SplitParams, layout: Layout, tracks: pd.DataFrame) -> dict[str, Side]:
    """Earlier sides of the tracks whose samples are known, by track id. Names may have changed since."""
    path = _memory(params, layout)
    if not path.is_file():
        return {}
    known = pd.read_parquet(path).set_index("pcm_sha256")["split"]
    found = tracks["pcm_sha256"].map(known)
    return {str(track): cast(Side, str(side)) for track, side in zip(tracks["track_id"], found, strict=True) if isinstance(side, str)}


def _remember(params: SplitParams, layout: Layout, table: pd.DataFrame) -> None:
    """Add these sides to what is remembered; a track that is gone for now keeps its side."""
    path = _memory(params, layout)
    now = table[["pcm_sha256", "split"]].astype("object")
    before = [pd.read_parquet(path).astype("object")] if path.is_file() else []
    merged = pd.concat([now, *before]).drop_duplicates("pcm_sha256").sort_values("pcm_sha256", ignore_index=True)
    with atomic_path(path) as temporary:
        merged.to_parquet(temporary, index=False)


__all__ = ["COLUMNS", "SplitSummary", "split"]
