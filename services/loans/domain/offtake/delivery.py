"""Delivery: a lot that came under a right, out of specification. It waits for an assay that finds it fit, and repays a loan then.

An assay does not say what right a lot came from, so this does.
"""

from collections.abc import Sequence
from datetime import date
from typing import assert_never

import msgspec

from services.loans.events.offtake import DeliveryAccepted, DeliveryEvent, DeliveryQuarantined
from shared.journal.decider import Decider


class AwaitAssay(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Total."""

    lot: str
    right: str
    product: str
    mass_g: int


class TakeAssay(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`mass_g` of a lot became available. Total."""

    mass_g: int
    contents: dict[str, str]
    on: date


type Command = AwaitAssay | TakeAssay


class Delivery(msgspec.Struct, frozen=True):
    awaited: DeliveryQuarantined | None = None


def decide(command: Command, delivery: Delivery) -> Sequence[DeliveryEvent]:
    match command:
        case AwaitAssay():
            return [DeliveryQuarantined(lot=command.lot, right=command.right, product=command.product, mass_g=command.mass_g)]
        case TakeAssay():
            if (awaited := delivery.awaited) is None:
                return []
            return [
                DeliveryAccepted(
                    lot=awaited.lot,
                    right=awaited.right,
                    product=awaited.product,
                    mass_g=command.mass_g,
                    contents=command.contents,
                    accepted_on=command.on,
                )
            ]
        case _:
            assert_never(command)


def evolve(delivery: Delivery, event: DeliveryEvent) -> Delivery:
    match event:
        case DeliveryQuarantined():
            return Delivery(event)
        case DeliveryAccepted():
            return Delivery()
        case _:
            assert_never(event)


DECIDER = Decider(kind="delivery", initial=Delivery(), commands=Command, decide=decide, evolve=evolve)
