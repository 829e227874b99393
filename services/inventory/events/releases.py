"""What is reserved for an award, until it is drawn, lapses or is cancelled."""

from datetime import date

import msgspec

from services.inventory.events.ids import LotId, ReleaseId, StockpileEvent, UnitCount, Units
from shared.journal.record import Grams
from shared.journal.texts import TypedText


class StockReleased(StockpileEvent, frozen=True, kw_only=True, tag="inventory.stock_released.v1"):
    """Available -> released, for one award: of lots first, reserved as units by size (which lots is settled when they are drawn), and
    of firm rights for what lots do not cover. `mass_g` is both together."""

    release: ReleaseId
    round: str
    decision: str
    award: str
    request: str
    partner: str
    units: tuple[UnitCount, ...]  # of lots, largest first
    rights_g: Grams  # of rights
    mass_g: Grams
    expires_on: date  # the last day on which it may be drawn


class PinnedUnits(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Whole units of one lot, of one size, that are kept for a release."""

    lot: LotId
    nominal_unit_g: Grams
    units: Units


class StockPinned(StockpileEvent, frozen=True, kw_only=True, tag="inventory.stock_pinned.v1"):
    """The lots that a release is met from, all that are left of them: it is drawn from these only, and nobody else draws them. Follows
    `stock_released` where the decision named the lots, and `right_assigned` where rights stand in for some of them. What is drawn of them,
    and the release's end, unpins them without another word."""

    release: ReleaseId
    partner: str
    lots: tuple[PinnedUnits, ...]  # in the order in which they are drawn


class RoundReleased(StockpileEvent, frozen=True, kw_only=True, tag="inventory.round_released.v1"):
    round: str
    decision: str
    releases: Units
    mass_g: Grams
    expires_on: date


class RoundReleaseRefused(StockpileEvent, frozen=True, kw_only=True, tag="inventory.round_release_refused.v1"):
    round: str
    decision: str
    reason: str  # a code of `domain.reasons.Reason`
    detail: str


class ReleaseExtended(StockpileEvent, frozen=True, kw_only=True, tag="inventory.release_extended.v1"):
    """A hold of the Reserve's own is off: the release's last day moves by as long as it stood, which may be less than a day. Days on which
    another one stands as well are counted once, when that is off."""

    release: ReleaseId
    partner: str
    stop: str  # the hold, or the round that was held
    days: Units
    expires_on: date  # from now on


class ReleaseLapsed(StockpileEvent, frozen=True, kw_only=True, tag="inventory.release_lapsed.v1"):
    """Released -> available, because the last day has passed."""

    release: ReleaseId
    partner: str
    units: tuple[UnitCount, ...]  # of lots
    rights_g: Grams  # of rights
    mass_g: Grams  # both together


class ReleaseCancelled(StockpileEvent, frozen=True, kw_only=True, omit_defaults=True, tag="inventory.release_cancelled.v2"):
    """Released -> available, because what was left was taken back. `fails`: the decision whose award fails by that, where it is the
    Reserve's own doing: the book gives quota and carry back."""

    release: ReleaseId
    partner: str
    units: tuple[UnitCount, ...]  # of lots
    rights_g: Grams  # of rights
    mass_g: Grams  # both together
    reason: TypedText
    fails: str | None = None


class DecisionTakenBack(StockpileEvent, frozen=True, kw_only=True, tag="inventory.decision_taken_back.v1"):
    """All that was left of a superseded decision's releases is available again. It follows their `release_cancelled` events."""

    round: str
    decision: str
    mass_g: dict[str, Grams]  # by partner; what was drawn, or had lapsed, is not in it
