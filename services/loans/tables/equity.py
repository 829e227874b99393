"""Shares of companies, what was paid and received for them, and what they are worth."""

from datetime import date
from typing import Any

from sqlmodel import Field

from services.loans.tables.table import Table
from shared.journal.columns import json, whole


class HoldingRow(Table, table=True):
    """`figures`: as its last event that moved money left it."""

    __tablename__ = "holdings"
    holding: str = Field(primary_key=True)
    status: str
    facility: str
    company: str
    project: str
    currency: str
    terms: dict[str, Any] = json()
    figures: dict[str, Any] = json()
    document: str
    proposed_by: str
    approval: dict[str, Any] | None = json(nullable=True)
    reason: str | None  # why the facility refused it, or it was withdrawn
    version: int = whole()


class EquityFlowRow(Table, table=True):
    """What was paid and received for a holding, and what was written down."""

    __tablename__ = "equity_flows"
    flow: str = Field(primary_key=True)
    holding: str = Field(index=True)
    kind: str  # "subscription", "dividend", "divestment", "write_down" or "write_off"
    reference: str | None  # the bank's; None: no money moved
    on: date
    units: int = whole()  # below zero: held no longer
    cash_minor: int = whole()  # received, or below zero paid
    cost_minor: int = whole()  # of what came, or below zero left or was written down
    reversed: bool


class WriteDownRow(Table, table=True):
    __tablename__ = "write_downs"
    flow: str = Field(primary_key=True)
    holding: str = Field(index=True)
    status: str  # "proposed", "approved" or "withdrawn"
    amount_minor: int | None = whole(nullable=True)  # None: of all
    on: date
    authority: str
    reason: str
    document: str
    proposed_by: str
    approval: dict[str, Any] | None = json(nullable=True)


class ValuationRow(Table, table=True):
    """The last that was said of each day."""

    __tablename__ = "valuations"
    holding: str = Field(primary_key=True)
    on: date = Field(primary_key=True)
    units: int = whole()
    value_minor: int = whole()
    source: str
