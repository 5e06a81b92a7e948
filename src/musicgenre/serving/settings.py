"""The service's settings: `serve` of the parameters, a file in the bento, the environment.

Order, the later wins: defaults of `ServeParams`; the file that `MUSICGENRE_SERVE_FILE`
names, else `serve.json` in the working directory (a built bento carries one); the
environment variables ``MUSICGENRE_SERVE_<KEY>``. Lists are written with commas;
``null`` or an empty value means "not set".
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from musicgenre.errors import ParamsError
from musicgenre.params import ServeParams

PREFIX = "MUSICGENRE_SERVE_"
FILE_VARIABLE = "MUSICGENRE_SERVE_FILE"
FILE_NAME = "serve.json"


def _from_text(key: str, text: str) -> Any:
    annotation = str(ServeParams.model_fields[key].annotation)
    if text.strip().lower() in ("", "null", "none"):
        return () if "tuple" in annotation else None
    if "tuple" in annotation:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _from_file(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ParamsError(f"{path}: cannot be read as JSON ({error}).") from error
    if not isinstance(value, dict):
        raise ParamsError(f"{path}: expected a mapping of `serve` keys, found {type(value).__name__}.")
    return value


def load_settings(environment: Mapping[str, str] | None = None, *, directory: Path = Path()) -> ServeParams:
    """Settings for this process.

    Raises
    ------
    ParamsError
        Naming the variable or key, the value found and what is allowed.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    named = environment.get(FILE_VARIABLE)
    path = Path(named) if named else directory / FILE_NAME
    if named or path.is_file():
        values.update(_from_file(path))
    for name, text in environment.items():
        if not name.startswith(PREFIX) or name == FILE_VARIABLE:
            continue
        key = name.removeprefix(PREFIX).lower()
        if key not in ServeParams.model_fields:
            raise ParamsError(f"{name}: there is no setting `{key}`; there are {', '.join(ServeParams.model_fields)}.")
        values[key] = _from_text(key, text)
    try:
        return ServeParams.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(f"`{'.'.join(map(str, fault['loc']))}` is {fault['input']!r}: {fault['msg']}" for fault in error.errors())
        raise ParamsError(f"serve settings: {faults}.") from error


def to_environment(settings: ServeParams) -> dict[str, str]:
    """The variables that hand `settings` on to a child process; the inverse of `load_settings`."""
    variables = {}
    for key, value in settings.model_dump().items():
        text = ",".join(value) if isinstance(value, tuple | list) else "" if value is None else str(value)
        variables[f"{PREFIX}{key.upper()}"] = text
    return variables


__all__ = ["FILE_NAME", "FILE_VARIABLE", "PREFIX", "load_settings", "to_environment"]
