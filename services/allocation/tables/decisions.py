"""What follows a certified decision: its report, awards given back, rounds decided again."""

from datetime import date
from enum import StrEnum

from sqlmodel import Field

from services.allocation.tables.table import Table


class ReportStatus(StrEnum):
    DUE = "due"
    SENT = "sent"
    WITHDRAWN = "withdrawn"  # it was sent, and inventory refused its round after that: the addressee must be told


class ReportRow(Table, table=True):
    """What a certified round owes."""

    __tablename__ = "reports"
    round: str = Field(primary_key=True)
    product: str
    decision: str
    certified_on: date
    status: str
    report: str | None = None  # the last one that was sent
    sent_on: date | None = None


class ReportSentRow(Table, table=True):
    __tablename__ = "reports_sent"
    report: str = Field(primary_key=True)  # SHA-256 of its document
    round: str = Field(index=True)
    decision: str
    addressee: str
    reference: str | None
    sent_on: date
    sent_by: str
    place: str


class RenouncedAwardRow(Table, table=True):
    """An award that its partner gave back."""

    __tablename__ = "renounced_awards"
    award: str = Field(primary_key=True)
    decision: str
    reason: str
    renounced_on: date


class SupersededRoundRow(Table, table=True):
    __tablename__ = "superseded_rounds"
    round: str = Field(primary_key=True)
    by_round: str  # decides again
    decision: str  # of `round`
    reason: str
    superseded_on: date
    gives_back: bool = False  # the book is told what was taken back; False: an earlier build gave nothing back
