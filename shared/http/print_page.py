"""A page for print: plain, in A4, with nothing from elsewhere and no script. What it says is escaped here, once."""

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from typing import Any, Literal

type Format = Literal["json", "html"]

_STYLE = """
@page { size: A4; margin: 18mm 15mm; }
body { font: 10.5pt/1.45 system-ui, sans-serif; color: #111; max-width: 180mm; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 15pt; margin: 0 0 .2em; }
h2 { font-size: 11pt; margin: 1.6em 0 .4em; break-after: avoid; }
p { margin: .2em 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25em .6em .25em 0; border-bottom: 1px solid #ccc; overflow-wrap: anywhere; }
th.amount, td.amount { text-align: right; padding-right: 0; padding-left: .8em; font-variant-numeric: tabular-nums; white-space: nowrap; }
th[scope=row] { width: 32%; font-weight: 600; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
.note { color: #444; font-size: 9pt; }
@media print { body { margin: 0; padding: 0; max-width: none; } }
"""
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()

PAGE_HEADERS = {
    "Vary": "Accept",
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'",
}
PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}  # beside the route's JSON


def wants_page(format: Format | None, accept: str | None) -> bool:
    """A browser lists HTML first, and no JSON; a client that names JSON gets it."""
    if format is not None:
        return format == "html"
    return accept is not None and "text/html" in accept and "application/json" not in accept


def page(title: str, parts: Iterable[str]) -> str:
    """The whole page. `parts`: what `heading`, `paragraph`, `note`, `table` and `facts` have made."""
    lines = "\n".join([f"<h1>Reserve: {_text(title)}</h1>", *parts])
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n'
        f"</head>\n<body>\n<main>\n{lines}\n</main>\n</body>\n</html>\n"
    )


def heading(text: str) -> str:
    return f"<h2>{_text(text)}</h2>"


def paragraph(text: str) -> str:
    return f"<p>{_text(text)}</p>"


def note(text: str) -> str:
    return f'<p class="note">{_text(text)}</p>'


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A heading that begins with # is of amounts."""
    amounts = [name.startswith("#") for name in head]
    names = "".join(_cell('th scope="col"', name.removeprefix("#"), right) for name, right in zip(head, amounts, strict=True))
    lines = ("".join(_cell("td", text, right) for text, right in zip(row, amounts, strict=True)) for row in rows)
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table>\n<thead><tr>{names}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """A table of names with what they are."""
    body = "\n".join(f'<tr><th scope="row">{_text(name)}</th><td>{_text(text)}</td></tr>' for name, text in rows)
    return f"<table>\n<tbody>\n{body}\n</tbody>\n</table>"


def _cell(opening: str, text: str, is_amount: bool) -> str:
    return f"<{opening}{' class="amount"' if is_amount else ''}>{_text(text)}</{opening.partition(' ')[0]}>"


def _text(text: str) -> str:
    return escape(text, quote=True)
