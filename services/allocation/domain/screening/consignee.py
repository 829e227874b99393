"""Consignee: a name that goods may go to, what lists in force have of it, and the awards for which it is asked instead of another."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, assert_never

import immutables
import msgspec

from services.allocation.domain.screening.confirming import Confirmations, ConfirmingReason, HitState
from services.allocation.events import (
    AuthorityCited,
    AwardId,
    ChangeId,
    ConsigneeChangeApproved,
    ConsigneeChangeAsked,
    ConsigneeChangeRefused,
    ConsigneeEvent,
    ConsigneeHit,
    ConsigneeHitDecided,
    ConsigneeHitLapsed,
    ConsigneeId,
    ConsigneeScreened,
    HitId,
    ListName,
    PartnerCode,
    ProductId,
    SubjectId,
)
from shared.journal.decider import CancelTimer, Decider, Reasons, Refused, Timer
from shared.journal.texts import TypedText
from shared.terms.countersigning import ProposedCommand
from shared.terms.matching import VERSION
from shared.terms.protecting import ByOne, alone, alone_since


class ScreenConsignee(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the lists in force have of it. Nobody asks for it, so it is total."""

    consignee: ConsigneeId
    name: str
    lists: dict[ListName, int]
    hits: tuple[ConsigneeHit, ...]
    beyond: int = 0


class DecideConsigneeHit(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    hit: HitId
    outcome: Literal["cleared", "confirmed"]
    reason: TypedText
    by: SubjectId
    alone: ByOne | None = None  # who confirms it; None: it does not lapse


class LapseConsigneeHit(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer: nobody has confirmed in time what was to lapse then. Total."""

    hit: HitId
    lapses_at: datetime


class AskForConsignee(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    change: ChangeId
    award: AwardId
    request: str
    product: ProductId
    partner: PartnerCode
    consignee: ConsigneeId
    name: str
    reason: TypedText
    by: SubjectId


class ApproveChange(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`lists`: those in force."""

    change: ChangeId
    lists: dict[ListName, int]
    reason: TypedText
    by: SubjectId
    accounts: frozenset[str]  # of theirs, `by` among them


class RefuseChange(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    change: ChangeId
    reason: TypedText
    by: SubjectId


type Command = ScreenConsignee | DecideConsigneeHit | LapseConsigneeHit | AskForConsignee | ApproveChange | RefuseChange


class Reason(Reasons):
    """Why a consignee stays as it is."""

    CHANGE_NOT_FOUND = "consignee_change_not_found", 404, "There is no such change of a consignee, or it has its answer"
    HIT_NOT_FOUND = "consignee_hit_not_found", 404, "The consignee has no such hit"
    NOT_CLEARED = "consignee_not_cleared", 409, "The consignee is not cleared by the lists in force"
    OWN_CHANGE = "consignee_change_own", 403, "A change is not approved by the person who asked for it"


class Consignee(msgspec.Struct, frozen=True, kw_only=True):
    id: ConsigneeId = ConsigneeId("")
    name: str = ""
    lists: dict[ListName, int] | None = None  # in which it was looked up last; None: it never was
    hits: dict[HitId, HitState] = {}
    alone: Confirmations = Confirmations()
    beyond: int = 0
    asked: immutables.Map[ChangeId, ConsigneeChangeAsked] = immutables.Map()  # without an answer
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # that wait for another person's signature


def decide(command: Command, consignee: Consignee) -> list[ConsigneeEvent] | Refused[Reason] | Refused[ConfirmingReason]:
    match command:
        case ScreenConsignee():
            return _screen(command, consignee)
        case DecideConsigneeHit():
            if command.hit not in consignee.hits:
                return Refused(Reason.HIT_NOT_FOUND, f"there is no hit {command.hit}", field="path:hit")
            return _decide_hit(command, consignee)
        case LapseConsigneeHit():
            return _lapse(command, consignee)
        case AskForConsignee():
            return [_asked(command)]
        case ApproveChange() | RefuseChange():
            if (asked := consignee.asked.get(command.change)) is None:
                return Refused(Reason.CHANGE_NOT_FOUND, f"{command.change} is not to be decided", field="path:change")
            return _answer(command, asked, consignee)
        case _:
            assert_never(command)


def _screen(command: ScreenConsignee, consignee: Consignee) -> list[ConsigneeEvent]:
    after = _after(consignee.hits, command.hits)
    if (consignee.lists, consignee.hits, consignee.beyond) == (command.lists, after, command.beyond):
        return []
    return [
        ConsigneeScreened(
            consignee=command.consignee,
            name=command.name,
            lists=command.lists,
            hits=command.hits,
            beyond=command.beyond,
            clear=_clear(after, command.beyond),
            matching=VERSION,
        )
    ]


def _after(before: dict[HitId, HitState], hits: tuple[ConsigneeHit, ...]) -> dict[HitId, HitState]:
    """A hit that was decided stays so for as long as it is one; what was cleared for a request is cleared here."""
    after: dict[HitId, HitState] = {}
    for each in hits:
        known = before.get(each.hit, "open")
        after[each.hit] = "cleared" if known == "open" and each.cleared_as is not None else known
    return after


def _clear(hits: dict[HitId, HitState], beyond: int) -> bool:
    return not beyond and all(status == "cleared" for status in hits.values())


def _decide_hit(command: DecideConsigneeHit, consignee: Consignee) -> list[ConsigneeEvent] | Refused[ConfirmingReason]:
    status, by = consignee.hits[command.hit], command.alone if command.outcome == "confirmed" else None
    lapses = consignee.alone.begins(by, command.hit, status)
    if isinstance(lapses, Refused):
        return lapses
    return [
        ConsigneeHitDecided(
            consignee=consignee.id,
            name=consignee.name,
            hit=command.hit,
            outcome=command.outcome,
            clear=_clear(consignee.hits | {command.hit: command.outcome}, consignee.beyond),
            reason=command.reason,
            decided_by=command.by,
            lapses_at=lapses,
            alone_since=alone_since(lapses),
        )
    ]


def _lapse(command: LapseConsigneeHit, consignee: Consignee) -> list[ConsigneeEvent]:
    word = consignee.alone.of.get(command.hit)
    if word is None or word.last.lapses_at != command.lapses_at:
        return []
    if consignee.hits.get(command.hit) != "confirmed" or word.before == "confirmed":
        return []
    return [
        ConsigneeHitLapsed(
            consignee=consignee.id,
            name=consignee.name,
            hit=command.hit,
            status=word.before,
            clear=_clear(consignee.hits | {command.hit: word.before}, consignee.beyond),
        )
    ]


def _asked(command: AskForConsignee) -> ConsigneeChangeAsked:
    return ConsigneeChangeAsked(
        change=command.change,
        award=command.award,
        request=command.request,
        product=command.product,
        partner=command.partner,
        consignee=command.consignee,
        name=command.name,
        reason=command.reason,
        asked_by=command.by,
    )


def _answer(
    command: ApproveChange | RefuseChange, asked: ConsigneeChangeAsked, consignee: Consignee
) -> list[ConsigneeEvent] | Refused[Reason]:
    if isinstance(command, RefuseChange):
        return [
            ConsigneeChangeRefused(
                change=asked.change,
                award=asked.award,
                request=asked.request,
                product=asked.product,
                partner=asked.partner,
                consignee=asked.consignee,
                reason=command.reason,
                refused_by=command.by,
            )
        ]
    if asked.asked_by in command.accounts:
        return Refused(Reason.OWN_CHANGE, f"{asked.asked_by} has asked for it, who is the same person", accepted="another approver")
    if consignee.lists != command.lists:
        detail = f"{asked.name} has not been looked up in the lists in force"
        return Refused(Reason.NOT_CLEARED, detail, accepted="the same a moment later")
    if not _clear(consignee.hits, consignee.beyond):
        detail = f"{asked.name} is like a name on a list"
        return Refused(Reason.NOT_CLEARED, detail, accepted="the same once a person has cleared its hits, or another consignee")
    return [
        ConsigneeChangeApproved(
            change=asked.change,
            award=asked.award,
            request=asked.request,
            product=asked.product,
            partner=asked.partner,
            consignee=asked.consignee,
            name=asked.name,
            reason=command.reason,
            approved_by=command.by,
        )
    ]


def evolve(consignee: Consignee, event: ConsigneeEvent | AuthorityCited) -> Consignee:
    replace = msgspec.structs.replace
    match event:
        case ConsigneeScreened():
            hits = _after(consignee.hits, event.hits)
            left = consignee.alone.among(hits)
            return replace(consignee, id=event.consignee, name=event.name, lists=event.lists, hits=hits, alone=left, beyond=event.beyond)
        case ConsigneeHitDecided():
            word = alone(event.decided_by, event.lapses_at, event.hit)
            of_one = consignee.alone.decided(event.hit, consignee.hits.get(event.hit, "open"), event.outcome, word)
            return replace(consignee, hits=consignee.hits | {event.hit: event.outcome}, alone=of_one)
        case ConsigneeHitLapsed():
            return replace(consignee, hits=consignee.hits | {event.hit: event.status})
        case ConsigneeChangeAsked():
            return replace(consignee, id=event.consignee, name=event.name, asked=consignee.asked.set(event.change, event))
        case ConsigneeChangeApproved() | ConsigneeChangeRefused():
            return replace(consignee, asked=consignee.asked.delete(event.change))
        case AuthorityCited():
            return consignee
        case _:
            assert_never(event)


def timers(event: ConsigneeEvent | AuthorityCited) -> Sequence[Timer | CancelTimer]:
    match event:
        case ConsigneeHitDecided(lapses_at=datetime() as at):
            return [Timer.at_instant(f"hit/{event.hit}", at, LapseConsigneeHit(hit=event.hit, lapses_at=at))]
        case ConsigneeHitDecided():
            return [CancelTimer(f"hit/{event.hit}")]
        case _:
            return ()


DECIDER = Decider(kind="consignee", initial=Consignee(), commands=Command, decide=decide, evolve=evolve, timers=timers)
