"""What may be offered, as inventory's events say."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Field

from services.allocation.tables.table import Table
from shared.journal.columns import json, whole


class ProtectedLevelRow(Table, table=True):
    """A change of the stock that rounds must leave."""

    __tablename__ = "protected_levels"
    place: str = Field(primary_key=True)  # where inventory's journal has it
    product: str = Field(index=True)
    before_g: int = whole()
    mass_g: int = whole()
    set_on: date
    authority: str
    reason: str


class StockRow(Table, table=True):
    """What of a product may be offered. Expired lots and lots on hold are still in it: inventory has the last word."""

    __tablename__ = "stock"
    product: str = Field(primary_key=True)
    nominal_unit_g: int = whole()
    protected_g: int = whole()
    reserved_rights_g: int = whole()  # by open releases


class StockUnitsRow(Table, table=True):
    """Units of lots that are available."""

    __tablename__ = "stock_units"
    product: str = Field(primary_key=True)
    unit_g: int = Field(primary_key=True, sa_type=sa.BigInteger)
    units: int = whole()


class LotRow(Table, table=True):
    """A lot that was taken in since this table is there; of older ones only `stock_units` knows. One that is used up stays: a draw may come
    back."""

    __tablename__ = "lots"
    lot: str = Field(primary_key=True)
    product: str = Field(index=True)
    depot: str
    unit_g: int = whole()
    units: int = whole()  # in stock: available if in specification, else quarantined
    pinned_units: int = whole()  # of these, that releases are pinned to
    in_specification: bool
    origin: str
    contents: dict[str, str] = json()  # of the ruling assay: element -> share of the mass
    expires_on: date | None  # the last day on which it may be drawn


class PinRow(Table, table=True):
    """Units of a lot that a release is met from, and nobody else."""

    __tablename__ = "pins"
    release: str = Field(primary_key=True)
    lot: str = Field(primary_key=True)
    units: int = whole()


class StopRow(Table, table=True):
    """A hold that is on a product's stockpile."""

    __tablename__ = "stops"
    product: str = Field(primary_key=True)
    hold: str = Field(primary_key=True)
    scope: str
    target: str | None
    expires_on: date | None  # inclusive


class HoldWordRow(Table, table=True):
    """One person's word, which nobody else has confirmed, on a partner or on any of a stockpile: kept after its end, since who puts on a
    hold goes on with no suspension."""

    __tablename__ = "hold_words"
    product: str = Field(primary_key=True)
    hold: str = Field(primary_key=True)
    partner: str | None  # None: it stops goods of the product, whosever they are
    put_on_by: str
    lapses_at: datetime = Field(sa_type=sa.DateTime(timezone=True))


class RightRow(Table, table=True):
    """What is left of a right. Only firm ones enter a round."""

    __tablename__ = "rights"
    right: str = Field(primary_key=True)
    product: str = Field(index=True)
    kind: str
    window_to: date
    window_from: date | None = None  # None: it was added before this was kept
    mass_g: int = whole()
