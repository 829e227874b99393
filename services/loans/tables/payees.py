"""Payees of borrowers."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Field

from services.loans.tables.table import Table
from shared.journal.columns import json, whole


class PayeeRow(Table, table=True):
    __tablename__ = "payees"
    payee: str = Field(primary_key=True)
    borrower: str
    currency: str
    holder: str
    bank: str
    account: str
    masked: str
    registered_by: list[str] = json()
    registered_on: date
    pays_from: date
    ended_on: date | None = None
    reason: str | None = None  # why it ended
    lapses_at: datetime | None = Field(default=None, sa_type=sa.DateTime(timezone=True))  # of an end that is one person's word
    version: int = whole()  # of its borrower's stream
