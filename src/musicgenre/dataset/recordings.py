"""Which files are the same recording, without comparing all pairs.

An inverted index from fingerprint words to places proposes pairs that share
words at one common offset; each proposal is then verified over the whole
overlap. Proposals per word are bounded, so the work grows with the number of
tracks, not with its square, even if a word (a held chord, a loop) is common.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicgenre.dataset.fingerprint import WORDS_PER_S

# Share of differing bits below which two stretches are one recording. Copies re-encoded down
# to 24 kbit/s reach 0.19, different tracks stay above 0.45 at their best offset (docs/leakage.md).
MAX_BIT_ERROR = 0.30
MIN_OVERLAP_S = 3.0
_SAMPLING = 4  # one word in four is indexed, chosen by its value so that copies choose the same
_NEIGHBOURS = 6  # proposals a posting makes
_MIN_VOTES = 2
_MAX_OFFSETS = 4  # verified per pair
_PARTITIONS_AT = 20_000_000  # postings handled at once (about 1 GB)
_OFFSET_BITS = 18  # ±131,072 words = 46 minutes
_TRACK_BITS = 23


@dataclass(frozen=True)
class Match:
    """Two fingerprints of one recording.

    Attributes
    ----------
    first, second
        Positions in the sequence given.
    offset_s
        Seconds into `first` at which `second` starts.
    bit_error
        Share of bits that differ over the overlap, 0 to 0.3.
    """

    first: int
    second: int
    offset_s: float
    bit_error: float


def _mix(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A bijective scrambling of 32-bit values (Wellons 2018, "lowbias32")."""
    x = values.astype(np.uint32, copy=True)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def _postings(fingerprints: Sequence[NDArray[np.uint32]]) -> tuple[NDArray[np.uint32], NDArray[np.int32], NDArray[np.int32]]:
    """Scrambled word, track and place of every indexed word, sorted by nothing yet."""
    keys, tracks, places = [np.zeros(0, np.uint32)], [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for number, words in enumerate(fingerprints):
        scrambled = _mix(np.asarray(words))
        keep = (words != 0) & (scrambled % _SAMPLING == 0)
        keep[1:] &= words[1:] != words[:-1]  # a held sound: only its start
        (at,) = np.nonzero(keep)
        keys.append(scrambled[at])
        tracks.append(np.full(len(at), number, np.int32))
        places.append(at.astype(np.int32))
    return np.concatenate(keys), np.concatenate(tracks), np.concatenate(places)


def _pair_codes(keys: NDArray[np.uint32], tracks: NDArray[np.int32], places: NDArray[np.int32]) -> NDArray[np.uint64]:
    """(first, second, offset) of postings that share a word, packed into 64 bits, repeats included."""
    # Within a word the order is scrambled by track, so that the bounded neighbourhood of a
    # common word is a different sample of its tracks for each word.
    order = np.lexsort((_mix(tracks.astype(np.uint32) * np.uint32(0x9E3779B1) ^ keys), keys))
    keys, tracks, places = keys[order], tracks[order].astype(np.int64), places[order].astype(np.int64)
    codes = [np.zeros(0, np.uint64)]
    for step in range(1, _NEIGHBOURS + 1):
        same = (keys[step:] == keys[:-step]) & (tracks[step:] != tracks[:-step])
        a, b = tracks[:-step][same], tracks[step:][same]
        offset = places[:-step][same] - places[step:][same]  # where b starts in a
        swap = a > b
        a, b, offset = np.where(swap, b, a), np.where(swap, a, b), np.where(swap, -offset, offset)
        near = np.abs(offset) < 1 << (_OFFSET_BITS - 1)
        packed = (a << (_TRACK_BITS + _OFFSET_BITS)) | (b << _OFFSET_BITS) | (offset + (1 << (_OFFSET_BITS - 1)))
        codes.append(packed[near].astype(np.uint64))
    return np.concatenate(codes)


def _proposals(fingerprints: Sequence[NDArray[np.uint32]]) -> Iterator[tuple[int, int, list[int]]]:
    """Pairs with at least two words in common at one offset (± a word), and those offsets, most votes first."""
    keys, tracks, places = _postings(fingerprints)
    parts = 1 + len(keys) // _PARTITIONS_AT
    codes = np.concatenate([_pair_codes(keys[m], tracks[m], places[m]) for m in (keys // _SAMPLING % parts == p for p in range(parts))])
    unique, votes = np.unique(codes, return_counts=True)
    if len(unique) == 0:
        return
    joined = votes.copy()
    adjacent = unique[1:] == unique[:-1] + np.uint64(1)
    joined[:-1][adjacent] += votes[1:][adjacent]
    joined[1:][adjacent] += votes[:-1][adjacent]
    keep = joined >= _MIN_VOTES
    unique, joined = unique[keep].astype(np.int64), joined[keep]
    if len(unique) == 0:
        return
    pair = unique >> _OFFSET_BITS
    order = np.lexsort((unique, -joined, pair))
    unique, pair = unique[order], pair[order]
    starts = np.flatnonzero(np.r_[True, pair[1:] != pair[:-1]])
    for start, end in zip(starts, np.r_[starts[1:], len(pair)], strict=True):
        a, b = int(pair[start]) >> _TRACK_BITS, int(pair[start]) & ((1 << _TRACK_BITS) - 1)
        offsets = (unique[start : min(end, start + _MAX_OFFSETS)] & ((1 << _OFFSET_BITS) - 1)) - (1 << (_OFFSET_BITS - 1))
        yield a, b, [int(offset) for offset in offsets]


def bit_error(first: NDArray[np.uint32], second: NDArray[np.uint32], offset: int) -> tuple[float, int]:
    """Share of differing bits where `second` starts `offset` words into `first`, and the words compared.

    Words of silence on either side are left out.
    """
    if offset >= 0:
        first = first[offset:]
    else:
        second = second[-offset:]
    count = min(len(first), len(second))
    first, second = first[:count], second[:count]
    heard = (first != 0) & (second != 0)
    compared = int(heard.sum())
    if compared == 0:
        return 1.0, 0
    return float(_popcount(first[heard] ^ second[heard]).sum()) / (32 * compared), compared


def _popcount(values: NDArray[np.uint32]) -> NDArray[np.uint8]:
    if hasattr(np, "bitwise_count"):  # NumPy 2
        counts: NDArray[np.uint8] = np.bitwise_count(values)
    else:
        counts = np.unpackbits(values.view(np.uint8)).reshape(-1, 32).sum(axis=1, dtype=np.uint8)
    return counts


class _Union:
    """Union-find over 0…n−1; the smallest member names its set."""

    def __init__(self, count: int) -> None:
        self.parent = list(range(count))

    def find(self, item: int) -> int:
        while self.parent[item] != item:
            self.parent[item] = self.parent[self.parent[item]]
            item = self.parent[item]
        return item

    def join(self, a: int, b: int) -> None:
        a, b = sorted((self.find(a), self.find(b)))
        self.parent[b] = a


def find_matches(fingerprints: Sequence[NDArray[np.uint32]]) -> list[Match]:
    """Pairs that are one recording; enough of them to connect every group, not all pairs of large groups.

    Parameters
    ----------
    fingerprints
        From `fingerprint.words`, one a track; empty ones match nothing.
    """
    if len(fingerprints) >= 1 << _TRACK_BITS:
        raise ValueError(f"{len(fingerprints)} tracks; at most {(1 << _TRACK_BITS) - 1} can be indexed.")
    sets = _Union(len(fingerprints))
    least = int(MIN_OVERLAP_S * WORDS_PER_S)
    matches = []
    for a, b, offsets in _proposals(fingerprints):
        if sets.find(a) == sets.find(b):
            continue
        best = (1.0, 0)
        for offset in offsets:
            for place in (offset - 1, offset, offset + 1):
                error, compared = bit_error(fingerprints[a], fingerprints[b], place)
                if compared >= least and error < best[0]:
                    best = (error, place)
        if best[0] <= MAX_BIT_ERROR:
            sets.join(a, b)
            matches.append(Match(a, b, best[1] / WORDS_PER_S, best[0]))
    return matches


def recordings(track_ids: Sequence[str], matches: Sequence[Match], identical: Sequence[Sequence[int]] = ()) -> list[str]:
    """A recording id for each track: the smallest track id of its group.

    Parameters
    ----------
    track_ids
        Of all tracks.
    matches
        From `find_matches`, in the same order.
    identical
        Further groups known to be the same (equal samples or bytes), as positions.
    """
    order = sorted(range(len(track_ids)), key=track_ids.__getitem__)
    rank = {position: number for number, position in enumerate(order)}
    sets = _Union(len(track_ids))
    for match in matches:
        sets.join(rank[match.first], rank[match.second])
    for group in identical:
        for other in group[1:]:
            sets.join(rank[group[0]], rank[other])
    return [track_ids[order[sets.find(rank[position])]] for position in range(len(track_ids))]


__all__ = ["MAX_BIT_ERROR", "MIN_OVERLAP_S", "Match", "bit_error", "find_matches", "recordings"]
