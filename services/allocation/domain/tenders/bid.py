"""Bid: what one bidder bids in one tender, sealed until the tender's `commit_until`, then revealed, or void."""

from datetime import datetime
from fractions import Fraction
from typing import assert_never

import msgspec

from services.allocation.domain.tenders.clearing import minor_a_unit
from services.allocation.domain.tenders.sealed_bid import SealedBid, decimal_text, fault_of_steps, price_of, seal
from services.allocation.events import (
    BidCommitted,
    BidEvent,
    BidId,
    BidRevealed,
    BidStep,
    BidVoided,
    PartnerCode,
    TenderId,
    TenderTerms,
)
from shared.journal.decider import CancelTimer, Decider, Reasons, Refused, Timer


class CommitBid(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`terms`: of the tender, which never change; `at`: the instant that it is sent."""

    bid: BidId  # if it is the bidder's first in this tender
    tender: TenderId
    partner: PartnerCode
    commitment: str
    terms: TenderTerms
    at: datetime


class RevealBid(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    tender: TenderId
    partner: PartnerCode
    salt: str
    steps: tuple[BidStep, ...]
    terms: TenderTerms
    at: datetime


class VoidBid(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, possibly late: the time to reveal it is over."""

    at: datetime


type Command = CommitBid | RevealBid | VoidBid


class Reason(Reasons):
    """Why a bid stays as it is."""

    NOT_QUALIFIED = "bidder_not_qualified", 403, "The tender is not open to this bidder"
    COMMITMENTS_CLOSED = "bid_too_late", 409, "Bids are sealed"
    NOT_COMMITTED = "bid_not_committed", 409, "No bid was sealed"
    REVEAL_NOT_OPEN = "reveal_too_early", 409, "Bids are still being sealed"
    REVEAL_CLOSED = "reveal_too_late", 409, "The time to reveal bids is over"
    REVEALED_BEFORE = "bid_already_revealed", 409, "The bid is revealed already"
    DIFFERS = "bid_differs_from_commitment", 422, "The bid is not the one that was sealed"
    STEPS_INVALID = "bid_steps_invalid", 422, "Invalid bid steps"
    OVER_CAP = "bid_over_cap", 422, "The bid exceeds the cap for one bidder"
    PRICE_NOT_WHOLE = "price_not_whole", 422, "The price of a unit is not a whole number of minor units"


class Bid(msgspec.Struct, frozen=True, kw_only=True):
    id: BidId | None = None  # None: nothing is committed yet
    tender: TenderId | None = None
    partner: PartnerCode | None = None
    commitment: str = ""
    reveal_until: datetime | None = None
    revealed: BidRevealed | None = None
    void: bool = False

    @property
    def settled(self) -> bool:
        """Whether nothing about it can change any more, once nobody may commit."""
        return self.id is None or self.revealed is not None or self.void


def decide(command: Command, bid: Bid) -> list[BidEvent] | Refused[Reason]:
    match command:
        case CommitBid():
            return _commit(command, bid)
        case RevealBid():
            return _reveal(command, bid)
        case VoidBid():
            if bid.settled or bid.reveal_until is None or command.at < bid.reveal_until:
                return []
            assert bid.id is not None and bid.tender is not None and bid.partner is not None, "it is committed"
            return [BidVoided(bid=bid.id, tender=bid.tender, partner=bid.partner)]
        case _:
            assert_never(command)


def evolve(bid: Bid, event: BidEvent) -> Bid:
    match event:
        case BidCommitted():
            return Bid(
                id=event.bid,
                tender=event.tender,
                partner=event.partner,
                commitment=event.commitment,
                reveal_until=event.reveal_until,
            )
        case BidRevealed():
            return msgspec.structs.replace(bid, revealed=event)
        case BidVoided():
            return msgspec.structs.replace(bid, void=True)
        case _:
            assert_never(event)


def timers(event: BidEvent) -> list[Timer | CancelTimer]:
    match event:
        case BidCommitted():
            return [Timer.at_instant("void", event.reveal_until, VoidBid(at=event.reveal_until))]
        case BidRevealed():
            return [CancelTimer("void")]
        case BidVoided():
            return []
        case _:
            assert_never(event)


def fault_of_price(text: str, unit_g: int) -> Refused[Reason] | None:
    """A unit's price must be whole minor units, so that what is due always is."""
    if minor_a_unit(price_of(text), unit_g).denominator == 1:
        return None
    tick = Fraction(1000, unit_g)
    accepted = f"a multiple of {decimal_text(tick)}" if (tick * 1_000_000).denominator == 1 else f"a multiple of {tick}"
    return Refused(Reason.PRICE_NOT_WHOLE, f"at {text} a unit of {unit_g} g costs no whole number of minor units", accepted=accepted)


def _commit(command: CommitBid, bid: Bid) -> list[BidEvent] | Refused[Reason]:
    if command.partner not in command.terms.bidders:
        return Refused(Reason.NOT_QUALIFIED, f"{command.partner} is not among the bidders of {command.tender}")
    if command.at >= command.terms.commit_until or bid.revealed is not None or bid.void:
        return Refused(Reason.COMMITMENTS_CLOSED, f"bids were sealed before {command.terms.commit_until.isoformat()}")
    if bid.commitment == command.commitment:
        return []
    return [
        BidCommitted(
            bid=bid.id or command.bid,
            tender=command.tender,
            partner=command.partner,
            commitment=command.commitment,
            reveal_until=command.terms.reveal_until,
        )
    ]


def _reveal(command: RevealBid, bid: Bid) -> list[BidEvent] | Refused[Reason]:
    terms = command.terms
    if bid.id is None:
        return Refused(Reason.NOT_COMMITTED, f"{command.partner} has sealed no bid in {command.tender}")
    if command.at < terms.commit_until:
        return Refused(Reason.REVEAL_NOT_OPEN, "other bids may still be sealed", accepted=f"from {terms.commit_until.isoformat()}")
    if bid.revealed is not None:
        return Refused(Reason.REVEALED_BEFORE, f"{bid.id} is revealed already")
    if bid.void or command.at >= terms.reveal_until:
        return Refused(Reason.REVEAL_CLOSED, f"bids were revealed before {terms.reveal_until.isoformat()}")
    sealed = SealedBid(tender=command.tender, bidder=command.partner, steps=command.steps)
    if seal(sealed, command.salt) != bid.commitment:
        return Refused(Reason.DIFFERS, "the bid and the salt do not give the commitment", accepted=f"what gives {bid.commitment}")
    if fault := _fault(command.steps, terms):
        return fault
    return [BidRevealed(bid=bid.id, tender=command.tender, partner=command.partner, salt=command.salt, steps=command.steps)]


def _fault(steps: tuple[BidStep, ...], terms: TenderTerms) -> Refused[Reason] | None:
    """What is wrong with a bid that is the one that was sealed: it stays sealed, and becomes void."""
    if fault := fault_of_steps(steps):
        return Refused(Reason.STEPS_INVALID, fault, field="/steps")
    if (units := sum(step.units for step in steps)) > terms.cap_units:
        return Refused(Reason.OVER_CAP, f"the bid is for {units} units", field="/steps", accepted=f"up to {terms.cap_units} units")
    for place, step in enumerate(steps):
        if not_whole := fault_of_price(step.price, terms.unit_g):
            return msgspec.structs.replace(not_whole, field=f"/steps/{place}/price")
    return None


DECIDER = Decider(kind="bid", initial=Bid(), commands=Command, decide=decide, evolve=evolve, timers=timers)


def stream_of(tender: TenderId, partner: PartnerCode) -> str:
    return f"bid/{tender}.{partner}"
