"""Commands of the models room: `embed`, `reproduce`, `backbone`."""

from __future__ import annotations

from typing import Annotated

import typer

from musicgenre.cli.context import print_json

backbone = typer.Typer(
    help="Pretrained networks: which there are, where their weights are, and how melnet is trained.", no_args_is_help=True
)


def _embed(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Run every frozen backbone of `embed.backbones` once over all tracks (data/embeddings/)."""
    from dataclasses import asdict

    from musicgenre.models.embed import embed

    params = ctx.obj.params()
    summaries = embed(params.embed, ctx.obj.layout, params.compute)
    if as_json:
        print_json([asdict(summary) for summary in summaries])
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Embeddings")
    for heading in ("backbone", "tracks", "segments", "computed now", "dimensions", "weights", "from"):
        table.add_column(heading, justify="left" if heading in ("backbone", "weights", "from") else "right")
    for item in summaries:
        weights = f"{item.weights['variant']} ({item.weights['sha256'][:12]}…)"
        numbers = (item.tracks, item.segments, item.computed, item.dimensions)
        table.add_row(item.backbone, *map(str, numbers), weights, item.weights["origin"])
    Console().print(table)


@backbone.command("list")
def _list(ctx: typer.Context) -> None:
    """Each backbone, and whether its weights are to be had here."""
    from rich.console import Console
    from rich.table import Table

    from musicgenre.models.backbones import status

    table = Table(title="Backbones")
    for heading in ("name", "reads", "weights"):
        table.add_column(heading)
    for row in status():
        table.add_row(row["name"], row["kind"], row["weights"])
    Console().print(table)


@backbone.command("train")
def _train(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Only melnet is trained here.")],
    clips: Annotated[int, typer.Option(min=256, help="Generated training clips, a multiple of 256.")] = 8192,
    epochs: Annotated[int, typer.Option(min=1)] = 10,
    seed: Annotated[int, typer.Option(min=0)] = 5,
    into: Annotated[str, typer.Option(help="Folder for melnet.npz and melnet.json; by default inside the package.")] = "",
) -> None:
    """Train melnet on generated clips with the mel parameters of params.yaml. Killed work goes on where it was."""
    from pathlib import Path

    from musicgenre.errors import ModelError
    from musicgenre.features.frontend import FrontEnd
    from musicgenre.models.backbones.melnet import Melnet
    from musicgenre.models.melnet_training import MelnetPlan, train_melnet

    if name != "melnet":
        raise ModelError(f"{name!r} is not trained here; only melnet is. The others come with their publishers' weights.")
    if clips % 256:
        raise ModelError(f"--clips is {clips}; give a multiple of 256.")
    front_end = FrontEnd.from_params(ctx.obj.params().features)
    target = Path(into) if into else Melnet().folder
    card = train_melnet(MelnetPlan(clips=clips, epochs=epochs, seed=seed), front_end, work=ctx.obj.layout.work / "melnet", target=target)
    print_json({key: card[key] for key in ("sha256", "bytes", "parameters", "held_out_accuracy", "chance")})


def _reproduce(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A published system; see --list.")] = "",
    show: Annotated[bool, typer.Option("--list", help="List the systems with their published figures.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Run every system whose inputs are stored, and write the table.")] = False,
    epochs: Annotated[int, typer.Option(min=0, help="At most so many epochs (0: as published).")] = 0,
    again: Annotated[bool, typer.Option("--again", help="Run even where the same result is there.")] = False,
    stand_in: Annotated[str, typer.Option("--stand-in", help="Backbone in place of a published one whose weights cannot be had.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Run published systems again, under their own split and under the honest one (reports/reproduction/)."""
    from rich.console import Console
    from rich.table import Column, Table

    from musicgenre.errors import ParamsError
    from musicgenre.models import backbones, reproduction_table
    from musicgenre.models import reproduce as room

    if show:
        if as_json:
            print_json([{"name": item.system.name, "family": item.family, "figures": dict(item.system.figures)} for item in room.systems()])
            return
        table = Table(Column("name", no_wrap=True), "family", "published", "its split", "needs", "what", title="Published systems")
        for item in room.systems():
            system = item.system
            figures = reproduction_table.published_cell(system.figures)
            table.add_row(system.name, item.family, figures, str(item.protocol), ", ".join(item.needs) or "–", system.title)
        Console().print(table)
        return
    if bool(name) == everything:
        raise ParamsError("Name one system, or pass --all, or --list.")
    names = [room.find(name).system.name] if name else []
    if stand_in:
        backbones.get(stand_in)
    results, skipped = room.reproduce_all(
        ctx.obj.params(), ctx.obj.layout, names=names, epochs=epochs or None, again=again, stand_in=stand_in
    )
    if as_json:
        print_json({"results": results, "skipped": skipped})
        return
    first, *others = reproduction_table.COLUMNS
    table = Table(Column(first, no_wrap=True), *others, title="Published, re-run, honest")
    for found in results:
        table.add_row(*reproduction_table.row(found))
    Console().print(table)
    for missing, reason in skipped.items():
        Console().print(f"skipped {missing}: {reason}")
    Console().print("Curves, matrices and the misheard tracks: reports/reproduction/report.html", highlight=False)


def register(app: typer.Typer) -> None:
    """Add this room's commands to `app`."""
    app.command("embed")(_embed)
    app.command("reproduce")(_reproduce)
    app.add_typer(backbone, name="backbone")


__all__ = ["register"]
