"""Partners, their agreements, and disruptions."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from services.allocation.tables.table import Table
from shared.journal.columns import json


class PartnerRow(Table, table=True):
    __tablename__ = "partners"
    partner: str = Field(primary_key=True)
    name: str
    version: int


class PartnerKeyRow(Table, table=True):
    __tablename__ = "partner_keys"
    id: str = Field(primary_key=True)  # partner/key
    partner: str = Field(index=True)
    key: str
    public_key: str
    agreement: str | None
    registered_on: date
    revoked_on: date | None = None


class AgreementRow(Table, table=True):
    __tablename__ = "agreements"
    agreement: str = Field(primary_key=True)
    partner: str = Field(index=True)
    products: list[dict[str, Any]] = json()  # as `ProductTerms`
    priority_class: int
    valid_from: date
    valid_until: date
    ended: bool
    suspended: bool
    key_fingerprint: str | None = None  # the last that it has named
    suspended_by: str | None = None
    suspension_lapses_at: datetime | None = Field(default=None, sa_type=sa.DateTime(timezone=True))
    suspension_confirmed_by: str | None = None
    version: int


class DisruptionRow(Table, table=True):
    __tablename__ = "disruptions"
    disruption: str = Field(primary_key=True)
    instrument: str
    products: list[str] = json()
    declared_scope: str
    observed_scope: str
    partners: list[str] = json()
    starts_on: date
    ends_on: date | None
    evidence: list[str] = json()
    version: int
