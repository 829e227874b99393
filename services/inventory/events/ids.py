"""Ids and quantities, and what every event of a stockpile says."""

from typing import Annotated, NewType

import msgspec

from shared.journal.record import MAX_INTEGER, Grams

ProductId = NewType("ProductId", str)  # "antimony-metal"
LotId = NewType("LotId", str)  # "lot_..."
RightId = NewType("RightId", str)  # "rgt_..."
HoldId = NewType("HoldId", str)  # "hld_..."
ReleaseId = NewType("ReleaseId", str)  # "rel_..."
DrawId = NewType("DrawId", str)  # "drw_..."
MoveId = NewType("MoveId", str)  # "mov_..."
type Units = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
type SignedUnits = Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
type SignedGrams = Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]


class UnitCount(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """So many trade units of one size."""

    nominal_unit_g: Grams
    units: Units


class Parcel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Whole units of one lot, in its depot."""

    lot: LotId
    depot: str
    nominal_unit_g: Grams
    units: Units
    mass_g: Grams


class StockpileEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    product: ProductId
