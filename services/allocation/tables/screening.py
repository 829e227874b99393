"""Read tables of screening and reviews."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from services.allocation.tables.table import Table
from shared.journal.columns import json, whole


class HitStatus(StrEnum):
    OPEN = "open"
    CLEARED = "cleared"
    CONFIRMED = "confirmed"
    GONE = "gone"  # the lists in force do not have it any more


class ObjectionStatus(StrEnum):
    OPEN = "open"
    UPHELD = "upheld"
    NOT_UPHELD = "not_upheld"


class ChangeStatus(StrEnum):
    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"


class ReviewStatus(StrEnum):
    REQUESTED = "requested"
    ASSIGNED = "assigned"
    CONCLUDED = "concluded"
    LAPSED = "lapsed"


class ScreeningListRow(Table, table=True):
    """A version of a list. At most one of a list is in force."""

    __tablename__ = "screening_lists"
    id: str = Field(primary_key=True)  # "{list}/{version}"
    list: str = Field(index=True)
    version: int
    document: str  # SHA-256
    entries: int
    in_force: bool
    reason: str  # for putting it in force or, once it is withdrawn, for that
    put_on: date
    withdrawn_on: date | None = None


class RequestScreeningRow(Table, table=True):
    """The lists in which a request's parties were looked up last."""

    __tablename__ = "request_screenings"
    request: str = Field(primary_key=True)
    lists: dict[str, int] = json()  # list -> version
    beyond: int  # hits that are not among `screening_hits`
    screened_on: date


class ScreeningHitRow(Table, table=True):
    __tablename__ = "screening_hits"
    hit: str = Field(primary_key=True)
    request: str = Field(index=True)
    product: str
    role: str
    list: str
    version: int  # of the list in which it was found last
    entry: str
    match: str
    found_on: date
    status: str
    reason: str | None = None
    decided_by: str | None = None
    decided_on: date | None = None
    lapses_at: datetime | None = Field(default=None, sa_type=sa.DateTime(timezone=True))  # of one that one person has confirmed


class ConsigneeRow(Table, table=True):
    """A name that goods may go to, as it was looked up last."""

    __tablename__ = "consignees"
    consignee: str = Field(primary_key=True)
    name: str
    lists: dict[str, int] = json()  # list -> version
    hits: list[dict[str, Any]] = json()  # as `ConsigneeHit`, each with its status
    beyond: int
    clear: bool
    screened_on: date


class ConsigneeChangeRow(Table, table=True):
    """Another consignee for an award."""

    __tablename__ = "consignee_changes"
    change: str = Field(primary_key=True)
    award: str = Field(index=True)
    request: str
    product: str
    partner: str = Field(index=True)
    consignee: str
    name: str
    reason: str
    asked_by: str
    asked_on: date
    status: str
    answer: str | None = None  # its reason
    answered_by: str | None = None
    answered_on: date | None = None


class AcceptanceRow(Table, table=True):
    """What was accepted of a request, one time after the other."""

    __tablename__ = "acceptances"
    place: str = Field(primary_key=True)  # where the journal has it: "allocation/0/123"
    request: str = Field(index=True)
    position: int = whole()  # in its shard, which is one for all of a request
    command: str  # by which its findings are known
    accepted_g: int = whole()
    reasons: list[str] = json()
    accepted_on: date
    screened_by: str
    findings: dict[str, dict[str, str]] | None = json(nullable=True)
    not_pre_cleared: list[str] | None = json(nullable=True)
    objections_until: date | None = None


class ObjectionRow(Table, table=True):
    __tablename__ = "objections"
    objection: str = Field(primary_key=True)
    request: str = Field(index=True)
    product: str
    partner: str = Field(index=True)
    accepted_g: int = whole()  # what it objects to
    reasons: list[str] = json()
    raised_on: date
    status: str
    answer: list[str] | None = json(nullable=True)  # its reasons
    answered_by: str | None = None
    answered_on: date | None = None


class InvolvementRow(Table, table=True):
    """Who had a part in what: such a person reviews no decision of it."""

    __tablename__ = "involvements"
    id: str = Field(primary_key=True)  # "{matter}/{subject}/{part}"
    matter: str = Field(index=True)  # a round or a request
    subject: str
    part: str  # "opener", "proposer", "approver", "certifier", "screener"


class ReviewRow(Table, table=True):
    __tablename__ = "reviews"
    review: str = Field(primary_key=True)
    round: str = Field(index=True)
    product: str
    decision: str
    partner: str | None = Field(index=True)
    grounds: list[str] = json()
    requested_by: str
    requested_on: date
    status: str
    reviewer: str | None = None
    outcome: str | None = None
    findings: list[str] | None = json(nullable=True)
    concluded_on: date | None = None
