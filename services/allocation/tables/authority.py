"""Approvers' keys, instruments, conflicts of interest, who bars whom by their word alone, and what was cited."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from services.allocation.tables.table import Table
from shared.journal.columns import json, whole


class ApproverKeyRow(Table, table=True):
    __tablename__ = "approver_keys"
    id: str = Field(primary_key=True)  # "{subject}/{key}"
    subject: str
    key: str = Field(index=True)
    public_key: str
    enrolled_on: date
    revoked_on: date | None
    revoked_by: str | None = None
    revocation_lapses_at: datetime | None = Field(default=None, sa_type=sa.DateTime(timezone=True))
    revocation_confirmed_by: str | None = None


class InstrumentRow(Table, table=True):
    __tablename__ = "instruments"
    instrument: str = Field(primary_key=True)
    kind: str
    title: str
    office: str
    under: str | None
    holder: str = Field(index=True)
    acting: list[dict[str, Any]] = json()  # as `Acting`
    acts: list[str] = json()
    products: list[str] = json()  # none: all
    limit_g: int | None = whole(nullable=True)
    limit_minor: int | None = whole(nullable=True)
    currency: str | None
    valid_from: date
    valid_until: date
    may_sub_delegate: bool
    window_days: int | None = None
    ended_on: date | None
    ended_by: str | None = None
    end_lapses_at: datetime | None = Field(default=None, sa_type=sa.DateTime(timezone=True))
    end_confirmed_by: str | None = None
    version: int


class ConflictRow(Table, table=True):
    __tablename__ = "conflicts"
    official: str = Field(primary_key=True)
    key: str = Field(primary_key=True)  # what it is about, as names are compared
    about: str
    name: str
    reason: str
    declared_on: date
    declared_by: str | None = None
    lapses_at: datetime | None = Field(default=None, sa_type=sa.DateTime(timezone=True))
    confirmed_by: str | None = None


class BarRow(Table, table=True):
    """One person's word that bars somebody, which nobody else has confirmed: also once it has lapsed."""

    __tablename__ = "bars"
    what: str = Field(primary_key=True)  # "conflict/sub_1/partner/jp", "key/sub_1/3f8c1d0a55e2b974", "instrument/ins_1"
    by: str = Field(primary_key=True)
    lapses_at: datetime = Field(sa_type=sa.DateTime(timezone=True))


class PersonRow(Table, table=True):
    __tablename__ = "persons"
    subject: str = Field(primary_key=True)
    person: str = Field(index=True)


class CitationRow(Table, table=True):
    """By what authority something was done."""

    __tablename__ = "citations"
    place: str = Field(primary_key=True)  # where the journal has it: "allocation/0/123"
    matter: str = Field(index=True)  # what was acted on: "rnd_01j..."
    act: str
    by: str
    authority: str
    cited: dict[str, Any] = json()  # as `Cited`
    cited_on: date
