"""`params.yaml` as validated, frozen models: a typo is an error that names the key.

Every stage takes its own block and nothing else; DVC depends on the same blocks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from musicgenre.errors import ParamsError

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
FamilyName = Literal["cnn", "transfer", "multimodal", "classical"]
FAMILIES: tuple[FamilyName, ...] = ("cnn", "transfer", "multimodal", "classical")


class Block(BaseModel):
    """A frozen block in which an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class AudioLimits(Block):
    """What `audio.py` accepts, in training and in service."""

    min_duration_s: Positive = 1.0
    max_duration_s: Positive = 900.0
    max_bytes: Count = 200_000_000
    decode_timeout_s: Positive = 60.0
    silence_dbfs: float = -70.0


class DemoParams(Block):
    """The music that the project composes and renders itself."""

    seed: Seed = 7
    artists_per_genre: Annotated[int, Field(ge=4)] = 10
    tracks_per_artist: Count = 3
    duration_s: Positive = 12.0
    faults: bool = True


class DatasetParams(Block):
    source: Literal["demo", "folder", "gtzan", "fma_small", "fma_medium"] = "demo"
    path: str = "data/demo"
    demo: DemoParams = DemoParams()
    audio: AudioLimits = AudioLimits()


class ValidateParams(Block):
    """Thresholds of the expectation suite; `severity` maps an expectation to error, warning or off."""

    min_tracks_per_genre: Count = 4
    min_genres: Annotated[int, Field(ge=2)] = 2
    max_quarantined_share: Share = 0.1
    max_imbalance: Positive = 20.0
    max_class_drift: Positive = 0.25
    min_duration_s: Positive = 1.0
    max_duration_s: Positive = 900.0
    min_sample_rate: Count = 8000
    max_silence_fraction: Share = 0.9
    max_clipped_fraction: Share = 0.2
    min_rms_db: float = -65.0
    max_dc_offset: Share = 0.2
    known_genres: tuple[str, ...] | None = None
    severity: dict[str, Literal["error", "warning", "off"]] = {}


class SplitParams(Block):
    policy: Literal["grouped", "official", "segments", "kfold"] = "grouped"
    seed: Seed = 17
    validation: Share = 0.2
    test: Share = 0.2
    folds: Annotated[int, Field(ge=2)] = 5
    fold: Annotated[int, Field(ge=0)] = 0
    lists: str | None = None

    @model_validator(mode="after")
    def _leaves_training_data(self) -> SplitParams:
        if self.validation + self.test >= 0.9:
            raise ValueError(f"validation + test is {self.validation + self.test:.2f}; leave at least 0.1 for training")
        return self


class FeaturesParams(Block):
    """The front end's spec (see `features.frontend.FrontEnd`) and the kinds to store."""

    kinds: tuple[str, ...] = ("mel", "scalogram", "mfcc", "descriptors")
    sample_rate: Count = 22050
    n_fft: Count = 2048
    hop_length: Count = 512
    window: str = "hann"
    n_mels: Count = 96
    fmin: Annotated[float, Field(ge=0)] = 0.0
    fmax: Positive | None = None
    mel_scale: Literal["slaney", "htk"] = "slaney"
    top_db: Positive = 80.0
    pre_emphasis: Share = 0.0
    n_mfcc: Count = 20
    wavelet: str = "morl"
    n_scales: Count = 64
    scalogram_fmin: Positive = 40.0
    scalogram_fmax: Positive = 8000.0
    descriptor_segment_s: Positive = 3.0
    hpss: bool = False


class EmbedParams(Block):
    """Frozen backbones to run once over every track."""

    backbones: tuple[str, ...] = ("melnet",)
    segment_s: Positive = 3.0
    hop_s: Positive = 1.5
    batch: Count = 32


class SearchCommon(Block):
    seed: Seed = 1
    storage: str | None = None  # null: an embedded store in the work cache
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["hyperband", "median", "none"] = "median"
    patience: Annotated[int, Field(ge=0)] = 0  # stop after so many trials without a better one; 0: never
    objective2: Literal["none", "latency", "size"] = "none"
    concurrent: Count = 2  # trials under way at once; results depend on it, never on compute.workers


class FamilySearch(Block):
    """One family's study. `space` narrows named dimensions: a list is a choice, {low, high, log} a range."""

    enabled: bool = True
    trials: Count = 4
    timeout_s: Positive | None = None
    epochs: Count = 15
    published: tuple[str, ...] | Literal["all"] = "all"
    segment_s: Positive = 3.0
    hop_s: Positive = 1.5
    fixed: dict[str, Any] = {}
    space: dict[str, Any] = {}


class SearchParams(Block):
    common: SearchCommon = SearchCommon()
    cnn: FamilySearch = FamilySearch()
    transfer: FamilySearch = FamilySearch()
    multimodal: FamilySearch = FamilySearch()
    classical: FamilySearch = FamilySearch()

    def family(self, name: str) -> FamilySearch:
        """The block of one family."""
        if name not in FAMILIES:
            raise ParamsError(f"No family {name!r}; there are {', '.join(FAMILIES)}.")
        block = getattr(self, name)
        assert isinstance(block, FamilySearch)
        return block


class EnsembleParams(Block):
    max_members: Count = 4
    rounds: Count = 20
    calibrate: bool = True


class EvaluateParams(Block):
    bootstrap: Annotated[int, Field(ge=100)] = 1000
    confidence: Share = 0.95
    seed: Seed = 3
    on_problem: Literal["fail", "warn"] = "fail"
    robustness: bool = True
    robustness_tracks: Count = 30
    max_report_mb: Positive = 25.0


class PromoteParams(Block):
    """The gate's limits (see `registry.gate`)."""

    name: str = "musicgenre"
    margin: Share = 0.02
    confidence: Share = 0.95
    max_recall_drop: Share = 0.25
    max_calibration_error: Share = 0.25
    max_latency_ms: Positive = 500.0
    max_size_mb: Positive = 200.0
    max_robustness_drop: Share = 0.6
    min_above_chance: Share = 0.1
    allow_dirty: bool = True


class PackageParams(Block):
    smoke: bool = True
    smoke_timeout_s: Positive = 120.0


class ServeParams(Block):
    """Limits of the service; each can be set by `MUSICGENRE_SERVE_<KEY>` as well.

    `concurrency` is the number of listening processes, of clips heard at once (0: one a core); `max_queue`
    counts those that wait beside them. `max_inflight_mb` bounds all uploads in memory together.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 3000
    max_upload_mb: Positive = 25.0
    max_duration_s: Positive = 600.0
    request_timeout_s: Positive = 30.0
    max_queue: Count = 32
    max_inflight_mb: Positive = 96.0
    max_batch_files: Count = 32
    concurrency: Annotated[int, Field(ge=0)] = 0
    top_k: Count = 3
    reject_below: Share = 0.0
    cache_entries: Annotated[int, Field(ge=0)] = 256
    api_key: str | None = None
    cors_origins: tuple[str, ...] = ()
    prediction_log: str | None = None
    threads: Count = 1


class MonitorParams(Block):
    """When `musicgenre monitor` calls a service's clips drifted from the training data (see `registry.drift`)."""

    min_answers: Count = 50
    max_psi: Positive = 0.25
    max_ks: Share = 0.2
    max_prior_shift: Share = 0.25
    max_unlike_share: Share = 0.1


class TrackingParams(Block):
    uri: str = "sqlite:///mlflow.db"
    artifacts: str = "mlartifacts"
    prefix: str = "musicgenre"


class ComputeParams(Block):
    """Where work runs: local processes or a Ray cluster. `workers: 0` means all cores."""

    engine: Literal["local", "ray"] = "local"
    workers: Annotated[int, Field(ge=0)] = 0
    address: str | None = None


class Params(Block):
    """The whole of `params.yaml`."""

    dataset: DatasetParams = DatasetParams()
    validate_: ValidateParams = Field(default=ValidateParams(), alias="validate")
    split: SplitParams = SplitParams()
    features: FeaturesParams = FeaturesParams()
    embed: EmbedParams = EmbedParams()
    search: SearchParams = SearchParams()
    ensemble: EnsembleParams = EnsembleParams()
    evaluate: EvaluateParams = EvaluateParams()
    promote: PromoteParams = PromoteParams()
    package: PackageParams = PackageParams()
    serve: ServeParams = ServeParams()
    monitor: MonitorParams = MonitorParams()
    tracking: TrackingParams = TrackingParams()
    compute: ComputeParams = ComputeParams()


def parse_params(raw: Any, *, source: str = "params.yaml") -> Params:
    """Validate a parsed document.

    Raises
    ------
    ParamsError
        Naming every key that is unknown, of the wrong type or out of range.
    """
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        raise ParamsError(f"{source}: expected a mapping of blocks at the top level, found {type(raw).__name__}.")
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            key = ".".join(str(part) for part in fault["loc"])
            if fault["type"] == "extra_forbidden":
                lines.append(f"{source}: unknown key `{key}`. Remove it or correct its spelling.")
            else:
                lines.append(f"{source}: `{key}` is {fault['input']!r}: {fault['msg']}.")
        raise ParamsError("\n".join(lines)) from error


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and validate `path`.

    Raises
    ------
    ParamsError
        If the file is absent, is not YAML, or does not validate.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ParamsError(f"{path} is not there. Run from the project's root, or pass --root.") from None
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ParamsError(f"{path} is not valid YAML: {error}") from error
    return parse_params(raw, source=Path(path).name)


__all__ = [
    "FAMILIES",
    "AudioLimits",
    "ComputeParams",
    "DatasetParams",
    "DemoParams",
    "EmbedParams",
    "EnsembleParams",
    "EvaluateParams",
    "FamilyName",
    "FamilySearch",
    "FeaturesParams",
    "MonitorParams",
    "PackageParams",
    "Params",
    "PromoteParams",
    "SearchCommon",
    "SearchParams",
    "ServeParams",
    "SplitParams",
    "TrackingParams",
    "ValidateParams",
    "load_params",
    "parse_params",
]
