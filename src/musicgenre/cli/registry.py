"""Commands of the registry room: promote, rollback, trace, monitor, and `registry list|show|promote|rollback|trace|tag|verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicgenre.cli.context import Context, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from musicgenre.registry.promotion import Promotion
    from musicgenre.registry.trace import Trace

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Reason = Annotated[str, typer.Option(help="Why; recorded with who and when.")]
Force = Annotated[bool, typer.Option("--force", help="Move even if the gate refuses; recorded as forced.")]
Checkout = Annotated[bool, typer.Option("--checkout", help="Print only the commands that bring its state back.")]
Page = Annotated[Path | None, typer.Option("--page", help="Write both cards to this file, as one HTML page.")]
DataCard = Annotated[bool, typer.Option("--data", help="The card of today's data instead.")]
Which = Annotated[str, typer.Argument(metavar="VERSION", help="Number, alias, or the digest in a served answer.")]

_LINEAGE_WORDS = {"dvc_lock": "dvc.lock in training", "mlflow_run": "MLflow run"}  # the lock grows while a pipeline runs


def _console() -> Console:
    from rich.console import Console

    console = Console()
    # A pipe has no width; 140 columns keep one criterion on one line.
    return console if console.is_terminal else Console(width=140)


def _print_promotion(found: Promotion) -> None:
    from rich.table import Table
    from rich.text import Text

    console = _console()
    if found.verdict is not None:
        table = Table(box=None, pad_edge=False)
        for name in ("", "criterion", "in words"):
            table.add_column(name, overflow="fold")
        for item in found.verdict.criteria:
            table.add_row(Text("yes" if item.passed else "NO", style="green" if item.passed else "red"), item.name, Text(item.words))
        console.print(table)
    if found.restored:
        console.print(f"The store lacked what models/registry.json lists; registered again: {', '.join(found.restored)}.", highlight=False)
    console.print(Text(f"{found.decision}: {found.words}"))
    console.print(f"Champion: version {found.champion or '–'}.", highlight=False)


def _promote(ctx: typer.Context, wanted: str, force: bool, reason: str, as_json: bool) -> None:
    from musicgenre.registry.promotion import promote

    context: Context = ctx.obj
    found = promote(context.params(), context.layout, wanted=wanted, force=force, reason=reason)
    if as_json:
        print_json(found.to_dict())
    else:
        _print_promotion(found)


def _rollback(ctx: typer.Context, reason: str, as_json: bool) -> None:
    from musicgenre.registry.rollback import rollback

    context: Context = ctx.obj
    found = rollback(context.params(), context.layout, reason=reason)
    if as_json:
        print_json(found.to_dict())
        return
    console = _console()
    console.print(found.words, markup=False, highlight=False)
    further = f"A further step leads to version {found.previous}." if found.previous else "There is no champion before it."
    console.print(f"{further} `dvc repro` brings dvc.lock and the bento up to date.", markup=False, highlight=False)


def _trace(ctx: typer.Context, wanted: str, checkout: bool, as_json: bool) -> None:
    from musicgenre.registry.trace import trace

    context: Context = ctx.obj
    found = trace(context.params(), context.layout, wanted)
    if as_json:
        print_json({**found.to_dict(), "checkout": found.checkout()})
        return
    if checkout:
        for line in found.checkout():
            print(line)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in _trace_rows(found):
        table.add_row(name, Text(value))
    _console().print(table)


def _trace_rows(found: Trace) -> list[tuple[str, str]]:
    """(what, which), from the answer down to the code."""
    rows = [
        ("answer", f"model {found.digest}"),
        ("bento", ", ".join(found.bentos) or "none in this project's store"),
        ("version", f"{found.model} {found.version} ({', '.join(found.aliases) or 'no alias'}), family {found.family or 'unknown'}"),
        ("decision", f"{found.decision}. {found.words}"),
    ]
    for title, run in (("registered by run", found.registration), ("trained by run", found.training)):
        rows.append((title, f"{run.run_id} ({run.experiment}: {run.name})" if run else "not in this store"))
        if run and run.params:
            rows.append(("  parameters", ", ".join(f"{key}={value}" for key, value in run.params.items())))
        if run and run.metrics:
            rows.append(("  metrics", ", ".join(f"{key} {value:.4g}" for key, value in run.metrics.items())))
    rows += [(_LINEAGE_WORDS.get(name, name.replace("_", " ")), value) for name, value in found.lineage.items()]
    rows.append(("committed as", found.committed or "never: models/registry.json with it is in no commit"))
    rows += [("dvc.lock" if path == "dvc.lock" else f"  {path}", value) for path, value in found.lock.items()]
    for entry in found.log:
        rows.append((entry["time"], f"{entry['action']} by {entry['who']}: {entry.get('words', '')}"))
    return rows


def _list(ctx: typer.Context, as_json: bool) -> None:
    from musicgenre.registry.listing import listing

    context: Context = ctx.obj
    rows = listing(context.params(), context.layout)
    if as_json:
        print_json([row.to_dict() for row in rows])
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("version", "aliases", "family", "macro F1", "decision", "registered", "model", "in words"):
        table.add_column(name, overflow="fold")
    for row in rows:
        score = "–" if row.macro_f1 is None else f"{row.macro_f1:.3f}"
        state = f"{row.decision}{', withdrawn' if row.withdrawn else ''}{', absent here' if row.absent else ''}"
        words = Text(row.words if len(row.words) < 90 else f"{row.words[:89]}…")
        table.add_row(row.version, ", ".join(row.aliases), row.family, score, state, row.registered, row.digest[:12], words)
    _console().print(table)
    if not rows:
        print("No version yet. `dvc repro` (or `musicgenre promote`) makes the first.")


def _show(ctx: typer.Context, wanted: str, data: bool, page: Path | None, as_json: bool) -> None:
    from musicgenre.atomic import write_text
    from musicgenre.registry.listing import show
    from musicgenre.registry.pages import card_page

    context: Context = ctx.obj
    found = show(context.params(), context.layout, wanted)
    if page is not None:
        write_text(page, card_page(f"{context.params().promote.name} {found['version']}", found["card"], found["data_card"]))
    if as_json:
        print_json(found)
    elif page is not None:
        print(f"Wrote {page}.")
    else:
        print(found["data_card"] if data else found["card"])


def _tag(ctx: typer.Context, as_json: bool) -> None:
    from dataclasses import asdict

    from musicgenre.registry.tagging import tag_champions

    context: Context = ctx.obj
    found = tag_champions(context.params(), context.layout)
    if as_json:
        print_json([asdict(item) for item in found])
        return
    for item in found:
        where = item.commit[:12] or "commit models/registry.json first"
        print(f"{item.tag}: {item.state} ({where})")
    if any(item.state == "made" for item in found):
        print("`git push --tags` shares them; then `dvc artifacts get URL NAME` gets the newest.")


def _verify(ctx: typer.Context, as_json: bool) -> None:
    from musicgenre.registry.verify import verify

    context: Context = ctx.obj
    found = verify(context.params(), context.layout)
    if as_json:
        print_json([item.to_dict() for item in found])
    else:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for name in ("", "version", "what", "in words"):
            table.add_column(name, overflow="fold")
        for item in found:
            style = {"ok": "green", "absent": "yellow"}.get(item.state, "red")
            table.add_row(Text(item.state, style=style), item.version, Text(item.what), Text(item.words))
        _console().print(table)
    if any(item.state == "bad" for item in found):
        raise typer.Exit(1)


def _monitor(ctx: typer.Context, log: Path | None, days: float | None, bundle: Path | None, as_json: bool) -> None:
    from musicgenre.errors import MissingInput
    from musicgenre.registry.monitor import monitor, report

    context: Context = ctx.obj
    params = context.params()
    if log is None:
        if not params.serve.prediction_log:
            raise MissingInput("No prediction log: name one, or set `serve.prediction_log` in params.yaml and let the service answer.")
        log = context.root / params.serve.prediction_log
    found = monitor(params.monitor, context.layout, log, bundle=bundle, days=days)
    if as_json:
        print_json(found.to_dict())
    else:
        print(report(found, params.monitor))
    if found.exit_code:
        raise typer.Exit(found.exit_code)


def register(app: typer.Typer) -> None:
    """Add `promote`, `rollback`, `trace` and the group `registry`."""
    group = typer.Typer(help="Versions, champions, and the line behind every answer.", no_args_is_help=True)

    @app.command()
    def promote(ctx: typer.Context, force: Force = False, reason: Reason = "", as_json: AsJson = False) -> None:
        """The gate: make the selected family the champion if it is better. A refusal is recorded and exits 0."""
        _promote(ctx, "", force, reason, as_json)

    @group.command("promote")
    def promote_version(ctx: typer.Context, version: Which, force: Force = False, reason: Reason = "", as_json: AsJson = False) -> None:
        """Judge a registered version again, and promote it if it is better."""
        _promote(ctx, version, force, reason, as_json)

    @app.command()
    @group.command("rollback")
    def rollback(ctx: typer.Context, reason: Reason = "", as_json: AsJson = False) -> None:
        """Make the previous champion the champion again, and keep the present one from coming back by itself."""
        _rollback(ctx, reason, as_json)

    @app.command()
    @group.command("trace")
    def trace(ctx: typer.Context, version: Which, checkout: Checkout = False, as_json: AsJson = False) -> None:
        """The whole line behind a version or a served answer, down to data, parameters and code."""
        _trace(ctx, version, checkout, as_json)

    @group.command("list")
    def list_versions(ctx: typer.Context, as_json: AsJson = False) -> None:
        """Every version with its aliases and its decision."""
        _list(ctx, as_json)

    @group.command("show")
    def show_version(ctx: typer.Context, version: Which, data: DataCard = False, page: Page = None, as_json: AsJson = False) -> None:
        """A version's model card; with --json its tags and history too."""
        _show(ctx, version, data, page, as_json)

    @group.command("tag")
    def tag(ctx: typer.Context, as_json: AsJson = False) -> None:
        """Tag the commits of all champions, so that `dvc artifacts get` finds them. Run it after committing."""
        _tag(ctx, as_json)

    @group.command("verify")
    def verify(ctx: typer.Context, as_json: AsJson = False) -> None:
        """Re-check every version: digests, loading, golden answer. Exit code 1 if one is bad."""
        _verify(ctx, as_json)

    @app.command()
    def monitor(
        ctx: typer.Context,
        log: Annotated[Path | None, typer.Argument(help="The prediction log; `serve.prediction_log` by default.")] = None,
        days: Annotated[float | None, typer.Option(min=0, help="Only the last so many days.")] = None,
        bundle: Annotated[Path | None, typer.Option(help="The bundle that answered; the champion by default.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Compare what the service heard with the training data. Exit code 0: alike, 3: drifted, 4: too few answers."""
        _monitor(ctx, log, days, bundle, as_json)

    app.add_typer(group, name="registry")


__all__ = ["register"]
