"""How much of a score is leakage: one configuration, scored four ways on the same predictions.

`schemes` says what may stand on both sides, `scoring` trains and scores,
`measure` puts it together, `report` prints, draws and logs it.
"""

from __future__ import annotations

from musicgenre.leakage.measure import Leakage, measure, run

__all__ = ["Leakage", "measure", "run"]
