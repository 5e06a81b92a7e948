"""What each perturbation costs a model, on the same tracks undisturbed.

Samples go through `classify_samples`, features included: this is the path of the service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import AudioError, EvaluationError
from musicgenre.evaluation import metrics, statistics
from musicgenre.evaluation.bootstrap import Interval, resample
from musicgenre.evaluation.perturb import PERTURBATIONS, Perturbation
from musicgenre.evaluation.sounds import Sounds
from musicgenre.progress import progress

if TYPE_CHECKING:
    import pandas as pd

    from musicgenre.bundle.predictor import Predictor

FIRST, LAST = "first_10", "last_10"
EXCERPT_S = 30.0  # of a longer track, its middle: a perturbation costs the same to hear, not the same to compute


@dataclass(frozen=True)
class RobustnessRow:
    """One perturbation.

    Attributes
    ----------
    accuracy
        On the perturbed tracks, with its interval over groups.
    lost
        Accuracy undisturbed minus `accuracy`; `lost_interval` is its paired interval.
    flipped
        Share of tracks whose answer changed.
    shift
        Mean total variation distance between the probabilities before and after, 0 to 1.
    """

    name: str
    label: str
    accuracy: Interval
    macro_f1: float
    lost: float
    lost_interval: Interval
    flipped: float
    shift: float
    invariant: bool


@dataclass(frozen=True)
class Robustness:
    """One model.

    Attributes
    ----------
    accuracy, macro_f1
        Undisturbed.
    rows
        In the order of `PERTURBATIONS`.
    ends_agree
        Share of tracks whose first ten seconds get the same answer as their last ten; None where these were not measured.
    """

    family: str
    tracks: int
    accuracy: float
    macro_f1: float
    rows: tuple[RobustnessRow, ...]
    ends_agree: float | None = None

    def to_metrics(self) -> dict[str, Any]:
        """For `metrics.json`."""
        rows = {
            row.name: {"accuracy": row.accuracy.value, "lost": row.lost, "flipped": row.flipped, "shift": row.shift} for row in self.rows
        }
        ends = {} if self.ends_agree is None else {"first_and_last_agree": self.ends_agree}
        return {"family": self.family, "tracks": self.tracks, "accuracy": self.accuracy, "perturbations": rows, **ends}


def choose_tracks(tracks: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """At most `count` tracks, as even over genres as can be, drawn by `seed`; sorted by track_id."""
    shuffled = tracks.sort_values("track_id").sample(frac=1.0, random_state=seed)
    rank = shuffled.groupby("genre").cumcount()
    return shuffled.assign(rank=rank).sort_values(["rank", "genre"], kind="stable").head(count).drop(columns="rank").sort_values("track_id")


def excerpt(samples: NDArray[np.float32], rate: int, seconds: float = EXCERPT_S) -> NDArray[np.float32]:
    """The middle `seconds` of a longer clip."""
    wanted = round(seconds * rate)
    start = max(0, (len(samples) - wanted) // 2)
    return samples[start : start + wanted]


def disturbed(samples: NDArray[np.float32], rate: int, perturbations: Sequence[Perturbation]) -> list[NDArray[np.float32]]:
    """The track's excerpt undisturbed, then under each perturbation."""
    middle = excerpt(samples, rate)
    return [middle, *(item.apply(samples if item.whole else middle, rate) for item in perturbations)]


def answers(predictor: Predictor, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Probabilities of each clip, float64 [clips, C]."""
    return np.stack([predictor.classify_samples(clip).probabilities for clip in clips]).astype(np.float64)


def measure_robustness(
    bundles: Mapping[str, Path],
    tracks: pd.DataFrame,
    sounds: Sounds,
    *,
    resamples: int,
    confidence: float,
    seed: int,
    workers: int,
    perturbations: Sequence[Perturbation] = PERTURBATIONS,
) -> tuple[Robustness, ...]:
    """Run every perturbation over `tracks` (track_id, genre, group) with every bundle; all hear the very same clips.

    A track that cannot be decoded any more is left out; the figures say how many were heard.

    Parameters
    ----------
    bundles
        Folders by family, all reading audio at the rate of `sounds`.

    Raises
    ------
    EvaluationError
        If a bundle reads another rate, or no track can be decoded.
    """
    from musicgenre.bundle.predictor import Predictor

    predictors = {name: Predictor.load(folder) for name, folder in bundles.items()}
    for name, predictor in predictors.items():
        if predictor.sample_rate != sounds.rate:
            raise EvaluationError(
                f"robustness: {name} reads {predictor.sample_rate} Hz, the others {sounds.rate} Hz; train them on one front end."
            )
    for item in perturbations:  # what is imported and planned at first use is so here, in one thread
        item.apply(np.zeros(4 * sounds.rate, dtype=np.float32), sounds.rate)

    def hear(track_id: str) -> dict[str, NDArray[np.float64]] | None:
        try:
            samples = sounds.signal(track_id).samples
        except AudioError:
            return None
        clips = disturbed(samples, sounds.rate, perturbations)
        return {name: answers(predictor, clips) for name, predictor in predictors.items()}

    with ThreadPoolExecutor(max_workers=workers) as pool:
        work = pool.map(hear, tracks["track_id"])
        heard = list(progress(work, total=len(tracks), description="robustness"))
    kept = [index for index, item in enumerate(heard) if item is not None]
    if not kept:
        raise EvaluationError(f"robustness: none of {len(tracks)} tracks can be decoded any more. Is the data set where the manifest says?")
    chosen = tracks.iloc[kept]
    groups = chosen["group"].to_numpy(dtype=str)
    found = []
    for name, predictor in predictors.items():
        p = np.stack([item[name] for item in heard if item is not None])  # [n, 1 + P, C]
        y = np.array([predictor.spec.classes.index(genre) for genre in chosen["genre"]], dtype=np.intp)
        found.append(summarise(y, p, groups, name, perturbations, resamples=resamples, confidence=confidence, seed=seed))
    return tuple(found)


def summarise(
    y: metrics.Labels,
    p: NDArray[np.float64],
    groups: NDArray[Any],
    family: str,
    perturbations: Sequence[Perturbation],
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> Robustness:
    """From probabilities [n, 1 + P, C] (row 0 undisturbed) to what each perturbation costs."""
    drawn = resample(y, groups, resamples=resamples, seed=seed)
    predicted = p.argmax(axis=2)
    right = (predicted == y[:, None]).astype(np.float64)
    shares = (drawn.weights @ right) / drawn.weights.sum(axis=1, keepdims=True)  # [B, 1 + P]
    mean = right.mean(axis=0)
    one = np.ones((1, len(y)))
    f1 = [float(statistics.classification(y, column.astype(np.intp), p.shape[2], one)["macro_f1"][0]) for column in predicted.T]
    rows = []
    for index, item in enumerate(perturbations, start=1):
        lost = float(mean[0] - mean[index])
        rows.append(
            RobustnessRow(
                name=item.name,
                label=item.label,
                accuracy=drawn.interval(float(mean[index]), shares[:, index], confidence=confidence),
                macro_f1=f1[index],
                lost=lost,
                lost_interval=drawn.interval(lost, shares[:, 0] - shares[:, index], confidence=confidence, scale="difference"),
                flipped=float(np.mean(predicted[:, index] != predicted[:, 0])),
                shift=float(np.abs(p[:, index] - p[:, 0]).sum(axis=1).mean() / 2),
                invariant=item.invariant,
            )
        )
    place = {item.name: index for index, item in enumerate(perturbations, start=1)}
    ends = float(np.mean(predicted[:, place[FIRST]] == predicted[:, place[LAST]])) if FIRST in place and LAST in place else None
    return Robustness(family=family, tracks=len(y), accuracy=float(mean[0]), macro_f1=f1[0], rows=tuple(rows), ends_agree=ends)


__all__ = [
    "EXCERPT_S",
    "Robustness",
    "RobustnessRow",
    "answers",
    "choose_tracks",
    "disturbed",
    "excerpt",
    "measure_robustness",
    "summarise",
]
