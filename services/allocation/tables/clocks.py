"""Read tables of clocks to delivery, of readiness registers, and of the tasks that they and others give."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from services.allocation.tables.table import Table
from shared.journal.columns import json

NOBODY = ""  # has confirmed a pause


class ClockStatus(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    DELIVERED = "delivered"
    ENDED = "ended"  # nothing is to be delivered any more


class ClockRow(Table, table=True):
    """Each of the four maps is by milestone."""

    __tablename__ = "clocks"
    request: str = Field(primary_key=True)
    product: str
    partner: str = Field(index=True)
    clock: str | None  # None: it is not started, or its request was accepted before there were clocks
    submitted_on: date | None
    limits: dict[str, Any] = json()  # its last day
    reached: dict[str, Any] = json()  # {"on", "reached_g", "of_g"}; partly, while `on` is null
    warned: dict[str, Any] = json()  # the day on which that was told
    breaches: dict[str, Any] = json()  # the same
    status: str
    next: str | None
    limit_on: date | None = Field(index=True)  # of the next one
    breached: bool
    paused_since: date | None  # the last pause
    pause_reason: str | None
    pause_lapses_at: datetime | None = Field(default=None, sa_type=sa.DateTime(timezone=True))  # unless it is confirmed
    pause_confirmed_by: str | None = None
    ended: str | None  # why


class TaskRow(Table, table=True):
    """What somebody is to do, by when, and why. It is done when what gave it has gone on."""

    __tablename__ = "tasks"
    task: str = Field(primary_key=True)  # "clock/req_01j.../decided"
    kind: str = Field(index=True)
    about: str  # a request, an agreement, ...
    partner: str | None = Field(index=True)
    product: str | None
    what: str
    why: str
    due_on: date = Field(index=True)
    raised_on: date
    done_on: date | None = Field(sa_type=sa.Date, nullable=True)


class ItemStatus(StrEnum):
    CLEARED = "cleared"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class ReadinessItemRow(Table, table=True):
    __tablename__ = "readiness_items"
    item: str = Field(primary_key=True)
    agreement: str = Field(index=True)
    product: str
    partner: str
    kind: str
    name: str
    evidence: str
    cleared_by: str
    cleared_on: date
    until: date | None
    status: str
    reason: str | None  # why it was withdrawn
