"""RateFollowed rates, and what was published of each."""

from datetime import date

from sqlmodel import Field

from services.loans.tables.table import Table
from shared.journal.columns import whole


class ReferenceRateRow(Table, table=True):
    __tablename__ = "reference_rates"
    rate: str = Field(primary_key=True)
    name: str
    administrator: str
    calendar: str
    version: int = whole()


class PublicationRow(Table, table=True):
    """`corrected`: another rate was entered for the day before."""

    __tablename__ = "publications"
    rate: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    pct: str
    source: str
    corrected: bool
