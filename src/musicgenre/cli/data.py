"""Commands of the data room: manifest, validate, split, leakage."""

from __future__ import annotations

from typing import Annotated

import typer

from musicgenre.cli.context import print_json

_Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]


def register(app: typer.Typer) -> None:
    """Add this room's commands to `app`."""

    @app.command()
    def manifest(ctx: typer.Context, json: _Json = False) -> None:
        """Measure and fingerprint every file: data/manifest.parquet."""
        from dataclasses import asdict

        from musicgenre.dataset.manifest import build

        params = ctx.obj.params()
        summary = build(params.dataset, ctx.obj.layout, params.compute)
        if json:
            print_json(asdict(summary))
            return
        print(
            f"{summary.files} files in {summary.genres} genres, {summary.hours:g} h; {summary.measured} measured now, "
            f"{summary.files - summary.measured} known; {summary.faulty} faulty, {summary.duplicates} duplicates"
        )

    @app.command()
    def validate(ctx: typer.Context, json: _Json = False) -> None:
        """Judge the data set: data/valid.parquet, data/quarantine.csv, reports/validation/."""
        from dataclasses import asdict

        from musicgenre.dataset.validation import validate as run

        summary = run(ctx.obj.params().validate_, ctx.obj.layout)
        if json:
            print_json(asdict(summary))
            return
        print(
            f"{summary.accepted} of {summary.tracks} tracks may train, {summary.quarantined} quarantined, {summary.duplicates} duplicates"
        )
        for reason, count in summary.reasons.items():
            print(f"  quarantined: {count} {reason}")
        for warning in summary.warnings:
            print(f"  warning: {warning}")
        print(f"  report: {ctx.obj.layout.validation_report / 'index.html'}")

    @app.command()
    def split(
        ctx: typer.Context,
        forget: Annotated[bool, typer.Option("--forget", help="Draw anew instead of keeping the sides of the last split.")] = False,
        json: _Json = False,
    ) -> None:
        """Put every track on one side: data/splits.parquet."""
        from dataclasses import asdict

        from musicgenre.dataset.splits import split as run

        summary = run(ctx.obj.params().split, ctx.obj.layout, forget=forget)
        if json:
            print_json(asdict(summary))
            return
        from rich.console import Console
        from rich.table import Table

        table = Table("genre", "train", "validation", "test", title=f"split: {summary.policy}")
        for genre, *counts in summary.genres:
            table.add_row(genre, *map(str, counts))
        table.add_section()
        table.add_row("all", *(str(summary.sizes[side]) for side in ("train", "validation", "test")))
        Console().print(table)
        for what, tracks in (("listed, but not among the valid tracks", summary.missing), ("on no list, left out", summary.extra)):
            if tracks:
                print(f"{len(tracks)} {what}: {', '.join(tracks[:8])}{', …' if len(tracks) > 8 else ''}")
        if summary.crossing:
            print(f"warning: {summary.crossing} recordings stand on more than one side")
        if summary.leaky:
            print("warning: this split leaks on purpose; models trained on it are refused by `promote`")

    @app.command()
    def leakage(
        ctx: typer.Context,
        kind: Annotated[
            str, typer.Option(help="The stored kind of features whose segments are classified (mfcc, mel, scalogram).")
        ] = "mfcc",
        model: Annotated[str, typer.Option(help="svm, logistic or forest.")] = "svm",
        segment_s: Annotated[float, typer.Option(help="Seconds a segment.", min=0.2)] = 3.0,
        folds: Annotated[int, typer.Option(help="Folds of the cross-validation.", min=2)] = 5,
        repeats: Annotated[int, typer.Option(help="How often the folds are drawn anew.", min=1)] = 2,
        seed: Annotated[int, typer.Option(help="Of folds, models and intervals.", min=0)] = 3,
        track: Annotated[bool, typer.Option("--log/--no-log", help="Log the measurement to MLflow.")] = True,
        json: _Json = False,
    ) -> None:
        """Measure what a score owes to leaks: one configuration under ever stricter splits."""
        from musicgenre.errors import ParamsError
        from musicgenre.leakage import run
        from musicgenre.leakage.report import log, tables, write
        from musicgenre.leakage.scoring import MODELS

        chosen = next((name for name in MODELS if name == model), None)
        if chosen is None:
            raise ParamsError(f"--model is {model!r}; there are {', '.join(MODELS)}.")
        layout = ctx.obj.layout
        found = run(layout, kind=kind, segment_s=segment_s, model=chosen, count=folds, repeats=repeats, seed=seed)
        folder = write(found, layout)
        if track:
            log(found, ctx.obj.params().tracking, layout)
        if json:
            print_json(found.to_dict())
            return
        from rich.console import Console

        for table in tables(found):
            Console().print(table)
        print(f"plot and figures: {folder}")


__all__ = ["register"]
