"""Pages with the services down, what a page shows of figures, and of text that somebody typed."""

from hashlib import sha256
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from reserve.operate.migrate import ROOT
from services.console import shown
from services.console.pages.rounds import decided
from tests.unit.console.setting import NOBODY, Setting, a_setting, sent_by, text_of
from tests.unit.edge.setting import serving

ROUND = "/rounds/rnd_01kb0000000000000000000000"


async def test_with_services_down_each_panel_says_so_and_the_page_is_there(setting: Setting) -> None:
    await setting.sign_in("operator-1")
    page = await setting.get("/")
    said = text_of(page)
    assert page.status_code == 200
    assert said.count("allocation does not answer") == 5 and "inventory does not answer" in said and "ledger does not answer" in said
    for path in ("/requests", "/rounds"):
        listed = await setting.get(path)
        assert listed.status_code == 200 and "allocation does not answer" in text_of(listed)
    for path in ("/holds", "/stock", "/proposals"):
        listed = await setting.get(path)
        assert listed.status_code == 200 and "inventory does not answer" in text_of(listed)
    one = await setting.get(ROUND)
    assert one.status_code == 503 and "allocation does not answer" in text_of(one)


async def test_what_a_role_may_not_do_is_not_offered(setting: Setting) -> None:
    await setting.sign_in("auditor-1")
    assert "Rounds" in text_of(await setting.get("/requests"))
    await setting.sign_in("partner-jp")
    page = await setting.get("/requests")
    assert "Rounds" not in text_of(page) and "partner for JP" in text_of(page)
    assert (await setting.get("/")).headers["location"].endswith("/console/requests")


async def test_what_a_form_had_is_there_again_when_it_is_refused(setting: Setting) -> None:
    await setting.sign_in("operator-1")
    refused = await setting.post(f"{ROUND}/propose", supply_kg="a lot")
    assert refused.status_code == 503  # the round itself cannot be shown; what happens to a form with it there: tests/browser


@pytest.mark.parametrize("status", [None, 500, 503])
@pytest.mark.parametrize(
    ("act", "typed"),
    [("propose", {"supply_kg": "1,200", "step": "record"}), ("approvals", {"signed": "{}"}), ("certify", {"signed": "{}"})],
)
async def test_what_had_no_answer_is_sent_again_under_the_same_key(
    folder: Path, status: int | None, act: str, typed: dict[str, str]
) -> None:
    """It may have been recorded: under a new key it might be twice."""
    keys: list[str] = []
    app = FastAPI()

    @app.post("/{path:path}")
    async def fail(request: Request) -> Response:
        keys.append(request.headers["idempotency-key"])
        return JSONResponse({"code": "no", "title": "It fails", "detail": ""}, status or 200)

    async with serving(app) as url, a_setting(folder, NOBODY if status is None else url) as setting:
        await setting.sign_in("operator-1")
        form = {"key": "key_01kb0000000000000000000000"} | typed
        page = await setting.post(f"{ROUND}/{act}", **form)
        assert page.status_code == 503 and ("allocation does not answer" if status is None else "It fails") in text_of(page)
        assert sent_by(page) == (f"/console{ROUND}/{act}", form)
        again = await setting.post(f"{ROUND}/{act}", **sent_by(page)[1])
        assert sent_by(again) == sent_by(page)
        assert keys == ([] if status is None else [form["key"]] * 2)


@pytest.mark.parametrize(
    ("grams", "text", "title"),
    [
        (1_600_000, "1,600 kg", "1,600,000 g"),
        (40_000_000, "40 t", "40,000,000 g"),
        (5_000_000, "5 t", "5,000,000 g"),
        (12_345_678, "12.346 t", "12,345,678 g"),
        (1, "0.001 kg", "1 g"),
        (0, "0 kg", "0 g"),
        ("10/3", "0.003 kg", "10/3 g"),
    ],
)
def test_a_mass_is_shown_in_kg_or_t_and_exact_in_its_title(grams: int | str, text: str, title: str) -> None:
    assert shown.mass(grams) == f'<span class="mass" title="{title}">{text}</span>'


def test_a_day_is_one_in_sydney_and_its_title_says_utc() -> None:
    assert shown.day("2026-01-06") == (
        '<time datetime="2026-01-06" title="the day in Sydney that begins 5 January 2026, 13:00 UTC">6 Jan 2026</time>'
    )
    assert "6 Jan 2026, 08:30" in shown.instant("2026-01-05T21:30:00Z") and "5 January 2026, 21:30:00 UTC" in shown.instant(
        "2026-01-05T21:30:00Z"
    )


@pytest.mark.parametrize(
    ("typed", "grams"),
    [
        ("1200", 1_200_000),
        ("1,200.5", 1_200_500),
        ("0.001 kg", 1),
        ("0.0001", None),
        ("a lot", None),
        ("", None),
        ("1e400000", None),
        ("NaN", None),
    ],
)
def test_a_mass_is_read_as_people_type_it(typed: str, grams: int | None) -> None:
    assert shown.grams(typed) == grams


def test_days_of_supply_are_rounded_down_to_tenths() -> None:
    assert [shown.days(each) for each in ("72", "725/10", "0.09", "10/3", None)] == ["72.0", "72.5", "0.0", "3.3", ""]


def test_a_line_says_what_limits_it() -> None:
    def line(partner: str, accepted_g: int, award_g: int, cap_g: int | None) -> dict[str, object]:
        claimant = {"request": f"req_{partner}", "partner": partner, "asked_g": 900, "accepted_g": accepted_g, "cap_g": cap_g}
        return {"content": {"claimant": claimant | {"daily_consumption_g": 10}, "award_g": award_g}}

    lines = decided({"lines": [line("JP", 800, 500, None), line("US", 800, 600, 600), line("EU", 700, 700, 900)]})
    assert [(each.partner, each.bound_by, each.days) for each in lines] == [
        ("EU", "", "70.0"),
        ("US", "its cap", "60.0"),
        ("JP", "the supply", "50.0"),
    ]


def test_what_is_of_somebody_else_is_as_it_came() -> None:
    """`services/console/static/NOTICE` says from where, under what licence, and by which hash."""
    folder = ROOT / "services" / "console" / "static"
    assert sha256((folder / "htmx.min.js").read_bytes()).hexdigest() in (folder / "NOTICE").read_text()
