"""What every command shares: where the project is, and how to speak."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musicgenre.layout import Layout
from musicgenre.params import Params, load_params


@dataclass(frozen=True)
class Context:
    """Global options, carried in Typer's `ctx.obj`."""

    root: Path
    debug: bool = False

    @property
    def layout(self) -> Layout:
        return Layout(self.root)

    def params(self) -> Params:
        """`params.yaml` of the project, validated."""
        return load_params(self.root / "params.yaml")


def print_json(value: Any) -> None:
    """One JSON document on standard output, for programs."""
    print(json.dumps(value, indent=2, default=str))


__all__ = ["Context", "print_json"]
