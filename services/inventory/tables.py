"""Read tables of inventory, as its projections write them and its API reads them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from shared.journal.columns import json, whole


class Table(SQLModel, registry=registry()):
    """What the tables share: a registry of their own, so that no other service's tables are among them."""


metadata = Table.metadata


class ReleaseStatus(StrEnum):
    OPEN = "open"
    DRAWN = "drawn"
    LAPSED = "lapsed"
    CANCELLED = "cancelled"


class DrawStatus(StrEnum):
    DRAWN = "drawn"  # in its depots
    ASSIGNED = "assigned"  # of rights only: there is nothing to dispatch
    DISPATCHED = "dispatched"
    DELIVERED = "delivered"
    RETURNED = "returned"


class MoveStatus(StrEnum):
    MOVED = "moved"  # and to be ratified
    HELD = "held"  # nobody has ratified it in time
    RATIFIED = "ratified"


class TrancheStatus(StrEnum):
    OPEN = "open"
    DELIVERED = "delivered"
    SHORT = "short"  # within the tolerance
    FAILED = "failed"
    REPLACED = "replaced"  # by another programme
    TERMINATED = "terminated"  # with its right


class ProductRow(Table, table=True):
    """A product and its balances, in grams."""

    __tablename__ = "products"
    product: str = Field(primary_key=True)
    name: str
    contents: dict[str, str] = json()
    form: str
    unit: str
    nominal_unit_g: int = whole()
    specification: str
    protected_g: int = whole()
    receipt_grade: str | None  # what dispatch needs; None: nobody has set it, signed
    weighing_tolerances: dict[str, str] = Field(  # of the "product", of a "partner/" or a "scale/"
        sa_type=JSONB, sa_column_kwargs={"server_default": sa.text("'{}'")}
    )
    in_stock_g: int = whole()  # in specification and undrawn: available and released together
    released_g: int = whole()  # of lots
    quarantined_g: int = whole()
    drawn_g: int = whole()  # and still here
    dispatched_g: int = whole()
    released_rights_g: int = whole()
    assigned_g: int = whole()
    version: int = whole()  # of the stockpile


class LotRow(Table, table=True):
    __tablename__ = "lots"
    lot: str = Field(primary_key=True)
    product: str = Field(index=True)
    depot: str
    status: str
    taken_in_units: int = whole()
    units: int = whole()  # in stock
    nominal_unit_g: int = whole()
    serials: list[str] = json()
    origin: str
    custody_model: str
    assay: dict[str, Any] = json()  # the ruling one
    expires_on: date | None
    right: str | None
    taken_in_on: date


class RightRow(Table, table=True):
    __tablename__ = "rights"
    right: str = Field(primary_key=True)
    product: str = Field(index=True)
    project: str
    kind: str
    mass_g: int = whole()
    remaining_g: int = whole()
    window_from: date
    window_to: date
    terms: dict[str, Any] | None = json(nullable=True)  # as `RightTerms`, without what is its default; None: nothing is agreed
    exercised_on: date | None = None
    terminated_on: date | None = None
    termination: str | None = None  # its cause


class TrancheRow(Table, table=True):
    """A dated part of what a project is to deliver under a right."""

    __tablename__ = "tranches"
    id: str = Field(primary_key=True)  # "{right}/{number}"
    right: str = Field(index=True)
    number: int
    product: str
    window_from: date
    window_to: date
    grace_days: int
    mass_g: int = whole()
    delivered_g: int = whole()
    late_days: int  # of what came after its last day
    status: str


class ReleaseRow(Table, table=True):
    __tablename__ = "releases"
    release: str = Field(primary_key=True)
    product: str
    partner: str = Field(index=True)
    round: str = Field(index=True)
    decision: str
    award: str
    request: str
    units: list[dict[str, int]] = json()  # of lots, as `UnitCount`
    rights_g: int = whole()
    mass_g: int = whole()
    remaining_g: int = whole()
    status: str
    released_on: date
    expires_on: date
    reason: str | None  # why it was cancelled
    lots: list[dict[str, Any]] | None = json(nullable=True)  # as `StockPinned` told last; None: it is pinned to none


class AwardedLoanRow(Table, table=True):
    """A release that is lent. It may be announced, and its gate opened, in either order."""

    __tablename__ = "awarded_loans"
    release: str = Field(primary_key=True)
    award: str | None
    decision: str | None  # that awards it
    return_on: date | None
    opened_for: str | None  # the decision whose loan is committed
    gate: dict[str, Any] | None = json(nullable=True)  # as `GateEvidence`


class DrawRow(Table, table=True):
    __tablename__ = "draws"
    draw: str = Field(primary_key=True)
    product: str
    release: str = Field(index=True)
    partner: str = Field(index=True)
    status: str
    mass_g: int = whole()  # of goods
    assigned_g: int = whole()  # of rights
    parcels: list[dict[str, Any]] = json()  # as `Parcel`
    weighed_g: int | None = whole(nullable=True)
    carrier: str | None
    consignee: str | None
    reference: str | None = None  # of the seal, or the waybill
    corrections: list[dict[str, Any]] | None = json(nullable=True)
    gates: list[dict[str, Any]] = json()  # as `GateEvidence`
    reason: str | None  # why it came back
    delivered_on: date | None = None
    received_by: str | None = None
    receipt: str | None = None  # what shows the delivery
    drawn_on: date
    shard: int  # where the journal has it: a checkpoint that covers this position is its receipt
    position: int = whole()


class AssignmentRow(Table, table=True):
    """A part of a right that a draw passed to a partner."""

    __tablename__ = "assignments"
    draw: str = Field(primary_key=True)
    right: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    project: str
    mass_g: int = whole()


class OwedRow(Table, table=True):
    """What a project owes a partner of a right that a draw passed to it."""

    __tablename__ = "owed"
    id: str = Field(primary_key=True)  # "{draw}/{right}"
    draw: str
    right: str = Field(index=True)
    product: str
    project: str
    partner: str = Field(index=True)
    mass_g: int = whole()
    remaining_g: int = whole()  # neither delivered nor failed
    failed_g: int = whole()
    short_g: int = whole()  # missing, within what the right's terms tolerate
    substituted_g: int = whole()  # settled by other goods
    given_back_g: int = whole()
    window_to: date | None
    grace_days: int


class HoldRow(Table, table=True):
    """A hold on one product's stockpile. One that spans products has a row for each."""

    __tablename__ = "holds"
    id: str = Field(primary_key=True)  # "{hold}/{product}"
    hold: str = Field(index=True)
    product: str = Field(index=True)
    scope: str
    target: str | None
    reason: str
    authority: str
    put_on_on: date
    put_on_by: str | None = None
    lapses_at: datetime | None = Field(default=None, sa_type=sa.DateTime(timezone=True))
    confirmed_by: str | None = None
    expires_on: date | None
    lifted_on: date | None
    lifted_reason: str | None


class DifferenceRow(Table, table=True):
    """What a draw lacked when two people had weighed it. `settled_on`: None while it is in suspense."""

    __tablename__ = "differences"
    id: str = Field(primary_key=True)  # "{draw}/{place}": a draw may be weighed again
    draw: str = Field(index=True)
    product: str
    partner: str = Field(index=True)
    mass_g: int = whole()  # missing
    weighed_g: int = whole()
    first_by: str
    weighed_by: str
    weighed_on: date
    sign_by: date
    settled_on: date | None
    cause: str | None


class MoveRow(Table, table=True):
    """What one person has moved between the Reserve's own depots."""

    __tablename__ = "moves"
    move: str = Field(primary_key=True)
    product: str = Field(index=True)
    lot: str = Field(index=True)
    from_depot: str
    to_depot: str
    cause: str
    moved_by: str
    moved_on: date
    ratify_by: datetime = Field(sa_type=sa.DateTime(timezone=True))
    status: str
    ratified_by: str | None


# Fed by allocation's events


class PartnerRow(Table, table=True):
    __tablename__ = "partners"
    partner: str = Field(primary_key=True)


class PartnerKeyRow(Table, table=True):
    """A key that a partner signs its draws with."""

    __tablename__ = "partner_keys"
    id: str = Field(primary_key=True)  # partner/key
    partner: str
    key: str
    public_key: str
    revoked: bool


class NamedConsigneeRow(Table, table=True):
    """Who may take delivery: a request names it, or an approver has approved it for an award."""

    __tablename__ = "named_consignees"
    subject: str = Field(primary_key=True)  # the request or the award
    name: str = Field(primary_key=True)
    place: str  # where allocation's journal says so
    approved_by: str | None = None  # of a change


class ScreenedConsigneeRow(Table, table=True):
    """A consignee as allocation looked it up last."""

    __tablename__ = "screened_consignees"
    name: str = Field(primary_key=True)
    lists: dict[str, int] = json()  # list -> version
    clear: bool
    place: str


class KnownListRow(Table, table=True):
    """A screening list: the last version that there was of it."""

    __tablename__ = "known_lists"
    list: str = Field(primary_key=True)
    version: int
    withdrawn: bool  # none is in force


# Fed by the ledger's events


class CoveredRow(Table, table=True):
    """How far the last verified checkpoint reaches into a shard of this service's journal."""

    __tablename__ = "covered"
    shard: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    position: int = whole()
    log: str  # the log's name, as its checkpoints give it
    log_size: int = whole()
    root: str  # hex


class WitnessedRow(Table, table=True):
    """The same of the last checkpoint that witnesses have cosigned, as the ledger says. Who relies on it looks at the note."""

    __tablename__ = "witnessed"
    shard: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    position: int = whole()
    log_size: int = whole()
    root: str
    note: str  # with the cosignatures
