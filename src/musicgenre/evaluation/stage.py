"""The `evaluate` stage: the one reader of the test set."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from musicgenre.atomic import atomic_path, write_json
from musicgenre.errors import BundleError, EvaluationError, FeatureError, MusicGenreError
from musicgenre.evaluation import problems as faults
from musicgenre.evaluation.comparison import compare_all
from musicgenre.evaluation.cost import measure
from musicgenre.evaluation.dvcplots import write_plots
from musicgenre.evaluation.inputs import FamilyInput, read_families, read_split
from musicgenre.evaluation.judge import judge
from musicgenre.evaluation.ledger import record_use
from musicgenre.evaluation.problems import Problem
from musicgenre.evaluation.results import SPLITS, Evaluation, FamilyResult
from musicgenre.evaluation.scoring import Features, score
from musicgenre.layout import Layout
from musicgenre.lineage import canonical_hash, collect
from musicgenre.params import EvaluateParams, Params
from musicgenre.progress import progress

log = logging.getLogger(__name__)


def model_identity(spec: Any) -> str:
    """Hash of what answers: graphs, weights, temperature, classes. Not of the lineage, which changes with every commit."""
    return canonical_hash(
        {
            "graphs": sorted(spec.digests.items()),
            "weights": [[member.name, member.weight] for member in spec.members],
            "temperature": spec.temperature,
            "classes": list(spec.classes),
        }
    )


def score_family(source: FamilyInput, layout: Layout, features: Features) -> FamilyResult:
    """Both splits of one family; what goes wrong becomes the family's failure."""
    from musicgenre.bundle.predictor import Predictor

    if source.failure or source.skipped:
        return FamilyResult(source, failure=source.failure or f"left out: {source.skipped}")
    try:
        predictor = Predictor.load(source.bundle)
        scores = {split: score(source.bundle, layout, split, predictor=predictor, features=features) for split in SPLITS}
    except (BundleError, FeatureError, EvaluationError) as error:
        return FamilyResult(replace(source, failure=str(error)), failure=str(error))
    inputs = tuple(item.to_dict() for member in predictor.spec.members for item in member.inputs)
    return FamilyResult(source, scores=scores, model=model_identity(predictor.spec), inputs=inputs)


def _judged(result: FamilyResult, found: Sequence[Problem], params: EvaluateParams) -> FamilyResult:
    if not result.scores:
        return result
    figures = {
        split: judge(
            scores,
            [item for item in found if item.family == result.name and item.split == split],
            resamples=params.bootstrap,
            confidence=params.confidence,
            seed=params.seed,
        )
        for split, scores in result.scores.items()
    }
    return replace(result, figures=figures)


def _with_costs(results: Sequence[FamilyResult]) -> list[FamilyResult]:
    """Latency, memory and size; measured while nothing else runs."""
    usable = [item for item in results if item.scores]
    costs = dict(zip((item.name for item in usable), measure([item.source.bundle for item in usable]), strict=True)) if usable else {}
    return [replace(item, cost=costs.get(item.name)) for item in results]


def select(results: Sequence[FamilyResult]) -> str:
    """The family with the best validation macro F1; of equals the smallest, then the first by name. Empty when there is none."""
    usable = [item for item in results if item.value("validation", "macro_f1") is not None]
    if not usable:
        return ""

    def order(item: FamilyResult) -> tuple[float, float, str]:
        return (-round(item.value("validation", "macro_f1") or 0.0, 9), item.cost.size_mb if item.cost else float("inf"), item.name)

    return min(usable, key=order).name


def measure_all(params: Params, layout: Layout) -> Evaluation:
    """Score, judge and compare every family; nothing is written but the ledger of test uses."""
    sources = read_families(layout)
    features = Features(layout)
    workers = params.compute.workers or os.cpu_count() or 1
    with ThreadPoolExecutor(max_workers=min(workers, len(sources))) as pool:
        work = pool.map(lambda source: score_family(source, layout, features), sources)
        results = list(progress(work, total=len(sources), description="scoring families"))
    for result in results:
        if result.failure and not result.source.skipped:
            log.warning("%s: %s", result.name, result.failure)
    found = faults.of_families([item.source for item in results])
    scored = [item for item in results if item.scores]
    if scored:
        found += [problem for split in SPLITS for problem in faults.of_split(scored[0].scores[split], split)]
    found += [problem for item in scored for split in SPLITS for problem in faults.of_scores(item.scores[split], split)]
    results = _with_costs([_judged(item, found, params.evaluate) for item in results])
    table = read_split(layout)
    lineage = collect(layout).to_dict()
    return Evaluation(
        classes=scored[0].scores["test"].classes if scored else tuple(sorted(table["genre"].unique())),
        families=tuple(results),
        selected=select(results),
        problems=tuple(found),
        comparisons=tuple(_comparisons(results, params.evaluate)),
        lineage=lineage,
        ledger=record_use(layout, str(lineage["split_id"]), [item.model for item in results if item.model]),
        counts={name: int((table["split"] == name).sum()) for name in ("train", *SPLITS)},
        confidence=params.evaluate.confidence,
    )


def _comparisons(results: Sequence[FamilyResult], params: EvaluateParams) -> list[Any]:
    usable = {item.name: item.scores["test"] for item in results if item.figures and not item.figures["test"].why}
    if len(usable) < 2:
        return []
    first = next(iter(usable.values()))
    return compare_all(
        first.y,
        {name: scores.p for name, scores in usable.items()},
        first.groups,
        resamples=params.bootstrap,
        confidence=params.confidence,
        seed=params.seed,
    )


def write_predictions(evaluation: Evaluation, layout: Layout) -> None:
    """`reports/predictions.parquet`: family, track_id, genre, group, split, p_<class>…"""
    import pandas as pd

    frames = []
    for item in evaluation.families:
        for scores in item.scores.values():
            frame = scores.frame()
            frame.insert(0, "family", item.name)
            frames.append(frame)
    if not frames:
        return
    with atomic_path(layout.predictions) as temporary:
        pd.concat(frames, ignore_index=True).to_parquet(temporary, index=False)


def evaluate(params: Params, layout: Layout) -> Evaluation:
    """Run the stage.

    Writes `reports/metrics.json`, `predictions.parquet`, `plots/`, `report.html`, `report.md`
    and a run in the MLflow experiment ``<prefix>/evaluation``. The selected family is the
    best on *validation*; the test set only judges.

    Raises
    ------
    EvaluationError
        If there is a problem and `evaluate.on_problem` is ``fail``; everything is written first.
    MissingInput
        If an earlier stage has not run.
    """
    from musicgenre.evaluation.explain import explain
    from musicgenre.evaluation.markdown import write_markdown
    from musicgenre.evaluation.report import write_report
    from musicgenre.evaluation.track import log_evaluation

    evaluation = explain(measure_all(params, layout), params, layout)
    write_predictions(evaluation, layout)
    plots = write_plots(evaluation, layout.plots)
    write_report(evaluation, params, layout)
    write_markdown(evaluation, layout)
    write_json(layout.metrics, evaluation.to_metrics())
    try:
        log_evaluation(evaluation, params, layout, plots)
    except MusicGenreError as error:
        log.warning("the evaluation is not in MLflow: %s", error)
    faults.enforce(evaluation.problems, params.evaluate.on_problem)
    if not evaluation.selected:
        raise EvaluationError("No family could be evaluated; see the problems above and reports/report.html.")
    return evaluation


__all__ = ["evaluate", "measure_all", "model_identity", "score_family", "select", "write_predictions"]
