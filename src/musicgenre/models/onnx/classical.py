"""Scikit-learn and XGBoost classifiers as ONNX, computed in double precision like the originals.

Generic converters work in float32, in which a kernel machine or a threshold
beside a scaler misses 1e-5; these graphs cast once and stay in float64.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from musicgenre.models.onnx.graph import ML, GraphBuilder


def doubles(graph: GraphBuilder, value: Any) -> str:
    """A float64 constant."""
    return graph.constant(np.asarray(value, dtype=np.float64))


def select_columns(graph: GraphBuilder, source: str, columns: NDArray[np.intp]) -> str:
    """The given columns of a matrix."""
    return graph.op("Gather", [source, graph.ints(columns)], axis=1)


def standardise(graph: GraphBuilder, source: str, mean: NDArray[np.float64], scale: NDArray[np.float64]) -> str:
    """(x − mean) / scale in float64."""
    return graph.op("Div", [graph.op("Sub", [source, doubles(graph, mean)]), doubles(graph, scale)])


def linear(graph: GraphBuilder, source: str, weights: NDArray[np.float64], bias: NDArray[np.float64]) -> str:
    """x · weights + bias in float64."""
    return graph.op("Add", [graph.op("MatMul", [source, doubles(graph, weights)]), doubles(graph, bias)])


def softmax(graph: GraphBuilder, source: str) -> str:
    """Along the last axis, cast to float32."""
    return graph.op("Cast", [graph.op("Softmax", [source], axis=-1)], to=TensorProto.FLOAT)


def rbf_kernel(graph: GraphBuilder, source: str, vectors: NDArray[np.float64], gamma: float) -> str:
    """exp(−γ‖x − v‖²) for every support vector v: float64 [N, vectors]."""
    squares = graph.op("ReduceSum", [graph.op("Mul", [source, source]), graph.ints([1])], keepdims=1)
    products = graph.op("MatMul", [source, doubles(graph, -2.0 * vectors.T)])
    distance = graph.op("Add", [graph.op("Add", [products, squares]), doubles(graph, (vectors**2).sum(axis=1))])
    return graph.op("Exp", [graph.op("Mul", [distance, doubles(graph, -gamma)])])


@dataclass
class Forest:
    """Nodes of many trees, in the columns that `TreeEnsembleRegressor` wants.

    A branch sends x[feature] ≤ threshold (or < with `strict`) to its `yes` child.
    """

    strict: bool = False
    columns: dict[str, list[Any]] = field(
        default_factory=lambda: {
            name: [] for name in ("tree", "node", "feature", "threshold", "mode", "yes", "no", "leaf_tree", "leaf_node", "target", "weight")
        }
    )
    trees: int = 0

    def branch(self, node: int, feature: int, threshold: float, yes: int, no: int) -> None:
        self._node(node, feature, threshold, "BRANCH_LT" if self.strict else "BRANCH_LEQ", yes, no)

    def leaf(self, node: int, values: dict[int, float]) -> None:
        """A leaf that adds `values` (by target)."""
        self._node(node, 0, 0.0, "LEAF", 0, 0)
        for target, value in values.items():
            for name, item in zip(("leaf_tree", "leaf_node", "target", "weight"), (self.trees, node, target, value), strict=True):
                self.columns[name].append(item)

    def _node(self, *row: Any) -> None:
        for name, item in zip(("tree", "node", "feature", "threshold", "mode", "yes", "no"), (self.trees, *row), strict=True):
            self.columns[name].append(item)

    def op(self, graph: GraphBuilder, source: str, targets: int, base: NDArray[np.float64]) -> str:
        """float32 [N, targets]: the sum of all trees' leaves plus `base`; `source` float64 or float32."""
        c = self.columns
        return graph.op(
            "TreeEnsembleRegressor",
            [source],
            domain=ML,
            n_targets=targets,
            aggregate_function="SUM",
            post_transform="NONE",
            nodes_treeids=c["tree"],
            nodes_nodeids=c["node"],
            nodes_featureids=c["feature"],
            nodes_values_as_tensor=numpy_helper.from_array(np.array(c["threshold"], np.float64)),
            nodes_modes=c["mode"],
            nodes_truenodeids=c["yes"],
            nodes_falsenodeids=c["no"],
            target_treeids=c["leaf_tree"],
            target_nodeids=c["leaf_node"],
            target_ids=c["target"],
            target_weights_as_tensor=numpy_helper.from_array(np.array(c["weight"], np.float64)),
            base_values_as_tensor=numpy_helper.from_array(np.asarray(base, np.float64)),
        )


def random_forest(model: Any) -> Forest:
    """A `RandomForestClassifier`; its sum is the probabilities."""
    forest = Forest()
    for estimator in model.estimators_:
        tree = estimator.tree_
        for node in range(tree.node_count):
            if tree.children_left[node] < 0:
                counts = tree.value[node, 0]
                shares = counts / counts.sum() / len(model.estimators_)
                forest.leaf(node, {target: float(share) for target, share in enumerate(shares) if share})
            else:
                yes, no = int(tree.children_left[node]), int(tree.children_right[node])
                forest.branch(node, int(tree.feature[node]), float(tree.threshold[node]), yes, no)
        forest.trees += 1
    return forest


def hist_gradient_boosting(model: Any) -> Forest:
    """A `HistGradientBoostingClassifier` without categories or missing values; its sum plus the baseline is the raw score."""
    forest = Forest()
    for stage in model._predictors:
        for target, predictor in enumerate(stage):
            for node, row in enumerate(predictor.nodes):
                if row["is_leaf"]:
                    forest.leaf(node, {target: float(row["value"])})
                else:
                    forest.branch(node, int(row["feature_idx"]), float(row["num_threshold"]), int(row["left"]), int(row["right"]))
            forest.trees += 1
    return forest


def xgboost(model: Any, targets: int) -> Forest:
    """An `XGBClassifier`; its sum plus the base score is the margin (float32 thresholds, strict comparison)."""
    forest = Forest(strict=True)
    for index, text in enumerate(model.get_booster().get_dump(dump_format="json")):
        _xgboost_node(forest, json.loads(text), index % targets)
        forest.trees += 1
    return forest


def _xgboost_node(forest: Forest, node: dict[str, Any], target: int) -> None:
    if "leaf" in node:
        forest.leaf(node["nodeid"], {target: float(np.float32(node["leaf"]))})
        return
    feature = int(node["split"].removeprefix("f"))
    forest.branch(node["nodeid"], feature, float(np.float32(node["split_condition"])), node["yes"], node["no"])
    for child in node["children"]:
        _xgboost_node(forest, child, target)


__all__ = [
    "Forest",
    "hist_gradient_boosting",
    "linear",
    "random_forest",
    "rbf_kernel",
    "select_columns",
    "softmax",
    "standardise",
    "xgboost",
]
