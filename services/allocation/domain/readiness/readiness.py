"""Readiness register of an agreement's product: each item cleared by somebody, on evidence, until a day; renewed, withdrawn or expired.

Several items of one kind may be cleared: three carriers are better than one.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, assert_never

import immutables
import msgspec

from services.allocation.events import AgreementId, PartnerCode, ProductId, SubjectId
from services.allocation.events.readiness import (
    ItemId,
    ItemKind,
    ReadinessCleared,
    ReadinessEvent,
    ReadinessExpired,
    ReadinessExpiring,
    ReadinessRenewed,
    ReadinessWithdrawn,
)
from shared.journal.decider import CancelTimer, Decider, Reasons, Refused, Timer
from shared.journal.texts import TypedText

MAX_ITEMS = 200  # of one register


class ClearItem(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    agreement: AgreementId
    product: ProductId
    partner: PartnerCode
    item: ItemId
    kind: ItemKind
    name: str
    evidence: TypedText
    by: SubjectId
    until: date | None
    warn_days: int
    on: date


class RenewItem(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Also one that has expired."""

    item: ItemId
    evidence: TypedText
    by: SubjectId
    until: date | None
    warn_days: int
    on: date


class WithdrawItem(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    item: ItemId
    reason: TypedText


class CheckItem(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """From an item's timer. `on`: the day that the timer was due, so today or an earlier one."""

    item: ItemId
    on: date


type Command = ClearItem | RenewItem | WithdrawItem | CheckItem


class Reason(Reasons):
    """Why a register stays as it is."""

    ITEM_NOT_FOUND = "readiness_item_not_found", 404, "There is no such item"
    CLEARED_ALREADY = "readiness_cleared_already", 409, "It is cleared already"
    TOO_MANY = "readiness_items_too_many", 409, "The register is full"
    DATE_IN_PAST = "date_in_past", 422, "The date is in the past"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    kind: ItemKind
    name: str
    until: date | None
    warn_on: date | None
    warned: bool = False
    expired: bool = False


class Register(msgspec.Struct, frozen=True, kw_only=True):
    agreement: AgreementId = AgreementId("")
    product: ProductId = ProductId("")
    partner: PartnerCode = PartnerCode("")
    items: immutables.Map[ItemId, Item] = immutables.Map()  # but those that were withdrawn


def decide(command: Command, register: Register) -> list[ReadinessEvent] | Refused[Reason]:
    match command:
        case ClearItem():
            return _clear(command, register)
        case RenewItem():
            if (item := register.items.get(command.item)) is None:
                return _not_found(command.item)
            if fault := _past(command.until, command.on):
                return fault
            renewed = ReadinessRenewed(
                **_named(register, command.item, item),
                evidence=command.evidence,
                by=command.by,
                until=command.until,
                warn_on=_warn_on(command.until, command.warn_days, command.on),
            )
            return [renewed]
        case WithdrawItem():
            if (item := register.items.get(command.item)) is None:
                return _not_found(command.item)
            return [ReadinessWithdrawn(**_named(register, command.item, item), reason=command.reason)]
        case CheckItem():
            return _check(command, register)
        case _:
            assert_never(command)


def evolve(register: Register, event: ReadinessEvent) -> Register:
    replace = msgspec.structs.replace
    items = register.items
    match event:
        case ReadinessCleared() | ReadinessRenewed():
            items = items.set(event.item, Item(kind=event.kind, name=event.name, until=event.until, warn_on=event.warn_on))
        case ReadinessWithdrawn():
            items = items.delete(event.item)
        case ReadinessExpiring():
            items = items.set(event.item, replace(items[event.item], warned=True))
        case ReadinessExpired():
            items = items.set(event.item, replace(items[event.item], expired=True))
        case _:
            assert_never(event)
    return Register(agreement=event.agreement, product=event.product, partner=event.partner, items=items)


def readiness_timers(event: ReadinessEvent) -> Sequence[Timer | CancelTimer]:
    """One timer an item: first for its warning, then for its end."""
    match event:
        case ReadinessCleared(until=date() as until) | ReadinessRenewed(until=date() as until):
            due = event.warn_on or _day_after(until)
            return [Timer(f"item/{event.item}", due, CheckItem(item=event.item, on=due))]
        case ReadinessExpiring():
            due = _day_after(event.until)
            return [Timer(f"item/{event.item}", due, CheckItem(item=event.item, on=due))]
        case ReadinessCleared() | ReadinessRenewed() | ReadinessWithdrawn():
            return [CancelTimer(f"item/{event.item}")]
        case _:
            return ()


def _clear(command: ClearItem, register: Register) -> list[ReadinessEvent] | Refused[Reason]:
    if fault := _past(command.until, command.on):
        return fault
    same = next((id for id, item in register.items.items() if (item.kind, item.name) == (command.kind, command.name)), None)
    if same is not None:
        return Refused(Reason.CLEARED_ALREADY, f"{same} is this {command.kind}", field="/name", accepted=f"a renewal of {same}")
    if len(register.items) >= MAX_ITEMS:
        return Refused(Reason.TOO_MANY, f"the register has {MAX_ITEMS} items", accepted="one more after another is withdrawn")
    return [
        ReadinessCleared(
            agreement=command.agreement,
            product=command.product,
            partner=command.partner,
            item=command.item,
            kind=command.kind,
            name=command.name,
            evidence=command.evidence,
            by=command.by,
            until=command.until,
            warn_on=_warn_on(command.until, command.warn_days, command.on),
        )
    ]


def _check(command: CheckItem, register: Register) -> list[ReadinessEvent]:
    item = register.items.get(command.item)
    if item is None or item.until is None or item.expired:
        return []
    if command.on > item.until:
        return [ReadinessExpired(**_named(register, command.item, item), until=item.until)]
    if item.warned or item.warn_on is None or command.on < item.warn_on:
        return []
    return [ReadinessExpiring(**_named(register, command.item, item), until=item.until)]


def _warn_on(until: date | None, warn_days: int, on: date) -> date | None:
    """Tomorrow at the earliest: who clears it today knows."""
    if until is None:
        return None
    warn_on = max(until - timedelta(days=warn_days), _day_after(on))
    return warn_on if warn_on <= until else None


def _day_after(day: date) -> date:
    return day + timedelta(days=1)


def _past(until: date | None, on: date) -> Refused[Reason] | None:
    if until is None or until >= on:
        return None
    return Refused(Reason.DATE_IN_PAST, f"{until} is in the past", field="/until", accepted=f"{on} or later")


def _not_found(item: ItemId) -> Refused[Reason]:
    return Refused(Reason.ITEM_NOT_FOUND, f"there is no {item} in this register", field="path:item")


def _named(register: Register, id: ItemId, item: Item) -> dict[str, Any]:
    named = {"agreement": register.agreement, "product": register.product, "partner": register.partner}
    return named | {"item": id, "kind": item.kind, "name": item.name}


DECIDER = Decider(kind="readiness", initial=Register(), commands=Command, decide=decide, evolve=evolve, timers=readiness_timers)
