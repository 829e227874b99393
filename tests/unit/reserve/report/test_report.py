"""`reserve audit report`: one page of a bundle, whose figures are those of its events, and which asks nothing of anybody."""

import asyncio
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reserve.__main__ import app
from reserve.commands.failure import BAD_INPUT, CHECK_FAILED
from reserve.report.charts import course_of, flow_of
from services.inventory import events as inventory
from tests.stories.audit import ANTIMONY, UNIT_G, Step, Story, Told, stock, told
from tests.stories.bundles import bundle_of, rewrite

HOSTILE = '<script>alert(1)</script><a href="https://elsewhere.example">'


class Page(HTMLParser):
    """Its words, its tags, the anchors that it has, and what it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._words: list[str] = []
        self.tags, self.anchors, self.links = set[str](), set[str](), set[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.anchors.add(f"#{value}")
            elif name in ("href", "src", "srcset", "action", "data"):
                self.links.add(str(value))

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"[\s\N{NO-BREAK SPACE}]+", " ", " ".join(self._words))


type Make = Callable[[Story], tuple[Told, Path]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(story: Story) -> tuple[Told, Path]:
        history = Told(story, tmp_path / "log")
        asyncio.run(bundle_of(history, tmp_path / "bundle"))
        return history, tmp_path / "bundle"

    return made


def report(history: Told, bundle: Path, *more: object) -> Result:
    into = bundle.parent / "report.html"
    return CliRunner().invoke(app, ["audit", "report", str(bundle), "-o", str(into), "--key", str(history.log_key), *map(str, more)])


def read(bundle: Path) -> Page:
    return Page((bundle.parent / "report.html").read_text())


def adjusted(lot: str, change_g: int, reason: str) -> Step:
    return stock(
        inventory.StockAdjusted(
            product=ANTIMONY,
            lot=lot,  # type: ignore[arg-type]
            depot="Fremantle",
            status="available",
            nominal_unit_g=UNIT_G,
            change_units=change_g // UNIT_G,
            change_g=change_g,
            cause="loss",
            reason=reason,  # type: ignore[arg-type]
        )
    )


def test_its_figures_are_those_of_the_events_and_each_links_to_them(make: Make) -> None:
    history, bundle = make(told())
    result = report(history, bundle)
    assert result.exit_code == 0 and "all of it holds" in result.stdout, result.output
    page = read(bundle)
    for said in (
        "All that was checked holds. Nobody beyond the operator is known to have seen this history",
        "the Reserve has 90 g available, of which 30 g are promised to partners. Partners have drawn 50 g of 100 g released: JP 29 g.",
        "JP 29 g",
        "taken in 120 g",
        "rights to future deliveries: no metal yet 50 g",
        "released 2 100 g",
        "drawn 2 50 g",
        "lapsed or cancelled 1 20 g",
        "from the Reserve, available to JP 1 30 g",
        "from JP to differences of weighing 1 1 g",
        "antimony-metal JP 1 60 g 1.0",
        "every certified decision recomputes",
    ):
        assert said in page.text, said
    assert page.links <= page.anchors, page.links - page.anchors
    assert {"#antimony-metal-drawn", "#antimony-metal-taken-in-the-Reserve--available"} <= page.links


def test_it_asks_nothing_of_anybody_and_what_people_typed_is_text(make: Make) -> None:
    story: Story = {"lost": adjusted("lot_0", -10, HOSTILE), **told()}
    history, bundle = make(story)
    report(history, bundle)
    page = read(bundle)
    assert not page.tags & {"script", "img", "link", "iframe", "object", "form"} and all(each.startswith("#") for each in page.links)
    assert f"(loss): {HOSTILE}" in page.text and "url(" not in (bundle.parent / "report.html").read_text()


def test_what_does_not_hold_stands_in_it_with_its_place(make: Make) -> None:
    history, bundle = make(told())
    rewrite(bundle, "journals/inventory/0/000001.jsonl.gz", lambda rows: rows.replace(b'mass_g\\":30,', b'mass_g\\":29,', 1))
    result = report(history, bundle)
    assert result.exit_code == CHECK_FAILED and "it does not hold" in result.stdout, result.output
    text = read(bundle).text
    assert "The record does not hold." in text and "every event hash covers its event: 1 failures inventory/0/7" in text


def test_where_there_is_no_bundle_nothing_is_written(make: Make) -> None:
    history, bundle = make(told())
    (bundle / "books/balances.jsonl.gz").unlink()
    result = report(history, bundle)
    assert (result.exit_code, len(result.stderr.splitlines())) == (BAD_INPUT, 1) and result.stderr.startswith("reserve: BUNDLE: ")
    assert not (bundle.parent / "report.html").exists()


def test_it_is_printed_on_paper(make: Make) -> None:
    history, bundle = make(told())
    result = report(history, bundle, "--pdf", paper := bundle.parent / "report.pdf")
    assert result.exit_code == 0, result.output
    assert paper.read_bytes().startswith(b"%PDF-")
    assert [file.stat().st_mode & 0o777 for file in (paper, paper.with_suffix(".html"))] == [0o600, 0o600]


def test_without_a_browser_it_says_how_to_get_one(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    history, bundle = make(told())
    monkeypatch.setenv("PATH", "")
    result = report(history, bundle, "--pdf", bundle.parent / "report.pdf")
    assert result.exit_code == BAD_INPUT and "there is no Chromium to print it with" in result.stderr, result.output


def test_both_sides_of_a_flow_are_as_high_as_what_they_stand_for() -> None:
    flow = flow_of([("taken in", 900), ("found", 100)], [("JP", 250), ("here", 750)])
    assert flow.total == 1000
    assert [(band.name, round(band.height)) for band in flow.bands] == [("taken in", 135), ("found", 15), ("JP", 38), ("here", 112)]


def test_a_course_rises_to_what_all_days_come_to() -> None:
    course = course_of({"2026-01-06": (10, 0), "2026-01-16": (30, 20)}, ("released", "drawn"))
    assert course is not None and (course.first, course.last, course.top) == ("2026-01-06", "2026-01-16", 40)
    assert [line.last for line in course.lines] == [40, 20]
    assert course.lines[0].points.split()[-1] == "630.0,0.0" and course.lines[1].points.split()[-1] == "630.0,70.0"
    assert course_of({"2026-01-06": (10, 0)}, ("released", "drawn")) is None
