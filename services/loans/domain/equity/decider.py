"""Equity: a holding of a company's shares. Proposed, approved by a second person's key, committed once the facility has reserved its
headroom; then subscribed in parts, valued, and divested or written off. It is closed when no shares are left.
"""

from datetime import date
from fractions import Fraction

import msgspec

from services.loans.domain.approvals import of_money
from services.loans.domain.equity.flows import FlowCommand, ReceiveDividend, ReverseDividend, ValueHolding, closing, decide_flow
from services.loans.domain.equity.state import Decided, Holding, HoldingStatus, Reason, evolve, keys_of
from services.loans.domain.equity.write_downs import (
    ApproveWriteDown,
    ProposeWriteDown,
    WithdrawWriteDown,
    WriteDownCommand,
    decide_write_down,
)
from services.loans.domain.facility.headroom import Reason as FacilityReason
from services.loans.domain.standing.instalments import round_half_even
from services.loans.events.authority import AuthorityCited, name_of_use
from services.loans.events.equity import (
    HoldingApproved,
    HoldingCommitted,
    HoldingId,
    HoldingProposed,
    HoldingRefused,
    HoldingTerms,
    HoldingWithdrawn,
    UncalledCancelled,
)
from shared.journal.decider import Decider, Refused
from shared.journal.texts import TypedText
from shared.terms.acting import Signing, sign


class ProposeHolding(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`shortage`: what the facility would say now; None: that it has the headroom."""

    holding: HoldingId
    terms: HoldingTerms
    document: str
    by: str
    shortage: Refused[FacilityReason] | None = None


class ApproveHolding(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    signing: Signing


class WithdrawHolding(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Before it is committed."""

    reason: TypedText
    by: frozenset[str] = frozenset()  # who withdraws it, by every account of theirs; nobody: it is proposed, and signed by another


class CommitHolding(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The facility has reserved its headroom. Total."""

    on: date


class RefuseHolding(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The facility has none. Total."""

    reason: str
    detail: str


class CancelUncalled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    reason: TypedText


type OnOne = ApproveHolding | WithdrawHolding | CancelUncalled | FlowCommand | WriteDownCommand  # that there is already
type Command = ProposeHolding | CommitHolding | RefuseHolding | OnOne


def decide(command: Command, holding: Holding) -> Decided:
    match command:
        case ProposeHolding():
            return _propose(command, holding)
        case CommitHolding():
            if holding.id is None or holding.terms is None or holding.status is not HoldingStatus.APPROVED:
                return []
            return [
                HoldingCommitted(
                    holding=holding.id,
                    facility=holding.terms.facility,
                    company=holding.terms.company,
                    project=holding.terms.project,
                    currency=holding.terms.currency,
                    commitment_minor=holding.terms.commitment_minor,
                    committed_on=command.on,
                )
            ]
        case RefuseHolding():
            if holding.id is None or holding.status is not HoldingStatus.APPROVED:
                return []
            return [HoldingRefused(holding=holding.id, reason=command.reason, detail=command.detail)]
        case _:
            if holding.id is None or holding.terms is None:
                return Refused(Reason.NOT_FOUND, "there is no such holding", "path:holding")
            return _decide_on(command, holding, holding.id, holding.terms)


def _decide_on(command: OnOne, holding: Holding, id: HoldingId, terms: HoldingTerms) -> Decided:
    accepted = _statuses_for(command)
    if holding.status not in accepted:
        return Refused(Reason.STATUS, f"the holding is {holding.status}", accepted=f"a holding that is {' or '.join(accepted)}")
    match command:
        case ApproveHolding():
            return _approve(command, holding, id, terms)
        case WithdrawHolding():
            return [HoldingWithdrawn(holding=id, reason=command.reason)]
        case CancelUncalled():
            if not holding.figures.uncalled_minor:
                return Refused(Reason.NOTHING_UNCALLED, "all of the commitment is paid or cancelled")
            cancelled = UncalledCancelled(
                holding=id,
                facility=terms.facility,
                currency=terms.currency,
                amount_minor=holding.figures.uncalled_minor,
                reason=command.reason,
            )
            return closing(holding, cancelled)
        case ProposeWriteDown() | ApproveWriteDown() | WithdrawWriteDown():
            return decide_write_down(command, holding, id, terms)
        case _:
            return decide_flow(command, holding, id, terms)


def _statuses_for(command: OnOne) -> tuple[HoldingStatus, ...]:
    if isinstance(command, ApproveHolding | WithdrawHolding):
        return (HoldingStatus.PROPOSED,)
    if isinstance(command, ReceiveDividend | ReverseDividend | ValueHolding):  # learnt late: the last dividend comes when all is sold
        return (HoldingStatus.COMMITTED, HoldingStatus.CLOSED)
    return (HoldingStatus.COMMITTED,)


def _propose(command: ProposeHolding, holding: Holding) -> Decided:
    if holding.id is not None:
        return Refused(Reason.ALREADY_PROPOSED, f"{holding.id} is proposed already")
    terms = command.terms
    if terms.commitment_minor <= 0:
        return Refused(Reason.AMOUNT_INVALID, "a commitment is above zero", "/commitment_minor", "1 or more")
    if terms.units <= 0:
        return Refused(Reason.UNITS_INVALID, "a holding is of at least one share", "/units", "1 or more")
    if not terms.elements or len(set(terms.elements)) < len(terms.elements):
        return Refused(Reason.TERMS_INVALID, "a holding is for at least one element, each named once", "/elements")
    price = Fraction(terms.unit_price_minor)
    if price <= 0 or round_half_even(price * terms.units) > terms.commitment_minor:
        most = f"above 0, and at most {terms.commitment_minor} for all units"
        return Refused(Reason.TERMS_INVALID, "the units cost more than the commitment", "/unit_price_minor", most)
    if command.shortage is not None:
        return command.shortage
    return [HoldingProposed(holding=command.holding, terms=terms, document=command.document, proposed_by=command.by)]


def _approve(command: ApproveHolding, holding: Holding, id: HoldingId, terms: HoldingTerms) -> Decided:
    assert holding.proposal is not None, "a holding begins with its proposal"
    name = name_of_use(f"equity/{id}", "commit_holding", "")
    action = of_money("commit_holding", terms.commitment_minor, terms.currency, keys_of(terms), name)
    if isinstance(signed := sign(holding.proposal, command.signing, action), Refused):
        return signed
    approval, cited = signed
    approved = HoldingApproved(
        holding=id,
        document=holding.proposal.document,
        approval=approval,
        facility=terms.facility,
        currency=terms.currency,
        commitment_minor=terms.commitment_minor,
        keys=keys_of(terms),
    )
    return [approved, AuthorityCited(matter=id, cited=cited)]


DECIDER = Decider(kind="equity", initial=Holding(), commands=Command, decide=decide, evolve=evolve)
