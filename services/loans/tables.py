"""Read tables of loans, as its projections write them and its API reads them."""

from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class Table(SQLModel, registry=registry()):
    """What the tables share: a registry of their own, so that no other service's tables are among them."""


metadata = Table.metadata


def _whole(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_type=sa.BigInteger, nullable=nullable)


def _json() -> Any:
    return Field(sa_type=JSONB)


# Facilities


class FacilityRow(Table, table=True):
    __tablename__ = "facilities"
    facility: str = Field(primary_key=True)
    currency: str
    version: int = _whole()


class LimitRow(Table, table=True):
    """What is committed under a key; `limit_minor` None: it has no limit of its own."""

    __tablename__ = "limits"
    facility: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    parent: str | None
    limit_minor: int | None = _whole(nullable=True)
    warn_at: str | None


class CommitmentRow(Table, table=True):
    __tablename__ = "commitments"
    facility: str = Field(primary_key=True)
    commitment: str = Field(primary_key=True)
    asset: str
    amount: int = _whole()
    value_minor: int = _whole()
    keys: list[str] = _json()


class RateRow(Table, table=True):
    __tablename__ = "rates"
    facility: str = Field(primary_key=True)
    asset: str = Field(primary_key=True)
    rate: str
    quoted_on: date
    source: str


# Projects


class ProjectRow(Table, table=True):
    __tablename__ = "projects"
    project: str = Field(primary_key=True)
    loans: list[str] = _json()  # that watch it
    version: int = _whole()


class ProjectFactRow(Table, table=True):
    __tablename__ = "project_facts"
    fact: str = Field(primary_key=True)
    project: str = Field(index=True)
    kind: str
    subject: str | None
    product: str | None
    quantity: int | None = _whole(nullable=True)
    unit: str | None
    binding: bool | None
    by: str
    since: date
    until: date | None
    evidence: list[str] = _json()
    document: str | None
    withdrawn_on: date | None
    withdrawn_by: str | None
    withdrawn_because: str | None


# Approvers, as allocation enrols them


class ApproverKeyRow(Table, table=True):
    __tablename__ = "approver_keys"
    subject: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    public_key: str
    revoked: bool
