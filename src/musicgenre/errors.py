"""Every error a user can cause or meet, as one typed family.

The command line prints `MusicGenreError` as one line and exits with its
``exit_code``; anything else is a bug and shows as such. A message names the
file or key, the value found, the value allowed, and the next step.
"""

from __future__ import annotations

from typing import ClassVar


class MusicGenreError(Exception):
    """Root of all expected failures. Catch this at a boundary, a subclass in between."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "error"  # stable, machine-readable reason (quarantine.csv, HTTP bodies)


class ParamsError(MusicGenreError):
    """`params.yaml` has an unknown key, a wrong type or a value out of range. Fix the key named."""

    exit_code = 2
    code = "bad_params"


class MissingInput(MusicGenreError):
    """A file that an earlier stage writes is not there. Run the stage named."""

    code = "missing_input"


class StorageFull(MusicGenreError):
    """The disk is full. Nothing half-written was left; free space and run again."""

    code = "storage_full"


class WorkerDied(MusicGenreError):
    """A process that worked on part of a stage was killed or crashed. Give it more memory or fewer siblings."""

    code = "worker_died"


# --- audio -----------------------------------------------------------------


class AudioError(MusicGenreError):
    """A file or upload that cannot become a signal; the subclass says why."""

    code = "audio"


class EmptyAudio(AudioError):
    """Zero bytes, or a container that holds no samples."""

    code = "empty"


class UnsupportedFormat(AudioError):
    """The content is not audio that any decoder here knows."""

    code = "unsupported_format"


class UndecodableAudio(AudioError):
    """The header promises audio, the body does not decode."""

    code = "undecodable"


class TooShort(AudioError):
    """Shorter than the least duration a model can judge."""

    code = "too_short"


class TooLong(AudioError):
    """Longer than the limit on duration, or on samples in memory."""

    code = "too_long"


class TooLarge(AudioError):
    """More bytes than the limit on an input."""

    code = "too_large"


class NonFiniteAudio(AudioError):
    """Samples that are NaN or infinite."""

    code = "non_finite"


class SilentAudio(AudioError):
    """No sample above the silence threshold: no genre can be told."""

    code = "silent"


class DecoderCrashed(AudioError):
    """The decoder's process died or outlived its deadline on this input."""

    code = "decoder_crashed"


# --- data set --------------------------------------------------------------


class DatasetError(MusicGenreError):
    """The data set as a whole cannot be used (no folder, no genre, one genre only)."""

    code = "dataset"


class ValidationFailed(MusicGenreError):
    """A data-set expectation of severity `error` failed. The message lists them in words."""

    code = "validation_failed"


class SplitError(MusicGenreError):
    """No split satisfies what was asked (too few groups, published lists not matched)."""

    code = "split"


class FetchError(MusicGenreError):
    """A data set or weight file could not be obtained or did not match its hash."""

    code = "fetch"


# --- models and features -----------------------------------------------------


class FeatureError(MusicGenreError):
    """A feature store is absent, of another spec, or damaged."""

    code = "features"


class WeightsUnavailable(MusicGenreError):
    """Pretrained weights are not to be had; the message names every way to get them."""

    code = "weights_unavailable"


class ModelError(MusicGenreError):
    """A configuration that a family cannot build or fit on this data."""

    code = "model"


class ExportError(MusicGenreError):
    """The exported graph and the trained model disagree, or the graph cannot be made."""

    code = "export"


class SearchError(MusicGenreError):
    """No trial of a study succeeded, or its storage cannot be used."""

    code = "search"


class TrackingUnavailable(MusicGenreError):
    """The MLflow store does not answer."""

    code = "tracking_unavailable"


# --- bundle, registry, service ----------------------------------------------


class BundleError(MusicGenreError):
    """A bundle is incomplete, of an unknown schema, or does not load."""

    code = "bundle"


class TamperedBundle(BundleError):
    """A file of the bundle differs from its recorded digest. Never load it."""

    code = "tampered"


class RegistryError(MusicGenreError):
    """The registry holds no such version or alias, or refuses the move."""

    code = "registry"


class EvaluationError(MusicGenreError):
    """Figures cannot be computed as asked (see `evaluate.on_problem`)."""

    code = "evaluation"


class PackagingError(MusicGenreError):
    """The bento could not be built or did not answer its smoke test."""

    code = "packaging"


__all__ = [
    "AudioError",
    "BundleError",
    "DatasetError",
    "DecoderCrashed",
    "EmptyAudio",
    "EvaluationError",
    "ExportError",
    "FeatureError",
    "FetchError",
    "MissingInput",
    "ModelError",
    "MusicGenreError",
    "NonFiniteAudio",
    "PackagingError",
    "ParamsError",
    "RegistryError",
    "SearchError",
    "SilentAudio",
    "SplitError",
    "StorageFull",
    "TamperedBundle",
    "TooLarge",
    "TooLong",
    "TooShort",
    "TrackingUnavailable",
    "UndecodableAudio",
    "UnsupportedFormat",
    "ValidationFailed",
    "WeightsUnavailable",
    "WorkerDied",
]
