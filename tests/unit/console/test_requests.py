"""Accepting and declining a request, before a service that takes down what it is sent."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from tests.unit.console.setting import Setting, a_setting, sent_by, text_of
from tests.unit.edge.setting import serving

ID = "req_01kb0000000000000000000000"
PATH = f"/requests/{ID}"
ASKED = {
    **{"request": ID, "product": "gallium-4n", "partner": "JP", "status": "submitted", "mass_g": 1_234_000, "minimum_g": 0},
    **{"accepted_g": None, "reasons": [], "daily_consumption_g": 20_000, "days_of_cover_asked": "61.7", "needed_by": "2027-03-01"},
    **{"nominee": "n", "consignee": "c", "end_user": "u", "end_use": "e", "round": None, "kind": "sale", "return_on": None},
    **{
        "lapses_at": None,
        "note": None,
        "clock": None,
        "statement": dict.fromkeys(("event", "impact", "alternatives", "quality"), "") | {"duration_days": 0},
    },
}
SCREENING = {"pre_cleared": [], "parties": None, "acceptances": [], "objections": []}
TYPED = {"accepted_kg": "1,000.5", "reasons": "the rest is in makers' own stock\n\n <b>and</b> ", "clock": "emergency", "event": "met"}


class Taking:
    """`refusal`: what it answers to an act, from when it is set on."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Any, str]] = []
        self.refusal: dict[str, str] | None = None
        self.status = 422
        self.asked = ASKED
        self.app = FastAPI()
        self.app.get("/v1/requests/{request}")(lambda request: self.asked)
        self.app.get("/v1/requests/{request}/screening")(lambda request: SCREENING)
        self.app.post("/v1/requests/{request}/{act:path}")(self.take)

    async def take(self, request: Request, act: str) -> Response:
        self.taken.append((act, await request.json(), request.headers["idempotency-key"]))
        return JSONResponse({}) if self.refusal is None else JSONResponse(self.refusal, self.status)


@pytest.fixture
async def taking(folder: Path) -> AsyncIterator[tuple[Taking, Setting]]:
    service = Taking()
    async with serving(service.app) as url, a_setting(folder, url) as setting:
        await setting.sign_in("operator-1")
        yield service, setting


async def test_what_will_be_recorded_is_shown_and_then_recorded_under_its_key(taking: tuple[Taking, Setting]) -> None:
    service, setting = taking
    shown = await setting.post(f"{PATH}/accept", **TYPED, event_finding="an export ban")
    assert shown.status_code == 200 and service.taken == []
    said = text_of(shown)
    assert "you accept 1,000.5 kg of the 1,234 kg of gallium-4n that JP asks for" in said and "What happened: met. an export ban" in said
    address, form = sent_by(shown)
    assert address == f"/console{PATH}/accept" and "<b>" not in shown.text
    done = await setting.post(f"{PATH}/accept", **form | {"step": "record"})
    assert done.headers["location"].endswith(f"/console{PATH}")
    [(act, body, key)] = service.taken
    assert (act, key) == ("accept", form["key"]) and body == {
        "accepted_g": 1_000_500,
        "reasons": ["the rest is in makers' own stock", "<b>and</b>"],
        "findings": {"event": {"answer": "met", "finding": "an export ban"}},
        "clock": "emergency",
    }


async def test_what_was_typed_is_there_again_when_it_is_to_be_changed_or_is_refused(taking: tuple[Taking, Setting]) -> None:
    service, setting = taking
    changed = await setting.post(f"{PATH}/accept", **TYPED, step="change", key="key_01kb0000000000000000000000")
    assert changed.status_code == 200 and 'value="1,000.5"' in changed.text and "<option selected>emergency</option>" in changed.text
    assert "makers&#39; own stock" in changed.text and service.taken == []
    service.refusal = {"code": "accepted_invalid", "title": "Not so much", "detail": "at most 1 g", "field": "/accepted_g"}
    refused = await setting.post(f"{PATH}/accept", **TYPED, step="record", key="key_01kb0000000000000000000000")
    assert refused.status_code == 422 and "Not so much" in text_of(refused) and 'value="1,000.5" aria-invalid="true"' in refused.text
    unread = await setting.post(f"{PATH}/accept", **TYPED | {"accepted_kg": "a lot"})
    assert unread.status_code == 422 and "This is no mass" in text_of(unread) and 'value="a lot"' in unread.text


async def test_nothing_is_decided_without_a_reason(taking: tuple[Taking, Setting]) -> None:
    service, setting = taking
    for act, typed in (("accept", {"accepted_kg": "1"}), ("decline", {})):
        refused = await setting.post(f"{PATH}/{act}", **typed, reasons=" \n", step="record", key="key_01kb0000000000000000000000")
        assert refused.status_code == 422 and "No reason is given" in text_of(refused)
    assert service.taken == []


async def test_a_request_is_declined(taking: tuple[Taking, Setting]) -> None:
    service, setting = taking
    shown = await setting.post(f"{PATH}/decline", reasons="it has stock")
    assert "After 72 hours it is as it was before, unless a second person confirms it" in text_of(shown)
    await setting.post(f"{PATH}/decline", **sent_by(shown)[1] | {"step": "record"})
    assert [(act, body) for act, body, _ in service.taken] == [("decline", {"reasons": ["it has stock"]})]


async def test_a_second_person_confirms_that_it_is_declined(taking: tuple[Taking, Setting]) -> None:
    service, setting = taking
    service.asked = ASKED | {"status": "declined", "reasons": ["it has stock"], "lapses_at": "2027-01-09T03:00:00Z"}
    for person in ("operator-2", "approver-1"):
        await setting.sign_in(person)
        page = await setting.get(PATH)
        assert "unless a second person confirms it" in text_of(page)
        address, form = sent_by(page)
        done = await setting.post(address.removeprefix("/console"), **form)
        assert done.headers["location"].endswith(f"/console{PATH}")
        assert service.taken[-1] == ("decline/confirm", {}, form["key"])
    service.refusal = {"code": "decline_confirmed_by_same_person", "title": "A decline is confirmed by a second person", "detail": ""}
    refused = await setting.post(f"{PATH}/decline/confirm", key="key_01kb0000000000000000000000")
    assert refused.status_code == 422 and "is confirmed by a second person" in text_of(refused)
    service.asked = service.asked | {"lapses_at": None}
    assert 'aria-label="Confirm"' not in (await setting.get(PATH)).text


async def test_what_was_typed_without_a_session_or_without_an_answer_is_kept(taking: tuple[Taking, Setting]) -> None:
    service, setting = taking
    typed = TYPED | {"step": "record", "key": "key_01kb0000000000000000000000"}
    setting.browser.cookies.clear()
    page = await setting.post(f"{PATH}/accept", **typed)
    assert page.status_code == 401 and sent_by(page) == (f"/console{PATH}/accept", typed)
    await setting.sign_in("operator-1")
    service.refusal, service.status = {"code": "no", "title": "It fails", "detail": ""}, 503
    again = await setting.post(f"{PATH}/accept", **sent_by(page)[1])
    assert again.status_code == 503 and sent_by(again) == sent_by(page)
    service.refusal = None
    assert (await setting.post(f"{PATH}/accept", **sent_by(again)[1])).status_code == 303
    assert [key for _, _, key in service.taken] == [typed["key"]] * 2


async def test_neither_is_offered_to_others_nor_of_a_request_that_is_closed(taking: tuple[Taking, Setting]) -> None:
    service, setting = taking
    assert 'aria-label="Decline"' in (await setting.get(PATH)).text
    service.asked = ASKED | {"status": "declined"}
    assert 'aria-label="Decline"' not in (await setting.get(PATH)).text
    service.asked = ASKED
    await setting.sign_in("auditor-1")
    page = await setting.get(PATH)
    assert page.status_code == 200 and 'aria-label="Decline"' not in page.text and 'aria-label="Accept"' not in page.text
