"""All model families by name."""

from __future__ import annotations

from importlib import import_module

from musicgenre.errors import ModelError
from musicgenre.models.base import Family
from musicgenre.params import FAMILIES


def get(name: str) -> Family:
    """The family `name`: the class of that name, capitalised, in the module of that name beside this one.

    Raises
    ------
    ModelError
        If there is none.
    """
    if name not in FAMILIES:
        raise ModelError(f"no family {name!r}; there are {', '.join(FAMILIES)}.")
    module = import_module(f"musicgenre.models.families.{name}")
    family: Family = getattr(module, name.capitalize())()
    return family


__all__ = ["get"]
