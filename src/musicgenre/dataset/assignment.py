"""Components to sides: stratified, exact where components allow it, and never against an earlier assignment.

Within a genre, components fill test, then validation, then training, in an
order drawn by hash. That alone moves little when tracks are added; with
`previous` nothing moves at all except from training towards test (when an
added file turns out to join two sides).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from musicgenre.dataset.components import Component, components
from musicgenre.errors import SplitError

Side = Literal["train", "validation", "test"]
SIDES: tuple[Side, ...] = ("test", "validation", "train")  # in the order they are filled, and in which a conflict is decided
_TOLERANCE = 0.01  # of all tracks; beyond it whole components are moved for the sake of the total
_MAX_MOVES = 1_000

Counts = dict[Side, Counter[str]]


def assign(
    track_ids: Sequence[str],
    genres: Sequence[str],
    groups: Sequence[str],
    recordings: Sequence[str],
    *,
    validation: float,
    test: float,
    seed: int,
    previous: Mapping[str, Side] | None = None,
) -> list[Side]:
    """The side of each track.

    Parameters
    ----------
    track_ids, genres, groups, recordings
        Of each track.
    validation, test
        Shares asked for.
    seed
        Another seed, another order.
    previous
        Sides that tracks had before, by track id. They keep them, unless a new link joins tracks of
        different sides: then all of them go to test if one was there, else to validation.

    Raises
    ------
    SplitError
        If a genre has fewer components than sides.
    """
    shares: dict[Side, float] = {"test": test, "validation": validation, "train": 1 - validation - test}
    parts = components(genres, groups, recordings, seed=seed)
    _check(parts, shares)
    sides: dict[int, Side] = {}
    for number, part in enumerate(parts):
        known = {previous[track_ids[track]] for track in part.tracks if track_ids[track] in previous} if previous else set()
        if known:
            sides[number] = next(side for side in SIDES if side in known)
    free = [number for number in range(len(parts)) if number not in sides]
    totals = Counter(genres)
    counts: Counts = {side: Counter() for side in SIDES}
    for number, side in sides.items():
        counts[side].update(parts[number].genres)
    for number in _largest_last(parts, free):
        sides[number] = _fill(parts[number], counts, totals, shares)
        counts[sides[number]].update(parts[number].genres)
    _cover(parts, sides, free, counts, shares)
    _balance(parts, sides, free, counts, totals, shares)
    out: list[Side] = ["train"] * len(track_ids)
    for number, part in enumerate(parts):
        for track in part.tracks:
            out[track] = sides[number]
    return out


def _check(parts: Sequence[Component], shares: Mapping[Side, float]) -> None:
    needed = sum(share > 0 for share in shares.values())
    pieces = Counter(genre for part in parts for genre in part.genres)
    few = {genre: count for genre, count in sorted(pieces.items()) if count < needed}
    if few:
        words = ", ".join(f"{genre} has {count}" for genre, count in few.items())
        raise SplitError(
            f"a grouped split needs at least {needed} artists (or unrelated tracks) in every genre; {words}. "
            "Add tracks by others, leave the genre out, or correct the groups in metadata.csv."
        )


def _largest_last(parts: Sequence[Component], free: Sequence[int]) -> list[int]:
    """By order, but those of several genres first: they are the least flexible."""
    return sorted(free, key=lambda number: (len(parts[number].genres) == 1, parts[number].order))


def _fill(part: Component, counts: Counts, totals: Counter[str], shares: Mapping[Side, float]) -> Side:
    """The first side that the component brings nearer to its share of the component's genre."""
    genre, size = part.genre, part.genres[part.genre]
    for side in SIDES[:2]:
        wanted, have = shares[side] * totals[genre], counts[side][genre]
        if abs(have + size - wanted) < abs(have - wanted):
            return side
    return "train"


def _cover(parts: Sequence[Component], sides: dict[int, Side], free: Sequence[int], counts: Counts, shares: Mapping[Side, float]) -> None:
    """Give every genre a track on every side wherever a free component can be spared."""
    for genre in sorted({genre for part in parts for genre in part.genres}):
        for side in SIDES:
            if shares[side] == 0 or counts[side][genre]:
                continue
            spare = [n for n in free if set(parts[n].genres) == {genre} and counts[sides[n]][genre] > parts[n].genres[genre]]
            if spare:
                number = min(spare, key=lambda n: (parts[n].genres[genre], parts[n].order))
                _move(number, side, parts, sides, counts)


def _move(number: int, side: Side, parts: Sequence[Component], sides: dict[int, Side], counts: Counts) -> None:
    counts[sides[number]].subtract(parts[number].genres)
    counts[side].update(parts[number].genres)
    sides[number] = side


def _balance(
    parts: Sequence[Component],
    sides: dict[int, Side],
    free: Sequence[int],
    counts: Counts,
    totals: Counter[str],
    shares: Mapping[Side, float],
) -> None:
    """Move free components while a side's total is off and a move helps.

    Each genre is rounded on its own, so many small genres can add up to a side that is too large.
    """
    everything = sum(totals.values())
    wanted = {side: shares[side] * everything for side in SIDES}
    for _ in range(_MAX_MOVES):
        excess = {side: sum(counts[side].values()) - wanted[side] for side in SIDES}
        if max(abs(value) for value in excess.values()) <= _TOLERANCE * everything:
            return
        source, target = max(SIDES, key=lambda s: excess[s]), min(SIDES, key=lambda s: excess[s])
        room = min(excess[source], -excess[target])
        best: tuple[float, float, int] | None = None
        for number in free:
            part = parts[number]
            size = len(part.tracks)
            # Moving more than twice what is too many would leave things worse.
            if sides[number] != source or size >= 2 * max(room, 0.5) or shares[target] == 0:
                continue
            if any(counts[source][genre] <= count for genre, count in part.genres.items()):
                continue
            harm = sum(
                abs(counts[source][g] - n - shares[source] * totals[g]) + abs(counts[target][g] + n - shares[target] * totals[g])
                - abs(counts[source][g] - shares[source] * totals[g]) - abs(counts[target][g] - shares[target] * totals[g])
                for g, n in part.genres.items()
            )  # fmt: skip
            candidate = (harm / size, part.order, number)
            best = candidate if best is None or candidate < best else best
        if best is None:
            return
        _move(best[2], target, parts, sides, counts)


def fold_numbers(genres: Sequence[str], groups: Sequence[str], recordings: Sequence[str], *, folds: int, seed: int) -> list[int]:
    """The fold of each track, from 0, with components whole.

    The largest components first, each to the fold that has least of its genre (and then least of all).

    Raises
    ------
    SplitError
        If a genre has fewer components than folds.
    """
    parts = components(genres, groups, recordings, seed=seed)
    pieces = Counter(genre for part in parts for genre in part.genres)
    few = {genre: count for genre, count in sorted(pieces.items()) if count < folds}
    if few:
        words = ", ".join(f"{genre} has {count}" for genre, count in few.items())
        raise SplitError(f"{folds} folds need at least {folds} artists (or unrelated tracks) in every genre; {words}. Ask for fewer folds.")
    counts: list[Counter[str]] = [Counter() for _ in range(folds)]
    out = [0] * len(genres)
    for part in sorted(parts, key=lambda part: (-len(part.tracks), part.order)):
        chosen = min(range(folds), key=lambda k: (counts[k][part.genre], counts[k].total(), k))
        counts[chosen].update(part.genres)
        for track in part.tracks:
            out[track] = chosen
    return out


def fold_sides(genres: Sequence[str], groups: Sequence[str], recordings: Sequence[str], *, folds: int, fold: int, seed: int) -> list[Side]:
    """The sides under k-fold cross-validation: test is fold `fold`, validation the next one, training the rest.

    Raises
    ------
    SplitError
        If `fold` is not below `folds`, or a genre has fewer components than folds.
    """
    if folds < 3 or not 0 <= fold < folds:
        raise SplitError(f"split.fold is {fold} of split.folds {folds}: give at least 3 folds and a fold from 0 to {folds - 1}.")
    distances = [(number - fold) % folds for number in fold_numbers(genres, groups, recordings, folds=folds, seed=seed)]
    return ["test" if distance == 0 else "validation" if distance == 1 else "train" for distance in distances]


def leaky_sides(track_ids: Sequence[str], genres: Sequence[str], *, validation: float, test: float, seed: int) -> list[Side]:
    """A stratified random split that is blind to artists and copies: what many published scores were made with."""
    return assign(track_ids, genres, track_ids, track_ids, validation=validation, test=test, seed=seed)


__all__ = ["SIDES", "Side", "assign", "fold_numbers", "fold_sides", "leaky_sides"]
