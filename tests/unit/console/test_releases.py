"""From a release to its receipt, before a service that takes down what it is sent."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tests.unit.console.setting import Setting, a_setting, sent_by, text_of
from tests.unit.edge.setting import serving

RELEASE, DRAW, LOT = "rel_01kb0000000000000000000000", "drw_01kb0000000000000000000000", "lot_01kb0000000000000000000000"
KEY = "key_01kb0000000000000000000000"
RELEASED = {
    **{"release": RELEASE, "product": "gallium-4n", "partner": "JP", "round": "rnd_01kb0000000000000000000000", "decision": "ab" * 32},
    **{"award": "awd_01kb0000000000000000000000", "request": "req_01kb0000000000000000000000", "rights_g": 0, "mass_g": 1_200_000},
    **{"units": [{"nominal_unit_g": 100_000, "units": 12}], "remaining_g": 1_200_000, "status": "open", "released_on": "2027-01-06"},
    **{"expires_on": "2027-04-06", "reason": None, "lots": None, "held_since": None, "held_until": None, "loan": None},
}
DRAWN = {
    **{"draw": DRAW, "product": "gallium-4n", "release": RELEASE, "partner": "JP", "status": "drawn", "mass_g": 600_000, "assigned_g": 0},
    **{"parcels": [{"lot": LOT, "depot": "Fremantle", "nominal_unit_g": 100_000, "units": 6, "mass_g": 600_000}]},
    **{"drawn_on": "2027-01-07", "place": "inventory/0/7", "assignments": [], "weighed_g": None, "carrier": None, "consignee": None},
    **{"reference": None, "corrections": [], "gates": [], "reason": None, "delivered_on": None, "received_by": None, "receipt": None},
}
GATES = [
    {"gate": "no_hold", "is_open": True, "code": None, "detail": "", "opens": None},
    {"gate": "ledger_receipt", "is_open": True, "code": None, "detail": "inventory/0/7 is among the first 9", "opens": None},
    {"gate": "weighed", "is_open": False, "code": "not_weighed", "detail": "the goods must be weighed", "opens": "the same once weighed"},
]


class Taking:
    """`refusal`: what it answers to an act, from when it is set on."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Any, str]] = []
        self.refusal: dict[str, str] | None = None
        self.draw: dict[str, Any] = DRAWN
        self.releases: list[dict[str, Any]] = [RELEASED]
        self.proposals: list[dict[str, Any]] = []
        gates = {"draw": DRAW, "product": "gallium-4n", "consignee": "<b>Co</b>", "consignees": ["<b>Co</b>", "Other"], "gates": GATES}
        self.app = FastAPI()
        self.app.get("/v1/releases")(self.list_releases)
        self.app.get("/v1/releases/{release}")(lambda release: self.releases[0])
        self.app.get("/v1/draws")(lambda release: {"data": [self.draw], "next": None})
        self.app.get("/v1/draws/{draw}")(lambda draw: self.draw)
        self.app.get("/v1/draws/{draw}/gates")(lambda draw: gates)
        self.app.get("/v1/proposals")(lambda status: {"data": self.proposals, "next": None})
        self.app.get("/v1/receipts/{place:path}")(lambda place: PlainTextResponse(f"the receipt of {place}"))
        self.app.post("/v1/{kind}/{name}/{act}")(self.take)

    def list_releases(self, cursor: int = 0) -> Any:
        """Two a page."""
        rest = cursor + 2
        return {"data": self.releases[cursor:rest], "next": rest if rest < len(self.releases) else None}

    async def take(self, request: Request, act: str) -> Response:
        self.taken.append((act, await request.json(), request.headers["idempotency-key"]))
        return JSONResponse({"draw": DRAW}) if self.refusal is None else JSONResponse(self.refusal, 422)


@pytest.fixture
async def taking(folder: Path) -> AsyncIterator[tuple[Taking, Setting]]:
    service = Taking()
    async with serving(service.app) as url, a_setting(folder, url) as setting:
        await setting.sign_in("operator-1")
        yield service, setting


async def test_the_list_of_releases_is_a_file_too_whole_and_no_formula(taking: tuple[Taking, Setting]) -> None:
    service, setting = taking
    assert f'href="/console/releases/{RELEASE}"' in (await setting.get("/releases")).text
    service.releases = [RELEASED | {"reason": reason} for reason in (None, "=1+1", "as, agreed")]
    file = await setting.get("/releases/releases.csv?status=open")
    assert file.headers["content-type"].startswith("text/csv") and "releases.csv" in file.headers["content-disposition"]
    head, *rows = file.text.splitlines()
    assert head.startswith("release,product,partner,status,mass_g,remaining_g")
    assert len(rows) == 3 and rows[0].startswith(f"{RELEASE},gallium-4n,JP,open,1200000,1200000,")
    assert rows[1].endswith(",'=1+1") and rows[2].endswith(',"as, agreed"')


async def test_a_draw_is_shown_and_then_recorded_under_its_key(taking: tuple[Taking, Setting]) -> None:
    service, setting = taking
    shown = await setting.post(f"/releases/{RELEASE}/draw", mass_kg="500")
    said = text_of(shown)
    assert shown.status_code == 200 and service.taken == []
    assert "500 kg of gallium-4n are drawn for JP" in said and "700 kg of the release are left" in said
    done = await setting.post(f"/releases/{RELEASE}/draw", **sent_by(shown)[1] | {"step": "record"})
    assert done.headers["location"].endswith(f"/console/draws/{DRAW}")
    assert service.taken == [("draws", {"mass_g": 500_000, "assign_rights": False}, sent_by(shown)[1]["key"])]
    service.refusal = {"code": "not_whole_units", "title": "Not whole units", "detail": "12 units of 100000 g", "field": "/mass_g"}
    refused = await setting.post(f"/releases/{RELEASE}/draw", mass_kg="550", step="record", key=KEY)
    assert refused.status_code == 422 and "Not whole units" in text_of(refused) and 'value="550" aria-invalid="true"' in refused.text
    unread = await setting.post(f"/releases/{RELEASE}/draw", mass_kg="a lot")
    assert unread.status_code == 422 and "This is no mass" in text_of(unread) and 'value="a lot"' in unread.text


async def test_a_draw_says_which_gates_are_shut_and_what_opens_them(taking: tuple[Taking, Setting]) -> None:
    service, setting = taking
    page = await setting.get(f"/draws/{DRAW}")
    said = text_of(page)
    assert page.status_code == 200 and "2 of 3 open" in said and "shut Weighed the goods must be weighed" in said
    assert "Opens for: the same once weighed" in said and "inventory/0/7 is among the first 9" in said
    assert "<b>" not in page.text and '<option value="Other">Other</option>' in page.text
    service.proposals = [
        {"proposal": "prp_1", "act": "weigh", "command": {"draw": DRAW, "weighed_g": 1_000}, "lapses_on": "2027-02-01"},
        {"proposal": "prp_2", "act": "weigh", "command": {"draw": "drw_another"}, "lapses_on": "2027-02-01"},
    ]
    waits = await setting.get(f"/draws/{DRAW}")
    assert "weigh, 1 kg : this waits for another person" in text_of(waits) and "prp_2" not in waits.text
    receipt = await setting.get(f"/draws/{DRAW}/draw.receipt")
    assert receipt.text == "the receipt of inventory/0/7" and "draw.receipt" in receipt.headers["content-disposition"]


@pytest.mark.parametrize(
    ("act", "typed", "path", "body", "said"),
    [
        ("weigh", {"weighed_kg": "599.5"}, "weighing", {"weighed_g": 599_500}, "they weigh 599.5 kg : 0.5 kg less than was drawn"),
        (
            "dispatch",
            {"carrier": " Linfox ", "consignee": "Co"},
            "dispatch",
            {"carrier": "Linfox", "consignee": "Co"},
            "600 kg of gallium-4n leave with Linfox , for Co",
        ),
        (
            "deliver",
            {"delivered_on": "2027-01-09", "received_by": "Customs", "evidence": "CMR 1", "dated_because": "paper_late"},
            "delivery",
            {"delivered_on": "2027-01-09", "received_by": "Customs", "evidence": "CMR 1", "dated_because": "paper_late"},
            "Why it is recorded later than that day: paper late",
        ),
    ],
)
async def test_what_happens_to_goods_is_shown_recorded_once_and_refused_at_its_field(
    taking: tuple[Taking, Setting], act: str, typed: dict[str, str], path: str, body: dict[str, Any], said: str
) -> None:
    service, setting = taking
    service.draw = DRAWN | ({"status": "dispatched", "carrier": "Linfox", "consignee": "Co"} if act == "deliver" else {})
    shown = await setting.post(f"/draws/{DRAW}/{act}", **typed)
    assert shown.status_code == 200 and service.taken == [] and said in text_of(shown), text_of(shown)
    address, form = sent_by(shown)
    done = await setting.post(address.removeprefix("/console"), **form | {"step": "record"})
    assert done.headers["location"].endswith(f"/console/draws/{DRAW}")
    assert service.taken == [(path, body, form["key"])]
    first = next(iter(typed))
    service.refusal = {"code": "no", "title": "It is refused", "detail": "", "field": f"/{next(iter(body))}"}
    refused = await setting.post(address.removeprefix("/console"), **form | {"step": "record"})
    assert refused.status_code == 422 and text_of(refused).count("It is refused") == 1
    assert f'value="{typed[first]}" aria-invalid="true" aria-describedby="refused-{act}"' in refused.text


async def test_what_a_person_may_not_do_to_goods_is_not_offered(taking: tuple[Taking, Setting]) -> None:
    service, setting = taking

    async def offered(login: str, path: str) -> set[str]:
        await setting.sign_in(login)
        page = await setting.get(path)
        assert page.status_code == 200
        return {each for each in ("Draw", "Weigh", "Dispatch", "Arrival", "Gates of dispatch") if f'aria-label="{each}"' in page.text}

    draw, release = f"/draws/{DRAW}", f"/releases/{RELEASE}"
    assert await offered("operator-1", draw) == {"Weigh", "Dispatch", "Gates of dispatch"}
    assert await offered("approver-1", draw) == {"Weigh", "Gates of dispatch"}
    assert await offered("auditor-1", draw) == {"Gates of dispatch"}
    assert await offered("partner-jp", draw) == set()
    assert await offered("auditor-1", release) == set() and await offered("partner-jp", release) == {"Draw"}
    service.draw = DRAWN | {"status": "dispatched", "carrier": "Linfox", "consignee": "Co"}
    assert await offered("auditor-1", draw) == set() and await offered("partner-jp", draw) == {"Arrival"}
