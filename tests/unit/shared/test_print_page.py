"""Pages for print: nothing that was written into them is read as HTML, and their headers allow their own style and nothing else."""

from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

from shared.http.print_page import PAGE_HEADERS, facts, heading, note, page, paragraph, table, wants_page

EVIL = '<script>alert("1")</script>'


class _Read(HTMLParser):
    """The elements of a page, and the scopes of its headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scopes: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "th":
            self.scopes.append(dict(attrs).get("scope"))


def test_what_is_written_into_a_page_is_never_read_as_html():
    text = page(EVIL, [heading(EVIL), paragraph(EVIL), note(EVIL), table((EVIL, f"#{EVIL}"), [(EVIL, EVIL)]), facts([(EVIL, EVIL)])])
    assert "script" not in _Read(text).tags
    assert text.count("&lt;script&gt;") == 11


def test_every_heading_of_a_table_says_what_it_is_of():
    assert _Read(table(("Day", "#Mass"), [("today", "1")]) + facts([("Round", "1")])).scopes == ["col", "col", "row"]


def test_the_style_of_a_page_is_the_one_that_its_headers_allow():
    style = page("Report", []).partition("<style>")[2].partition("</style>")[0]
    assert f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in PAGE_HEADERS["Content-Security-Policy"]


def test_a_browser_gets_a_page_and_a_client_that_names_json_does_not():
    assert wants_page(None, "text/html,application/xhtml+xml,*/*;q=0.8")
    assert not wants_page(None, "application/json, text/html;q=0.5")
    assert not wants_page(None, None)
    assert wants_page("html", "application/json")
