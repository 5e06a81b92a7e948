"""The Typer application and the one place where errors become messages and exit codes."""

from __future__ import annotations

import errno
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from musicgenre import __version__
from musicgenre.cli import data, evaluation, features, models, predict, registry, search, serving, sources, summary
from musicgenre.cli.context import Context
from musicgenre.errors import MusicGenreError, StorageFull

app = typer.Typer(
    name="musicgenre",
    help="Folders of audio to a served music-genre classifier. `dvc repro` runs all stages; each is a command here too.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Tools that report home unless told not to; child processes inherit this.
_QUIET = {
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "KERAS_BACKEND": "tensorflow",
    "PYTHONWARNINGS": "ignore",
}


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit()


@app.callback()
def _root(
    ctx: typer.Context,
    root: Annotated[Path, typer.Option(help="The project's folder, with params.yaml in it.")] = Path(),
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug logs.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    ctx.obj = Context(root=root, debug=debug)
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("musicgenre").setLevel(logging.DEBUG if debug else logging.INFO)


for _module in (sources, data, features, models, search, evaluation, registry, predict, serving, summary):
    _module.register(app)


def _fail(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


def main() -> None:
    """Entry point: run a command, turn expected failures into one message and an exit code."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    # A run id inherited from a surrounding process would make every child run overwrite it.
    os.environ.pop("MLFLOW_RUN_ID", None)
    debug = "--debug" in sys.argv
    try:
        app()
    except MusicGenreError as error:
        if debug:
            raise
        sys.exit(_fail(str(error), error.exit_code))
    except SystemExit as ended:
        # Typer turns Ctrl-C into exit code 130 without a word.
        if ended.code == 130:
            _fail("interrupted; what was finished is kept, run the same command to go on.", 130)
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if debug or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        sys.exit(_fail(f"{error.strerror}: {error.filename or ''}. Nothing half-written was left.", StorageFull.exit_code))


__all__ = ["app", "main"]
