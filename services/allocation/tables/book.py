"""The book of a product: requests, rounds, awards and carries."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from services.allocation.tables.table import Table
from shared.journal.columns import json, whole


class RequestStatus(StrEnum):
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    AWARDED = "awarded"


class RoundStatus(StrEnum):
    OPEN = "open"
    PROPOSED = "proposed"
    CERTIFIED = "certified"
    RELEASED = "released"
    CANCELLED = "cancelled"


class AwardStatus(StrEnum):
    GRANTED = "granted"  # inventory has not answered yet
    RELEASED = "released"
    WITHDRAWN = "withdrawn"
    RENOUNCED = "renounced"  # given back by its partner


class CarryRow(Table, table=True):
    """What rounding is remembered, by product and agreement."""

    __tablename__ = "carries"
    id: str = Field(primary_key=True)  # "{product}/{agreement}"
    product: str
    agreement: str
    partner: str = Field(index=True)
    carry_g: str
    expires_on: date | None
    cause: str  # the round that left it: "rnd_01j..."
    since: date


class BookRow(Table, table=True):
    __tablename__ = "books"
    product: str = Field(primary_key=True)


class RequestRow(Table, table=True):
    __tablename__ = "requests"
    request: str = Field(primary_key=True)
    product: str
    partner: str = Field(index=True)
    mass_g: int = whole()
    minimum_g: int = whole()
    daily_consumption_g: int = whole()
    needed_by: date
    nominee: str
    consignee: str = ""
    end_user: str = ""
    end_use: str
    least_contents: dict[str, str] = json()
    excluded_origins: list[str] = json()
    statement: dict[str, Any] = json()  # as `Statement`
    submitted_on: date
    status: str
    lapses_at: datetime | None = Field(default=None, sa_type=sa.DateTime(timezone=True))
    accepted_g: int | None = whole(nullable=True)
    reasons: list[str] = json()  # of the last acceptance, decline or withdrawal
    round: str | None = Field(index=True)
    return_on: date | None = None  # None: it is not for a loan


class RoundRow(Table, table=True):
    __tablename__ = "rounds"
    round: str = Field(primary_key=True)
    product: str
    status: str
    requests: list[str] = json()  # those that it was opened over
    disruption: str | None
    rule: str
    method: dict[str, Any] = json()  # as `RoundMethod`
    positions: list[dict[str, Any]] = json()
    policy: str
    policy_version: int
    approvals_needed: int  # by the smallest award
    needed: int | None = None  # by what is proposed; None: nothing is, or by an earlier build
    summed_g: int | None = whole(nullable=True)  # what it awards with what was decided of late, which it needs them for
    quorum: list[dict[str, Any]] = json()
    emergency: dict[str, Any] | None = json(nullable=True)
    release_days: int
    opened_on: date
    decision: str | None  # the last one proposed that stands, or stood to the end
    file: str | None
    release_order: str | None
    awarded_g: int | None = whole(nullable=True)
    proposed_by: str | None
    supply_g: int | None = whole(nullable=True)
    left_g: int | None = whole(nullable=True)
    expires_on: date | None
    certified_in: str | None  # where the journal has its certification: "allocation/0/123"
    ratification: str | None = None  # of one that was decided in an emergency: due, missed, ratified
    ratify_by: datetime | None = Field(default=None, sa_type=sa.DateTime(timezone=True))
    ratified_by: str | None = None
    reason: str | None  # why it was cancelled, reopened, or lost its last decision


class ApprovalRow(Table, table=True):
    __tablename__ = "approvals"
    round: str = Field(primary_key=True)
    decision: str = Field(primary_key=True)
    key: str = Field(primary_key=True, index=True)
    subject: str
    signature: str
    approved_on: date
    lapsed: bool


class AwardRow(Table, table=True):
    __tablename__ = "awards"
    award: str = Field(primary_key=True)
    round: str = Field(index=True)
    request: str
    product: str
    partner: str = Field(index=True)
    mass_g: int = whole()
    daily_consumption_g: int = whole()
    days_of_cover: str
    decision: str
    expires_on: date
    status: str
    return_on: date | None = None  # None: it is not a loan
    failed_g: int = whole()  # what the partner does not get after all, by no doing of its own
