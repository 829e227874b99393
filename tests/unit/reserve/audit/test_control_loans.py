"""The audit of control in loans: what moves value there was proposed by one person and signed by another, from the first proposal on."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from reserve.audit.control_loans import MOVES, LoanMoves
from services.loans.events import controls
from services.loans.events.authority import AuthorityCited
from services.loans.events.facility import FacilityOpened, LimitsSet
from services.loans.events.loan import AdvanceRequested, FeeCharged, LoanClosed, RateReset, RatioReported, Regraded
from services.loans.events.material import MaterialCashSettled, MaterialReplaced
from shared.journal.record import canonical
from shared.terms.acting import Approval
from shared.terms.approval import approve
from shared.terms.countersigning import CommandPaper
from tests.stories.audit import APPROVER_KEY, TODAY, Step, Story, a_citation, audited, failures
from tests.stories.audit_loans import CMF, INSTRUMENT, LOAN, BookChange, figures, limits, loan, told_with_loans

COMMAND: dict[str, Any] = {
    "type": "ChargeFee",
    "fee": "fee_1",
    "text": "a visit",
    "amount_minor": 2,
    "due_on": str(TODAY),
    "on": str(TODAY),
}
PAPER = CommandPaper(
    proposal="prp_1",
    service="loans",
    streams=("loan/lon_7",),
    act="charge_fee",
    command=COMMAND,
    proposed_by="sub_operator",
    proposed_on=TODAY,
)
DOCUMENT = sha256(canonical(PAPER)).hexdigest()
ABOUT: dict[str, Any] = {"proposal": "prp_1", "act": "charge_fee", "document": DOCUMENT, "proposed_by": "sub_operator"}
FEE = FeeCharged(
    fee="fee_1",
    text="a visit",
    currency="AUD",
    amount_minor=2,
    due_on=TODAY,
    change=BookChange(fees_minor=2, fee_income_minor=-2),
    after=figures(advanced_minor=30, repaid_minor=14, principal_minor=11, fees_minor=2),
    **LOAN,
)


def charged(**changes: Any) -> Story:
    """A fee, at the end of the story."""
    made = approve(DOCUMENT, APPROVER_KEY, approver="sub_approver", purpose=CommandPaper.purpose)
    approval = Approval(subject=made.approver, key=made.key_id, signature=made.signature, approved_on=TODAY)
    said: Any = {"authority": INSTRUMENT, "product": None, "mass_g": None, "act": "charge_fee", "amount_minor": 2, "currency": "AUD"}
    steps = {
        "propose_fee": loan(controls.CommandProposed(**ABOUT, command=COMMAND, streams=PAPER.streams, lapses_on=TODAY)),
        "sign_fee": signed_with(controls.CommandApproved(**ABOUT, approval=approval)),
        "charge": signed_with(FEE),
        "cite_fee": signed_with(AuthorityCited(matter="lon_7", cited=a_citation(**said).cited)),
    } | changes
    story = told_with_loans()
    last = story.pop("last_sign")
    return {**story, **steps, "last_sign": last}


def signed_with(event: Any) -> Step:
    return replace(loan(event), command="ab" * 32)


async def test_a_fee_that_two_people_charged_holds(tmp_path: Path):
    assert failures(await audited(tmp_path, charged())) == {}


async def test_a_fee_that_one_person_charged_after_two_were_asked_is_found(tmp_path: Path):
    assert "control" in failures(await audited(tmp_path, charged(charge=loan(FEE))))


async def test_what_one_person_did_before_the_first_proposal_is_listed_and_fails_nothing(tmp_path: Path):
    report = await audited(tmp_path, told_with_loans())
    [control] = [result for result in report.checks if result.check == "control"]
    assert report.ok and "loans/" in " ".join(each.place for each in control.listed)


async def test_a_proposal_whose_document_says_something_else_is_found(tmp_path: Path):
    other = controls.CommandProposed(**ABOUT, command=COMMAND | {"amount_minor": 3}, streams=PAPER.streams, lapses_on=TODAY)
    assert "control" in failures(await audited(tmp_path, charged(propose_fee=loan(other))))


async def test_an_advance_that_was_paid_by_who_asked_for_it_is_found(tmp_path: Path):
    asked = AdvanceRequested(amount_minor=30, purpose="a mill", advance="adv_1", requested_by="sub_operator", **LOAN)  # type: ignore[arg-type]
    assert failures(await audited(tmp_path, told_with_loans() | {"ask_advance": loan(asked)})).keys() == {"control"}


def test_what_moves_value_in_loans_is_known_by_its_events():
    moves = LoanMoves()

    def told(event: Any) -> bool:
        return moves.see(event)

    none: Any = {"facility": CMF, "authority": "an Act"}
    assert told(FacilityOpened(currency="AUD", limits=limits(), **none))
    assert not told(LimitsSet(limits=limits(599), reason="prudence", **none))
    assert told(LimitsSet(limits=limits(600), reason="more", **none))
    assert told(LimitsSet(limits=limits()[:1], reason="none but the root", **none))
    ratio: Any = {"kind": "dscr", "ratio": "1", "minimum": "1.3", "for_on": TODAY, "source": "accounts"} | LOAN
    assert [told(RatioReported(standing=each, **ratio)) for each in ("kept", "breached", "waived", "cured")] == [False] * 3 + [True]
    graded: Any = {"grade": "B", "stage": 2, "currency": "AUD", "provision_minor": 5, "reason": "a look"} | LOAN
    assert [told(Regraded(change_minor=each, **graded)) for each in (5, 0, -1)] == [False, False, True]
    closed = LoanClosed(facility=CMF, reason="repaid", **LOAN)
    assert not told(closed)
    money: Any = {"currency": "AUD", "after": figures()} | LOAN
    assert told(RateReset(reset=0, base_pct="4", source="s", from_on=TODAY, change=BookChange(cash_minor=9, credit_minor=-9), **money))
    assert told(closed)
    assert {MaterialCashSettled, MaterialReplaced} <= set(MOVES)
