"""Carries of a book: what rounding gave or took under each agreement, settled first by its next round, and forgotten with time."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import assert_never

import msgspec

from services.allocation.domain.book.carry import NOTHING, Carry
from services.allocation.domain.book.lapses import AgreementChanged, LapseApprovals, lapses_outside
from services.allocation.domain.book.state import Book, Round, proposal_of
from services.allocation.domain.partners.agreement import anniversary
from services.allocation.events import AgreementId, BookEvent, CarryExpired, CarrySet, PartnerCode, ProductId, RoundId
from shared.journal.decider import CancelTimer, Timer


class ExpireCarry(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """From the carry's timer. `on`: the day that the timer was due."""

    agreement: AgreementId
    on: date


class EndCarry(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The agreement has ended, or is about this product no more: its carry goes, and what was decided with it is void."""

    change: AgreementChanged


class FollowAgreement(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The agreement was amended: its carry ends with its new last day, and what was decided with the old terms is void."""

    change: AgreementChanged
    valid_until: date


CarryCommand = ExpireCarry | EndCarry | FollowAgreement


def decide_carry(command: CarryCommand, product: ProductId, book: Book) -> list[BookEvent]:
    """Total: these come from timers and reactions. One event around the book is one command here, whatever all follows from it."""
    match command:
        case ExpireCarry(agreement=agreement, on=on):
            carry = book.carries.get(agreement)
            if carry is None or carry.expires_on is None or on <= carry.expires_on:
                return []
            return [_expired(product, agreement, carry, by_time=True)]
        case EndCarry(change=change):
            carry = book.carries.get(change.agreement)
            ended = [] if carry is None else [_expired(product, change.agreement, carry, by_time=False)]
            return [*lapses_outside(LapseApprovals(cause=change), product, book), *ended]
        case FollowAgreement(change=change, valid_until=valid_until):
            carry = book.carries.get(change.agreement)
            followed = [] if carry is None else _followed(product, change.agreement, carry, valid_until)
            return [*lapses_outside(LapseApprovals(cause=change), product, book), *followed]
        case _:
            assert_never(command)


def carried(
    round_id: RoundId, product: ProductId, book: Book, round: Round, valid_until: Mapping[PartnerCode, date | None], on: date
) -> Iterator[CarrySet]:
    """What the round leaves to its partners, from the day on which it is certified."""
    proposal = proposal_of(round)
    remembered_until = None if round.carry_years is None else anniversary(on, on.year + round.carry_years)
    for partner, read in sorted(proposal.reads.agreements.items()):
        before, after = book.carry_g(read.agreement), proposal.carries_g.get(partner, NOTHING)
        if before == after == NOTHING:
            continue
        yield CarrySet(
            product=product,
            agreement=read.agreement,
            partner=partner,
            carry_g=after,
            before_g=before,
            remembered_until=remembered_until,
            expires_on=_earlier(remembered_until, valid_until.get(partner)),
            cause=round_id,
        )


def restored(round_id: RoundId, product: ProductId, book: Book, round: Round) -> Iterator[CarrySet]:
    """Of a round that inventory refused: what its decision had read, for as long as that was to be remembered."""
    proposal = proposal_of(round)
    for partner, read in sorted(proposal.reads.agreements.items()):
        now, before = book.carry_g(read.agreement), proposal.reads.carries_g.get(partner, NOTHING)
        kept = round.carries_before.get(read.agreement)
        if now == before and (kept is None or kept == book.carries.get(read.agreement)):
            continue
        yield CarrySet(
            product=product,
            agreement=read.agreement,
            partner=partner,
            carry_g=before,
            before_g=now,
            remembered_until=None if kept is None else kept.remembered_until,
            expires_on=None if kept is None else kept.expires_on,
            cause=round_id,
        )


def carry_timers(event: BookEvent) -> Sequence[Timer | CancelTimer]:
    match event:
        case CarrySet(agreement=agreement, carry_g=carry_g, expires_on=expires_on):
            if carry_g == NOTHING or expires_on is None:
                return [CancelTimer(f"carry/{agreement}")]
            due = expires_on + timedelta(days=1)
            return [Timer(f"carry/{agreement}", due, ExpireCarry(agreement=agreement, on=due))]
        case CarryExpired(agreement=agreement, cause="agreement_ended"):
            return [CancelTimer(f"carry/{agreement}")]
        case _:
            return ()


def _followed(product: ProductId, agreement: AgreementId, carry: Carry, valid_until: date) -> list[CarrySet]:
    expires_on = _earlier(carry.remembered_until, valid_until)
    if expires_on == carry.expires_on:
        return []
    return [
        CarrySet(
            product=product,
            agreement=agreement,
            partner=carry.partner,
            carry_g=carry.carry_g,
            before_g=carry.carry_g,
            remembered_until=carry.remembered_until,
            expires_on=expires_on,
            cause=agreement,
        )
    ]


def _expired(product: ProductId, agreement: AgreementId, carry: Carry, *, by_time: bool) -> CarryExpired:
    return CarryExpired(
        product=product,
        agreement=agreement,
        partner=carry.partner,
        carry_g=carry.carry_g,
        cause="time" if by_time else "agreement_ended",
    )


def _earlier(one: date | None, other: date | None) -> date | None:
    return min((day for day in (one, other) if day is not None), default=None)
