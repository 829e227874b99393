"""Declining: no is said to a request by one person at once, for 72 hours. A second one makes it stand, or it is as it was before.

As long as it is one person's word, the request stays in its book, outside any round: what its partner or its day ends is over, its parties'
hits are decided, its clock and its reminders go on. Nobody goes on by turns: it counts with what the same person has confirmed of its hits.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

import msgspec
from msgspec.structs import replace

from services.allocation.domain.book.requests import approved_with, reasons_missing
from services.allocation.domain.book.state import Book, Reason, Request, changeable
from services.allocation.events import (
    BookEvent,
    ProductId,
    RequestDeclineConfirmed,
    RequestDeclined,
    RequestDeclineLapsed,
    RequestId,
    SubjectId,
)
from shared.journal.decider import CancelTimer, Refused, Timer
from shared.journal.texts import TypedText
from shared.terms.protecting import ByOne, Word, begins, said

_WHAT = "decline"  # among one person's words about a request


class DeclineRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    request: RequestId
    reasons: tuple[TypedText, ...]
    by: ByOne | None = None  # None: it does not lapse


class ConfirmDecline(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By a second person: the request is closed for good."""

    request: RequestId
    by: SubjectId
    accounts: frozenset[str]


class LapseDecline(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer: nobody has confirmed in time what was to lapse then. Total."""

    request: RequestId
    lapses_at: datetime


type DecliningCommand = DeclineRequest | ConfirmDecline | LapseDecline


def decide_declining(command: DecliningCommand, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason]:
    match command:
        case DeclineRequest():
            return _decline(command, product, book)
        case ConfirmDecline():
            return _confirm(command, product, book)
        case LapseDecline():
            return _lapse(command, product, book)
        case _:
            assert_never(command)


def declined(request: Request, word: Word) -> Request:
    """By one person: in no round, and otherwise as it was."""
    words = said(request.screening.alone.words, word)
    screening = replace(request.screening, alone=replace(request.screening.alone, words=words))
    return replace(request, round=None, declined=word, screening=screening)


def word_of(event: RequestDeclined) -> Word | None:
    """None: it stands, as an earlier build's does."""
    return None if event.declined_by is None or event.lapses_at is None else Word(event.declined_by, event.lapses_at, _WHAT)


def decline_timers(event: BookEvent) -> Sequence[Timer | CancelTimer]:
    match event:
        case RequestDeclined(lapses_at=datetime() as at):
            return [Timer.at_instant(f"decline/{event.request}", at, LapseDecline(request=event.request, lapses_at=at))]
        case RequestDeclineConfirmed():
            return [CancelTimer(f"decline/{event.request}")]
        case _:
            return ()


def _decline(command: DeclineRequest, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason]:
    if isinstance(request := changeable(book, command.request), Refused):
        return request
    if approved := approved_with(command.request, book):
        return approved
    if not command.reasons:
        return reasons_missing()
    lapses = begins(request.screening.alone.words, command.by, Reason.DECLINE_RENEWED, _WHAT)
    if isinstance(lapses, Refused):
        return lapses
    return [
        RequestDeclined(
            request=command.request,
            product=product,
            partner=request.partner,
            reasons=command.reasons,
            declined_by=None if command.by is None else SubjectId(command.by.by),
            lapses_at=lapses,
        )
    ]


def _confirm(command: ConfirmDecline, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason]:
    if (request := book.requests.get(command.request)) is None:
        return Refused(Reason.REQUEST_CLOSED, f"{command.request} is not open")
    if request.declined is None:
        return Refused(Reason.NOT_DECLINED, f"{command.request} is not declined")
    if request.declined.by in command.accounts:
        return Refused(Reason.DECLINE_OWN, f"{command.request} is declined by the same person", accepted="a second person")
    return [RequestDeclineConfirmed(request=command.request, product=product, partner=request.partner, confirmed_by=command.by)]


def _lapse(command: LapseDecline, product: ProductId, book: Book) -> list[BookEvent]:
    request = book.requests.get(command.request)
    if request is None or request.declined is None or request.declined.lapses_at != command.lapses_at:
        return []
    lapsed = RequestDeclineLapsed(request=command.request, product=product, partner=request.partner, accepted_g=request.accepted_g)
    return [lapsed]
