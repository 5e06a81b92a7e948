"""Commands of the serving room: `package` and `serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from musicgenre.cli.context import Context, print_json


def package_command(
    ctx: typer.Context,
    clean_env: Annotated[bool, typer.Option("--clean-env", help="Smoke-test in a new environment of the locked requirements.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print reports/bento.json.")] = False,
) -> None:
    """Build the champion's bento, serve it once and compare its answer bit by bit."""
    from dataclasses import asdict

    from musicgenre.serving.packaging import package

    context: Context = ctx.obj
    result, seconds = package(context.params(), context.layout, clean_env=clean_env)
    if as_json:
        print_json(asdict(result))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    rows = {"bento": result.tag, "model": f"{result.model_tag} (version {result.model_version or '?'})"}
    rows["size"] = f"{result.bento_mb:.1f} MB, {result.requirements} packages to install"
    if result.clean_env_mb is not None:
        rows["environment"] = f"{result.clean_env_mb:.0f} MB on disk, installed from the lock"
    if result.smoke:
        memory = result.smoke["resident_mb"]
        rows["smoke test"] = f"answers as `predict`, bit by bit ({result.smoke['environment']} environment)"
        rows["ready after"] = f"{result.smoke['ready_s']:.1f} s, worker {memory['worker']:.0f} MB, listeners {memory['listeners']:.0f} MB"
    for name, value in rows.items():
        table.add_row(name, value)
    Console().print(table)
    print(f"packaged in {seconds:.1f} s; `bentoml list` shows it with BENTOML_HOME=.bentoml")


def serve_command(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on; `serve.host` by default.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; `serve.port` by default.")] = None,
) -> None:
    """Serve the champion (or $MUSICGENRE_BUNDLE) over HTTP in the foreground."""
    from musicgenre.serving.run import serve

    context: Context = ctx.obj
    settings = context.params().serve
    serve(settings, context.layout, host=host or settings.host, port=settings.port if port is None else port)


def register(app: typer.Typer) -> None:
    """Add this room's commands to `app`."""
    app.command("package")(package_command)
    app.command("serve")(serve_command)


__all__ = ["register"]
