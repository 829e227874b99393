"""State of a holding of equity, and why it refuses."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import assert_never

import immutables
import msgspec

from services.loans.domain.facility.headroom import Reason as FacilityReason
from services.loans.domain.papers import HoldingPaper, WriteDownPaper
from services.loans.events.authority import AuthorityCited
from services.loans.events.equity import (
    DividendReceived,
    DividendReversed,
    EquityEvent,
    EquityFlowId,
    HoldingApproved,
    HoldingClosed,
    HoldingCommitted,
    HoldingFigures,
    HoldingId,
    HoldingProposed,
    HoldingRefused,
    HoldingTerms,
    HoldingValued,
    HoldingWithdrawn,
    HoldingWrittenDown,
    HoldingWrittenOff,
    SharesDivested,
    SharesSubscribed,
    UncalledCancelled,
    WriteDownProposed,
    WriteDownWithdrawn,
)
from shared.journal.decider import Reasons, Refused
from shared.journal.texts import TypedText
from shared.terms.acting import ApprovalReason, Proposal
from shared.terms.authority import Fault
from shared.terms.countersigning import ProposedCommand
from shared.terms.dating import DatingReason


class HoldingStatus(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"  # the facility has not answered yet
    COMMITTED = "committed"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class Reason(Reasons):
    """Why a holding stays as it is. Each value is the `code` of an RFC 9457 problem."""

    NOT_FOUND = "holding_not_found", 404, "There is no such holding"
    ALREADY_PROPOSED = "holding_already_proposed", 409, "The holding is proposed already"
    STATUS = "holding_status", 409, "The holding is in another status"
    TERMS_INVALID = "holding_terms_invalid", 422, "Invalid terms of a holding"
    AMOUNT_INVALID = "amount_invalid", 422, "Invalid amount"
    UNITS_INVALID = "units_invalid", 422, "Invalid units"
    BEYOND_COMMITMENT = "subscription_beyond_commitment", 409, "The subscription exceeds the commitment"
    NOTHING_UNCALLED = "nothing_uncalled", 409, "The commitment is fully called"
    NOTHING_HELD = "nothing_held", 409, "No shares are subscribed yet"
    DATE_INVALID = "date_before_holding", 422, "The day is before the holding's"
    DATE_IN_FUTURE = "date_in_future", 422, "The date is in the future"
    REFERENCE_USED = "payment_reference_used", 409, "The reference is of another payment"
    DIVIDEND_NOT_FOUND = "dividend_not_found", 404, "There is no such dividend"
    WRITE_DOWN_NOT_FOUND = "write_down_not_found", 404, "There is no such write-down"
    BEYOND_COST = "write_down_beyond_cost", 422, "The write-down exceeds the carrying amount"
    TOO_MANY = "too_many_moves", 409, "The holding has too many subscriptions and sales"


type Decided = (
    Sequence[EquityEvent | AuthorityCited]
    | Refused[Reason]
    | Refused[ApprovalReason]
    | Refused[FacilityReason]
    | Refused[Fault]
    | Refused[DatingReason]
)


class Move(msgspec.Struct, frozen=True, gc=False):
    """Units subscribed, or below zero sold, on a day."""

    on: date
    units: int


class ProposedWriteDown(Proposal, frozen=True, kw_only=True):
    amount_minor: int | None  # None: of all
    on: date
    authority: str
    reason: TypedText


class Holding(msgspec.Struct, frozen=True):
    id: HoldingId | None = None  # None: not proposed
    terms: HoldingTerms | None = None
    status: HoldingStatus = HoldingStatus.PROPOSED
    proposal: Proposal | None = None
    committed_on: date | None = None
    moves: tuple[Move, ...] = ()
    dividends: immutables.Map[EquityFlowId, int] = immutables.Map()  # amounts of those that were not reversed
    references: immutables.Map[str, EquityFlowId] = immutables.Map()
    write_downs: immutables.Map[EquityFlowId, ProposedWriteDown] = immutables.Map()  # that wait for a signature
    figures: HoldingFigures = HoldingFigures()
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # commands that wait for another person's signature

    @property
    def first_on(self) -> date | None:
        """The day of the first subscription."""
        return min((move.on for move in self.moves), default=None)

    @property
    def units_subscribed(self) -> int:
        return sum(move.units for move in self.moves if move.units > 0)


def keys_of(terms: HoldingTerms) -> tuple[str, ...]:
    """What the commitment is charged to in its facility. The whole of it counts for each of its elements."""
    return (
        "instrument/equity",
        f"account/{terms.account}",
        f"borrower/{terms.company}",
        f"project/{terms.project}",
        *(f"element/{element}" for element in terms.elements),
    )


def units_on(holding: Holding, on: date) -> int:
    """Held at the end of a day."""
    return sum(move.units for move in holding.moves if move.on <= on)


def sellable_on(holding: Holding, on: date) -> int:
    """How many units can be sold on a day, so that on no later day fewer than none were held."""
    days = {on, *(move.on for move in holding.moves if move.on > on)}
    return min(units_on(holding, day) for day in days)


def closes(holding: Holding) -> HoldingClosed | None:
    """None: shares are held, or are to be subscribed."""
    if holding.id is None or holding.terms is None or holding.figures.units or (not holding.moves and holding.figures.uncalled_minor):
        return None
    return HoldingClosed(
        holding=holding.id,
        facility=holding.terms.facility,
        currency=holding.terms.currency,
        uncalled_minor=holding.figures.uncalled_minor,
    )


def evolve(holding: Holding, event: EquityEvent | AuthorityCited) -> Holding:
    match event:
        case AuthorityCited():
            return holding
        case HoldingProposed():
            proposal = Proposal(purpose=HoldingPaper.purpose, document=event.document, proposed_by=frozenset({event.proposed_by}))
            return Holding(id=event.holding, terms=event.terms, proposal=proposal)
        case HoldingApproved():
            return msgspec.structs.replace(holding, status=HoldingStatus.APPROVED)
        case HoldingRefused():
            return msgspec.structs.replace(holding, status=HoldingStatus.PROPOSED)
        case HoldingWithdrawn():
            return msgspec.structs.replace(holding, status=HoldingStatus.WITHDRAWN)
        case HoldingCommitted():
            return msgspec.structs.replace(
                holding,
                status=HoldingStatus.COMMITTED,
                committed_on=event.committed_on,
                figures=HoldingFigures(uncalled_minor=event.commitment_minor),
            )
        case UncalledCancelled():
            uncalled = holding.figures.uncalled_minor - event.amount_minor
            return msgspec.structs.replace(holding, figures=msgspec.structs.replace(holding.figures, uncalled_minor=uncalled))
        case SharesSubscribed():
            return _moved(holding, event, event.paid_on, event.units)
        case SharesDivested():
            return _moved(holding, event, event.received_on, -event.units)
        case DividendReceived():
            return msgspec.structs.replace(
                holding,
                dividends=holding.dividends.set(event.flow, event.amount_minor),
                references=holding.references.set(event.reference, event.flow),
                figures=event.after,
            )
        case DividendReversed():
            return msgspec.structs.replace(holding, dividends=holding.dividends.delete(event.flow), figures=event.after)
        case WriteDownProposed() | WriteDownWithdrawn() | HoldingWrittenDown() | HoldingWrittenOff():
            return _written_down(holding, event)
        case HoldingValued():
            return holding
        case HoldingClosed():
            return msgspec.structs.replace(holding, status=HoldingStatus.CLOSED)
        case _:
            assert_never(event)


def _moved(holding: Holding, event: SharesSubscribed | SharesDivested, on: date, units: int) -> Holding:
    return msgspec.structs.replace(
        holding,
        moves=(*holding.moves, Move(on, units)),
        references=holding.references.set(event.reference, event.flow),
        figures=event.after,
    )


def _written_down(holding: Holding, event: WriteDownProposed | WriteDownWithdrawn | HoldingWrittenDown | HoldingWrittenOff) -> Holding:
    match event:
        case WriteDownProposed():
            proposed = ProposedWriteDown(
                purpose=WriteDownPaper.purpose,
                document=event.document,
                proposed_by=frozenset({event.proposed_by}),
                amount_minor=event.amount_minor,
                on=event.on,
                authority=event.authority,
                reason=event.reason,
            )
            return msgspec.structs.replace(holding, write_downs=holding.write_downs.set(event.flow, proposed))
        case WriteDownWithdrawn():
            return msgspec.structs.replace(holding, write_downs=holding.write_downs.delete(event.flow))
        case HoldingWrittenDown():
            return msgspec.structs.replace(holding, write_downs=holding.write_downs.delete(event.flow), figures=event.after)
        case HoldingWrittenOff():
            moves = (*holding.moves, Move(event.on, -event.units))
            return msgspec.structs.replace(holding, write_downs=holding.write_downs.delete(event.flow), moves=moves, figures=event.after)
        case _:
            assert_never(event)
