"""What a partner holds of a material loan: drawn and, in the end, due; its security; and money in place of it."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from math import ceil, floor

import msgspec

from services.loans.domain.material.state import MaterialLoan, Reason, agreed, as_named, owed_on
from services.loans.domain.material.terms import exact, not_lent, withdrawn
from services.loans.domain.plausible import too_far
from services.loans.domain.standing.instalments import round_half_even
from services.loans.events.material import (
    ContainedChange,
    DrawingEnded,
    MaterialCashSettled,
    MaterialDefaultCured,
    MaterialDefaulted,
    MaterialEvent,
    MaterialLent,
    MaterialOverdue,
    MaterialTakenBack,
    SecurityMarked,
    SecurityToppedUp,
)
from shared.journal.decider import Refused
from shared.journal.record import MAX_INTEGER
from shared.journal.texts import TypedText


class LentGoods(msgspec.Struct, frozen=True, kw_only=True):
    """Of one lot. `contained_g`: of each element that its ruling assay states."""

    mass_g: int
    contained_g: Mapping[str, int]


class RecordLent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A draw under the loan's release. Never `Refused`."""

    draw: str
    goods: tuple[LentGoods, ...]
    undrawn_g: int  # mass that is left of the release
    on: date


class RecordTakenBack(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A draw's goods never left. Never `Refused`."""

    draw: str


class EndDrawing(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What was left of the release lapsed, or was cancelled. Never `Refused`."""

    undrawn_g: int


class CheckDue(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, possibly late: the day on which it was due has passed."""

    on: date


class CheckCall(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, possibly late: the last day to meet a call has passed."""

    on: date


class MarkSecurity(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`price_minor`: of a contained gram, in the terms' currency."""

    price_minor: str
    quoted_on: date
    source: TypedText
    on: date


class TopUpSecurity(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`reference`: the bank's, or the custodian's; each counts once."""

    amount_minor: int
    reference: str


class SettleInCash(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """All that is owed `on` this day is paid in money, at a price a contained gram. `source`: the price that the terms name."""

    price_minor: str
    source: str
    reference: str
    on: date


def record_lent(command: RecordLent, loan: MaterialLoan) -> Sequence[MaterialEvent]:
    """A release opens with the loan's terms only, so without them nothing can have been drawn. What a lot's assay does not state is owed
    by the product's stated content."""
    if loan.id is None or loan.terms is None or command.draw in loan.lent_g:
        return []
    element, stated = loan.terms.element, Fraction(loan.terms.content)
    lent_g = sum(each.contained_g.get(element, round_half_even(each.mass_g * stated)) for each in command.goods)
    events: list[MaterialEvent] = [
        MaterialLent(
            loan=loan.id,
            partner=loan.partner,
            draw=command.draw,
            element=element,
            mass_g=sum(each.mass_g for each in command.goods),
            lent_on=command.on,
            lent_g=lent_g,
            undrawn_g=command.undrawn_g,
            change=ContainedChange(stock_g=-lent_g, lent_g=lent_g),
        )
    ]
    if loan.due_on is not None and command.on > loan.due_on and not loan.overdue:
        events.append(_overdue(loan, loan.due_on, loan.out_g + lent_g))
    if not command.undrawn_g:
        events.append(_drawing_ended(loan, 0, loan.out_g + lent_g))
    return events


def record_taken_back(command: RecordTakenBack, loan: MaterialLoan) -> Sequence[MaterialEvent]:
    if loan.id is None or loan.terms is None or (taken_g := loan.lent_g.get(command.draw)) is None:
        return []
    off_g = min(taken_g, loan.out_g)  # what was paid off before by other goods is owed to the partner now
    return [
        MaterialTakenBack(
            loan=loan.id,
            partner=loan.partner,
            facility=loan.terms.facility,
            draw=command.draw,
            element=loan.terms.element,
            lent_g=off_g,
            change=ContainedChange(stock_g=taken_g, lent_g=-off_g, excess_g=off_g - taken_g),
        )
    ]


def end_drawing(command: EndDrawing, loan: MaterialLoan) -> Sequence[MaterialEvent]:
    if loan.id is None or not loan.undrawn_g:
        return []
    if loan.status in ("offered", "proposed", "approved"):
        return [withdrawn(loan, loan.id, TypedText("its release has ended"))]
    return [_drawing_ended(loan, command.undrawn_g, loan.out_g)]


def _drawing_ended(loan: MaterialLoan, undrawn_g: int, out_g: int) -> DrawingEnded:
    assert loan.id is not None
    return DrawingEnded(
        loan=loan.id,
        partner=loan.partner,
        facility=agreed(loan).facility,
        undrawn_g=undrawn_g,
        freed_g=max(0, loan.headroom_g - out_g),
    )


def check_due(command: CheckDue, loan: MaterialLoan) -> Sequence[MaterialEvent]:
    if loan.due_on is None or command.on <= loan.due_on or loan.overdue or not loan.out_g:
        return []
    return [_overdue(loan, loan.due_on, owed_on(loan, command.on).total_g)]


def _overdue(loan: MaterialLoan, due_on: date, owed_g: int) -> MaterialOverdue:
    assert loan.id is not None
    return MaterialOverdue(
        loan=loan.id, partner=loan.partner, due_on=due_on, element=agreed(loan).element, owed_g=owed_g, pending_g=loan.pending_g
    )


def mark_security(command: MarkSecurity, loan: MaterialLoan) -> Sequence[MaterialEvent] | Refused[Reason]:
    if (fault := not_lent(loan)) is not None:
        return fault
    assert loan.id is not None
    if command.quoted_on > command.on:
        return Refused(Reason.DATE_IN_FUTURE, f"{command.quoted_on} has not come yet", "/quoted_on", f"{command.on} or earlier")
    if isinstance(price := _price(command.price_minor, loan), Refused):
        return price
    terms = agreed(loan)
    owed_g = owed_on(loan, command.on).total_g
    owed_minor = ceil(owed_g * price)
    required_minor = ceil(owed_minor * Fraction(terms.security.required_cover))
    if max(owed_minor, required_minor) > MAX_INTEGER:
        return _price_invalid("what is owed would be worth more than the books can hold")
    counted_minor = _counted(loan, loan.security_minor)
    call_minor = max(0, required_minor - counted_minor)
    return [
        SecurityMarked(
            loan=loan.id,
            partner=loan.partner,
            currency=terms.currency,
            price_minor=command.price_minor,
            quoted_on=command.quoted_on,
            source=command.source,
            owed_g=owed_g,
            owed_minor=owed_minor,
            required_minor=required_minor,
            value_minor=loan.security_minor,
            counted_minor=counted_minor,
            call_minor=call_minor,
            call_due_on=_call_due_on(loan, command.on) if call_minor else None,
        )
    ]


def _call_due_on(loan: MaterialLoan, on: date) -> date | None:
    """A call that is open keeps its day, whatever it is marked at since."""
    if loan.call_due_on is not None:
        return loan.call_due_on
    days = agreed(loan).security.call_days
    return None if days is None else on + timedelta(days=days)


def check_call(command: CheckCall, loan: MaterialLoan) -> Sequence[MaterialEvent]:
    due_on = loan.call_due_on
    stands = loan.defaulted and loan.declared is None  # what one person has declared may lapse
    if loan.id is None or due_on is None or command.on <= due_on or stands or not loan.out_g:
        return []
    return [
        MaterialDefaulted(
            loan=loan.id,
            partner=loan.partner,
            element=agreed(loan).element,
            owed_g=owed_on(loan, command.on).total_g,
            on=command.on,
            reason=TypedText(f"a call of {loan.call_minor} {agreed(loan).currency} minor units was not met by {due_on}"),
            cause="margin_call",
        )
    ]


def top_up(command: TopUpSecurity, loan: MaterialLoan) -> Sequence[MaterialEvent] | Refused[Reason]:
    if (fault := not_lent(loan)) is not None:
        return fault
    assert loan.id is not None
    value_minor = loan.security_minor + command.amount_minor
    if command.amount_minor < 1 or value_minor > MAX_INTEGER:
        return Refused(Reason.QUANTITY_INVALID, "a top-up is of at least one minor unit", "/amount_minor")
    if as_named(command.reference) in loan.topped_up:
        return Refused(Reason.REFERENCE_USED, f"{command.reference} is counted already", "/reference", "each reference once")
    more_minor = _counted(loan, value_minor) - _counted(loan, loan.security_minor)
    topped_up = SecurityToppedUp(
        loan=loan.id,
        partner=loan.partner,
        currency=agreed(loan).currency,
        amount_minor=command.amount_minor,
        reference=command.reference,
        value_minor=value_minor,
        call_minor=max(0, loan.call_minor - more_minor),
    )
    if loan.default_cause != "margin_call" or topped_up.call_minor or loan.books.replaced_g:
        return [topped_up]
    return [topped_up, MaterialDefaultCured(loan=loan.id, partner=loan.partner)]


def _counted(loan: MaterialLoan, value_minor: int) -> int:
    return floor(value_minor * (1 - Fraction(agreed(loan).security.haircut)))


def settle_in_cash(command: SettleInCash, loan: MaterialLoan) -> Sequence[MaterialEvent] | Refused[Reason]:
    if (fault := not_lent(loan)) is not None:
        return fault
    assert loan.id is not None
    if loan.returns:
        return Refused(Reason.RETURNS_PENDING, "returns wait to be settled", accepted="the same once they are credited or rejected")
    terms = agreed(loan)
    if as_named(command.source) != as_named(terms.cash_basis):
        named = f"the terms settle by {terms.cash_basis}, not by {command.source}"
        return Refused(Reason.CASH_BASIS, named, "/source", terms.cash_basis)
    if isinstance(price := _price(command.price_minor, loan), Refused):
        return price
    due = owed_on(loan, command.on)
    amount_minor = round_half_even(due.total_g * price)
    if amount_minor > MAX_INTEGER:
        return _price_invalid("it would be more money than the books can hold")
    return [
        MaterialCashSettled(
            loan=loan.id,
            partner=loan.partner,
            facility=terms.facility,
            currency=terms.currency,
            price_minor=command.price_minor,
            source=command.source,
            reference=command.reference,
            element=terms.element,
            principal_g=due.principal_g,
            premium_g=due.premium_g,
            amount_minor=amount_minor,
            change=ContainedChange(lent_g=-due.principal_g, premium_g=-due.premium_g, cash_g=due.total_g),
        )
    ]


def _price(text: str, loan: MaterialLoan) -> Fraction | Refused[Reason]:
    price = exact(text)
    if price is None or price <= 0:
        return _price_invalid(f"{text!r} is no price")
    return price if (accepted := too_far(price, loan.price_minor)) is None else implausible(loan, "/price_minor", accepted)


def implausible(loan: MaterialLoan, field: str, accepted: str) -> Refused[Reason]:
    detail = f"a contained gram was marked at {loan.price_minor} last"
    return Refused(Reason.PRICE_IMPLAUSIBLE, detail, field, f"{accepted}; one that has moved further is marked in steps")


def _price_invalid(detail: str) -> Refused[Reason]:
    return Refused(Reason.PRICE_INVALID, detail, "/price_minor", 'above zero, such as "3.25" or "13/4"')
