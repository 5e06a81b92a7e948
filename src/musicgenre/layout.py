"""Where every artefact of the pipeline lives, relative to one project root.

Nothing here touches the disk: a `Layout` only names paths, the stage that
writes a file makes its folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The paths of a project.

    Parameters
    ----------
    root
        The folder that holds `params.yaml` and `dvc.yaml`.
    """

    root: Path = field(default_factory=Path)

    # --- stage outputs ---
    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def demo(self) -> Path:
        return self.data / "demo"

    @property
    def manifest(self) -> Path:
        return self.data / "manifest.parquet"

    @property
    def valid(self) -> Path:
        return self.data / "valid.parquet"

    @property
    def quarantine(self) -> Path:
        return self.data / "quarantine.csv"

    @property
    def splits(self) -> Path:
        return self.data / "splits.parquet"

    def features(self, kind: str) -> Path:
        return self.data / "features" / kind

    def embeddings(self, backbone: str) -> Path:
        return self.data / "embeddings" / backbone

    def model(self, family: str) -> Path:
        return self.root / "models" / family

    def bundle(self, family: str) -> Path:
        return self.model(family) / "bundle"

    @property
    def champion(self) -> Path:
        """The bundle that `promote` chose, and that is packaged and served."""
        return self.root / "models" / "champion"

    @property
    def registry(self) -> Path:
        return self.root / "models" / "registry.json"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def validation_report(self) -> Path:
        return self.reports / "validation"

    @property
    def metrics(self) -> Path:
        return self.reports / "metrics.json"

    @property
    def predictions(self) -> Path:
        return self.reports / "predictions.parquet"

    @property
    def plots(self) -> Path:
        return self.reports / "plots"

    @property
    def bento_report(self) -> Path:
        return self.reports / "bento.json"

    # --- disposable, content-addressed work cache (git- and dvc-ignored) ---
    @property
    def work(self) -> Path:
        return self.root / ".musicgenre"


__all__ = ["Layout"]
