"""Laboratories, and whose they are."""

from datetime import date

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
    version: int = whole()
