"""Facility loans: their history, advances, payments, changes and ratios."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from services.loans.tables.table import Table
from shared.journal.columns import json, whole


class LoanRow(Table, table=True):
    """`figures`: as its last event that moved money left it."""

    __tablename__ = "loans"
    loan: str = Field(primary_key=True)
    status: str
    facility: str
    borrower: str = Field(index=True)
    project: str = Field(index=True)
    currency: str
    commitment_minor: int = whole()
    undrawn_minor: int = whole()
    terms: dict[str, Any] = json()
    document: str
    proposed_by: str
    approval: dict[str, Any] | None = json(nullable=True)
    reason: str | None  # why its commitment was refused, or it was withdrawn, put in default or closed
    reference: str | None = Field(index=True)  # of an imported loan, in the system before
    figures: dict[str, Any] | None = json(nullable=True)
    principal_minor: int = whole()
    overdue_minor: int = whole()
    bucket: str
    grade: str
    stage: int
    provision_minor: int = whole()
    seen: list[dict[str, Any]] = json()  # conditions precedent, as they were evaluated last
    seen_subsequents: list[dict[str, Any]] = json()
    version: int = whole()


class LoanEntryRow(Table, table=True):
    """A line of a loan's history: what happened, for which day, and when it became known."""

    __tablename__ = "loan_entries"
    loan: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    kind: str  # the event's name: "payment_recorded"
    on: date  # that it counts for
    recorded_on: date
    recorded_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
    amount_minor: int | None = whole(nullable=True)
    change: dict[str, Any] | None = json(nullable=True)
    text: str | None
    place: str


class AdvanceRow(Table, table=True):
    __tablename__ = "advances"
    advance: str = Field(primary_key=True)
    loan: str = Field(index=True)
    amount_minor: int = whole()
    purpose: str
    status: str
    paid_on: date | None
    seen: list[dict[str, Any]] = json()  # what it saw of every condition precedent
    payee: str | None  # that it was paid on; none: not yet, or by an earlier build


class PaymentRow(Table, table=True):
    __tablename__ = "payments"
    payment: str = Field(primary_key=True)
    loan: str = Field(index=True)
    kind: str  # "payment", "delivery" or "recovery"
    reference: str  # the bank's; of a delivery, its lot
    amount_minor: int = whole()
    received_on: date
    prepays: str
    unreconciled: bool  # one person's word
    reversed: bool
    reason: str | None


class ActRow(Table, table=True):
    __tablename__ = "acts"
    act: str = Field(primary_key=True)
    loan: str = Field(index=True)
    content: dict[str, Any] = json()
    reason: str
    document: str
    proposed_by: str
    status: str
    approval: dict[str, Any] | None = json(nullable=True)


class RatioRow(Table, table=True):
    """The figures of covenants, as reported; of one period the last."""

    __tablename__ = "ratios"
    loan: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    for_on: date = Field(primary_key=True)
    ratio: str
    minimum: str
    source: str
    standing: str
    lapses_at: datetime | None = Field(sa_type=sa.DateTime(timezone=True))  # of a breach that is one person's word
