"""Read tables of tenders and their bids."""

from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.allocation.tables.table import Table
from shared.journal.columns import json, whole


class TenderStatus(StrEnum):
    OPEN = "open"  # for bids
    CLOSED = "closed"  # bids are known
    PROPOSED = "proposed"
    CERTIFIED = "certified"
    RELEASED = "released"
    CANCELLED = "cancelled"


class TenderRow(Table, table=True):
    __tablename__ = "tenders"
    tender: str = Field(primary_key=True)
    product: str = Field(index=True)
    status: str
    terms: dict[str, Any] = json()  # as `TenderTerms`
    opened_on: date
    bids_known: bool  # bidding has closed
    decision: str | None
    file: str | None
    proposed_by: str | None
    left_units: int | None = whole(nullable=True)
    expires_on: date | None
    certified_in: str | None  # where the journal has its certification
    reason: str | None  # why it was cancelled or reopened


class BidRow(Table, table=True):
    """Shown to its bidder alone until bidding has closed."""

    __tablename__ = "bids"
    bid: str = Field(primary_key=True)
    tender: str = Field(index=True)
    partner: str = Field(index=True)
    commitment: str
    committed_in: str  # where the journal has it
    salt: str | None
    steps: list[dict[str, Any]] | None = Field(sa_type=JSONB(none_as_null=True), nullable=True)
    void: bool


class TenderApprovalRow(Table, table=True):
    __tablename__ = "tender_approvals"
    tender: str = Field(primary_key=True)
    decision: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    subject: str
    signature: str
    approved_on: date


class TenderAwardRow(Table, table=True):
    __tablename__ = "tender_awards"
    award: str = Field(primary_key=True)
    tender: str = Field(index=True)
    bid: str
    product: str
    partner: str = Field(index=True)
    units: int = whole()
    mass_g: int = whole()
    amount_minor: int = whole()  # due
    currency: str
    decision: str
    expires_on: date
    status: str  # as `AwardStatus`
