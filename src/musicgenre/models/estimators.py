"""From a configuration of the classical family to a fitted pipeline: scaling, PCA, classifier, and an SVM's calibration."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import ModelError
from musicgenre.models.classifiers import Svm, fit_sharpness
from musicgenre.models.corpus import Corpus
from musicgenre.models.inputs import Segments

_TREES = ("rf", "hgb", "xgb")
_MLP_EPOCHS = 100


@dataclass(frozen=True)
class ClassicalConfig:
    """One classical system.

    Attributes
    ----------
    model
        lr, svm, mlp (a feed-forward network), rf, hgb (scikit-learn's histogram boosting) or xgb.
    source, row
        `descriptors` of whole tracks (`track`) or of pieces (`segment`), or the name of a backbone whose embeddings are stored.
    select, keep
        A method of `models.selection` and how many columns it keeps.
    scaling, pca
        `standard` or `none`; number of principal components (0: none).
    C, gamma, kernel
        Of lr and svm; `gamma` in units of 1 / columns.
    trees, boosts, depth, min_leaf, rate, subsample, l2
        Of the tree ensembles: `trees` of rf, rounds of boosting (`boosts`) of hgb and xgb; depth 0 means unlimited. mlp has `l2` as well.
    class_weights, resample
        Weigh a row by the inverse frequency of its genre; draw rows of the rarer genres again until all are as frequent.
    units
        Hidden layers of mlp; empty means two, of `width` and a sixteenth of it (at least eight).
    """

    model: str = "svm"
    source: str = "descriptors"
    row: str = "segment"
    select: str = "none"
    keep: int = 0
    scaling: str = "standard"
    pca: int = 0
    C: float = 3.0
    gamma: float = 1.0
    kernel: str = "rbf"
    trees: int = 200
    boosts: int = 200
    depth: int = 0
    min_leaf: int = 1
    rate: float = 0.1
    subsample: float = 1.0
    l2: float = 1.0
    units: tuple[int, ...] = ()
    width: int = 512
    class_weights: bool = False
    resample: bool = False


def make_pipeline(config: ClassicalConfig, rows: int, columns: int, seed: int) -> Any:
    """Steps `scale`, `reduce`, `classify` for a training matrix [rows, columns].

    Raises
    ------
    ModelError
        For a scaling, model or kernel that there is not.
    """
    from sklearn.decomposition import PCA
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    if config.scaling not in ("standard", "none"):
        raise ModelError(f"scaling is {config.scaling!r}; it can be standard or none.")
    scale = StandardScaler() if config.scaling == "standard" and config.model not in _TREES else "passthrough"
    size = min(config.pca, rows // 2, columns)  # half the rows: an SVM is calibrated on folds of them
    reduce = PCA(size, random_state=seed) if size > 0 else "passthrough"
    return Pipeline([("scale", scale), ("reduce", reduce), ("classify", _estimator(config, seed, columns))])


def _estimator(config: ClassicalConfig, seed: int, columns: int) -> Any:
    balanced = "balanced" if config.class_weights else None
    if config.model == "lr":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=config.C, class_weight=balanced, max_iter=2000, random_state=seed)
    if config.model == "svm":
        from sklearn.svm import SVC

        if config.kernel not in ("rbf", "linear"):
            raise ModelError(f"kernel is {config.kernel!r}; it can be rbf or linear.")
        return SVC(C=config.C, kernel=config.kernel, gamma=config.gamma / columns, class_weight=balanced, cache_size=500)
    if config.model == "mlp":
        from sklearn.neural_network import MLPClassifier

        hidden = config.units or (config.width, max(8, config.width // 16))
        return MLPClassifier(hidden, alpha=config.l2, max_iter=_MLP_EPOCHS, random_state=seed)
    if config.model == "rf":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            config.trees,
            max_depth=config.depth or None,
            min_samples_leaf=config.min_leaf,
            class_weight=balanced,
            random_state=seed,
        )
    if config.model == "hgb":
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(
            max_iter=config.boosts,
            max_depth=config.depth or None,
            learning_rate=config.rate,
            l2_regularization=config.l2,
            min_samples_leaf=5,
            class_weight=balanced,
            early_stopping=False,
            random_state=seed,
        )
    if config.model == "xgb":
        from xgboost import XGBClassifier

        return XGBClassifier(
            n_estimators=config.boosts,
            max_depth=config.depth or 6,
            learning_rate=config.rate,
            subsample=config.subsample,
            reg_lambda=config.l2,
            tree_method="hist",
            random_state=seed,
        )
    raise ModelError(f"classical.model is {config.model!r}; it can be lr, svm, mlp, rf, hgb or xgb.")


def fit_pipeline(pipeline: Any, x: NDArray[np.float64], y: NDArray[np.int64], config: ClassicalConfig, seed: int) -> None:
    """Fit in place on rows [N, D] with labels 0 … C − 1, genres weighed or drawn evenly where `config` says so."""
    from sklearn.exceptions import ConvergenceWarning

    if config.resample:
        chosen = even_rows(y, seed)
        x, y = x[chosen], y[chosen]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a set number of epochs is how a network is trained
        pipeline.fit(x, y, **_sample_weights(config, y))
    vars(pipeline.named_steps["classify"]).pop("_optimizer", None)  # Adam's moments, twice the size of the network


def even_rows(y: NDArray[np.int64], seed: int) -> NDArray[np.intp]:
    """Every row once, then rows of the rarer labels drawn again, until all labels that are there have as many."""
    rng = np.random.default_rng(seed)
    counts = np.bincount(y)
    again = [rng.choice(np.flatnonzero(y == label), counts.max() - count) for label, count in enumerate(counts) if count]
    return np.concatenate([np.arange(len(y)), *again]).astype(np.intp)


def _sample_weights(config: ClassicalConfig, y: NDArray[np.int64]) -> dict[str, Any]:
    """Sample weights for those that know no class weights."""
    if not (config.class_weights and config.model in ("xgb", "mlp")):
        return {}
    counts = np.bincount(y)
    return {"classify__sample_weight": (len(y) / len(counts) / counts)[y]}


def sharpness(pipeline: Any, x: Any, y: Any, training: Segments, corpus: Corpus, config: ClassicalConfig, seed: int) -> float:
    """Of an SVM's probabilities, fitted on scores out of fold, groups kept together; 1 where there are too few groups for folds."""
    from sklearn.base import clone
    from sklearn.model_selection import StratifiedGroupKFold

    groups = corpus.rows("train")["group"].to_numpy()[training.track]
    fewest = min(len(np.unique(groups[y == label])) for label in np.unique(y))
    if fewest < 3:
        return 1.0
    scores = np.zeros((len(y), len(np.unique(y))))
    for inside, outside in StratifiedGroupKFold(3).split(x, y, groups):
        fold = clone(pipeline)
        fit_pipeline(fold, x[inside], y[inside], config, seed)
        if len(fold.classes_) < scores.shape[1]:
            return 1.0
        prepared = x[outside]
        for step in ("scale", "reduce"):
            transformer = fold.named_steps[step]
            prepared = prepared if transformer == "passthrough" else transformer.transform(prepared)
        scores[outside] = Svm(fold.named_steps["classify"]).scores(prepared)
    return fit_sharpness(scores, y)


__all__ = ["ClassicalConfig", "even_rows", "fit_pipeline", "make_pipeline", "sharpness"]
