"""`reports/reproduction/report.html`: the systems that were run again, in one page that needs no network."""

from __future__ import annotations

from musicgenre.models.reproduction_page.page import write_page

__all__ = ["write_page"]
