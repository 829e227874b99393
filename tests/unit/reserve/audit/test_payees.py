"""The audit of payees: from the first that is registered on, an advance is paid on one of its borrower, by neither of those who registered
it; before, what was paid on none is listed."""

from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from services.loans.events import controls
from services.loans.events.authority import AuthorityCited
from services.loans.events.payees import PayeeEnded, PayeeId, PayeeRegistered
from services.loans.events.terms import BorrowerCode
from shared.journal.record import canonical
from shared.journal.texts import TypedText
from shared.terms.acting import Approval
from shared.terms.approval import approve
from shared.terms.countersigning import CommandPaper
from tests.stories.audit import APPROVER_KEY, TODAY, Step, Story, Told, a_citation, failures
from tests.stories.audit_loans import INSTRUMENT, advance, loan, told_with_loans

STREAM = "payees/hillgrove-mines"
COMMAND: dict[str, Any] = {"type": "RegisterPayee", "payee": "pye_1", "on": str(TODAY)}
PAYER = "sub_operator"  # of the story's advance


def registered(**changes: Any) -> PayeeRegistered:
    given: dict[str, Any] = {
        "borrower": BorrowerCode("hillgrove-mines"),
        "payee": PayeeId("pye_1"),
        "currency": "AUD",
        "registered_by": ("sub_registrar", "sub_approver"),
        "registered_on": TODAY,
        "pays_from": TODAY,
        **{part: TypedText(part) for part in ("holder", "bank", "account", "masked")},
    }
    return PayeeRegistered(**given | changes)


def step(event: Any, command: str = "ab" * 32) -> Step:
    return Step(event=event, stream=STREAM, command=command)


def two_register(event: Any, by: str) -> Story:
    about: dict[str, Any] = {"proposal": "prp_pye", "act": "register_payee", "proposed_by": by}
    paper = CommandPaper(**about, service="loans", streams=(STREAM,), command=COMMAND, proposed_on=TODAY)
    document = sha256(canonical(paper)).hexdigest()
    made = approve(document, APPROVER_KEY, approver="sub_approver", purpose=CommandPaper.purpose)
    approval = Approval(subject=made.approver, key=made.key_id, signature=made.signature, approved_on=TODAY)
    said: Any = {"authority": INSTRUMENT, "product": None, "mass_g": None, "act": "register_payee", "amount_minor": None, "currency": None}
    proposed = controls.CommandProposed(**about, document=document, command=COMMAND, streams=paper.streams, lapses_on=TODAY)
    return {
        "propose_payee": step(proposed, "cd" * 32),
        "sign_payee": step(controls.CommandApproved(**about, document=document, approval=approval)),
        "new_payee": step(event),
        "cite_payee": step(AuthorityCited(matter="prp_pye", cited=a_citation(**said).cited)),
    }


def told_with(*, before: str, paid: Any, event: Any = None, by: str = "sub_registrar", **more: Step) -> Story:
    """The payee is registered right before that step of a small story of loans; its advance is `paid`."""
    story: Story = {}
    for name, each in told_with_loans().items():
        if name == before:
            story |= {**two_register(event or registered(), by), **more}
        story[name] = paid if name == "advance" else each
    return story


def on(payee: str | None, **changes: Any) -> Step:
    return loan(advance(30, 20, **({} if payee is None else {"payee": payee}), **changes))


async def found_at(tmp_path: Path, story: Story) -> set[str]:
    """The steps that the audit finds fault with."""
    history = Told(story, tmp_path)
    places = failures(await history.audited()).get("control", [])
    return {name for name, place in history.places.items() if place in places}


async def test_what_was_paid_before_there_were_payees_is_listed(tmp_path: Path):
    history = Told(told_with_loans(), tmp_path)
    report = await history.audited()
    [control] = [result for result in report.checks if result.check == "control"]
    says = "it does not say to which payee it was paid (before its rule was in force)"
    assert report.ok and (history.places["advance"], says) in {(each.place, each.what) for each in control.listed}


async def test_what_is_paid_on_a_payee_that_two_others_registered_holds(tmp_path: Path):
    assert {"advance", "new_payee"}.isdisjoint(await found_at(tmp_path, told_with(before="advance", paid=on("pye_1"))))


ENDED = step(PayeeEnded(borrower=BorrowerCode("hillgrove-mines"), payee=PayeeId("pye_1"), ended_on=TODAY, reason=TypedText("x")), "ef" * 32)
LATER = "2026-01-06T23:00:00.000000Z"


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        pytest.param({"paid": on(None)}, "advance", id="on none"),
        pytest.param({"paid": on("pye_2")}, "advance", id="on one that nobody registered"),
        pytest.param({"event": registered(currency="USD")}, "advance", id="on one for another currency"),
        pytest.param({"event": registered(borrower="nolans-mines")}, "advance", id="on another borrower's"),
        pytest.param({"event": registered(pays_from=date(2026, 1, 7))}, "advance", id="too early"),
        pytest.param({"event": registered(pays_from=date(2026, 1, 5))}, "new_payee", id="from an earlier day on than it may be"),
        pytest.param({"event": registered(registered_by=("sub_registrar", "sub_another"))}, "new_payee", id="by others than signed"),
        pytest.param({"paid": replace(on("pye_1"), at=LATER), "ended": ENDED}, "advance", id="on one that has ended"),
        pytest.param({"event": registered(registered_by=(PAYER, "sub_approver")), "by": PAYER}, "advance", id="by who registered it"),
    ],
)
async def test_any_other_payment_is_found(tmp_path: Path, changes: Any, at: str):
    assert at in await found_at(tmp_path, told_with(**{"before": "advance", "paid": on("pye_1")} | changes))
