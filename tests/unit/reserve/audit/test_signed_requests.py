"""The audit of what partners sign: their requests, and their objections. What was typed in them may be erased meanwhile."""

from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from services.allocation import events as allocation
from services.allocation.events.requests import RequestPaper, SignedRequest
from services.allocation.events.screening import ObjectionPaper, SignedObjection
from shared.journal.record import canonical, name_of
from shared.journal.texts import commitment_to
from shared.terms.approval import approve
from tests.stories.audit import LAST_DAY, TODAY, Step, Told, failures
from tests.stories.audit_ceremony import origin_of
from tests.stories.partner_keys import JP, KEYS, registered, story

SALT, WORDS = b"s" * 16, "the smelter burned"
ASKED: dict[str, Any] = {
    "partner": JP,
    "product": "antimony-metal",
    "mass_g": 80,
    "minimum_g": 10,
    "daily_consumption_g": 4,
    "needed_by": LAST_DAY,
    "nominee": "Trading Co",
    "consignee": "Trading Co",
    "end_user": "Smelter",
    "end_use": "flame retardant",
    "least_contents": {},
    "excluded_origins": ("CN",),
    "statement": allocation.Statement(event=commitment_to(SALT, WORDS)),
}
OBJECTED: dict[str, Any] = {"partner": JP, "request": "req_jp", "reasons": (commitment_to(SALT, "too little"),)}
SENT = {"client": "partner-jp", "subject": "sub_jp", "idempotency_key": "first"}
ROUTES: dict[str, list[Any]] = {
    "request": ["/v1/requests", []],
    "objection": ["/v1/requests/{request}/objections", [("request", "req_jp")]],
}


def sent(purpose: str, **columns: Any) -> dict[str, Any]:
    named = ["partner-jp", "sub_jp", "POST", "allocation", *ROUTES[purpose], "first"]
    return {"command": sha256(canonical(named)).hexdigest(), "actor": "sub_jp", "stream": "book/antimony-metal"} | columns


def asked(folder: Path, *, paper: dict[str, Any] | None = None, said: dict[str, Any] | None = None, **changes: Any) -> Any:
    """A request as it is recorded. `paper`: what is signed otherwise; `said`: what else the statement says."""
    signs = RequestPaper(**(ASKED | {"return_on": None} | SENT | (paper or {})))
    whole = {"approver": "JP", "purpose": "request", "origin": origin_of(folder)} | (said or {})
    by = approve(name_of(signs), KEYS["one"], **whole)
    signed = SignedRequest(key=by.key_id, signature=by.signature, paper=signs)
    return allocation.RequestSubmitted(request=allocation.RequestId("req_jp"), signed=signed, **(ASKED | changes))


def objected(folder: Path, **paper: Any) -> Any:
    signs = ObjectionPaper(**(OBJECTED | SENT | paper))
    by = approve(name_of(signs), KEYS["one"], approver="JP", purpose="objection", origin=origin_of(folder))
    signed = SignedObjection(key=by.key_id, signature=by.signature, paper=signs)
    known: Any = {"objection": "obj_jp", "product": "antimony-metal", "accepted_g": 40, "raised_by": "sub_jp"}
    return allocation.ObjectionRaised(**(OBJECTED | known), signed=signed)


async def found(folder: Path, **steps: Step) -> set[str]:
    """The steps after the key's that this check finds; that nobody had opened a book is another's."""
    history = Told(story(folder, one=registered(folder, "one"), **steps), folder)
    names = {place: name for name, place in history.places.items()}
    return {names[place] for place in failures(await history.audited()).get("partners_sign", ())}


async def test_what_a_partner_has_signed_is_fine(tmp_path: Path) -> None:
    steps = {"ask": Step(event=asked(tmp_path), **sent("request")), "object": Step(event=objected(tmp_path), **sent("objection"))}
    assert await found(tmp_path, **steps) == set()


async def test_what_no_key_has_signed_is_found_an_hour_after_there_was_one(tmp_path: Path) -> None:
    later: date = TODAY + timedelta(days=1)
    ask, objection = replace(asked(tmp_path), signed=None), replace(objected(tmp_path), signed=None)
    steps = {"ask": Step(event=ask, on=later, **sent("request")), "object": Step(event=objection, on=later, **sent("objection"))}
    assert await found(tmp_path, **steps) == {"ask", "object"}
    assert await found(tmp_path, **{name: replace(step, on=TODAY) for name, step in steps.items()}) == set()


OTHER = allocation.Statement(event=commitment_to(SALT, "something else"))


@pytest.mark.parametrize(
    "event",
    [
        {"mass_g": 800},
        {"product": "gallium-4n"},
        {"needed_by": TODAY},
        {"consignee": "Somebody Else"},
        {"statement": OTHER},
        {"excluded_origins": ()},
        {"paper": {"partner": "US"}},
        {"paper": {"client": "operator-1"}},
        {"paper": {"idempotency_key": "second"}},
        {"paper": {"return_on": LAST_DAY + timedelta(days=9)}},
        {"said": {"purpose": "draw"}},
        {"said": {"origin": "reserve/ledger/a-drill"}},
    ],
)
async def test_a_request_that_is_not_what_was_signed_is_found(tmp_path: Path, event: dict[str, Any]) -> None:
    assert await found(tmp_path, ask=Step(event=asked(tmp_path, **event), **sent("request"))) == {"ask"}


@pytest.mark.parametrize("days", [0, 9, 10])
async def test_a_loan_comes_back_by_the_day_that_was_signed(tmp_path: Path, days: int) -> None:
    day = LAST_DAY + timedelta(days=9)
    loan = allocation.LoanRequested(
        request=allocation.RequestId("req_jp"), product=allocation.ProductId("antimony-metal"), partner=JP, return_on=LAST_DAY
    )
    ask = Step(event=asked(tmp_path, paper={"return_on": day}), **sent("request"))
    lent = Step(event=replace(loan, return_on=LAST_DAY + timedelta(days=days)), **sent("request"))
    assert await found(tmp_path, ask=ask, lent=lent) == (set() if days == 9 else {"ask"})


@pytest.mark.parametrize(
    "paper", [{"request": "req_us"}, {"reasons": ()}, {"partner": "US"}, {"subject": "sub_other"}, {"idempotency_key": "second"}]
)
async def test_an_objection_that_is_not_what_was_signed_is_found(tmp_path: Path, paper: dict[str, Any]) -> None:
    assert await found(tmp_path, object=Step(event=objected(tmp_path, **paper), **sent("objection"))) == {"object"}
