"""Read tables of loans, as its projections write them and its API reads them."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from shared.journal.columns import json, whole


class Table(SQLModel, registry=registry()):
    """What the tables share: a registry of their own, so that no other service's tables are among them."""


metadata = Table.metadata


# Facilities


class FacilityRow(Table, table=True):
    __tablename__ = "facilities"
    facility: str = Field(primary_key=True)
    currency: str
    version: int = whole()


class LimitRow(Table, table=True):
    """What is committed under a key; `limit_minor` None: it has no limit of its own."""

    __tablename__ = "limits"
    facility: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    parent: str | None
    limit_minor: int | None = whole(nullable=True)
    warn_at: str | None


class CommitmentRow(Table, table=True):
    __tablename__ = "commitments"
    facility: str = Field(primary_key=True)
    commitment: str = Field(primary_key=True)
    asset: str
    amount: int = whole()
    value_minor: int = whole()
    keys: list[str] = json()


class RateRow(Table, table=True):
    __tablename__ = "rates"
    facility: str = Field(primary_key=True)
    asset: str = Field(primary_key=True)
    rate: str
    quoted_on: date
    source: str


# Projects


class ProjectRow(Table, table=True):
    __tablename__ = "projects"
    project: str = Field(primary_key=True)
    loans: list[str] = json()  # that watch it
    version: int = whole()


class ProjectFactRow(Table, table=True):
    __tablename__ = "project_facts"
    fact: str = Field(primary_key=True)
    project: str = Field(index=True)
    kind: str
    subject: str | None
    product: str | None
    quantity: int | None = whole(nullable=True)
    unit: str | None
    binding: bool | None
    by: str
    since: date
    until: date | None
    evidence: list[str] = json()
    document: str | None
    withdrawn_on: date | None
    withdrawn_by: str | None
    withdrawn_because: str | None


# Equity


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


# Material loans


class MaterialLoanRow(Table, table=True):
    """Grams are contained ones of `element`, but `mass_g` and `undrawn_g`, which are the goods'."""

    __tablename__ = "material_loans"
    loan: str = Field(primary_key=True)
    status: str
    partner: str = Field(index=True)
    product: str
    award: str
    release: str
    decision: str
    mass_g: int = whole()  # of the award
    undrawn_g: int = whole()
    return_on: date
    draw_by: date
    terms: dict[str, Any] | None = json(nullable=True)  # as proposed last, until they are approved
    document: str | None
    proposed_by: str | None
    approval: dict[str, Any] | None = json(nullable=True)
    facility: str | None
    element: str | None
    due_on: date | None
    committed_g: int = whole()  # by the facility, less what was never drawn
    lent_g: int = whole()
    out_g: int = whole()  # without premium
    pending_g: int = whole()  # of returns that wait to be credited
    returned_g: int = whole()
    premium_g: int = whole()  # of what was returned, bought or settled
    excess_g: int = whole()
    overdue: bool
    defaulted: bool
    currency: str | None
    security_minor: int = whole()
    call_minor: int = whole()  # open
    marked: dict[str, Any] | None = json(nullable=True)  # the last mark of the security
    reason: str | None  # why the facility refused it, or it was withdrawn
    version: int = whole()


class MaterialEntryRow(Table, table=True):
    """A line of a loan's history: the event as it is stored."""

    __tablename__ = "material_entries"
    loan: str = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    kind: str  # "return_credited"
    on: date  # the day that it counts for
    recorded_on: date
    told: dict[str, Any] = json()
    place: str  # where the journal has it


class DeferralRow(Table, table=True):
    __tablename__ = "deferrals"
    deferral: str = Field(primary_key=True)
    loan: str = Field(index=True)
    condition: str
    evidence: str
    due_on: date
    premium_pct: str
    document: str
    proposed_by: str
    status: str  # "proposed" or "approved"
    approval: dict[str, Any] | None = json(nullable=True)


class MaterialReturnRow(Table, table=True):
    __tablename__ = "material_returns"
    returned: str = Field(primary_key=True)
    loan: str = Field(index=True)
    status: str
    mass_g: int = whole()
    received_on: date
    pending_g: int = whole()  # by the borrower's own assay
    lot: dict[str, Any] = json()
    own_assay: dict[str, Any] = json()
    independent: dict[str, Any] | None = json(nullable=True)
    umpire: dict[str, Any] | None = json(nullable=True)
    content: str | None  # that it is settled at
    basis: str | None
    contained_g: int | None = whole(nullable=True)
    taken_in_as: str | None  # the lot in stock
    reason: str | None  # why it was rejected, or turned back


class ProductRow(Table, table=True):
    """As inventory registers them."""

    __tablename__ = "products"
    product: str = Field(primary_key=True)
    contents: dict[str, str] = json()
    nominal_unit_g: int = whole()


# Facility loans


class LoanRow(Table, table=True):
    """`figures`: as its last event that moved money left it."""

    __tablename__ = "loans"
    loan: str = Field(primary_key=True)
    status: str
    facility: str
    borrower: str = Field(index=True)
    project: str = Field(index=True)
    currency: str
    commitment_minor: int = whole()
    undrawn_minor: int = whole()
    terms: dict[str, Any] = json()
    document: str
    proposed_by: str
    approval: dict[str, Any] | None = json(nullable=True)
    reason: str | None  # why its commitment was refused, or it was withdrawn, put in default or closed
    reference: str | None = Field(index=True)  # of an imported loan, in the system before
    figures: dict[str, Any] | None = json(nullable=True)
    principal_minor: int = whole()
    overdue_minor: int = whole()
    bucket: str
    grade: str
    stage: int
    provision_minor: int = whole()
    seen: list[dict[str, Any]] = json()  # conditions precedent, as they were evaluated last
    seen_subsequents: list[dict[str, Any]] = json()
    version: int = whole()


class LoanEntryRow(Table, table=True):
    """A line of a loan's history: what happened, for which day, and when it became known."""

    __tablename__ = "loan_entries"
    loan: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    kind: str  # the event's name: "payment_recorded"
    on: date  # that it counts for
    recorded_on: date
    recorded_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
    amount_minor: int | None = whole(nullable=True)
    change: dict[str, Any] | None = json(nullable=True)
    text: str | None
    place: str


class AdvanceRow(Table, table=True):
    __tablename__ = "advances"
    advance: str = Field(primary_key=True)
    loan: str = Field(index=True)
    amount_minor: int = whole()
    purpose: str
    status: str
    paid_on: date | None
    seen: list[dict[str, Any]] = json()  # what it saw of every condition precedent


class PaymentRow(Table, table=True):
    __tablename__ = "payments"
    payment: str = Field(primary_key=True)
    loan: str = Field(index=True)
    kind: str  # "payment", "delivery" or "recovery"
    reference: str  # the bank's; of a delivery, its lot
    amount_minor: int = whole()
    received_on: date
    prepays: str
    reversed: bool
    reason: str | None


class ActRow(Table, table=True):
    __tablename__ = "acts"
    act: str = Field(primary_key=True)
    loan: str = Field(index=True)
    content: dict[str, Any] = json()
    reason: str
    document: str
    proposed_by: str
    status: str
    approval: dict[str, Any] | None = json(nullable=True)


class RatioRow(Table, table=True):
    """The figures of covenants, as reported; of one period the last."""

    __tablename__ = "ratios"
    loan: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    for_on: date = Field(primary_key=True)
    ratio: str
    minimum: str
    source: str
    standing: str


# Repayment in kind


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
