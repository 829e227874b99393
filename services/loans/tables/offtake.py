"""Repayment in kind."""

from datetime import date

from sqlmodel import Field

from services.loans.tables.table import Table
from shared.journal.columns import whole


class OfftakeRow(Table, table=True):
    __tablename__ = "offtakes"
    offtake: str = Field(primary_key=True)
    right: str = Field(index=True)
    loan: str = Field(index=True)
    product: str
    element: str
    price: str
    currency: str
    share: str
    prepays: str
    since: date
    until: date
    authority: str
    agreed_by: str
    ended_on: date | None  # before `until`
    ended_because: str | None


class DeliveryRow(Table, table=True):
    """A lot that came under a right; `offtake` and `loan` None: none has valued it."""

    __tablename__ = "deliveries"
    lot: str = Field(primary_key=True)
    right: str = Field(index=True)
    status: str
    offtake: str | None
    loan: str | None = Field(index=True)
    mass_g: int = whole()
    contained_g: int | None = whole(nullable=True)
    amount_minor: int | None = whole(nullable=True)
    received_on: date
    payment: str | None
    reason: str | None
