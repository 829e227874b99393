"""Screening of the parties of a book's requests by the lists in force, and hits, which a person decides.

Looking up many names is slow, so it is done before, and outside the writer; submitting a request does none of it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, assert_never

import msgspec

from services.allocation.domain.book.state import Book, Reason, Request, undecided
from services.allocation.domain.screening.confirming import ConfirmingReason
from services.allocation.events import (
    BookEvent,
    Hit,
    HitId,
    ListName,
    PartiesScreened,
    ProductId,
    RequestId,
    ScreeningHitDecided,
    ScreeningHitLapsed,
    SubjectId,
)
from shared.journal.decider import CancelTimer, Refused, Timer
from shared.journal.texts import TypedText
from shared.terms.matching import VERSION
from shared.terms.protecting import ByOne, alone_since


class Screened(msgspec.Struct, frozen=True, kw_only=True):
    """What the lists in force have of one request's parties."""

    request: RequestId
    lists: dict[ListName, int]
    hits: tuple[Hit, ...]
    beyond: int = 0


class ScreenParties(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Nobody asks for it, so it is total: of a request that is closed by now there is nothing to say."""

    screened: tuple[Screened, ...]


class DecideHit(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`companies`: those that the request names. `alone`: who confirms it; None: it does not lapse."""

    request: RequestId
    hit: HitId
    outcome: Literal["cleared", "confirmed"]
    reason: TypedText
    by: SubjectId
    companies: tuple[str, ...] = ()
    alone: ByOne | None = None


class LapseHit(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer: nobody has confirmed in time what was to lapse then. Total."""

    request: RequestId
    hit: HitId
    lapses_at: datetime


type ScreeningCommand = ScreenParties | DecideHit | LapseHit


def decide_screening(
    command: ScreeningCommand, product: ProductId, book: Book
) -> list[BookEvent] | Refused[Reason] | Refused[ConfirmingReason]:
    match command:
        case ScreenParties():
            return [_screened(each, product) for each in command.screened if _is_news(each, book)]
        case DecideHit():
            return _decide_hit(command, product, book)
        case LapseHit():
            return _lapse(command, product, book)
        case _:
            assert_never(command)


def party_barred(request_id: RequestId, request: Request, field: str | None = None) -> Refused[Reason] | None:
    """Why the request may be given nothing: what its parties have on lists."""
    screening = request.screening
    if screening.confirmed:
        return Refused(Reason.PARTY_BARRED, f"a party of {request_id} is on a screening list", field=field, accepted="another party")
    if screening.beyond:
        return Refused(Reason.PARTY_BARRED, f"the parties of {request_id} have too many hits", field=field, accepted="another party")
    if screening.open:
        detail = f"{len(screening.open)} hits of {request_id} are to be decided: {screening.open[0]}"
        return Refused(Reason.HIT_OPEN, detail, field=field, accepted="the same once a person has cleared them")
    return None


def parties_barred(asked: Mapping[RequestId, Request]) -> Refused[Reason] | None:
    """Why a round of these requests may be given nothing as it is: what the parties of one of them have on lists."""
    hit = [name for name, request in asked.items() if request.screening.hits or request.screening.beyond]  # of thousands, few
    return next((fault for name in sorted(hit) if (fault := party_barred(name, asked[name]))), None)


def unscreened(request_id: RequestId, request: Request, lists: Mapping[ListName, int]) -> Refused[Reason] | None:
    """Whether its parties are still to be looked up in the lists in force."""
    if request.screening.lists != lists:
        detail = f"the parties of {request_id} have not been looked up in the lists in force"
        return Refused(Reason.SCREENING_MISSING, detail, accepted="the same a moment later")
    return None


def _is_news(screened: Screened, book: Book) -> bool:
    if (request := book.requests.get(screened.request)) is None:
        return False
    known = request.screening
    return (known.lists, set(known.hits), known.beyond) != (screened.lists, {hit.hit for hit in screened.hits}, screened.beyond)


def _screened(screened: Screened, product: ProductId) -> PartiesScreened:
    told: dict[str, Any] = {"request": screened.request, "product": product, "lists": screened.lists, "hits": screened.hits}
    return PartiesScreened(**told, beyond=screened.beyond, matching=VERSION)


def _decide_hit(command: DecideHit, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason] | Refused[ConfirmingReason]:
    if isinstance(request := undecided(book, command.request), Refused):
        return request
    if command.hit not in request.screening.hits:
        return Refused(Reason.HIT_NOT_FOUND, f"{command.request} has no hit {command.hit}", field="path:hit")
    status, by = request.screening.hits[command.hit], command.alone if command.outcome == "confirmed" else None
    lapses = request.screening.alone.begins(by, command.hit, status)
    if isinstance(lapses, Refused):
        return lapses
    return [
        ScreeningHitDecided(
            request=command.request,
            product=product,
            hit=command.hit,
            outcome=command.outcome,
            reason=command.reason,
            decided_by=command.by,
            lapses_at=lapses,
            alone_since=alone_since(lapses),
        )
    ]


def _lapse(command: LapseHit, product: ProductId, book: Book) -> list[BookEvent]:
    request = book.requests.get(command.request)
    word = None if request is None else request.screening.alone.of.get(command.hit)
    if request is None or word is None or word.last.lapses_at != command.lapses_at:
        return []
    if request.screening.hits.get(command.hit) != "confirmed" or word.before == "confirmed":
        return []
    return [ScreeningHitLapsed(request=command.request, product=product, hit=command.hit, status=word.before)]


def hit_timers(event: BookEvent) -> Sequence[Timer | CancelTimer]:
    match event:
        case ScreeningHitDecided(lapses_at=datetime() as at):
            return [Timer.at_instant(f"hit/{event.hit}", at, LapseHit(request=event.request, hit=event.hit, lapses_at=at))]
        case ScreeningHitDecided():
            return [CancelTimer(f"hit/{event.hit}")]
        case _:
            return ()
