"""Facilities: limits, commitments and rates."""

from datetime import date

from sqlmodel import Field

from services.loans.tables.table import Table
from shared.journal.columns import json, whole


class FacilityRow(Table, table=True):
    __tablename__ = "facilities"
    facility: str = Field(primary_key=True)
    currency: str
    version: int = whole()


class LimitRow(Table, table=True):
    """What is committed under a key; `limit_minor` None: it has no limit of its own."""

    __tablename__ = "limits"
    facility: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    parent: str | None
    limit_minor: int | None = whole(nullable=True)
    warn_at: str | None


class CommitmentRow(Table, table=True):
    __tablename__ = "commitments"
    facility: str = Field(primary_key=True)
    commitment: str = Field(primary_key=True)
    asset: str
    amount: int = whole()
    value_minor: int = whole()
    keys: list[str] = json()


class RateRow(Table, table=True):
    __tablename__ = "rates"
    facility: str = Field(primary_key=True)
    asset: str = Field(primary_key=True)
    rate: str
    quoted_on: date
    source: str
