"""Reminders of a book: that a request is still to be screened. Once it is accepted, its clock says what is late."""

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec

from services.allocation.domain.book.state import Book
from services.allocation.events import (
    BookEvent,
    ProductId,
    RequestAccepted,
    RequestDeclineConfirmed,
    RequestDeclined,
    RequestId,
    RequestScreeningDue,
    RequestScreeningLate,
    RequestSubmitted,
    RequestWithdrawn,
)
from shared.journal.decider import CancelTimer, Timer


class RemindOfScreening(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """From a request's timer: on the last day to screen it, and on the day after. `on`: the day that the timer was due."""

    request: RequestId
    screen_by: date
    on: date


def remind(command: RemindOfScreening, product: ProductId, book: Book) -> list[BookEvent]:
    request = book.requests.get(command.request)
    if request is None or request.accepted_g is not None:
        return []
    told = RequestScreeningLate if command.on > command.screen_by else RequestScreeningDue
    return [told(request=command.request, product=product, partner=request.partner, screen_by=command.screen_by)]


def reminder_timers(event: BookEvent) -> Sequence[Timer | CancelTimer]:
    """At most one a request, since requests come by the thousand."""
    match event:
        case RequestSubmitted(screen_by=date() as screen_by):
            return [_reminder(event.request, screen_by, screen_by)]
        case RequestScreeningDue():
            return [_reminder(event.request, event.screen_by, event.screen_by + timedelta(days=1))]
        case RequestAccepted() | RequestDeclined(lapses_at=None) | RequestDeclineConfirmed() | RequestWithdrawn():
            return [CancelTimer(f"screen/{event.request}")]
        case _:
            return ()


def _reminder(request: RequestId, screen_by: date, due: date) -> Timer:
    return Timer(f"screen/{request}", due, RemindOfScreening(request=request, screen_by=screen_by, on=due))
