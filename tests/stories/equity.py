"""A holding of 1,000 shares for at most 500,000 minor units, as tests begin with it."""

from datetime import date
from typing import Any

from services.loans.domain.equity.decider import DECIDER, ApproveHolding, CommitHolding, ProposeHolding
from services.loans.domain.equity.flows import DivestShares, ReceiveDividend, SubscribeShares, ValueHolding
from services.loans.domain.equity.write_downs import ApproveWriteDown, ProposeWriteDown
from services.loans.domain.papers import HoldingPaper, WriteDownPaper
from services.loans.events.equity import CompanyCode, EquityFlowId, HoldingId, HoldingTerms
from services.loans.events.facility import FacilityId
from shared.terms.acting import Signing
from shared.terms.approval import SignedApproval
from shared.terms.dating import Dated
from tests.stories.given import Given
from tests.stories.powers import may

HOLDING = HoldingId("eqh_1")
TODAY = date(2026, 11, 25)
COMMITTED_ON = date(2026, 1, 6)
DOCUMENT = "ab" * 32
TERMS = HoldingTerms(
    facility=FacilityId("cmf"),
    account="national_interest",
    instrument="Ministerial direction 4/2026",
    company=CompanyCode("larvotto"),
    project="hillgrove",
    elements=("Sb",),
    share_class="ordinary",
    currency="AUD",
    commitment_minor=500_000,
    units=1_000,
    unit_price_minor="500",
    kyc="kyc-17",
    category="B",
)


def propose(terms: HoldingTerms = TERMS) -> ProposeHolding:
    return ProposeHolding(holding=HOLDING, terms=terms, document=DOCUMENT, by="operator-1")


def signing(by: str, document: str = DOCUMENT, purpose: str = HoldingPaper.purpose, **said: Any) -> Signing:
    approval = SignedApproval(purpose=purpose, document=document, approver=by, key_id="0" * 16, signature="0" * 128)
    return Signing(**({"approval": approval, "key": "enrolled", "signature_valid": True, "capacity": may(by, TODAY)} | said))


def approve(by: str = "approver-1", **said: Any) -> ApproveHolding:
    return ApproveHolding(signing=signing(by, **said))


def committed(*happened: Any) -> Given:
    return Given(DECIDER, propose(), approve(), CommitHolding(on=COMMITTED_ON), *happened)


def subscribe(units: int, amount_minor: int, on: date = COMMITTED_ON, reference: str = "s") -> SubscribeShares:
    return SubscribeShares(
        flow=EquityFlowId(f"eqf_{reference}"),
        reference=reference,
        units=units,
        amount_minor=amount_minor,
        paid_on=on,
        dated_because=None if on == TODAY else Dated.PAPER_LATE,
        on=TODAY,
    )


def dividend(amount_minor: int, on: date = TODAY, reference: str = "d", because: Dated | None = Dated.PAPER_LATE) -> ReceiveDividend:
    return ReceiveDividend(
        flow=EquityFlowId(f"eqf_{reference}"),
        reference=reference,
        amount_minor=amount_minor,
        received_on=on,
        dated_because=None if on == TODAY else because,
        on=TODAY,
    )


def divest(units: int, amount_minor: int, on: date = TODAY, reference: str = "v") -> DivestShares:
    return DivestShares(
        flow=EquityFlowId(f"eqf_{reference}"),
        reference=reference,
        units=units,
        amount_minor=amount_minor,
        received_on=on,
        dated_because=None if on == TODAY else Dated.PAPER_LATE,
        on=TODAY,
    )


def value(value_minor: int, on: date = TODAY) -> ValueHolding:
    return ValueHolding(value_minor=value_minor, valued_on=on, source="independent valuer", on=TODAY)


def write_down(
    amount_minor: int | None, on: date = TODAY, flow: str = "eqf_w", because: Dated | None = Dated.PAPER_LATE
) -> ProposeWriteDown:
    return ProposeWriteDown(
        flow=EquityFlowId(flow),
        amount_minor=amount_minor,
        written_on=on,
        authority="Board",
        reason="impaired",
        document=DOCUMENT,
        by="operator-1",
        on=TODAY,
        dated_because=None if on == TODAY else because,
    )


def approve_write_down(by: str = "approver-1", flow: str = "eqf_w", purpose: str = WriteDownPaper.purpose, **said: Any) -> ApproveWriteDown:
    return ApproveWriteDown(flow=EquityFlowId(flow), signing=signing(by, purpose=purpose, **said), on=TODAY)
