"""What each perturbation costs the selected model, on the same tracks undisturbed.

Samples go through `classify_samples`, features included: this is the path of the service.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """`accuracy`, `macro_f1`: undisturbed. `rows` in the order of `PERTURBATIONS`."""

    family: str
    tracks: int
    accuracy: float
    macro_f1: float
    rows: tuple[RobustnessRow, ...]

    def to_metrics(self) -> dict[str, Any]:
        """For `metrics.json`."""
        rows = {
            row.name: {"accuracy": row.accuracy.value, "lost": row.lost, "flipped": row.flipped, "shift": row.shift} for row in self.rows
        }
        return {"family": self.family, "tracks": self.tracks, "accuracy": self.accuracy, "perturbations": rows}


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


def answers(predictor: Predictor, samples: NDArray[np.float32], perturbations: Sequence[Perturbation]) -> NDArray[np.float64]:
    """Probabilities of a clip undisturbed (row 0) and under each perturbation, float64 [1 + P, C]."""
    clips = [samples, *(item.apply(samples, predictor.sample_rate) for item in perturbations)]
    return np.stack([predictor.classify_samples(clip).probabilities for clip in clips]).astype(np.float64)


def measure_robustness(
    directory: Path,
    tracks: pd.DataFrame,
    sounds: Sounds,
    *,
    family: str,
    resamples: int,
    confidence: float,
    seed: int,
    workers: int,
    perturbations: Sequence[Perturbation] = PERTURBATIONS,
) -> Robustness:
    """Run every perturbation over `tracks` (track_id, genre, group) with the bundle in `directory`.

    A track that cannot be decoded any more is left out; the figures say how many were heard.
    """
    from musicgenre.bundle.predictor import Predictor

    predictor = Predictor.load(directory)
    for item in perturbations:  # what is imported and planned at first use is so here, in one thread
        item.apply(np.zeros(4 * predictor.sample_rate, dtype=np.float32), predictor.sample_rate)

    def hear(track_id: str) -> NDArray[np.float64] | None:
        try:
            samples = sounds.signal(track_id).samples
        except AudioError:
            return None
        return answers(predictor, excerpt(samples, predictor.sample_rate), perturbations)

    with ThreadPoolExecutor(max_workers=workers) as pool:
        work = pool.map(hear, tracks["track_id"])
        heard = list(progress(work, total=len(tracks), description="robustness"))
    kept = [index for index, item in enumerate(heard) if item is not None]
    if not kept:
        raise EvaluationError(f"robustness: none of {len(tracks)} tracks can be decoded any more. Is the data set where the manifest says?")
    p = np.stack([item for item in heard if item is not None])  # [n, 1 + P, C]
    chosen = tracks.iloc[kept]
    y = np.array([predictor.spec.classes.index(genre) for genre in chosen["genre"]], dtype=np.intp)
    return summarise(
        y, p, chosen["group"].to_numpy(dtype=str), family, perturbations, resamples=resamples, confidence=confidence, seed=seed
    )


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
    return Robustness(family=family, tracks=len(y), accuracy=float(mean[0]), macro_f1=f1[0], rows=tuple(rows))


__all__ = ["EXCERPT_S", "Robustness", "RobustnessRow", "answers", "choose_tracks", "excerpt", "measure_robustness", "summarise"]
