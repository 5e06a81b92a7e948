"""Commands of the features room."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musicgenre.cli.context import print_json

features = typer.Typer(help="Compute the features of all valid tracks; `features show TRACK` draws one track's.")


@features.callback(invoke_without_command=True)
def _features(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Compute what is new (added tracks, a kind whose parameters changed) and write data/features/."""
    if ctx.invoked_subcommand is not None:
        return
    from dataclasses import asdict

    from musicgenre.features.extract import extract

    params = ctx.obj.params()
    summary = extract(params.features, params.dataset, ctx.obj.layout, params.compute, quiet=as_json)
    if as_json:
        print_json(asdict(summary))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Features of {summary.tracks} tracks in {summary.seconds:.1f} s · feature id {summary.feature_id}")
    for heading in ("kind", "computed now", "rows", "columns", "size"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for kind, rows in summary.rows.items():
        size = f"{summary.bytes[kind] / 1e6:.1f} MB"
        table.add_row(kind, str(summary.computed[kind]), str(rows), str(summary.bands[kind]), size)
    Console().print(table)


@features.command("show")
def _show(
    ctx: typer.Context,
    track: Annotated[str, typer.Argument(help="A track id of data/valid.parquet, or an audio file.")],
    out: Annotated[Path | None, typer.Option(help="The picture to write; by default reports/features/<track>.png.")] = None,
    kinds: Annotated[str, typer.Option(help="Kinds to draw, separated by commas; by default those of params.yaml.")] = "",
) -> None:
    """Draw every kind of features of one track."""
    from musicgenre.audio import decode_file
    from musicgenre.features.frontend import FrontEnd
    from musicgenre.features.picture import draw, find_audio

    params, layout = ctx.obj.params(), ctx.obj.layout
    front_end = FrontEnd.from_params(params.features)
    path = find_audio(track, layout)
    signal = decode_file(path, rate=front_end.sample_rate, limits=params.dataset.audio)
    target = out or layout.reports / "features" / f"{Path(track).stem}.png"
    wanted = [kind.strip() for kind in kinds.split(",") if kind.strip()] or list(params.features.kinds)
    draw(signal, front_end, wanted, title=track, out=target)
    print(target)


@features.command("describe")
def _describe(ctx: typer.Context) -> None:
    """Print what every column of the descriptor table is, as Markdown."""
    from musicgenre.features.frontend import FrontEnd
    from musicgenre.features.table import markdown

    print(markdown(FrontEnd.from_params(ctx.obj.params().features)), end="")


def register(app: typer.Typer) -> None:
    """Add this room's commands to `app`."""
    app.add_typer(features, name="features")


__all__ = ["register"]
