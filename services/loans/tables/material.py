"""Loans of metal, their history and returns."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from services.loans.tables.table import Table
from shared.journal.columns import json, whole


class MaterialLoanRow(Table, table=True):
    """Grams are contained ones of `element`, but `mass_g` and `undrawn_g`, which are the goods'."""

    __tablename__ = "material_loans"
    loan: str = Field(primary_key=True)
    status: str
    partner: str = Field(index=True)
    product: str
    award: str
    release: str
    decision: str
    mass_g: int = whole()  # of the award
    undrawn_g: int = whole()
    return_on: date
    draw_by: date
    terms: dict[str, Any] | None = json(nullable=True)  # as proposed last, until they are approved
    document: str | None
    proposed_by: str | None
    approval: dict[str, Any] | None = json(nullable=True)
    facility: str | None
    element: str | None
    due_on: date | None
    committed_g: int = whole()  # by the facility, less what was never drawn
    lent_g: int = whole()
    out_g: int = whole()  # without premium
    pending_g: int = whole()  # of returns that wait to be credited
    returned_g: int = whole()
    premium_g: int = whole()  # of what was returned, bought or settled
    excess_g: int = whole()
    overdue: bool
    defaulted: bool
    default_lapses_at: datetime | None = Field(sa_type=sa.DateTime(timezone=True))  # of one that is one person's word
    currency: str | None
    security_minor: int = whole()
    call_minor: int = whole()  # open
    marked: dict[str, Any] | None = json(nullable=True)  # the last mark of the security
    reason: str | None  # why the facility refused it, or it was withdrawn
    version: int = whole()


class MaterialEntryRow(Table, table=True):
    """A line of a loan's history: the event as it is stored."""

    __tablename__ = "material_entries"
    loan: str = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    kind: str  # "return_credited"
    on: date  # the day that it counts for
    recorded_on: date
    told: dict[str, Any] = json()
    place: str  # where the journal has it


class DeferralRow(Table, table=True):
    __tablename__ = "deferrals"
    deferral: str = Field(primary_key=True)
    loan: str = Field(index=True)
    condition: str
    evidence: str
    due_on: date
    premium_pct: str
    document: str
    proposed_by: str
    status: str  # "proposed" or "approved"
    approval: dict[str, Any] | None = json(nullable=True)


class MaterialReturnRow(Table, table=True):
    __tablename__ = "material_returns"
    returned: str = Field(primary_key=True)
    loan: str = Field(index=True)
    status: str
    mass_g: int = whole()
    received_on: date
    pending_g: int = whole()  # by the borrower's own assay
    lot: dict[str, Any] = json()
    own_assay: dict[str, Any] = json()
    independent: dict[str, Any] | None = json(nullable=True)
    umpire: dict[str, Any] | None = json(nullable=True)
    content: str | None  # that it is settled at
    basis: str | None
    contained_g: int | None = whole(nullable=True)
    taken_in_as: str | None  # the lot in stock
    reason: str | None  # why it was rejected, or turned back


class ProductRow(Table, table=True):
    """As inventory registers them."""

    __tablename__ = "products"
    product: str = Field(primary_key=True)
    contents: dict[str, str] = json()
    nominal_unit_g: int = whole()
