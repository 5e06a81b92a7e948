"""Commands of the evaluation room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from musicgenre.cli.context import Context, print_json

if TYPE_CHECKING:
    from musicgenre.evaluation.results import Evaluation, FamilyResult


def _figure(result: FamilyResult, split: str, name: str, *, bounds: bool = False) -> str:
    figures = result.figures.get(split)
    value = result.value(split, name)
    if figures is None or value is None:
        return "no number"
    found = figures.headline[name]
    if bounds and found.low is not None and found.high is not None:
        return f"{value:.3f} ({found.low:.2f}–{found.high:.2f})"
    return f"{value:.3f}"


def _print(evaluation: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    percent = f"{evaluation.confidence:.0%}"
    table = Table(title=f"Track-level figures, {percent} intervals over groups", title_justify="left")
    table.add_column("family")
    for column in ("validation macro F1", "test macro F1", "test accuracy", "ROC AUC", "fit s", "latency ms", "size MB", "memory MB"):
        table.add_column(column, justify="right")
    for result in [*evaluation.ranked, *(item for item in evaluation.families if item not in evaluation.ranked)]:
        chosen = result.name == evaluation.selected
        cost = result.cost
        table.add_row(
            f"{result.name} *" if chosen else result.name,
            _figure(result, "validation", "macro_f1", bounds=True),
            _figure(result, "test", "macro_f1", bounds=True),
            _figure(result, "test", "accuracy"),
            _figure(result, "test", "roc_auc"),
            "–" if result.fit_s is None else f"{result.fit_s:.1f}",
            f"{cost.latency_ms:.0f}" if cost else "–",
            f"{cost.size_mb:.1f}" if cost else "–",
            f"{cost.memory_mb:.0f}" if cost else "–",
            style="bold" if chosen else None,
        )
    console = Console(width=None if Console().is_terminal else 128)
    console.print(table)
    uses = evaluation.test_uses
    console.print(
        f"* best on validation. {evaluation.counts['test']} test tracks; "
        f"this test set has judged {uses} set{'' if uses == 1 else 's'} of models.",
        highlight=False,
    )
    for problem in evaluation.problems:
        console.print(f"[yellow]problem[/yellow] {problem.family + ': ' if problem.family else ''}{problem.words}", highlight=False)
    console.print("reports/report.html has the whole of it.", highlight=False)


def register(app: typer.Typer) -> None:
    """Add `evaluate`."""

    @app.command()
    def evaluate(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print reports/metrics.json.")] = False) -> None:
        """Score every family on validation and test, compare them and write the report."""
        from musicgenre.evaluation import evaluate as run

        context: Context = ctx.obj
        found = run(context.params(), context.layout)
        if as_json:
            print_json(found.to_metrics())
        else:
            _print(found)


__all__ = ["register"]
