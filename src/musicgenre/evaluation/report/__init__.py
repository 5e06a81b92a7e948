"""`reports/report.html`: one self-contained file."""

from __future__ import annotations

from musicgenre.evaluation.report.page import write_report

__all__ = ["write_report"]
