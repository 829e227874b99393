"""Screening list: a version of it is in force, or none. What is on it stands in a document."""

from typing import assert_never

import immutables
import msgspec
from msgspec.structs import replace

from services.allocation.events import (
    AuthorityCited,
    ListName,
    ScreeningListEvent,
    ScreeningListPutInForce,
    ScreeningListWithdrawn,
    SubjectId,
)
from shared.journal.decider import Decider, Reasons, Refused
from shared.journal.texts import TypedText
from shared.terms.countersigning import ProposedCommand


class PutListInForce(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    list: ListName
    document: str
    entries: int
    reason: TypedText
    by: SubjectId


class WithdrawList(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    list: ListName
    reason: TypedText
    by: SubjectId


type Command = PutListInForce | WithdrawList


class Reason(Reasons):
    """Why a list stays as it is."""

    SAME = "list_already_in_force", 409, "The screening list is in force as it is"
    NOT_IN_FORCE = "list_not_in_force", 409, "No version of the screening list is in force"


class ScreeningList(msgspec.Struct, frozen=True):
    version: int = 0  # the last one that there was
    document: str | None = None  # None: none is in force
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # that wait for another person's signature


def decide(command: Command, current: ScreeningList) -> list[ScreeningListEvent] | Refused[Reason]:
    match command:
        case PutListInForce():
            if command.document == current.document:
                return Refused(Reason.SAME, f"version {current.version} of {command.list} is the same", accepted="another list")
            return [
                ScreeningListPutInForce(
                    list=command.list,
                    version=current.version + 1,
                    document=command.document,
                    entries=command.entries,
                    reason=command.reason,
                    put_by=command.by,
                )
            ]
        case WithdrawList():
            if current.document is None:
                return Refused(Reason.NOT_IN_FORCE, f"no version of {command.list} is in force")
            return [ScreeningListWithdrawn(list=command.list, version=current.version, reason=command.reason, withdrawn_by=command.by)]
        case _:
            assert_never(command)


def evolve(current: ScreeningList, event: ScreeningListEvent | AuthorityCited) -> ScreeningList:
    match event:
        case ScreeningListPutInForce():
            return replace(current, version=event.version, document=event.document)
        case ScreeningListWithdrawn():
            return replace(current, version=event.version, document=None)
        case AuthorityCited():
            return current
        case _:
            assert_never(event)


DECIDER = Decider(kind="screening_list", initial=ScreeningList(), commands=Command, decide=decide, evolve=evolve)
