"""Objections: a partner does not agree with what was accepted of its request, and an operator answers. Both stay; rounds go on.

The day for objections is what it was, whatever has been decided since: one that is upheld then asks for a decision that corrects that.
"""

from datetime import date
from typing import assert_never

import msgspec

from services.allocation.domain.book.requests import AcceptRequest, accept, reasons_missing, unsigned
from services.allocation.domain.book.screening_state import Objectable
from services.allocation.domain.book.state import Book, Reason, is_certified
from services.allocation.events import (
    BookEvent,
    ListName,
    ObjectionAnswered,
    ObjectionId,
    ObjectionRaised,
    ProductId,
    RequestId,
    RoundId,
    SubjectId,
)
from services.allocation.events.screening import ObjectionPaper, SignedObjection
from shared.journal.decider import Refused
from shared.journal.texts import TypedText


class RaiseObjection(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    objection: ObjectionId
    request: RequestId
    reasons: tuple[TypedText, ...]
    signs: bool = False  # its partner has keys, as looked up
    signed: SignedObjection | None = None  # by one of the partner's own, as verified
    by: SubjectId
    on: date


class AnswerObjection(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`accepted_g`: what is accepted instead, where it is upheld and no round has decided on the request yet. `involved`: who accepted
    what it objects to, or had a part in its round, as looked up."""

    objection: ObjectionId
    upheld: bool
    accepted_g: int | None
    reasons: tuple[TypedText, ...]
    by: SubjectId
    involved: tuple[SubjectId, ...]
    lists: dict[ListName, int]  # in force on the day
    on: date


type ObjectionCommand = RaiseObjection | AnswerObjection


def decide_objection(command: ObjectionCommand, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason]:
    match command:
        case RaiseObjection():
            return _object(command, product, book)
        case AnswerObjection():
            return _answer(command, product, book)
        case _:
            assert_never(command)


def _object(command: RaiseObjection, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason]:
    if isinstance(accepted := _accepted(command.request, book), Refused):
        return accepted
    if command.signs and command.signed is None:
        return unsigned(accepted.partner, ObjectionPaper)
    if not command.reasons:
        return reasons_missing()
    if command.on > accepted.until:
        return Refused(Reason.OBJECTION_LATE, f"{command.request} could be objected to until {accepted.until}")
    if open := [name for name, objection in book.objections.items() if objection.request == command.request]:
        return Refused(Reason.OBJECTION_OPEN, f"{open[0]} has no answer yet", accepted="another once it is answered")
    return [
        ObjectionRaised(
            objection=command.objection,
            request=command.request,
            product=product,
            partner=accepted.partner,
            accepted_g=accepted.accepted_g,
            reasons=command.reasons,
            raised_by=command.by,
            signed=command.signed,
        )
    ]


def _accepted(request_id: RequestId, book: Book) -> Objectable | Refused[Reason]:
    """What may be objected to. Of a request that no round has decided on, no round is named."""
    if (decided := book.objectable.get(request_id)) is not None:
        return decided
    if (request := book.requests.get(request_id)) is None:
        return Refused(Reason.REQUEST_CLOSED, f"{request_id} is not open")
    if request.accepted_g is None:
        return Refused(Reason.REQUEST_NOT_ACCEPTED, f"{request_id} has not been accepted")
    if request.objections_until is None:
        return Refused(Reason.OBJECTION_LATE, f"{request_id} could not be objected to")
    return Objectable(request.partner, request.accepted_g, request.objections_until, _decided_in(request_id, book))


def _decided_in(request_id: RequestId, book: Book) -> RoundId | None:
    if (decided := book.objectable.get(request_id)) is not None:
        return decided.round
    request = book.requests.get(request_id)
    return request.round if request is not None and is_certified(book, request) else None


def _answer(command: AnswerObjection, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason]:
    if (objection := book.objections.get(command.objection)) is None:
        return Refused(Reason.OBJECTION_CLOSED, f"{command.objection} has its answer")
    if not command.reasons:
        return reasons_missing()
    if command.by in command.involved:
        return Refused(
            Reason.ANSWERED_BY_ACTOR,
            f"{command.by} had a part in what {command.objection} objects to",
            accepted="an operator who had none in it",
        )
    decided_in = _decided_in(objection.request, book)
    may_change = command.upheld and decided_in is None and objection.request in book.requests
    if may_change != (command.accepted_g is not None):
        return Refused(
            Reason.OBJECTION_ACCEPTANCE,
            "an upheld objection brings another acceptance, as long as no round has decided on the request; no other answer does",
            field="/accepted_g",
            accepted="the mass that is accepted now" if may_change else "none",
        )
    accepted: list[BookEvent] = []
    if command.accepted_g is not None:
        acceptance = AcceptRequest(
            request=objection.request, accepted_g=command.accepted_g, reasons=command.reasons, lists=command.lists, on=command.on
        )
        if isinstance(decided := accept(acceptance, product, book), Refused):
            return decided
        accepted = decided
    answered = ObjectionAnswered(
        objection=command.objection,
        request=objection.request,
        product=product,
        partner=objection.partner,
        upheld=command.upheld,
        reasons=command.reasons,
        answered_by=command.by,
        round=decided_in,
        independent=True,
    )
    return [answered, *accepted]
