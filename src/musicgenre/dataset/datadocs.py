"""Great Expectations' own pages, made to be read without a network, and a first page in plain words.

The pages that the library renders ask content networks for style sheets,
scripts and a logo, and lie four folders deep. Here they become single files
with a small style sheet inside, that request nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1100px; padding: 1.5rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { border-bottom: 1px solid #8884; padding: .3rem .6rem; text-align: left; vertical-align: top; overflow-wrap: break-word; }
thead[hidden] { display: none; }
.badge { background: #8883; border-radius: .3rem; padding: 0 .3rem; }
.alert { background: #8882; border-left: .3rem solid #888; margin: 1rem 0 .5rem; padding: .4rem .8rem; }
.fa-check-circle::before, .pass::before { content: "\\2713 passed"; color: #2a8a3e; font-style: normal; }
.fa-times::before, .fa-exclamation-triangle::before, .fail::before { content: "\\2717 failed"; color: #c8322b; font-style: normal; }
.warn::before { content: "\\26A0 warning"; color: #b26a00; font-style: normal; }
.nav, .breadcrumb { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; list-style: none; padding: 0; }
i::before { white-space: nowrap; }
.lead { opacity: .7; } h5, h6 { font-size: 1rem; margin: .2rem 0; } .top { display: none; } pre { overflow: auto; }
"""

_REMOTE = (
    re.compile(r"<script\b.*?</script>", re.S),
    re.compile(r"<link\b[^>]*>", re.S),
    re.compile(r"<footer\b.*?</footer>", re.S),
    re.compile(r"<img\b[^>]*>", re.S),
    re.compile(r"<style\b.*?</style>", re.S),
    re.compile(r'<div class="card mb-3">.*?(?=<div class="card d-md-block)', re.S),  # buttons that need the scripts
)


def offline(html: str) -> str:
    """One page of Great Expectations with everything remote, and what depends on it, taken out."""
    for pattern in _REMOTE:
        html = pattern.sub("", html)
    html = html.replace("../../../../index.html", "index.html")
    html = re.sub(r'<a href="\.\./[^"]*"\s*>(.*?)</a>', r"\1", html, flags=re.S)
    html = re.sub(r'<a data-toggle="collapse"[^>]*>.*?</a>', "", html, flags=re.S)
    html = re.sub(r"\n\s*\n+", "\n", html)
    return html.replace("</head>", f"<style>{STYLE}</style></head>", 1)


def page_renderer() -> Callable[[Any], str]:
    """A function from a validation result of Great Expectations to an offline page.

    Use one for all pages: its templates are compiled once.
    """
    import great_expectations.render.renderer as renderers
    import great_expectations.render.view as views

    view: Any = views.DefaultJinjaPageView()  # type: ignore[attr-defined]  # public by its documentation, not by __all__
    renderer: Any = renderers.ValidationResultsPageRenderer()  # type: ignore[attr-defined]  # likewise
    return lambda result: offline(view.render(renderer.render(result)))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def index_page(result: Mapping[str, Any]) -> str:
    """The first page, from what stands in `result.json`."""
    verdict = "accepted" if result["success"] else "refused"
    rules = [
        (
            f'<i class="{"pass" if rule["success"] else "fail" if rule["severity"] == "error" else "warn"}"></i>',
            escape(rule["words"]),
            escape(
                "quarantine"
                if rule["kind"] == "row" and rule["severity"] == "error"
                else "stop"
                if rule["severity"] == "error"
                else "report"
            ),
            escape(", ".join(rule["offenders"][:5]) + (f" and {rule['failed'] - 5} more" if rule["failed"] > 5 else "")),
            f'<a href="{rule["table"]}.html">{escape(rule["name"])}</a>',
        )
        for rule in result["expectations"]
    ]
    genres = [[escape(str(row[name])) for name in ("genre", "tracks", "groups", "recordings")] for row in result["genres"]]
    reasons = [[escape(reason), str(count)] for reason, count in result["quarantined_by_reason"].items()]
    parts = [
        f"<h1>Data set {verdict}</h1>",
        f"<p>{result['tracks']} files, {result['accepted']} may train, {result['quarantined']} quarantined, "
        f"{result['duplicates']} further files of recordings already there.</p>",
        "<h2>Expectations</h2>" + _table(("", "Expected", "Otherwise", "Not met by", "Details"), rules),
        "<h2>Quarantine</h2>" + (_table(("Reason", "Tracks"), reasons) if reasons else "<p>Nothing.</p>"),
        "<h2>Genres</h2>" + _table(("Genre", "Tracks that may train", "Groups", "Recordings"), genres),
    ]
    head = (
        f'<meta charset="utf-8"><title>Data set {verdict}</title><meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
    )
    return f'<!DOCTYPE html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def write_pages(directory: Path, result: Mapping[str, Any], pages: Mapping[str, Any]) -> None:
    """`index.html`, and a page of Great Expectations' own for each table in `pages`."""
    (directory / "index.html").write_text(index_page(result), encoding="utf-8")
    render = page_renderer()
    for name, page in pages.items():
        (directory / f"{name}.html").write_text(render(page), encoding="utf-8")


__all__ = ["index_page", "offline", "page_renderer", "write_pages"]
