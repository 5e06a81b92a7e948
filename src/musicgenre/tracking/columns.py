"""The view of an experiment that shows its trials, best first, with the columns that matter.

MLflow's list starts with neither metrics nor parameters and with trials folded away.
A shared view, which MLflow keeps as a tag of the experiment and an address names, is
how a project can choose for its readers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

VIEW = "trials"  # as the address names it
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
_METRICS = ("macro_f1", "accuracy")
_TAGS = ("state", "published", "reason")
_MOST = 4  # parameters: what fits beside the rest on a laptop


def trials_view(parameters: Sequence[str]) -> str:
    """The value of `VIEW_TAG`: trials only, sorted by `macro_f1`, with figures, state and `parameters` as columns."""
    columns = [f"metrics.`{name}`" for name in _METRICS] + [f"tags.`{name}`" for name in _TAGS]
    columns += [f"params.`{name}`" for name in parameters[:_MOST]]
    state = {
        "searchFilter": "tags.role = 'trial'",
        "orderByKey": "metrics.`macro_f1`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        # The rest is MLflow's own beginning; it expects every entry.
        "columnOrder": [],
        "columnWidths": {},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "FIRST_10_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "autoRefreshEnabled": True,
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }
    return json.dumps(state, sort_keys=True)


__all__ = ["VIEW", "VIEW_TAG", "trials_view"]
