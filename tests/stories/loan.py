"""A small facility loan, told by commands: what several tests begin from."""

from collections.abc import Sequence
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.loans.domain.loan.advances import LearnEvidence, PayAdvance, RequestAdvance
from services.loans.domain.loan.agreement import ApproveAct, ApproveLoan, CommitLoan, ProposeAct, ProposeLoan
from services.loans.domain.loan.decider import DECIDER
from services.loans.domain.loan.payments import ReconcilePayment, RecordPayment
from services.loans.domain.payees.payees import Payee
from services.loans.events.facility import FacilityId
from services.loans.events.loan import ActId, AdvanceId, BookChange, LoanEvent, LoanId, PaymentId
from services.loans.events.payees import PayeeId
from services.loans.events.terms import Amendment, BorrowerCode, Covenant, LoanTerms, Precedent, ProjectCode, ScheduleTerms
from shared.terms.acting import Signing
from shared.terms.approval import approve
from shared.terms.conditions import Evidence, ShareAtLeast, Shown
from shared.terms.dating import Dated
from tests.stories.given import Given
from tests.stories.powers import may

LOAN = LoanId("lon_1")
START = date(2026, 1, 6)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OFFTAKE = Precedent(name="offtake", text="80% sold", condition=ShareAtLeast(part="offtake", whole="output", share="4/5"))
PERMIT = Precedent(name="permit", text="a permit", condition=Shown(kind="permit"))


def terms(**changes: Any) -> LoanTerms:
    """A$1,200.00 at 12% over a year in equal monthly instalments, with two conditions precedent."""
    given: dict[str, Any] = {
        "facility": FacilityId("cmf"),
        "account": "national_interest",
        "instrument": "direction 1/2026",
        "borrower": BorrowerCode("hillgrove-mines"),
        "project": ProjectCode("hillgrove"),
        "elements": ("Sb",),
        "currency": "AUD",
        "commitment_minor": 120_000,
        "security": "first charge",
        "ranking": "senior",
        "base_rate": "BBSW 3M",
        "base_pct": "10",
        "margin_pct": "2",
        "default_margin_pct": "0",
        "commitment_fee_pct": "0",
        "establishment_fee_minor": 0,
        "available_from": START,
        "available_until": date(2026, 12, 31),
        "sunset_on": date(2026, 6, 30),
        "schedule": ScheduleTerms(kind="equal", start=START, every="1m", periods=12, day_count="30/360"),
        "precedents": (OFFTAKE, PERMIT),
        "subsequents": (),
        "covenants": (Covenant(kind="dscr", minimum="1.3"),),
        "grade": "BB",
        "stage": 1,
        "kyc": "kyc-1",
        "category": "B",
    }
    return LoanTerms(**given | changes)


def evidence(kind: str, quantity: int | None = None, reference: str | None = None, until: date | None = None) -> Evidence:
    unit = None if quantity is None else "g"
    return Evidence(kind=kind, reference=reference or f"fct_{kind}", by="operator", quantity=quantity, unit=unit, until=until)


SHOWN = (evidence("output", 100), evidence("offtake", 80), evidence("permit"))


def propose(**changes: Any) -> ProposeLoan:
    return ProposeLoan(loan=LOAN, terms=terms(**changes), document=named("proposal"), by="sub_operator", on=START)


def named(document: str) -> str:
    return sha256(document.encode()).hexdigest()


def signing(document: str, purpose: str = "loan_proposal", by: str = "sub_approver", **changes: Any) -> Signing:
    given: dict[str, Any] = {"approval": approve(document, KEY, approver=by, purpose=purpose), "key": "enrolled"}
    return Signing(**given | {"signature_valid": True, "capacity": may(by, START)} | changes)


def learn(*learnt: Evidence, forgotten: tuple[str, ...] = (), on: date = START) -> LearnEvidence:
    return LearnEvidence(learnt=learnt, forgotten=forgotten, on=on)


def request(name: str = "a", amount_minor: int = 120_000, on: date = START, by: str = "sub_operator") -> RequestAdvance:
    return RequestAdvance(advance=AdvanceId(f"adv_{name}"), amount_minor=amount_minor, purpose="plant", by=by, on=on)


def payee(**changes: Any) -> Payee:
    given: dict[str, Any] = {
        "id": PayeeId("pye_1"),
        "borrower": terms().borrower,
        "currency": "AUD",
        "registered_by": frozenset({"sub_operator", "sub_approver"}),
        "pays_from": START,
    }
    return Payee(**given | changes)


def pay_out(name: str = "a", paid_on: date = START, on: date | None = None, **changes: Any) -> PayAdvance:
    given: dict[str, Any] = {"payee": payee(), "paid_on": paid_on, "by": frozenset({"sub_payer"}), "on": on or paid_on}
    if given["on"] != paid_on:
        given["dated_because"] = Dated.NOT_RECORDABLE
    return PayAdvance(advance=AdvanceId(f"adv_{name}"), **given | changes)


def reconcile(name: str, by: str = "sub_checker", on: date = START) -> ReconcilePayment:
    return ReconcilePayment(payment=PaymentId(f"pay_{name}"), statement="2026/1", by=by, accounts=frozenset({by}), on=on)


def payment(name: str, amount_minor: int, received_on: date, on: date | None = None, prepays: Any = "nothing") -> RecordPayment:
    return RecordPayment(
        payment=PaymentId(f"pay_{name}"),
        reference=f"bank/{name}",
        amount_minor=amount_minor,
        received_on=received_on,
        prepays=prepays,
        by="sub_operator",
        dated_because=None if on in (None, received_on) else Dated.PAPER_LATE,
        on=on or received_on,
    )


def act(content: Amendment, name: str = "a", on: date = START) -> ProposeAct:
    return ProposeAct(act=ActId(f"act_{name}"), content=content, reason="agreed", document=named(name), by="sub_operator", on=on)


def sign_act(name: str = "a", on: date = START, **changes: Any) -> ApproveAct:
    return ApproveAct(act=ActId(f"act_{name}"), signing=signing(named(name), "loan_act", **changes), on=on)


def committed(*happened: Any, **changes: Any) -> Given:
    agreed = (propose(**changes), ApproveLoan(signing=signing(named("proposal"))), CommitLoan(on=START))
    return Given(DECIDER, *agreed, *happened)


def lent(*happened: Any, **changes: Any) -> Given:
    """All of it advanced on the first day."""
    return committed(learn(*SHOWN), request(amount_minor=terms(**changes).commitment_minor), pay_out(), *happened, **changes)


def months(count: int) -> date:
    return date(START.year + (START.month - 1 + count) // 12, (START.month - 1 + count) % 12 + 1, START.day)


def day_after(day: date) -> date:
    return day + timedelta(days=1)


def minor(change: BookChange) -> dict[str, int]:
    """The accounts that change."""
    return {name.removesuffix("_minor"): amount for name in change.__struct_fields__ if (amount := getattr(change, name))}


def names(events: Sequence[LoanEvent]) -> list[str]:
    return [type(event).__name__ for event in events]
