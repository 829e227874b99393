"""Laboratories, and whose they are."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Field

from services.loans.tables.table import Table
from shared.journal.columns import whole


class LaboratoryRow(Table, table=True):
    """`ended_on` None: it is in force."""

    __tablename__ = "laboratories"
    laboratory: str = Field(primary_key=True)
    name: str
    owner: str
    accredited_until: date
    ended_on: date | None
    ended_by: str | None
    ended_because: str | None
    lapses_at: datetime | None = Field(default=None, sa_type=sa.DateTime(timezone=True))  # of an end that is one person's word
    version: int = whole()
