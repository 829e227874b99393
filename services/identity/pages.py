"""The pages that a person sees: logging in, and why that cannot start. Plain HTML, no scripts, readable by any assistive technology."""

import base64
import hashlib
from html import escape
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse

_STYLE = (
    "body{font:1.125rem/1.5 system-ui,sans-serif;max-width:26rem;margin:4rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}"
    "label{display:block;margin-top:1rem;font-weight:600}"
    "input,button{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;margin-top:.25rem;border:1px solid #555;border-radius:4px}"
    "button{margin-top:1.5rem;background:#0b4f6c;color:#fff;border-color:#0b4f6c}"
    ":focus-visible{outline:3px solid #b35900;outline-offset:2px}"
    "[role=alert]{color:#8a1c1c}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def login_page(query: str, client_id: str, redirect_uri: str, failed: bool = False) -> HTMLResponse:
    """The form posts to its own address: the request stays in the query, the credentials in the body."""
    alert = '<p role="alert" id="failed">Name or password is wrong.</p>' if failed else ""
    described = ' aria-describedby="failed"' if failed else ""
    body = f"""<h1>Log in to Reserve</h1>
<p>{escape(client_id)} asks you to log in. This is a local issuer, for trying things out.</p>
{alert}
<form method="post" action="?{escape(query)}">
<label for="login">Name</label>
<input id="login" name="login" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus{described}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Log in</button>
</form>"""
    address = urlsplit(redirect_uri)
    # Browsers hold a form's redirects to form-action too, so the client's own address belongs in it.
    return _page("Log in", body, 403 if failed else 200, form_action=f"'self' {address.scheme}://{address.netloc}")


def error_page(description: str) -> HTMLResponse:
    """For requests that must not be sent back: nobody knows whether their address is the client's."""
    return _page("Cannot log in", f'<h1>Cannot log in</h1><p role="alert">{escape(description)}.</p>', 400, form_action="'none'")


def _page(title: str, body: str, status: int, form_action: str) -> HTMLResponse:
    document = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title} - Reserve</title>
<style>{_STYLE}</style>
</head>
<body><main>
{body}
</main></body>
</html>"""
    policy = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
    headers = {"content-security-policy": policy, "cache-control": "no-store", "referrer-policy": "no-referrer", "x-frame-options": "DENY"}
    return HTMLResponse(document, status_code=status, headers=headers)
