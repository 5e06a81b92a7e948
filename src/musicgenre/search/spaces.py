"""A family's `Space` as Optuna sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from musicgenre.errors import SearchError
from musicgenre.models.base import Choice, Dimension, Float, Int, Space

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution


def check(space: Space, *, family: str, trials: int) -> None:
    """Refuse a space in which there is nothing, or nothing sensible, to search.

    Raises
    ------
    SearchError
        Naming the dimension and what is wrong with it.
    """
    where = f"search.{family}.space"
    for name, dimension in space.dimensions.items():
        if isinstance(dimension, Choice):
            if not dimension.options:
                raise SearchError(f"{where}.{name} has no options. List at least one.")
            if odd := [option for option in dimension.options if not isinstance(option, str | int | float | bool | None)]:
                raise SearchError(f"{where}.{name} has the option {odd[0]!r}; an option is a string, a number, true, false or null.")
        elif dimension.low > dimension.high:
            raise SearchError(f"{where}.{name}: low ({dimension.low}) is above high ({dimension.high}).")
        elif dimension.log and dimension.low <= 0:
            raise SearchError(f"{where}.{name}: a logarithmic range starts above 0, not at {dimension.low}.")
    for name, condition in space.conditions.items():
        for parent in condition:
            if name not in space.dimensions or parent not in space.dimensions:
                raise SearchError(f"{where}: {name!r} depends on {parent!r}, and one of them is not a dimension.")
    if all(single(dimension) for dimension in space.dimensions.values()) and trials > 1:
        raise SearchError(
            f"{where} leaves one configuration; {trials} trials would be the same one. "
            f"Free a dimension, or set search.{family}.trials to 1."
        )


def single(dimension: Dimension) -> bool:
    """Whether there is nothing to choose."""
    return len(dimension.options) == 1 if isinstance(dimension, Choice) else dimension.low == dimension.high


def distribution(dimension: Dimension) -> BaseDistribution:
    """The Optuna distribution of one dimension."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.options)
    if isinstance(dimension, Float):
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    if isinstance(dimension, Int):
        high = dimension.high - (dimension.high - dimension.low) % dimension.step
        return IntDistribution(dimension.low, high, step=1 if dimension.log else dimension.step, log=dimension.log)
    raise TypeError(f"not a dimension: {dimension!r}")


def _asked(name: str, space: Space, chosen: Mapping[str, Any]) -> bool:
    condition = space.conditions.get(name, {})
    return all(parent in chosen and chosen[parent] in allowed for parent, allowed in condition.items())


def suggest(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """One configuration; a dimension whose condition does not hold is left out."""
    chosen: dict[str, Any] = {}
    waiting = list(space.dimensions)
    while waiting:
        # A parent is asked before its children, whatever the order of the mapping.
        ready = [name for name in waiting if not any(parent in waiting for parent in space.conditions.get(name, {}))]
        if not ready:
            raise SearchError(f"the dimensions {', '.join(waiting)} depend on each other in a circle.")
        for name in ready:
            waiting.remove(name)
            if not _asked(name, space, chosen):
                continue
            chosen[name] = _suggest(trial, name, space.dimensions[name])
    return chosen


def _suggest(trial: optuna.Trial, name: str, dimension: Dimension) -> Any:
    wanted: Any = distribution(dimension)
    if isinstance(dimension, Choice):
        return trial.suggest_categorical(name, wanted.choices)
    if isinstance(dimension, Float):
        return trial.suggest_float(name, wanted.low, wanted.high, log=wanted.log)
    return trial.suggest_int(name, wanted.low, wanted.high, step=wanted.step, log=wanted.log)


def inside(config: Mapping[str, Any], space: Space) -> dict[str, BaseDistribution]:
    """Distributions of those entries of `config` that are points of the space, by name.

    A published system may fix things that the space does not vary; the sampler
    learns from the rest.
    """
    found = {}
    for name, value in config.items():
        if name not in space.dimensions or not _asked(name, space, config):
            continue
        dimension = space.dimensions[name]
        if _fits(value, dimension):
            found[name] = distribution(dimension)
    return found


def _fits(value: Any, dimension: Dimension) -> bool:
    if isinstance(dimension, Choice):
        return any(value == option and type(value) is type(option) for option in dimension.options)
    if isinstance(value, bool) or not isinstance(value, int if isinstance(dimension, Int) else int | float):
        return False
    on_grid = isinstance(dimension, Float) or dimension.log or (value - dimension.low) % dimension.step == 0
    return on_grid and dimension.low <= value <= dimension.high


def describe(space: Space) -> dict[str, Any]:
    """The space as plain JSON values: what its identity is made of, and what the study's run shows."""
    dimensions: dict[str, Any] = {}
    for name, dimension in sorted(space.dimensions.items()):
        if isinstance(dimension, Choice):
            dimensions[name] = list(dimension.options)
        elif isinstance(dimension, Int):
            dimensions[name] = {"low": dimension.low, "high": dimension.high, "step": dimension.step, "log": dimension.log}
        else:
            dimensions[name] = {"low": float(dimension.low), "high": float(dimension.high), "log": dimension.log}
    conditions = {}
    for name, condition in sorted(space.conditions.items()):
        conditions[name] = {parent: list(allowed) for parent, allowed in sorted(condition.items())}
    return {"dimensions": dimensions, "conditions": conditions}


def words(dimension: Dimension) -> str:
    """One dimension in a few words, for people."""
    if isinstance(dimension, Choice):
        return ", ".join("none" if option is None else str(option) for option in dimension.options)
    return f"{dimension.low:g} … {dimension.high:g}" + (" (log)" if dimension.log else "")


__all__ = ["check", "describe", "distribution", "inside", "single", "suggest", "words"]
