"""Great Expectations at work on one table at a time, and what it found in our own words."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from musicgenre.dataset.expectations import KEYS, Rule, Table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Outcome:
    """One rule's result.

    Attributes
    ----------
    failed
        How many rows broke it; 1 for a table as a whole.
    offenders, values
        The keys of those rows and what was found there: all of them in `tracks`, some in other tables.
    """

    rule: Rule
    success: bool
    failed: int
    offenders: tuple[str, ...]
    values: tuple[Any, ...]

    def to_dict(self) -> dict[str, Any]:
        rule = self.rule
        return {
            "name": rule.name,
            "table": rule.table,
            "kind": rule.kind,
            "severity": rule.severity,
            "words": rule.words,
            "success": self.success,
            "failed": self.failed,
            "offenders": list(self.offenders[:50]),
        }

    def sentence(self) -> str:
        """The failure in words, with up to five offenders."""
        pairs = [offence(key, value) for key, value in zip(self.offenders[:5], self.values[:5], strict=False)]
        more = f" and {self.failed - 5} more" if self.failed > 5 else ""
        return f"{self.rule.words}, but: {'; '.join(pairs)}{more} (expectation `{self.rule.name}`)"


def offence(key: str, value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if key in ("", "all") else f"{key} ({text})"


class Suites:
    """Great Expectations without a project, telemetry or progress bars."""

    def __init__(self) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        import great_expectations as gx
        import great_expectations.expectations as gxe

        for name in list(logging.root.manager.loggerDict):  # its modules set levels of their own
            if name.split(".")[0] == "great_expectations":
                logging.getLogger(name).setLevel(logging.ERROR)
        self.gx, self.gxe = gx, gxe
        self.context = gx.get_context(mode="ephemeral")
        variables: Any = self.context.variables
        variables.progress_bars = {"globally": False, "metric_calculations": False}
        self.source = self.context.data_sources.add_pandas("manifest")

    def run(self, table: Table, frame: pd.DataFrame, chosen: Sequence[Rule]) -> tuple[list[Outcome], Any]:
        """Judge one table; outcomes in the order of `chosen`, and the library's own result."""
        suite = self.context.suites.add(self.gx.ExpectationSuite(name=table))
        for rule in chosen:
            expectation = rule.build(self.gxe)
            expectation.meta = {"rule": rule.name, "notes": {"format": "string", "content": rule.words}}
            expectation.severity = "critical" if rule.severity == "error" else "warning"
            suite.expectations.append(expectation)
        suite.save()
        whole = self.source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("all")
        definition = self.context.validation_definitions.add(self.gx.ValidationDefinition(name=table, data=whole, suite=suite))
        # Every track that broke a rule is needed for the quarantine; of other tables some examples are.
        form = {
            "result_format": "COMPLETE" if table == "tracks" else "SUMMARY",
            "unexpected_index_column_names": list(KEYS[table]),
            "partial_unexpected_count": 20,
        }
        result: Any = definition.run(batch_parameters={"dataframe": frame}, result_format=form)
        by_name = {rule.name: rule for rule in chosen}
        outcomes = {item.expectation_config.meta["rule"]: item for item in result.results}
        return [_outcome(by_name[rule.name], outcomes[rule.name], table) for rule in chosen], result


def _outcome(rule: Rule, item: Any, table: Table) -> Outcome:
    if item.success:
        return Outcome(rule, True, 0, (), ())
    raised = item.exception_info or {}
    details = item.result or {}
    rows = details.get("unexpected_index_list", details.get("partial_unexpected_index_list"))
    if rows is None:
        text = raised.get("exception_message") if raised.get("raised_exception") else None
        if text is None and "exception_message" not in raised and raised:  # keyed by metric
            text = next((str(info.get("exception_message")) for info in raised.values() if isinstance(info, dict)), None)
        return Outcome(rule, False, 1, ("",), (text or details.get("observed_value"),))
    column = item.expectation_config.kwargs["column"]
    shown = KEYS[table][-1]
    pairs = [(str(row[KEYS[table][0]]), row[shown] if len(KEYS[table]) > 1 else row.get(column)) for row in rows]
    return Outcome(
        rule, False, int(details.get("unexpected_count", len(pairs))), tuple(key for key, _ in pairs), tuple(value for _, value in pairs)
    )


__all__ = ["Outcome", "Suites", "offence"]
