"""The pages that a person sees: logging in, and why that cannot start. Plain HTML, no scripts, readable by any assistive technology."""

import base64
import hashlib
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

_HERE = Path(__file__).parent
_PAGE = Environment(
    loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
).get_template("page.html")
_STYLE = (_HERE / "page.css").read_text()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def login_page(query: str, client_id: str, redirect_uri: str, failed: bool = False) -> HTMLResponse:
    """The form posts to its own address: the request stays in the query, the credentials in the body."""
    address = urlsplit(redirect_uri)
    # Browsers hold a form's redirects to form-action too, so the client's own address belongs in it.
    form_action = f"'self' {address.scheme}://{address.netloc}"
    return _page(403 if failed else 200, form_action, title="Log in", query=query, client_id=client_id, failed=failed)


def error_page(description: str) -> HTMLResponse:
    """For requests that must not be sent back: nobody knows whether their address is the client's."""
    return _page(400, "'none'", title="Cannot log in", error=description)


def _page(status: int, form_action: str, **shown: str | bool) -> HTMLResponse:
    policy = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
    headers = {"content-security-policy": policy, "cache-control": "no-store", "referrer-policy": "no-referrer", "x-frame-options": "DENY"}
    return HTMLResponse(_PAGE.render(style=_STYLE, **shown), status_code=status, headers=headers)
