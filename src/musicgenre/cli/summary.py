"""`musicgenre summary`: the table at the end of a run."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from musicgenre.cli.context import Context, print_json

if TYPE_CHECKING:
    from musicgenre.summary import Summary


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _with_interval(value: tuple[float, float, float] | None) -> str:
    return "–" if value is None else f"{value[0]:.3f} ({value[1]:.2f}–{value[2]:.2f})"


def _print(summary: Summary) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Families, best on validation first (95 % intervals over groups)", title_justify="left")
    table.add_column("family")
    for column in ("validation macro F1", "test macro F1", "test accuracy", "ROC AUC", "fit s", "latency ms", "size MB"):
        table.add_column(column, justify="right")
    for row in summary.rows:
        cells = (
            f"{row.family} *" if row.selected else row.family,
            _with_interval(row.validation_f1),
            _with_interval(row.test_f1),
            _number(row.accuracy, ".3f"),
            _number(row.roc_auc, ".3f"),
            _number(row.fit_s, ".1f"),
            _number(row.latency_ms, ".0f"),
            _number(row.size_mb, ".1f"),
        )
        table.add_row(*cells, style="bold" if row.selected else None)
    # A pipe has no width; 110 columns keep one family on one line.
    console = Console(width=None if Console().is_terminal else 118)
    console.print(table)
    if summary.synthetic:
        console.print("The demo set is synthetic music; its figures say that the pipeline works, not how well it hears real genres.")
    console.print(f"* selected on validation. Champion: version {summary.version or '–'}. {summary.verdict}", highlight=False)
    if summary.bento:
        console.print(f"Bento: {summary.bento}", highlight=False)
    console.print("\nNext:", style="bold")
    for command, what in (
        ("musicgenre predict FILE_OR_FOLDER", "genres of your own audio"),
        ("make serve", "the service and its page on http://127.0.0.1:3000"),
        ("make ui", "every run, trial and curve in the MLflow UI"),
    ):
        console.print(f"  {command:<36} {what}", highlight=False, markup=False)


def register(app: typer.Typer) -> None:
    """Add `summary`."""

    @app.command()
    def summary(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
        """Show what the last run found, which model was promoted, and what to try next."""
        from musicgenre.summary import summarise

        context: Context = ctx.obj
        found = summarise(context.layout, source=context.params().dataset.source)
        if as_json:
            print_json(asdict(found))
        else:
            _print(found)


__all__ = ["register"]
