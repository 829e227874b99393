"""Stops, put on and lifted."""

from datetime import date, datetime
from typing import Literal

from services.inventory.events.ids import HoldId, StockpileEvent
from shared.journal.texts import TypedText

type HoldScope = Literal["lot", "product", "partner", "depot", "all"]


class HoldPutOn(StockpileEvent, frozen=True, kw_only=True, omit_defaults=True, tag="inventory.hold_put_on.v2"):
    hold: HoldId
    scope: HoldScope
    target: str | None  # the lot, partner or depot; None for `product` and `all`
    reason: TypedText
    authority: TypedText
    expires_on: date | None  # the last day that it stops anything
    put_on_on: date | None = None  # None: by a build under which releases lapsed all the same
    put_on_by: str | None = None  # None: it follows from something else, or by an earlier build
    lapses_at: datetime | None = None  # unless a second person confirms it; None: it stands by itself
    takes_on: HoldId | None = None  # the hold on the depot that the lot was moved out of, which goes on as this one
    alone_since: datetime | None = None  # when the same person first stopped any of it, which nobody has confirmed yet; None: earlier build
    suspended_by: str | None = None  # who suspended the agreement that it follows from; None: nobody, or by an earlier build
    suspended_to: datetime | None = None  # when that suspension lapses, unless a second person confirms it
    again_from: datetime | None = None  # when the same person may stop any of it again, also if two lift it; None: by an earlier build


class HoldConfirmed(StockpileEvent, frozen=True, kw_only=True, tag="inventory.hold_confirmed.v1"):
    """By a second person: it does not lapse any more."""

    hold: HoldId
    confirmed_by: str


class HoldLifted(StockpileEvent, frozen=True, kw_only=True, tag="inventory.hold_lifted.v2"):
    hold: HoldId
    reason: TypedText
    authority: str | None  # None: it expired, nobody confirmed it, or the suspension that it was put on for is over


class RoundHeld(StockpileEvent, frozen=True, kw_only=True, omit_defaults=True, tag="inventory.round_held.v1"):
    """Nothing more is drawn or dispatched under this decision: nobody has ratified it in time. No operator lifts it."""

    round: str
    decision: str
    reason: str
    held_on: date | None = None  # None: as with `put_on_on`


class RoundFreed(StockpileEvent, frozen=True, kw_only=True, tag="inventory.round_freed.v1"):
    round: str
    decision: str
    reason: str
