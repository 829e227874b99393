"""Products: what is registered of one, and how much of it rounds must leave."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import assert_never

import msgspec

from services.inventory.domain.authority import opened
from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import Stockpile
from services.inventory.domain.weighing import SetWeighingTolerance, set_tolerance
from services.inventory.events import (
    Event,
    Form,
    Grade,
    HoldId,
    HoldPutOn,
    HoldScope,
    ProductId,
    ProductRegistered,
    ProtectedStockSet,
    ReceiptGradeSet,
)
from shared.journal.decider import Refused
from shared.journal.record import MAX_INTEGER
from shared.journal.texts import TypedText
from shared.terms.authority import Capacity


class StandingHold(msgspec.Struct, frozen=True, kw_only=True):
    """A hold on everything, a partner or a depot, from before there was the product."""

    hold: HoldId
    scope: HoldScope
    target: str | None
    reason: TypedText
    authority: TypedText
    expires_on: date | None
    put_on_on: date | None = None
    put_on_by: str | None = None
    lapses_at: datetime | None = None


class RegisterProduct(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    product: ProductId
    name: str
    contents: dict[str, str]
    form: Form
    unit: str
    nominal_unit_g: int
    specification: str
    holds: tuple[StandingHold, ...] = ()


class SetProtectedStock(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`authority`: by whose word it is kept. Two people set it, in the `capacity` of who signs: lower, it opens stock to rounds; higher, it
    keeps stock from them for good."""

    mass_g: int
    authority: TypedText
    reason: TypedText
    capacity: Capacity | None = None


class SetReceiptGrade(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Which grade a draw's receipt needs before its goods leave."""

    grade: Grade
    reason: TypedText


ProductCommand = RegisterProduct | SetProtectedStock | SetReceiptGrade | SetWeighingTolerance


def of_product(command: ProductCommand, state: Stockpile) -> Sequence[Event] | Refusal:
    match command:
        case RegisterProduct():
            return _register(command, state)
        case SetProtectedStock():
            return _protect(command, state)
        case SetReceiptGrade():
            return _grade(command, state)
        case SetWeighingTolerance():
            return set_tolerance(command, state)
        case _:
            assert_never(command)


def _register(command: RegisterProduct, state: Stockpile) -> Sequence[Event] | Refusal:
    if state.product is not None:
        return Refused(Reason.PRODUCT_REGISTERED, f"{command.product} is registered already", "/product")
    if not 0 < command.nominal_unit_g <= MAX_INTEGER:
        return Refused(Reason.QUANTITY_INVALID, "a unit must weigh at least one gram", "/nominal_unit_g")
    return [
        ProductRegistered(
            product=command.product,
            name=command.name,
            contents=command.contents,
            form=command.form,
            unit=command.unit,
            nominal_unit_g=command.nominal_unit_g,
            specification=command.specification,
        ),
        *(HoldPutOn(product=command.product, **msgspec.structs.asdict(hold)) for hold in command.holds),
    ]


def _protect(command: SetProtectedStock, state: Stockpile) -> Sequence[Event] | Refusal:
    if (product := state.product) is None:
        return Refused(Reason.PRODUCT_NOT_FOUND, "no such product is registered")
    if not 0 <= command.mass_g <= MAX_INTEGER:
        return Refused(Reason.QUANTITY_INVALID, "protected stock is zero or more grams", "/mass_g")
    event = ProtectedStockSet(product=product, mass_g=command.mass_g, authority=command.authority, reason=command.reason)
    opened_g = max(0, state.protected_g - command.mass_g)
    return opened(event, opened_g, command.capacity) if opened_g or command.capacity is not None else [event]


def _grade(command: SetReceiptGrade, state: Stockpile) -> Sequence[Event] | Refusal:
    if (product := state.product) is None:
        return Refused(Reason.PRODUCT_NOT_FOUND, "no such product is registered")
    return [ReceiptGradeSet(product=product, grade=command.grade, reason=command.reason)]
