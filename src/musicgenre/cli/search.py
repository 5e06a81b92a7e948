"""Commands of the search room: `search FAMILY`, `ensemble`, `ui`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from musicgenre.cli.context import Context, print_json

if TYPE_CHECKING:
    from musicgenre.search.ensemble import EnsembleSummary
    from musicgenre.search.outputs import StudySummary

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]


def _print_study(summary: StudySummary) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if Console().is_terminal else 118)
    if not summary.enabled:
        console.print(f"{summary.family} is switched off (search.{summary.family}.enabled).")
        return
    count = summary.trials
    console.print(
        f"[bold]{summary.family}[/bold]: macro F1 [bold]{summary.validation_macro_f1:.3f}[/bold] on validation "
        f"(trial {summary.best_trial:02d}{f', {summary.best_published}' if summary.best_published else ''}), "
        f"{summary.n_parameters:,} parameters, fitted in {summary.fit_s:.1f} s",
        highlight=False,
    )
    console.print(
        f"{count['total']} trials: {count['complete']} complete, {count['pruned']} pruned, {count['failed']} failed; "
        f"{summary.ended}, {summary.duration_s:.0f} s",
        highlight=False,
    )
    if summary.published:
        table = Table(title="Published systems (their figures are theirs; ours is validation macro F1)", title_justify="left")
        for name in ("system", "published", "here", "how it went"):
            table.add_column(name)
        for row in summary.published:
            figures = ", ".join(f"{name} {value:g}" for name, value in row.get("figures", {}).items()) or "–"
            ours = row.get("validation_macro_f1")
            table.add_row(row["name"], figures, "–" if ours is None else f"{ours:.3f}", row.get("reason") or row["state"])
        console.print(table)


def _print_ensemble(summary: EnsembleSummary) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if Console().is_terminal else 118)
    table = Table(title="Ensemble: greedy weighted average on validation", title_justify="left")
    table.add_column("member")
    table.add_column("weight", justify="right")
    table.add_column("macro F1 alone", justify="right")
    for name, alone in sorted(summary.candidates.items(), key=lambda item: -item[1]):
        weight = summary.weights.get(name, 0.0)
        table.add_row(name, f"{weight:.2f}" if weight else "–", f"{alone:.3f}", style="bold" if weight else "dim")
    console.print(table)
    console.print(
        f"macro F1 [bold]{summary.validation_macro_f1:.3f}[/bold] on validation, temperature {summary.temperature:.2f} "
        f"(calibration error {summary.calibration_error_before:.3f} → {summary.calibration_error:.3f}, held out by folds)",
        highlight=False,
    )


def register(app: typer.Typer) -> None:
    """Add `search`, `ensemble` and `ui`."""

    @app.command()
    def search(
        ctx: typer.Context,
        family: Annotated[str, typer.Argument(help="cnn, transfer, multimodal or classical.")],
        as_json: AsJson = False,
    ) -> None:
        """Search one model family; goes on where an earlier run of the same study ended."""
        from musicgenre.search.study import run_search

        context: Context = ctx.obj
        summary = run_search(family, context.params(), context.layout, quiet=as_json)
        if as_json:
            print_json(summary.to_dict())
        else:
            _print_study(summary)

    @app.command()
    def ensemble(ctx: typer.Context, as_json: AsJson = False) -> None:
        """Mix the families' models by a greedy weighted average on validation."""
        from musicgenre.search.ensemble import build

        context: Context = ctx.obj
        summary = build(context.params(), context.layout)
        if as_json:
            print_json(summary.to_dict())
        else:
            _print_ensemble(summary)

    @app.command()
    def ui(
        ctx: typer.Context,
        host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
        port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
    ) -> None:
        """Open the MLflow UI on the project's store."""
        from musicgenre.tracking.ui import open_ui

        context: Context = ctx.obj
        raise typer.Exit(open_ui(context.params().tracking, context.layout, host=host, port=port))


__all__ = ["register"]
