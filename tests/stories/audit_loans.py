"""What loans add to the audit's small history: a facility with limits, what is committed under them, and a loan with its money."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from services.loans.events.terms import LoanTerms, Precedent, ScheduleTerms, WaiveCondition, WriteOff

from services.loans.events.authority import AuthorityCited
from services.loans.events.facility import FacilityOpened, HeadroomReleased, HeadroomReserved, Limit, LimitsSet, RateRecorded
from services.loans.events.loan import (
    ActApproved,
    ActProposed,
    AdvanceCleared,
    AdvancePaid,
    AdvanceRequested,
    Approval,
    BookChange,
    CommitmentCancelled,
    DeliveryCredited,
    Figures,
    LoanApproved,
    LoanCommitted,
    LoanProposed,
    PaymentRecorded,
    PaymentReversed,
    PeriodClosed,
    Seen,
)
from services.loans.events.offtake import DeliveryValued, OfftakeAgreed
from shared.terms.approval import approve
from shared.terms.conditions import Evaluation, Shown
from tests.stories.audit import APPROVER_KEY, LAST_DAY, TODAY, Step, Story, a_citation, an_instrument, told
from tests.stories.powers import ACTS, INSTRUMENT

CMF: Any = "cmf"


def facility(event: Any) -> Step:
    return Step(event=event, stream="facility/cmf", shard=1)


def limits(mine_minor: int = 600) -> tuple[Limit, ...]:
    return (
        Limit(key="total", parent=None, limit_minor=1000),
        Limit(key="instrument/loan", parent="total", limit_minor=900),
        Limit(key="project/hillgrove", parent="total", limit_minor=mine_minor),
    )


def reserved(name: str, asset: str, amount: int, value_minor: int) -> HeadroomReserved:
    commitment: Any = name
    keys = ("instrument/loan", "partner/US", "project/hillgrove", "total")
    return HeadroomReserved(facility=CMF, commitment=commitment, asset=asset, amount=amount, value_minor=value_minor, keys=keys, warned=())


def rate(rate: str, before_minor: int, after_minor: int) -> RateRecorded:
    told: Any = {"asset": "USD", "quoted_on": TODAY, "source": "RBA", "over": ()}
    return RateRecorded(facility=CMF, rate=rate, before_minor=before_minor, after_minor=after_minor, **told)


def given_back(name: str, asset: str, amount: int, value_minor: int, remaining: int) -> HeadroomReleased:
    commitment: Any = name
    return HeadroomReleased(facility=CMF, commitment=commitment, asset=asset, amount=amount, value_minor=value_minor, remaining=remaining)


def lent() -> Story:
    return {
        "open_facility": facility(FacilityOpened(facility=CMF, currency="AUD", limits=limits(), authority="an Act")),
        "reserve": facility(reserved("lon_1", "AUD", 400, 400)),
        "rate": facility(rate("3/2", 0, 0)),
        "reserve_usd": facility(reserved("lon_2", "USD", 101, 152)),
        "rate_again": facility(rate("1.6", 152, 162)),
        "give_back": facility(given_back("lon_1", "AUD", 300, 300, 100)),
        "lower": facility(LimitsSet(facility=CMF, limits=limits(261), authority="an Act", reason="prudence")),
        "give_back_usd": facility(given_back("lon_2", "USD", 101, 162, 0)),
    }


TERMS = LoanTerms(
    facility=CMF,
    account="national_interest",
    instrument="an Act",
    borrower="hillgrove-mines",  # type: ignore[arg-type]
    project="hillgrove",  # type: ignore[arg-type]
    elements=("Sb",),
    currency="AUD",
    commitment_minor=50,
    security="first charge",
    ranking="senior",
    base_rate="fixed",
    base_pct="4",
    margin_pct="2",
    default_margin_pct="2",
    commitment_fee_pct="0",
    establishment_fee_minor=0,
    available_from=TODAY,
    available_until=LAST_DAY,
    sunset_on=LAST_DAY,
    schedule=ScheduleTerms(kind="equal", start=TODAY, every="1m", periods=12, day_count="30/360"),
    precedents=(
        Precedent(name="permit", text="a mining permit", condition=Shown(kind="permit")),
        Precedent(name="offtake", text="a buyer", condition=Shown(kind="offtake")),
    ),
    subsequents=(),
    covenants=(),
    grade="BB",
    stage=1,
    kyc="kyc-1",
    category="B",
)
PROPOSAL, WAIVER, LOSS = "a1" * 32, "b2" * 32, "c3" * 32  # documents, by SHA-256
LOAN: Any = {"loan": "lon_7"}


def loan(event: Any) -> Step:
    return Step(event=event, stream="loan/lon_7")


def cited(act: str, amount_minor: int) -> Step:
    """By whoever signs for the loan, under the act that empowers them for loans."""
    said: Any = {"authority": INSTRUMENT, "product": None, "mass_g": None, "act": act, "amount_minor": amount_minor, "currency": "AUD"}
    return loan(AuthorityCited(matter="lon_7", cited=a_citation(**said).cited))


def signed(document: str, purpose: str, *, subject: str = "sub_approver", key: Ed25519PrivateKey = APPROVER_KEY) -> Approval:
    approval = approve(document, key, approver=subject, purpose=purpose)
    return Approval(subject=subject, key=approval.key_id, signature=approval.signature, approved_on=TODAY)


def figures(**minor: int) -> Figures:
    """Zero where nothing is said."""
    days: Any = {"on": TODAY, "overdue_since": None, "next_due": None}
    return Figures(**days, **{name: minor.get(name, 0) for name in Figures.__struct_fields__ if name.endswith("_minor")})


def seen(permit: Any = "met", offtake: Any = "waived") -> tuple[Seen, ...]:
    return tuple(
        Seen(name=name, evaluation=Evaluation(status=status, found="", needed="", evidence=()))
        for name, status in (("permit", permit), ("offtake", offtake))
    )


def advance(amount_minor: int, undrawn_minor: int, **changes: Any) -> AdvancePaid:
    """The first one, unless `after` says otherwise."""
    given: Any = {
        "advance": "adv_1",
        "paid_on": TODAY,
        "seen": seen(),
        "change": BookChange(cash_minor=-amount_minor, principal_minor=amount_minor),
        "after": figures(advanced_minor=amount_minor, principal_minor=amount_minor),
    } | changes
    return AdvancePaid(facility=CMF, currency="AUD", amount_minor=amount_minor, undrawn_minor=undrawn_minor, **given, **LOAN)


def act(name: str, content: Any, document: str) -> ActProposed:
    proposed: Any = {"act": name, "reason": "a reason", "proposed_by": "sub_operator"}
    return ActProposed(content=content, document=document, **proposed, **LOAN)


def act_approved(name: str, content: Any, document: str, change: BookChange = BookChange(), **minor: int) -> ActApproved:
    approved: Any = {"act": name, "approval": signed(document, "loan_act"), "currency": "AUD"}
    return ActApproved(content=content, document=document, change=change, after=figures(**minor), **approved, **LOAN)


def payment(name: str, amount_minor: int, change: BookChange, **minor: int) -> PaymentRecorded:
    told: Any = {"payment": name, "reference": f"bank {name}", "received_on": TODAY, "prepays": "nothing"}
    return PaymentRecorded(amount_minor=amount_minor, currency="AUD", change=change, after=figures(**minor), **told, **LOAN)


def offtake(event: Any) -> Step:
    return Step(event=event, stream="offtake/rgt_1", shard=1)


def agreed(**changes: Any) -> OfftakeAgreed:
    """Half of each delivery, at a cent and a half for a contained gram."""
    given: Any = {
        "offtake": "oft_1",
        "right": "rgt_1",
        "product": "antimony-metal",
        "element": "Sb",
        "price": "3/2",
        "currency": "AUD",
        "share": "0.5",
        "prepays": "nothing",
        "since": TODAY,
        "until": LAST_DAY,
        "authority": "an agreement",
        "agreed_by": "sub_operator",
    } | LOAN
    return OfftakeAgreed(**given | changes)


def valued(**changes: Any) -> DeliveryValued:
    """Six grams, nine tenths of them antimony: 4.05 cents."""
    given: Any = {
        "offtake": "oft_1",
        "right": "rgt_1",
        "lot": "lot_1",
        "payment": "pay_3",
        "mass_g": 6,
        "content": "0.9",
        "contained_g": 5,
        "price": "3/2",
        "share": "0.5",
        "currency": "AUD",
        "amount_minor": 4,
        "prepays": "nothing",
        "received_on": TODAY,
    } | LOAN
    return DeliveryValued(**given | changes)


def a_loan() -> Story:
    """Fifty are committed, thirty advanced once a permit is there and the offtake waived. Interest of 3 is billed, 13 are paid."""
    waiver = WaiveCondition(name="offtake", until=TODAY)
    write_off = WriteOff(amount_minor=5, on=TODAY)
    money: Any = {"currency": "AUD", **LOAN}
    requested: Any = {"advance": "adv_1"}
    return {
        "propose_loan": loan(LoanProposed(terms=TERMS, document=PROPOSAL, proposed_by="sub_operator", **LOAN)),
        "approve_loan": loan(
            LoanApproved(
                document=PROPOSAL,
                approval=signed(PROPOSAL, "loan_proposal"),
                facility=CMF,
                commitment_minor=50,
                keys=("instrument/loan", "project/hillgrove"),
                **money,
            )
        ),
        "cite_loan": cited("commit_loan", 50),
        "reserve_loan": facility(reserved("lon_7", "AUD", 50, 50)),
        "commit_loan": loan(
            LoanCommitted(
                facility=CMF,
                project=TERMS.project,
                borrower=TERMS.borrower,
                commitment_minor=50,
                on=TODAY,
                sunset_on=LAST_DAY,
                available_until=LAST_DAY,
                **money,
            )
        ),
        "ask_waiver": loan(act("act_1", waiver, WAIVER)),
        "waive": loan(act_approved("act_1", waiver, WAIVER)),
        "cite_waiver": cited("waive_condition", 50),
        "ask_advance": loan(AdvanceRequested(amount_minor=30, purpose="a mill", **requested, **LOAN)),
        "clear": loan(AdvanceCleared(seen=seen(), **requested, **LOAN)),
        "advance": loan(advance(30, 20)),
        "close_period": loan(
            PeriodClosed(
                due=TODAY,
                change=BookChange(interest_minor=3, interest_income_minor=-3),
                after=figures(advanced_minor=30, principal_minor=30, interest_minor=3),
                **money,
            )
        ),
        "pay": loan(
            payment(
                "pay_1",
                13,
                BookChange(cash_minor=13, principal_minor=-10, interest_minor=-3),
                advanced_minor=30,
                repaid_minor=10,
                principal_minor=20,
            )
        ),
        "pay_wrongly": loan(
            payment(
                "pay_2",
                21,
                BookChange(cash_minor=21, principal_minor=-20, credit_minor=-1),
                advanced_minor=30,
                repaid_minor=30,
                credit_minor=1,
            )
        ),
        "reverse": loan(
            PaymentReversed(
                payment="pay_2",  # type: ignore[arg-type]
                amount_minor=21,
                reason="another's",
                change=BookChange(cash_minor=-21, principal_minor=20, credit_minor=1),
                after=figures(advanced_minor=30, repaid_minor=10, principal_minor=20),
                **money,
            )
        ),
        "agree_offtake": offtake(agreed()),
        "value": offtake(valued()),
        "deliver": loan(
            DeliveryCredited(
                prepays="nothing",
                payment="pay_3",  # type: ignore[arg-type]
                right="rgt_1",
                lot="lot_1",
                amount_minor=4,
                received_on=TODAY,
                change=BookChange(goods_minor=4, principal_minor=-4),
                after=figures(advanced_minor=30, repaid_minor=14, principal_minor=16),
                **money,
            )
        ),
        "ask_write_off": loan(act("act_2", write_off, LOSS)),
        "write_off": loan(
            act_approved(
                "act_2",
                write_off,
                LOSS,
                BookChange(principal_minor=-5, written_off_minor=5),
                advanced_minor=30,
                repaid_minor=14,
                principal_minor=11,
            )
        ),
        "cite_write_off": cited("write_off", 5),
        "cancel_rest": loan(CommitmentCancelled(facility=CMF, amount_minor=20, on=TODAY, cause="cancelled", reason="enough", **money)),
        "give_back_rest": facility(given_back("lon_7", "AUD", 20, 20, 30)),
    }


def told_with_loans() -> Story:
    story = told()
    last = story.pop("last_sign")
    empowered = an_instrument(instrument=INSTRUMENT, acts=tuple(sorted(ACTS)), limit_g=None)
    instrument = Step(event=empowered, stream=f"instrument/{INSTRUMENT}", shard=1)
    return story | {"loans_instrument": instrument} | lent() | a_loan() | {"last_sign": last}
