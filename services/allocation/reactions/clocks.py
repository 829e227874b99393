"""What clocks to delivery are told: by the books, and by what inventory does with an award.

A release has its award's id, and an award its request's, so each names the clock.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from services.allocation.domain.clocks.clock import AdvanceClock, EndClock, SetClockBack, StartClock
from services.allocation.events import (
    AwardGranted,
    AwardWithdrawn,
    DecisionHash,
    PartnerCode,
    ProductId,
    RequestDeclineConfirmed,
    RequestDeclined,
    RequestExpired,
    RequestId,
    RequestWithdrawn,
)
from services.allocation.events.clocks import ClockSet, ClockStep, EndCause, LossCause
from services.inventory import events as inventory
from shared.delivery.inbox import Reaction
from shared.journal.record import Fact

OWN = (ClockSet, AwardGranted, AwardWithdrawn, RequestDeclined, RequestDeclineConfirmed, RequestWithdrawn, RequestExpired)
OF_INVENTORY = (
    inventory.StockReleased,
    inventory.LoanGateOpened,
    inventory.AwardForwarded,
    inventory.DrawDelivered,
    inventory.RightAssigned,
    inventory.ReleaseLapsed,
    inventory.ReleaseCancelled,
)


def of_books(fact: Fact) -> Sequence[Reaction]:
    """What a book's event does to the clock of its request."""
    on = date.fromisoformat(fact.record.effective_on)
    match event := fact.event:
        case ClockSet():
            start = StartClock(
                request=event.request,
                product=event.product,
                partner=event.partner,
                clock=event.clock,
                submitted_on=event.submitted_on,
                limits_days=event.limits_days,
                warn_days=event.warn_days,
                loan=event.loan,
                on=on,
            )
            return [_to_clock(start)]
        case AwardGranted(award=award, decision=decision):
            return [_advance(event, event.request, "awarded", award, on, decision)]
        case AwardWithdrawn(award=award):
            return [_set_back(event, event.request, "award_withdrawn", award, 0, on)]
        case RequestDeclined(lapses_at=None) | RequestDeclineConfirmed():
            return [_end(event, "declined", on)]
        case RequestWithdrawn():
            return [_end(event, "withdrawn", on)]
        case RequestExpired():
            return [_end(event, "expired", on)]
        case _:
            return ()


def of_stockpiles(fact: Fact) -> Sequence[Reaction]:
    """What a stockpile's event does to the clock of the request whose award it is about."""
    on = date.fromisoformat(fact.record.effective_on)
    match event := fact.event:
        case inventory.StockReleased(request=request) if request.startswith("req_"):  # what a tender sells has no request
            return [_advance(event, request, "released", event.award, on, DecisionHash(event.decision))]
        case inventory.LoanGateOpened(release=release, decision=decision):
            return [_advance(event, request_of(release), "gate_opened", release, on, DecisionHash(decision))]
        case inventory.AwardForwarded(release=release, draw=draw, step="returned"):
            return [_set_back(event, request_of(release), "returned", draw, event.mass_g, on)]
        case inventory.AwardForwarded(release=release, draw=draw, step="weighed"):
            return [_advance(event, request_of(release), "weighed", draw, on)]
        case inventory.AwardForwarded(release=release, draw=draw):
            return [_advance(event, request_of(release), "dispatched", draw, on)]
        case inventory.DrawDelivered(release=release, draw=draw, delivered_on=delivered_on):
            return [_advance(event, request_of(release), "delivered", draw, delivered_on)]
        case inventory.RightAssigned(release=release, draw=draw, right=right, source=source):  # a claim that passes goes no way
            return [_advance(event, request_of(release), "delivered", f"{draw}/{right}/{source}", on)]
        case inventory.ReleaseLapsed(release=release):
            return [_set_back(event, request_of(release), "lapsed", release, event.mass_g, on)]
        case inventory.ReleaseCancelled(release=release):
            return [_set_back(event, request_of(release), "cancelled", release, event.mass_g, on)]
        case _:
            return ()


def request_of(release: str) -> RequestId:
    """`rel_01j...` -> `req_01j...`"""
    return RequestId(f"req_{release.removeprefix('rel_')}")


def _advance(event: Any, request: str, step: ClockStep, of: str, on: date, decision: DecisionHash | None = None) -> Reaction:
    mass_g = 0 if step == "gate_opened" else event.mass_g  # that event is of no grams
    return _to_clock(AdvanceClock(**_named(event, request, on), step=step, of=of, decision=decision, mass_g=mass_g))


def _set_back(event: Any, request: str, cause: LossCause, of: str, mass_g: int, on: date) -> Reaction:
    return _to_clock(SetClockBack(**_named(event, request, on), cause=cause, of=of, mass_g=mass_g))


def _end(event: RequestDeclined | RequestDeclineConfirmed | RequestWithdrawn | RequestExpired, cause: EndCause, on: date) -> Reaction:
    return _to_clock(EndClock(**_named(event, event.request, on), cause=cause))


def _named(event: Any, request: str, on: date) -> dict[str, Any]:
    return {"request": RequestId(request), "product": ProductId(event.product), "partner": PartnerCode(event.partner), "on": on}


def _to_clock(command: StartClock | AdvanceClock | SetClockBack | EndClock) -> Reaction:
    """The day that it counts for is the command's own."""
    return Reaction(f"clock/{command.request}", command, effective_on=command.on.isoformat())
