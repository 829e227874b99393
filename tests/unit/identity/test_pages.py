"""The log-in pages: what is written into them is not read as HTML, and their headers allow their own style and nothing else."""

from base64 import b64encode
from hashlib import sha256

from services.identity.pages import error_page, login_page

EVIL = '"><script>alert(1)</script>'


def test_what_is_written_into_a_log_in_page_is_never_read_as_html():
    for page in (login_page(EVIL, EVIL, "https://client.example/back", failed=True), error_page(EVIL)):
        assert b"<script" not in page.body
        assert b"&lt;script&gt;" in page.body


def test_the_style_of_a_log_in_page_is_the_one_that_its_headers_allow():
    page = login_page("a=1", "console", "https://client.example:8443/back")
    style = bytes(page.body).partition(b"<style>")[2].partition(b"</style>")[0]
    policy = page.headers["content-security-policy"]
    assert f"'sha256-{b64encode(sha256(style).digest()).decode()}'" in policy
    assert "form-action 'self' https://client.example:8443;" in policy
