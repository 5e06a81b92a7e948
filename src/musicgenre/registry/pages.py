"""A model card and its data card as one HTML page that opens anywhere: no script, no network."""

from __future__ import annotations

from html import escape

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; background: #fff; }
h1 { font-size: 1.6rem; margin-top: 2.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #d0d7de; }
table { border-collapse: collapse; display: block; overflow-x: auto; } th, td { border: 1px solid #d0d7de; padding: .3rem .6rem; }
th { text-align: left; background: #f6f8fa; } code { overflow-wrap: anywhere; background: #f6f8fa; padding: 0 .2rem; }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117; } th, code { background: #161b22; } h2, th, td { border-color: #30363d; }
}
"""


def card_page(title: str, *cards: str) -> str:
    """Cards in Markdown, one below the other, as an HTML document; markup inside a card stays text."""
    from markdown_it import MarkdownIt

    render = MarkdownIt("commonmark", {"html": False}).enable("table").render
    body = "\n<hr>\n".join(render(card) for card in cards)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


__all__ = ["card_page"]
