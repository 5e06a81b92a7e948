"""The classifiers of the classical family: fit, probabilities, and their ONNX nodes, one class a kind.

All work on float64 rows after the pipeline's scaling and PCA.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import ModelError
from musicgenre.models.onnx.graph import GraphBuilder

Rows = NDArray[np.float64]


class Classifier(Protocol):
    """A fitted classifier over labels 0 … C − 1, all of which occurred in training."""

    estimator: Any

    def probabilities(self, x: Rows) -> Rows:
        """[N, C], rows sum to one."""
        ...

    def onnx(self, graph: GraphBuilder, source: str) -> str:
        """Nodes that do the same; float32 [N, C]."""
        ...

    def importance(self) -> NDArray[np.float64] | None:
        """One non-negative number a column, or None where the model has none."""
        ...


def _softmax(scores: Rows) -> Rows:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: Rows = shifted / shifted.sum(axis=1, keepdims=True)
    return result


def _every_genre(weights: Rows, bias: Rows) -> tuple[Rows, Rows]:
    """A linear layer [D, C] with a score for every genre; of two genres there is one score, the other's is 0."""
    if weights.shape[1] > 1:
        return weights, bias
    return np.hstack([np.zeros_like(weights), weights]), np.concatenate([[0.0], bias])


@dataclass
class Logistic:
    """Multinomial logistic regression."""

    estimator: Any

    def weights(self) -> tuple[Rows, Rows]:
        """[D, C] and [C]: the softmax of x · weights + bias are the probabilities."""
        return _every_genre(self.estimator.coef_.T, self.estimator.intercept_)

    def probabilities(self, x: Rows) -> Rows:
        weights, bias = self.weights()
        return _softmax(x @ weights + bias)

    def onnx(self, graph: GraphBuilder, source: str) -> str:
        from musicgenre.models.onnx.classical import linear, softmax

        return softmax(graph, linear(graph, source, *self.weights()))

    def importance(self) -> NDArray[np.float64] | None:
        return np.asarray(np.abs(self.estimator.coef_).mean(axis=0))


@dataclass
class FeedForward:
    """Dense layers with ReLU, softmax."""

    estimator: Any

    def probabilities(self, x: Rows) -> Rows:
        return np.asarray(self.estimator.predict_proba(x))

    def onnx(self, graph: GraphBuilder, source: str) -> str:
        from musicgenre.models.onnx.classical import linear, softmax

        layers = list(zip(self.estimator.coefs_, self.estimator.intercepts_, strict=True))
        for weights, bias in layers[:-1]:
            source = graph.op("Relu", [linear(graph, source, weights, bias)])
        return softmax(graph, linear(graph, source, *_every_genre(*layers[-1])))

    def importance(self) -> NDArray[np.float64] | None:
        return None


@dataclass
class Svm:
    """Kernel or linear SVC, one against one.

    A genre's score is the sum of its pairwise decisions; probabilities are the
    softmax of `sharpness` times the scores. `sharpness` is fitted on scores out of
    fold (see `fit_sharpness`).
    """

    estimator: Any
    sharpness: float = 1.0

    def _score_map(self) -> tuple[Rows, Rows]:
        """Kernel values [N, vectors] times the first plus the second are the scores [N, C]."""
        model = self.estimator
        classes = len(model.classes_)
        ends = np.cumsum(model.n_support_)
        starts = ends - model.n_support_
        weights = np.zeros((len(model.support_vectors_), classes))
        bias = np.zeros(classes)
        # libsvm's own sign (of `dual_coef_` and `intercept_`): positive speaks for the first genre of a pair;
        # with two genres scikit-learn publishes both with the sign turned round.
        sign = -1.0 if classes == 2 else 1.0
        pair = 0
        for i in range(classes):
            for j in range(i + 1, classes):
                decision = np.zeros(len(weights))
                decision[starts[i] : ends[i]] = model.dual_coef_[j - 1, starts[i] : ends[i]]
                decision[starts[j] : ends[j]] = model.dual_coef_[i, starts[j] : ends[j]]
                weights[:, i] += sign * decision
                weights[:, j] -= sign * decision
                bias[i] += sign * model.intercept_[pair]
                bias[j] -= sign * model.intercept_[pair]
                pair += 1
        return weights, bias

    def scores(self, x: Rows) -> Rows:
        """Summed pairwise decisions [N, C]."""
        weights, bias = self._score_map()
        vectors = self.estimator.support_vectors_
        if self.estimator.kernel == "linear":
            return np.asarray(x @ (vectors.T @ weights) + bias)
        squares = (x**2).sum(axis=1, keepdims=True) + (vectors**2).sum(axis=1) - 2 * x @ vectors.T
        scores: Rows = np.exp(-self.estimator._gamma * squares) @ weights + bias
        return scores

    def probabilities(self, x: Rows) -> Rows:
        return _softmax(self.sharpness * self.scores(x))

    def onnx(self, graph: GraphBuilder, source: str) -> str:
        from musicgenre.models.onnx.classical import linear, rbf_kernel, softmax

        weights, bias = self._score_map()
        vectors = self.estimator.support_vectors_
        weights, bias = self.sharpness * weights, self.sharpness * bias
        if self.estimator.kernel == "linear":
            return softmax(graph, linear(graph, source, vectors.T @ weights, bias))
        kernel = rbf_kernel(graph, source, vectors, float(self.estimator._gamma))
        return softmax(graph, linear(graph, kernel, weights, bias))

    def importance(self) -> NDArray[np.float64] | None:
        if self.estimator.kernel != "linear":
            return None
        weights, _ = self._score_map()
        return np.asarray(np.abs(self.estimator.support_vectors_.T @ weights).mean(axis=1))


@dataclass
class RandomForest:
    estimator: Any

    def probabilities(self, x: Rows) -> Rows:
        return np.asarray(self.estimator.predict_proba(x))

    def onnx(self, graph: GraphBuilder, source: str) -> str:
        from onnx import TensorProto

        from musicgenre.models.onnx.classical import random_forest

        classes = len(self.estimator.classes_)
        exact = graph.op("Cast", [graph.op("Cast", [source], to=TensorProto.FLOAT)], to=TensorProto.DOUBLE)  # rounds like scikit-learn
        return random_forest(self.estimator).op(graph, exact, classes, np.zeros(classes))

    def importance(self) -> NDArray[np.float64] | None:
        return np.asarray(self.estimator.feature_importances_)


@dataclass
class HistBoosting:
    estimator: Any

    def probabilities(self, x: Rows) -> Rows:
        return np.asarray(self.estimator.predict_proba(x))

    def onnx(self, graph: GraphBuilder, source: str) -> str:
        from musicgenre.models.onnx.classical import hist_gradient_boosting

        base = np.asarray(self.estimator._baseline_prediction).ravel()
        raw = hist_gradient_boosting(self.estimator).op(graph, source, len(base), base)
        return _from_margin(graph, raw, len(base))

    def importance(self) -> NDArray[np.float64] | None:
        total = np.zeros(self.estimator.n_features_in_)
        for stage in self.estimator._predictors:
            for predictor in stage:
                inner = predictor.nodes[~predictor.nodes["is_leaf"].astype(bool)]
                np.add.at(total, inner["feature_idx"], inner["gain"])
        return np.asarray(total / max(total.sum(), 1e-12))


@dataclass
class XgBoost:
    """XGBoost computes in float32: rows are cast before they meet its thresholds."""

    estimator: Any

    def probabilities(self, x: Rows) -> Rows:
        return np.asarray(self.estimator.predict_proba(x.astype(np.float32)), dtype=np.float64)

    def onnx(self, graph: GraphBuilder, source: str) -> str:
        from onnx import TensorProto

        from musicgenre.models.onnx.classical import xgboost

        classes = int(self.estimator.n_classes_)
        targets = 1 if classes == 2 else classes
        single = graph.op("Cast", [source], to=TensorProto.FLOAT)
        exact = graph.op("Cast", [single], to=TensorProto.DOUBLE)
        raw = xgboost(self.estimator, targets).op(graph, exact, targets, self._base(targets))
        return _from_margin(graph, raw, targets)

    def _base(self, targets: int) -> NDArray[np.float64]:
        """The constant under all trees: the margin with none of them."""
        import xgboost

        nothing = xgboost.DMatrix(np.zeros((1, self.estimator.n_features_in_), np.float32))
        booster = self.estimator.get_booster()
        trees = booster[0:1].predict(nothing, output_margin=True).ravel()[:targets]
        first = booster.get_dump(dump_format="json")[:targets]
        leaves = booster.predict(nothing, pred_leaf=True).ravel()[:targets]
        given = np.array([_leaf(text, int(leaf)) for text, leaf in zip(first, leaves, strict=True)])
        return np.asarray(np.asarray(trees, np.float64) - given)

    def importance(self) -> NDArray[np.float64] | None:
        return np.asarray(self.estimator.feature_importances_, dtype=np.float64)


def _leaf(text: str, number: int) -> float:
    import json

    waiting = [json.loads(text)]
    while waiting:
        node = waiting.pop()
        if node["nodeid"] == number:
            return float(np.float32(node["leaf"]))
        waiting.extend(node.get("children", []))
    raise ModelError(f"XGBoost's dump has no leaf {number}.")


def _from_margin(graph: GraphBuilder, raw: str, targets: int) -> str:
    """Softmax, or for one margin [1 − σ, σ]."""
    if targets > 1:
        return graph.op("Softmax", [raw], axis=-1)
    positive = graph.op("Sigmoid", [raw])
    return graph.op("Concat", [graph.op("Sub", [graph.floats(1.0), positive]), positive], axis=1)


def fit_sharpness(scores: Rows, labels: NDArray[np.int64]) -> float:
    """The factor in [0.1, 30] that makes the softmax of `scores` most likely."""
    from scipy.optimize import minimize_scalar

    def loss(log_factor: float) -> float:
        chosen = _softmax(np.exp(log_factor) * scores)[np.arange(len(labels)), labels]
        return float(-np.log(np.clip(chosen, 1e-12, 1.0)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.1), np.log(30.0)), method="bounded").x))


KINDS: dict[str, type[Any]] = {"lr": Logistic, "mlp": FeedForward, "svm": Svm, "rf": RandomForest, "hgb": HistBoosting, "xgb": XgBoost}

__all__ = ["KINDS", "Classifier", "FeedForward", "HistBoosting", "Logistic", "RandomForest", "Svm", "XgBoost", "fit_sharpness"]
