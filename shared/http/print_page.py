"""A page for print: plain, in A4, with nothing from elsewhere and no script. What it says is escaped by the
template beside this file."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

type Format = Literal["json", "html"]

_HERE = Path(__file__).parent
_HTML: Any = (
    Environment(loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    .get_template("print_page.html")
    .module
)
_STYLE = (_HERE / "print_page.css").read_text()
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


# The parts of a page, each a macro of the template. In `table` a heading that begins with # is of amounts; `facts` are names with what they
# are.
heading: Callable[[str], Markup] = _HTML.heading
paragraph: Callable[[str], Markup] = _HTML.paragraph
note: Callable[[str], Markup] = _HTML.note
table: Callable[[Sequence[str], Iterable[Sequence[str]]], Markup] = _HTML.table
facts: Callable[[Iterable[tuple[str, str]]], Markup] = _HTML.facts


def page(title: str, parts: Iterable[Markup]) -> str:
    """The whole page. `parts`: what the macros above have made."""
    return str(_HTML.page(title, _STYLE, parts))
