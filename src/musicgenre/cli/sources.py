"""Commands of the sources: `source` (a stage) and `fetch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musicgenre.cli.context import Context, print_json


def source_command(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Render the demo set, or check that the folder named by dataset.path can be used."""
    from dataclasses import asdict

    from musicgenre.dataset.sources import prepare

    context: Context = ctx.obj
    params = context.params()
    done = prepare(params.dataset, context.layout, params.compute, quiet=as_json)
    if as_json:
        print_json(asdict(done))
        return
    work = f": {done.rendered} tracks rendered, {done.kept} kept from before" if done.source == "demo" else ""
    print(f"{done.source} at {done.path}: {done.files} files, {len(done.genres)} genres ({', '.join(done.genres)}){work}")
    for note in done.notes:
        print(note)


def fetch_command(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="gtzan, fma_small or fma_medium.")],
    given: Annotated[list[Path] | None, typer.Option("--from", help="An archive or folder that is already here; repeatable.")] = None,
    to: Annotated[Path | None, typer.Option(help="Where to put it; data/NAME by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Download a published data set (resumed, verified), or take one that is here, and check it against its index."""
    from dataclasses import asdict

    from musicgenre.dataset.sources import get
    from musicgenre.dataset.sources.fetch import fetch

    context: Context = ctx.obj
    source = get(name)
    if not as_json:
        print(f"{source.title}\nCite: {source.citation}\nLicence: {source.licence}")
    done = fetch(name, context.layout, given=given or (), to=to, quiet=as_json)
    if as_json:
        print_json(asdict(done))
        return
    for line in (*done.notes, *done.audit.words()):
        print(line)
    print(
        f"{done.audit.found} of {done.audit.expected} tracks at {done.path}. In params.yaml: dataset: {{source: {name}, path: {done.path}}}"
    )


def register(app: typer.Typer) -> None:
    """Add `source` and `fetch`."""
    app.command("source")(source_command)
    app.command("fetch")(fetch_command)


__all__ = ["register"]
