"""`musicgenre serve`: the service from the project's own sources and parameters, in the foreground."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from musicgenre.errors import MusicGenreError
from musicgenre.layout import Layout
from musicgenre.params import ServeParams
from musicgenre.serving.locate import BUNDLE_VARIABLE, locate
from musicgenre.serving.settings import load_settings, to_environment

SERVICE = "musicgenre.serving.service:MusicGenre"


class PortTaken(MusicGenreError):
    """The address cannot be listened on. Stop what does, or choose another port."""

    code = "port_taken"


def check_address(host: str, port: int) -> None:
    """Raise `PortTaken` where `host` and `port` cannot be bound now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be listened on ({error.strerror})"
            raise PortTaken(f"{host}:{port} {reason}. Stop what listens there, or pass --port.") from error


def command(settings: ServeParams, layout: Layout, *, host: str, port: int) -> tuple[list[str], dict[str, str]]:
    """(words, environment) that run the service; settings of the environment win over those of the parameters."""
    environment: Mapping[str, str] = os.environ
    root = layout.root.resolve()
    variables = {**to_environment(settings), **environment}
    load_settings(variables)  # here it is one line; BentoML would wrap it in a traceback
    variables["BENTOML_DO_NOT_TRACK"] = "True"
    variables.setdefault("BENTOML_HOME", str(root / ".bentoml"))
    located = locate(root, environment)
    variables[BUNDLE_VARIABLE] = str(located.path.resolve())
    words = [sys.executable, "-m", "bentoml", "serve", SERVICE, "--host", host, "--port", str(port), "--working-dir", str(root)]
    return words, variables


def serve(settings: ServeParams, layout: Layout, *, host: str, port: int) -> NoReturn:
    """Replace this process by the service. SIGTERM and Ctrl-C finish the requests in flight.

    Raises
    ------
    BundleError
        If there is no model to serve.
    ParamsError
        If a variable of the environment is no valid setting.
    PortTaken
        If the address is in use.
    """
    words, variables = command(settings, layout, host=host, port=port)
    check_address(host, port)
    Path(variables["BENTOML_HOME"]).mkdir(parents=True, exist_ok=True)
    print(f"http://{host}:{port}  page, /classify, /model, /metrics, /openapi.json (Ctrl-C ends it)", file=sys.stderr, flush=True)
    os.execve(words[0], words, variables)


__all__ = ["SERVICE", "PortTaken", "check_address", "command", "serve"]
