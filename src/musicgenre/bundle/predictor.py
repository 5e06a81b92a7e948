"""From audio to probabilities with ONNX Runtime: the service, `predict` and the evaluation all come through here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.bundle.caution import cautions
from musicgenre.bundle.files import read_bundle
from musicgenre.bundle.reference import statistics, track_vector
from musicgenre.bundle.spec import BundleSpec, MemberSpec
from musicgenre.bundle.timeline import mix, on_grid
from musicgenre.errors import BundleError, FeatureError
from musicgenre.features.segments import cut, segment_times

if TYPE_CHECKING:
    from musicgenre.audio import Limits
    from musicgenre.bundle.listen import Heard
    from musicgenre.features.frontend import FrontEnd


@dataclass(frozen=True)
class Prediction:
    """What a bundle says about one clip.

    Attributes
    ----------
    probabilities
        float32 [C], in the order of `classes`; they sum to one.
    times_s, segment_s
        Start of every cell of the timeline, and the length of a cell, in seconds.
    segment_probabilities
        float32 [S, C]: the timeline, on the segments of the member with the greatest weight.
    warnings
        Why the answer deserves doubt, in words (see `bundle.caution`).
    statistics
        Scalar figures of the clip's features (see `bundle.reference.statistics`); no audio can be made from them.
    """

    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    times_s: NDArray[np.float64]
    segment_s: float
    segment_probabilities: NDArray[np.float32]
    duration_s: float
    warnings: tuple[str, ...] = ()
    statistics: Mapping[str, float] = field(default_factory=dict)

    @property
    def genre(self) -> str:
        """The likeliest class."""
        return self.classes[int(self.probabilities.argmax())]

    def ranked(self, count: int | None = None) -> list[tuple[str, float]]:
        """The `count` likeliest (class, probability), best first; all of them by default."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.classes[index], float(self.probabilities[index])) for index in order]


def _session(member: MemberSpec, data: bytes, threads: int) -> Any:
    """An ONNX Runtime session from checked bytes, with its inputs held against the spec."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Without the arena a third of a graph's time goes into page faults; `max_batch` bounds what it keeps.
    options.enable_cpu_mem_arena = True
    options.log_severity_level = 3
    # A tensor kept outside the graph could name any file of the machine: look for it where nothing can be.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    try:
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises many unrelated types
        raise BundleError(f"member {member.name!r}: ONNX Runtime cannot load {member.file}: {error}") from error
    found = {item.name for item in session.get_inputs()}
    wanted = {item.name for item in member.inputs}
    outputs = {item.name for item in session.get_outputs()}
    if found != wanted or member.output not in outputs:
        raise BundleError(
            f"member {member.name!r}: {member.file} takes {sorted(found)} and gives {sorted(outputs)}; "
            f"bundle.json says {sorted(wanted)} and {member.output!r}. Export the model again."
        )
    return session


class Predictor:
    """A loaded bundle. Calls are thread-safe and share nothing that changes.

    Parameters
    ----------
    spec, files
        As `bundle.files.read_bundle` returns them, so that the bytes that were checked are those that run.
    threads
        Threads inside one graph call. 1 is best for a service, which has many requests at once.
    """

    def __init__(self, spec: BundleSpec, files: Mapping[str, bytes], *, threads: int = 1) -> None:
        self.spec = spec
        self._sessions = [(member, _session(member, files[member.file], threads)) for member in spec.members]
        self._main = max(range(len(spec.members)), key=lambda index: spec.members[index].weight)
        self._front_end: FrontEnd | None = None

    @classmethod
    def load(cls, directory: Path, *, threads: int = 1) -> Predictor:
        """Check and load a bundle (raises as `read_bundle` does, and `BundleError` for a graph that does not load)."""
        spec, files = read_bundle(directory)
        return cls(spec, files, threads=threads)

    @property
    def front_end(self) -> FrontEnd:
        if self._front_end is None:
            from musicgenre.features.frontend import FrontEnd

            self._front_end = FrontEnd.from_dict(dict(self.spec.front_end))
        return self._front_end

    @property
    def sample_rate(self) -> int:
        """Samples per second that `classify_samples` expects."""
        return int(self.spec.front_end["sample_rate"])

    @property
    def kinds(self) -> tuple[str, ...]:
        """Feature kinds to compute for a clip: what the members read, and what the reference is of."""
        wanted = set(self.spec.kinds)
        if self.spec.reference:
            wanted.add(str(self.spec.reference["kind"]))
        return tuple(sorted(wanted))

    def _run(
        self, member: MemberSpec, session: Any, features: Mapping[str, NDArray[Any]], times: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Segment probabilities of one member, float64 [len(times), C]."""
        parts = []
        for start in range(0, len(times), member.max_batch):
            chosen = times[start : start + member.max_batch]
            feed = {}
            for item in member.inputs:
                if item.kind not in features:
                    raise FeatureError(f"member {member.name!r} reads {item.kind!r}; given are {sorted(features)}.")
                feed[item.name] = cut(features[item.kind], item, chosen, member.segmenting)
            parts.append(session.run([member.output], feed)[0])
        found = np.concatenate(parts).astype(np.float64)
        if found.shape != (len(times), len(self.spec.classes)) or not np.isfinite(found).all():
            raise BundleError(
                f"member {member.name!r} gave {list(found.shape)} with {int((~np.isfinite(found)).sum())} non-finite values "
                f"for {len(times)} segments of {len(self.spec.classes)} classes."
            )
        return found

    def classify_features(self, features: Mapping[str, NDArray[Any]], duration_s: float) -> Prediction:
        """Classify a clip whose features are at hand.

        Parameters
        ----------
        features
            Arrays [frames, bands] by kind, as `FrontEnd.compute` returns and the store keeps them.
        duration_s
            Of the clip, in seconds.
        """
        tracks, segments, grids = [], [], []
        for member, session in self._sessions:
            times = segment_times(duration_s, member.segmenting)
            found = self._run(member, session, features, times)
            tracks.append(found.mean(axis=0))
            segments.append(found)
            grids.append(times)
        weights = [member.weight for member in self.spec.members]
        cell = self.spec.members[self._main].segmenting.length_s
        grid = grids[self._main]
        lengths = [member.segmenting.length_s for member in self.spec.members]
        cells = [on_grid(part, times, length, grid, cell) for part, times, length in zip(segments, grids, lengths, strict=True)]
        figures: dict[str, float] = {}
        if self.spec.reference and (kind := str(self.spec.reference["kind"])) in features:
            figures = statistics(track_vector(features[kind], kind), kind, duration_s, self.spec.reference)
        return Prediction(
            classes=self.spec.classes,
            probabilities=mix(tracks, weights, self.spec.temperature).astype(np.float32),
            times_s=grid,
            segment_s=cell,
            segment_probabilities=mix(cells, weights, self.spec.temperature).astype(np.float32),
            duration_s=float(duration_s),
            warnings=cautions(self.spec, duration_s=duration_s, figures=figures),
            statistics=figures,
        )

    def classify_heard(self, heard: Heard) -> Prediction:
        """Classify a clip whose features and level are at hand, as `listen` or a `Listener` returns them."""
        found = self.classify_features(heard.features, heard.duration_s)
        notes = cautions(self.spec, duration_s=heard.duration_s, figures=found.statistics, level=heard.level)
        return Prediction(**{**found.__dict__, "warnings": notes})

    def classify_samples(self, samples: NDArray[np.float32]) -> Prediction:
        """Classify mono samples, float32 [n] in [−1, 1] at `sample_rate` (raises as `listen`)."""
        from musicgenre.bundle.listen import listen

        return self.classify_heard(listen(samples, self.front_end, self.kinds))

    def classify_file(self, path: Path, limits: Limits | None = None) -> Prediction:
        """Decode and classify one file (raises the `AudioError` that says why it cannot be).

        Decoding is in this process; files of unknown origin belong into a `bundle.listen.Listener`.
        """
        from musicgenre.audio import PlainLimits, decode_file

        return self.classify_samples(decode_file(Path(path), rate=self.sample_rate, limits=limits or PlainLimits()).samples)

    def classify_bytes(self, data: bytes, limits: Limits | None = None) -> Prediction:
        """Decode and classify a file's content, as an upload brings it."""
        from musicgenre.audio import PlainLimits, decode_bytes

        return self.classify_samples(decode_bytes(data, rate=self.sample_rate, limits=limits or PlainLimits()).samples)


__all__ = ["Prediction", "Predictor"]
