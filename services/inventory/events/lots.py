"""What happens to a lot in stock."""

from datetime import date
from typing import Literal

import msgspec

from services.inventory.events.ids import LotId, RightId, SignedGrams, SignedUnits, StockpileEvent, Units
from shared.journal.record import Grams
from shared.journal.texts import TypedText

type CustodyModel = Literal["identity_preserved", "segregated", "mass_balance", "book_and_claim"]  # as UN UNTP declares them
type Status = Literal["available", "quarantined"]
type AdjustmentCause = Literal["stock_take", "loss", "sample"]


class Assay(msgspec.Struct, frozen=True, kw_only=True):
    """A laboratory's report on a lot. The last one recorded is the ruling one."""

    report: str  # the laboratory's number of the report
    laboratory: str
    assayed_on: date
    contents: dict[str, str]  # element -> share of the mass, a decimal or rational string: {"Sb": "0.9965"}
    in_specification: bool


class LotTakenIn(StockpileEvent, frozen=True, kw_only=True, tag="inventory.lot_taken_in.v1"):
    """From outside the reserve into `status`, in `depot`."""

    lot: LotId
    depot: str
    units: Units
    nominal_unit_g: Grams
    mass_g: Grams
    status: Status
    serials: tuple[str, ...]  # one a unit, or none
    origin: str
    custody_model: CustodyModel
    assay: Assay
    expires_on: date | None  # the last day on which it may be drawn
    right: RightId | None  # the right that it matured from


class AssayRecorded(StockpileEvent, frozen=True, kw_only=True, tag="inventory.assay_recorded.v1"):
    """What of the lot is still in stock moves from one status to the other; nothing moves when they are the same."""

    lot: LotId
    depot: str
    assay: Assay
    from_status: Status
    to_status: Status
    units: Units  # that move
    mass_g: Grams  # that moves
    short_g: Grams  # how much less of the product is available, after it, than releases have reserved


class StockAdjusted(StockpileEvent, frozen=True, kw_only=True, tag="inventory.stock_adjusted.v2"):
    """More or less of a lot than the books said, in `status`."""

    lot: LotId
    depot: str
    status: Status
    nominal_unit_g: Grams
    change_units: SignedUnits
    change_g: SignedGrams
    cause: AdjustmentCause
    reason: TypedText
