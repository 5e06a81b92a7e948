"""The bundle: all that turns audio bytes into probabilities, in one folder, without pickle.

Light on purpose: neither TensorFlow, MLflow, pandas nor librosa is imported here.
"""

from __future__ import annotations

from musicgenre.bundle.files import load_bundle, write_bundle
from musicgenre.bundle.spec import BundleSpec, MemberSpec

__all__ = ["BundleSpec", "MemberSpec", "load_bundle", "write_bundle"]
