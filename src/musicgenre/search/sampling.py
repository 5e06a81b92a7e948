"""What to try next, and whether a trial is worth going on with.

Both are pure functions of the trials up to `concurrent` places back: a trial may
only start when those have ended, and sees nothing of the later ones but their
parameters (a constant liar stands in for their results). So one worker and many,
an unbroken run and a resumed one, come to the same suggestions and the same
pruning. The sampler is seeded anew for every trial; a seeded sampler that is
merely made again would repeat its first suggestions after a resume.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from musicgenre.lineage import canonical_hash
from musicgenre.models.base import Space
from musicgenre.params import FamilySearch, SearchCommon
from musicgenre.search.records import Record
from musicgenre.search.spaces import inside, suggest

if TYPE_CHECKING:
    import optuna

STARTUP = 6  # trials drawn at random before TPE has something to model
OBJECTIVE = "validation_macro_f1"


def derived_seed(*parts: Any) -> int:
    """A seed below 2³¹ from anything that JSON can write."""
    return int(canonical_hash(list(parts), length=8), 16) % 2**31


def sampler(common: SearchCommon, index: int) -> optuna.samplers.BaseSampler:
    """The sampler of one trial."""
    import optuna

    seed = derived_seed("sampler", common.seed, index)
    if common.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `group`: conditional dimensions need it
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=STARTUP)


def pruner(common: SearchCommon, epochs: int) -> optuna.pruners.BasePruner:
    """The pruner; none with a second objective (Optuna defines pruning for one value only)."""
    import optuna

    if common.pruner == "none" or common.objective2 != "none" or epochs < 2:
        return optuna.pruners.NopPruner()
    if common.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=max(1, epochs // 9), max_resource=epochs, reduction_factor=3)
    # The worse half, after a quarter of its epochs: early enough to save time, late enough for slow starters.
    return optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=max(2, epochs // 4))


def directions(common: SearchCommon) -> tuple[Literal["maximize", "minimize"], ...]:
    """Of the objectives: macro F1 up, the optional cost down."""
    return ("maximize",) if common.objective2 == "none" else ("maximize", "minimize")


class Proposal:
    """One trial's configuration, and the judge of its epochs."""

    def __init__(self, trial: optuna.Trial, config: Mapping[str, Any], *, prunes: bool) -> None:
        self._trial = trial
        self.config = dict(config)
        self._prunes = prunes

    def verdict(self, epoch: int, value: float) -> str:
        """Why the trial should end after this epoch, or an empty string."""
        if not math.isfinite(value):
            return f"{OBJECTIVE} is {value} after epoch {epoch}"
        if not self._prunes:
            return ""
        self._trial.report(value, epoch)
        return f"behind the other trials at epoch {epoch} (macro F1 {value:.3f})" if self._trial.should_prune() else ""

    @property
    def marks(self) -> dict[str, float]:
        """What the pruner noted on the trial. It lives in this view of the study alone, so the record must carry it on."""
        noted = self._trial.study.get_trials(deepcopy=False)[self._trial.number].system_attrs
        return {name: value for name, value in noted.items() if isinstance(value, float)}


def propose(
    index: int,
    records: Sequence[Record],
    space: Space,
    block: FamilySearch,
    common: SearchCommon,
    *,
    name: str,
    given: Mapping[str, Any] | None = None,
) -> Proposal:
    """Trial `index`: `given` (a published system, or the configuration of a lost attempt), else the sampler's choice.

    `records` must hold all trials before `index`, finished where they are at least
    `common.concurrent` places back.
    """
    view = study_view(records, space, common, name=name, epochs=block.epochs, index=index)
    trial = view.ask()
    config = dict(given) if given is not None else suggest(trial, space)
    return Proposal(trial, config, prunes=common.objective2 == "none")


def study_view(
    records: Sequence[Record], space: Space, common: SearchCommon, *, name: str, epochs: int, index: int | None = None
) -> optuna.Study:
    """An Optuna study in memory: all records, or (with `index`) just what trial `index` may know."""
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name=name,
        directions=list(directions(common)),
        sampler=sampler(common, index or 0),
        pruner=pruner(common, epochs),
    )
    states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    for record in sorted(records, key=lambda item: item.index):
        if index is not None and record.index >= index:
            break
        known = index is None or record.index <= index - common.concurrent
        state = states.get(record.state, TrialState.RUNNING) if known else TrialState.RUNNING
        distributions = inside(record.config, space)
        values = [value for value in (record.value, record.cost) if value is not None]
        if len(values) != len(study.directions) or state in (TrialState.RUNNING, TrialState.FAIL):
            values = []
        if state is TrialState.COMPLETE and not values:
            state = TrialState.FAIL
        epochs_seen = {int(row["epoch"]): float(row[OBJECTIVE]) for row in record.history if OBJECTIVE in row} if known else {}
        study.add_trial(
            create_trial(
                state=state,
                params={key: record.config[key] for key in distributions},
                distributions=distributions,
                values=values or None,
                intermediate_values=epochs_seen,
                user_attrs={"published": record.published},
                system_attrs=dict(record.marks) if known else {},
            )
        )
    return study


__all__ = ["OBJECTIVE", "Proposal", "derived_seed", "directions", "propose", "pruner", "sampler", "study_view"]
