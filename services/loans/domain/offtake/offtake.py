"""Offtake: an agreement that what is delivered under a right repays a loan, at a price for each contained gram.

A right has one agreement at a time. A lot counts once, for the day on which it is in stock and in specification; if a later assay takes it
out again, its payment is reversed by a person, as any payment that turns out not to have come.
"""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import assert_never

import immutables
import msgspec

from services.loans.domain.loan.state import LoanStatus
from services.loans.domain.standing.instalments import round_half_even
from services.loans.events.authority import AuthorityCited
from services.loans.events.loan import LoanId, PaymentId, Prepays
from services.loans.events.offtake import (
    DeliveryNotValued,
    DeliveryValued,
    NotValuedReason,
    OfftakeAgreed,
    OfftakeEnded,
    OfftakeEvent,
    OfftakeId,
)
from shared.journal.decider import Decider, Reasons, Refused
from shared.journal.record import MAX_INTEGER
from shared.journal.texts import TypedText
from shared.terms.countersigning import ProposedCommand


class AgreeOfftake(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`currency`, `companies` (borrower and project): the loan's; `loan_status`: as it was looked up."""

    offtake: OfftakeId
    right: str
    loan: LoanId
    loan_status: LoanStatus
    product: str
    element: str
    price: str
    currency: str
    share: str
    prepays: Prepays = "nothing"
    since: date
    until: date
    authority: str
    by: str
    companies: tuple[str, ...] = ()


class EndOfftake(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    offtake: OfftakeId
    loan: LoanId
    reason: TypedText
    on: date
    companies: tuple[str, ...] = ()


class ValueDelivery(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A lot that came under the right is in stock and in specification. Total."""

    lot: str
    product: str
    mass_g: int
    contents: dict[str, str]  # element -> share of the mass
    received_on: date


type Command = AgreeOfftake | EndOfftake | ValueDelivery


class Reason(Reasons):
    """Why the agreements of a right stay as they are. Each value is the `code` of an RFC 9457 problem."""

    NOT_FOUND = "offtake_not_found", 404, "There is no such agreement"
    AGREED_ALREADY = "offtake_agreed_already", 409, "The right is under another offtake agreement"
    PRICE_INVALID = "price_invalid", 422, "Invalid price"
    SHARE_INVALID = "offtake_share_invalid", 422, "Invalid share"
    DATES_REVERSED = "offtake_dates_reversed", 422, "The agreement's start is after its end"
    ENDED = "offtake_ended", 409, "The agreement has ended"
    LOAN_STATUS = "loan_status", 409, "The loan is in another status"


class Offtake(msgspec.Struct, frozen=True):
    """The agreements of a right, each with the last day on which it counts."""

    agreements: immutables.Map[OfftakeId, OfftakeAgreed] = immutables.Map()
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # commands that wait for another person's signature


def decide(command: Command, offtake: Offtake) -> Sequence[OfftakeEvent] | Refused[Reason]:
    match command:
        case AgreeOfftake():
            return _agree(command, offtake)
        case EndOfftake():
            return _end(command, offtake)
        case ValueDelivery():
            return _value(command, offtake)
        case _:
            assert_never(command)


def _agree(command: AgreeOfftake, offtake: Offtake) -> Sequence[OfftakeEvent] | Refused[Reason]:
    if command.loan_status not in (LoanStatus.COMMITTED, LoanStatus.DEFAULTED):
        accepted = "a loan that is committed, or in default"
        return Refused(Reason.LOAN_STATUS, f"the loan is {command.loan_status}", "path:loan", accepted)
    if not Fraction(command.price) > 0:
        return Refused(Reason.PRICE_INVALID, "a delivery is worth something", "/price", "above zero, in minor units for a contained gram")
    if not 0 < Fraction(command.share) <= 1:
        return Refused(Reason.SHARE_INVALID, "it is no share of a delivery", "/share", "above 0, and at most 1")
    if command.until < command.since:
        return Refused(Reason.DATES_REVERSED, "it would end before it begins", "/until", f"{command.since} or later")
    for other in offtake.agreements.values():
        if other.since <= command.until and command.since <= other.until:
            return Refused(
                Reason.AGREED_ALREADY,
                f"{other.offtake} has the right from {other.since} to {other.until}, for {other.loan}",
                "/right",
                "days that no other agreement has: end that one first",
            )
    return [
        OfftakeAgreed(
            offtake=command.offtake,
            right=command.right,
            loan=command.loan,
            product=command.product,
            element=command.element,
            price=command.price,
            currency=command.currency,
            share=command.share,
            prepays=command.prepays,
            since=command.since,
            until=command.until,
            authority=command.authority,
            agreed_by=command.by,
        )
    ]


def _end(command: EndOfftake, offtake: Offtake) -> Sequence[OfftakeEvent] | Refused[Reason]:
    agreed = offtake.agreements.get(command.offtake)
    if agreed is None or agreed.loan != command.loan:
        return Refused(Reason.NOT_FOUND, f"there is no agreement {command.offtake}", "path:offtake")
    if agreed.until <= command.on:
        return Refused(Reason.ENDED, f"it ends on {agreed.until}")
    return [OfftakeEnded(offtake=agreed.offtake, right=agreed.right, loan=agreed.loan, on=command.on, reason=command.reason)]


def _value(command: ValueDelivery, offtake: Offtake) -> Sequence[OfftakeEvent]:
    standing = (each for each in offtake.agreements.values() if each.since <= command.received_on <= each.until)
    if (agreed := next(standing, None)) is None:
        return []
    if command.product != agreed.product:
        return [_not_valued(command, agreed, "another_product")]
    if (content := command.contents.get(agreed.element)) is None:
        return [_not_valued(command, agreed, "element_not_assayed")]
    contained = command.mass_g * Fraction(content)
    amount_minor = round_half_even(contained * Fraction(agreed.price) * Fraction(agreed.share))
    if not 0 < amount_minor <= MAX_INTEGER:
        return [_not_valued(command, agreed, "worth_too_much" if amount_minor > 0 else "worth_nothing")]
    return [
        DeliveryValued(
            offtake=agreed.offtake,
            right=agreed.right,
            loan=agreed.loan,
            lot=command.lot,
            payment=payment_of(command.lot),
            mass_g=command.mass_g,
            content=content,
            contained_g=round_half_even(contained),
            price=agreed.price,
            share=agreed.share,
            currency=agreed.currency,
            amount_minor=amount_minor,
            prepays=agreed.prepays,
            received_on=command.received_on,
        )
    ]


def payment_of(lot: str) -> PaymentId:
    """A lot repays once: the payment has its id."""
    return PaymentId(f"pay_{lot.removeprefix('lot_')}")


def _not_valued(command: ValueDelivery, agreed: OfftakeAgreed, reason: NotValuedReason) -> DeliveryNotValued:
    return DeliveryNotValued(
        offtake=agreed.offtake,
        right=agreed.right,
        loan=agreed.loan,
        lot=command.lot,
        mass_g=command.mass_g,
        received_on=command.received_on,
        reason=reason,
    )


def evolve(offtake: Offtake, event: OfftakeEvent | AuthorityCited) -> Offtake:
    agreements = offtake.agreements
    match event:
        case OfftakeAgreed():
            return msgspec.structs.replace(offtake, agreements=agreements.set(event.offtake, event))
        case OfftakeEnded():
            if event.on < agreements[event.offtake].since:
                return msgspec.structs.replace(offtake, agreements=agreements.delete(event.offtake))
            ended = msgspec.structs.replace(agreements[event.offtake], until=event.on)
            return msgspec.structs.replace(offtake, agreements=agreements.set(event.offtake, ended))
        case DeliveryValued() | DeliveryNotValued() | AuthorityCited():
            return offtake
        case _:
            assert_never(event)


DECIDER = Decider(kind="offtake", initial=Offtake(), commands=Command, decide=decide, evolve=evolve)
