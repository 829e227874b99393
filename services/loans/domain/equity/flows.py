"""What becomes of a committed holding: shares subscribed, valued, paid dividends on, and divested.

Days may lie in the past, so units are kept by day: on none of them may fewer than nothing be held. What is sold leaves at the average cost
of what is held when the sale is recorded.
"""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import assert_never

import msgspec

from services.loans.domain.equity.state import Decided, Holding, Reason, closes, evolve, sellable_on, units_on
from services.loans.domain.standing.instalments import round_half_even
from services.loans.events.equity import (
    DividendReceived,
    DividendReversed,
    EquityEvent,
    EquityFlowId,
    HoldingChange,
    HoldingId,
    HoldingTerms,
    HoldingValued,
    SharesDivested,
    SharesSubscribed,
)
from shared.journal.decider import Refused
from shared.journal.record import MAX_INTEGER
from shared.journal.texts import TypedText
from shared.terms.dating import Dated, undated

MAX_MOVES = 1_000  # subscriptions and sales of one holding


class SubscribeShares(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`on`: today, here and below."""

    flow: EquityFlowId
    reference: str
    units: int
    amount_minor: int
    paid_on: date
    dated_because: Dated | None = None  # needed where it was not paid on the day on which it is proposed
    reported_on: date | None = None  # that day; None: an earlier build did not say, and it is that of the signature
    on: date


class ValueHolding(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    value_minor: int
    valued_on: date
    source: TypedText
    on: date


class ReceiveDividend(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    flow: EquityFlowId
    reference: str
    amount_minor: int
    received_on: date
    dated_because: Dated | None = None  # needed where it was not received today
    on: date


class ReverseDividend(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    flow: EquityFlowId
    reason: TypedText


class DivestShares(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`amount_minor` 0: they are given up."""

    flow: EquityFlowId
    reference: str
    units: int
    amount_minor: int
    received_on: date
    dated_because: Dated | None = None
    reported_on: date | None = None
    on: date


type FlowCommand = SubscribeShares | ValueHolding | ReceiveDividend | ReverseDividend | DivestShares


def decide_flow(command: FlowCommand, holding: Holding, id: HoldingId, terms: HoldingTerms) -> Decided:
    match command:
        case SubscribeShares():
            return _subscribe(command, holding, id, terms)
        case ValueHolding():
            return _value(command, holding, id, terms)
        case ReceiveDividend():
            return _receive(command, holding, id, terms)
        case ReverseDividend():
            return _reverse(command, holding, id, terms)
        case DivestShares():
            return _divest(command, holding, id, terms)
        case _:
            assert_never(command)


def _subscribe(command: SubscribeShares, holding: Holding, id: HoldingId, terms: HoldingTerms) -> Decided:
    figures = holding.figures
    assert holding.committed_on is not None
    if (fault := _day_fault(command.paid_on, holding.committed_on, command.on, "/paid_on")) is not None:
        return fault
    if (undated_fault := undated(command.paid_on, command.reported_on or command.on, command.dated_because)) is not None:
        return undated_fault
    if (fault := _reference_fault(holding, command.reference)) is not None:
        return fault
    left = terms.units - holding.units_subscribed
    if not 0 < command.units <= left:
        return Refused(Reason.UNITS_INVALID, f"{left} units may still be subscribed", "/units", f"1 to {left}")
    if not 0 < command.amount_minor <= figures.uncalled_minor:
        accepted = f"1 to {figures.uncalled_minor}"
        return Refused(Reason.BEYOND_COMMITMENT, f"{figures.uncalled_minor} of the commitment are not paid", "/amount_minor", accepted)
    if len(holding.moves) == MAX_MOVES:
        return Refused(Reason.TOO_MANY, f"a holding has at most {MAX_MOVES} subscriptions and sales")
    after = msgspec.structs.replace(
        figures,
        units=figures.units + command.units,
        cost_minor=figures.cost_minor + command.amount_minor,
        subscribed_minor=figures.subscribed_minor + command.amount_minor,
        uncalled_minor=figures.uncalled_minor - command.amount_minor,
    )
    return [
        SharesSubscribed(
            holding=id,
            flow=command.flow,
            facility=terms.facility,
            reference=command.reference,
            currency=terms.currency,
            units=command.units,
            amount_minor=command.amount_minor,
            paid_on=command.paid_on,
            dated_because=command.dated_because,
            change=HoldingChange(cash_minor=-command.amount_minor, cost_minor=command.amount_minor),
            after=after,
        )
    ]


def _value(command: ValueHolding, holding: Holding, id: HoldingId, terms: HoldingTerms) -> Decided:
    if (fault := held_fault(holding, command.valued_on, command.on, "/on")) is not None:
        return fault
    if command.value_minor < 0:
        return Refused(Reason.AMOUNT_INVALID, "shares are worth nothing at least", "/value_minor", "0 or more")
    return [
        HoldingValued(
            holding=id,
            currency=terms.currency,
            units=units_on(holding, command.valued_on),
            value_minor=command.value_minor,
            on=command.valued_on,
            source=command.source,
        )
    ]


def _receive(command: ReceiveDividend, holding: Holding, id: HoldingId, terms: HoldingTerms) -> Decided:
    if (fault := held_fault(holding, command.received_on, command.on, "/received_on")) is not None:
        return fault
    if (undated_fault := undated(command.received_on, command.on, command.dated_because)) is not None:
        return undated_fault
    if (fault := _reference_fault(holding, command.reference)) is not None:
        return fault
    most = MAX_INTEGER - holding.figures.dividends_minor
    if not 0 < command.amount_minor <= most:
        return Refused(Reason.AMOUNT_INVALID, "a dividend is above zero", "/amount_minor", f"1 to {most}")
    dividends = holding.figures.dividends_minor + command.amount_minor
    return [
        DividendReceived(
            holding=id,
            flow=command.flow,
            reference=command.reference,
            currency=terms.currency,
            amount_minor=command.amount_minor,
            received_on=command.received_on,
            dated_because=command.dated_because,
            change=HoldingChange(cash_minor=command.amount_minor, dividend_income_minor=-command.amount_minor),
            after=msgspec.structs.replace(holding.figures, dividends_minor=dividends),
        )
    ]


def _reverse(command: ReverseDividend, holding: Holding, id: HoldingId, terms: HoldingTerms) -> Decided:
    if (amount := holding.dividends.get(command.flow)) is None:
        return Refused(Reason.DIVIDEND_NOT_FOUND, f"no dividend {command.flow} counts", "path:flow")
    return [
        DividendReversed(
            holding=id,
            flow=command.flow,
            currency=terms.currency,
            amount_minor=amount,
            reason=command.reason,
            change=HoldingChange(cash_minor=-amount, dividend_income_minor=amount),
            after=msgspec.structs.replace(holding.figures, dividends_minor=holding.figures.dividends_minor - amount),
        )
    ]


def _divest(command: DivestShares, holding: Holding, id: HoldingId, terms: HoldingTerms) -> Decided:
    figures = holding.figures
    if (fault := held_fault(holding, command.received_on, command.on, "/received_on")) is not None:
        return fault
    if (undated_fault := undated(command.received_on, command.reported_on or command.on, command.dated_because)) is not None:
        return undated_fault
    if (fault := _reference_fault(holding, command.reference)) is not None:
        return fault
    most = sellable_on(holding, command.received_on)
    if not 0 < command.units <= most:
        return Refused(Reason.UNITS_INVALID, f"{most} units can be sold on {command.received_on}", "/units", f"1 to {most}")
    if not 0 <= command.amount_minor <= MAX_INTEGER - figures.proceeds_minor:
        return Refused(Reason.AMOUNT_INVALID, "nobody pays to be rid of shares", "/amount_minor", "0 or more")
    if len(holding.moves) == MAX_MOVES:
        return Refused(Reason.TOO_MANY, f"a holding has at most {MAX_MOVES} subscriptions and sales")
    cost = round_half_even(Fraction(figures.cost_minor * command.units, figures.units))
    gain = command.amount_minor - cost
    after = msgspec.structs.replace(
        figures,
        units=figures.units - command.units,
        cost_minor=figures.cost_minor - cost,
        proceeds_minor=figures.proceeds_minor + command.amount_minor,
        sold_cost_minor=figures.sold_cost_minor + cost,
    )
    sold = SharesDivested(
        holding=id,
        flow=command.flow,
        reference=command.reference,
        currency=terms.currency,
        units=command.units,
        amount_minor=command.amount_minor,
        cost_minor=cost,
        gain_minor=gain,
        received_on=command.received_on,
        dated_because=command.dated_because,
        change=HoldingChange(cash_minor=command.amount_minor, cost_minor=-cost, divestment_income_minor=-gain),
        after=after,
    )
    return closing(holding, sold)


def closing(holding: Holding, event: EquityEvent) -> Sequence[EquityEvent]:
    closed = closes(evolve(holding, event))
    return [event] if closed is None else [event, closed]


def _day_fault(day: date, first: date, today: date, field: str) -> Refused[Reason] | None:
    if day > today:
        return Refused(Reason.DATE_IN_FUTURE, f"{day} has not come yet", field, f"{first} to {today}")
    if day < first:
        return Refused(Reason.DATE_INVALID, f"{day} is before {first}", field, f"{first} to {today}")
    return None


def held_fault(holding: Holding, day: date, today: date, field: str) -> Refused[Reason] | None:
    if (first := holding.first_on) is None:
        return Refused(Reason.NOTHING_HELD, "no shares are subscribed yet")
    return _day_fault(day, first, today, field)


def _reference_fault(holding: Holding, reference: str) -> Refused[Reason] | None:
    if reference in holding.references:
        return Refused(Reason.REFERENCE_USED, f"{reference} is recorded already", "/reference", "each reference once")
    return None
