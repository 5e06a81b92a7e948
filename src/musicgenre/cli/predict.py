"""`musicgenre predict`: genres of one's own files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicgenre.cli.context import Context, print_json

if TYPE_CHECKING:
    from musicgenre.bundle.batch import Outcome
    from musicgenre.serving.answers import ModelIdentity


def _answer(outcome: Outcome, model: ModelIdentity, top: int, reject_below: float) -> dict[str, Any]:
    """The service's answer for one file, with its path instead of a request."""
    from musicgenre.serving.answers import Classified, classification

    if outcome.prediction is None:
        assert outcome.error is not None
        return {"path": str(outcome.path), "error": {"code": outcome.error.code, "message": str(outcome.error)}}
    result = Classified(outcome.prediction, outcome.format, outcome.prediction.warnings)
    answer = classification(result, top_k=top, reject_below=reject_below, model=model, cached=False)
    del answer["cached"]
    return {"path": str(outcome.path), **answer}


def _print(answers: list[dict[str, Any]], top: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("file", overflow="fold")
    table.add_column("genre")
    table.add_column("", justify="right")
    table.add_column("then", overflow="fold")
    table.add_column("notes", overflow="fold")
    for answer in answers:
        if "error" in answer:
            note = Text(answer["error"]["message"])
            table.add_row(Text(answer["path"]), f"– ({answer['error']['code']})", "", "", note, style="red")
            continue
        others = ", ".join(f"{item['genre']} {item['probability']:.0%}" for item in answer["probabilities"][1:top])
        notes = " ".join(answer["warnings"])
        table.add_row(Text(answer["path"]), Text(answer["genre"]), f"{answer['probability']:.0%}", Text(others), notes)
    console = Console()
    if not console.is_terminal:
        # A pipe has no width: a long path must not squeeze the other columns away.
        console = Console(width=110 + max(len(answer["path"]) for answer in answers))
    console.print(table, highlight=False)


def register(app: typer.Typer) -> None:
    """Add `predict`."""

    @app.command()
    def predict(
        ctx: typer.Context,
        paths: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Audio files, or folders to search for them.")],
        bundle: Annotated[Path | None, typer.Option(help="A bundle's folder; the champion by default.")] = None,
        top: Annotated[int, typer.Option(min=1, help="How many genres to show in the table (JSON has all).")] = 3,
        workers: Annotated[int, typer.Option(min=0, help="Files at once; 0: one a core.")] = 0,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array, an object a file.")] = False,
    ) -> None:
        """Print genres and probabilities for audio files and folders. Exit code 1 if a file could not be judged."""
        from musicgenre.bundle.batch import classify_files, find_files
        from musicgenre.bundle.predictor import Predictor
        from musicgenre.progress import progress
        from musicgenre.serving.answers import ModelIdentity
        from musicgenre.serving.locate import champion_version

        context: Context = ctx.obj
        files = find_files(paths)
        predictor = Predictor.load(bundle if bundle is not None else context.layout.champion)
        digest = predictor.spec.digest
        name, version = champion_version(context.layout.registry, digest)
        model = ModelIdentity(name, version, digest)
        params = context.params() if (context.root / "params.yaml").is_file() else None
        limits = params.dataset.audio if params else None
        reject_below = params.serve.reject_below if params else 0.0
        shown = len(predictor.spec.classes)
        outcomes = classify_files(predictor, files, limits=limits, workers=workers)
        bar = progress(outcomes, total=len(files), description="predict", quiet=len(files) < 10)
        answers = [_answer(outcome, model, shown, reject_below) for outcome in bar]
        if as_json:
            print_json(answers)
        else:
            _print(answers, top)
        if any("error" in answer for answer in answers):
            raise typer.Exit(1)


__all__ = ["register"]
