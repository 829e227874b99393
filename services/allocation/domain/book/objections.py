"""Objections: a partner does not agree with what was accepted of its request, and an operator answers. Both stay; rounds go on."""

from datetime import date
from typing import assert_never

import msgspec

from services.allocation.domain.book.requests import AcceptRequest, accept, reasons_missing
from services.allocation.domain.book.state import Book, Reason, changeable
from services.allocation.events import (
    BookEvent,
    ListName,
    ObjectionAnswered,
    ObjectionId,
    ObjectionRaised,
    ProductId,
    RequestId,
    SubjectId,
)
from shared.journal.decider import Refused


class RaiseObjection(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    objection: ObjectionId
    request: RequestId
    reasons: tuple[str, ...]
    by: SubjectId
    on: date


class AnswerObjection(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`accepted_g`: what is accepted instead, where it is upheld and no round has decided on the request yet."""

    objection: ObjectionId
    upheld: bool
    accepted_g: int | None
    reasons: tuple[str, ...]
    by: SubjectId
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
    if isinstance(request := changeable(book, command.request), Refused):
        return request
    if not command.reasons:
        return reasons_missing()
    if request.accepted_g is None:
        return Refused(Reason.REQUEST_NOT_ACCEPTED, f"{command.request} has not been accepted")
    if (until := request.objections_until) is None or command.on > until:
        return Refused(Reason.OBJECTION_LATE, f"{command.request} could be objected to until {until}")
    if open := [name for name, objection in book.objections.items() if objection.request == command.request]:
        return Refused(Reason.OBJECTION_OPEN, f"{open[0]} has no answer yet", accepted="another once it is answered")
    return [
        ObjectionRaised(
            objection=command.objection,
            request=command.request,
            product=product,
            partner=request.partner,
            accepted_g=request.accepted_g,
            reasons=command.reasons,
            raised_by=command.by,
        )
    ]


def _answer(command: AnswerObjection, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason]:
    if (objection := book.objections.get(command.objection)) is None:
        return Refused(Reason.OBJECTION_CLOSED, f"{command.objection} has its answer")
    if not command.reasons:
        return reasons_missing()
    may_change = command.upheld and not isinstance(changeable(book, objection.request), Refused)
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
    )
    return [answered, *accepted]
