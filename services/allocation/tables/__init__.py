"""Read tables of allocation, as its projections write them and its API reads them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from shared.journal.columns import json, whole


class Table(SQLModel, registry=registry()):
    """What the tables share: a registry of their own, so that no other service's tables are among them."""


metadata = Table.metadata


class RequestStatus(StrEnum):
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    AWARDED = "awarded"


class RoundStatus(StrEnum):
    OPEN = "open"
    PROPOSED = "proposed"
    CERTIFIED = "certified"
    RELEASED = "released"
    CANCELLED = "cancelled"


class AwardStatus(StrEnum):
    GRANTED = "granted"  # inventory has not answered yet
    RELEASED = "released"
    WITHDRAWN = "withdrawn"
    RENOUNCED = "renounced"  # given back by its partner


class ReportStatus(StrEnum):
    DUE = "due"
    SENT = "sent"
    WITHDRAWN = "withdrawn"  # it was sent, and inventory refused its round after that: the addressee must be told


class PartnerRow(Table, table=True):
    __tablename__ = "partners"
    partner: str = Field(primary_key=True)
    name: str
    version: int


class AgreementRow(Table, table=True):
    __tablename__ = "agreements"
    agreement: str = Field(primary_key=True)
    partner: str = Field(index=True)
    products: list[dict[str, Any]] = json()  # as `ProductTerms`
    priority_class: int
    valid_from: date
    valid_until: date
    ended: bool
    suspended: bool
    version: int


class DisruptionRow(Table, table=True):
    __tablename__ = "disruptions"
    disruption: str = Field(primary_key=True)
    instrument: str
    products: list[str] = json()
    declared_scope: str
    observed_scope: str
    partners: list[str] = json()
    starts_on: date
    ends_on: date | None
    evidence: list[str] = json()
    version: int


class ApproverKeyRow(Table, table=True):
    __tablename__ = "approver_keys"
    id: str = Field(primary_key=True)  # "{subject}/{key}"
    subject: str
    key: str = Field(index=True)
    public_key: str
    enrolled_on: date
    revoked_on: date | None


class PolicyRow(Table, table=True):
    __tablename__ = "policies"
    policy: str = Field(primary_key=True)
    latest: int  # version
    stream_version: int


class PolicyVersionRow(Table, table=True):
    __tablename__ = "policy_versions"
    policy: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    status: str  # "draft", "submitted", "approved", "superseded", "withdrawn"
    active_from: date
    document: str  # SHA-256 of what is signed
    terms: dict[str, Any] = json()  # as `PolicyTerms`
    drafted_by: str
    submitted_by: str | None
    approved_by: str | None
    approved_on: date | None
    reason: str | None  # why it was withdrawn


class InstrumentRow(Table, table=True):
    __tablename__ = "instruments"
    instrument: str = Field(primary_key=True)
    kind: str
    title: str
    office: str
    under: str | None
    holder: str = Field(index=True)
    acting: list[dict[str, Any]] = json()  # as `Acting`
    acts: list[str] = json()
    products: list[str] = json()  # none: all
    limit_g: int | None = whole(nullable=True)
    limit_minor: int | None = whole(nullable=True)
    currency: str | None
    valid_from: date
    valid_until: date
    may_sub_delegate: bool
    ended_on: date | None
    version: int


class ConflictRow(Table, table=True):
    __tablename__ = "conflicts"
    official: str = Field(primary_key=True)
    key: str = Field(primary_key=True)  # what it is about, as names are compared
    about: str
    name: str
    reason: str
    declared_on: date


class CitationRow(Table, table=True):
    """By what authority something was done."""

    __tablename__ = "citations"
    place: str = Field(primary_key=True)  # where the journal has it: "allocation/0/123"
    matter: str = Field(index=True)  # what was acted on: "rnd_01j..."
    act: str
    by: str
    authority: str
    cited: dict[str, Any] = json()  # as `Cited`
    cited_on: date


class CarryRow(Table, table=True):
    """What rounding is remembered, by product and agreement."""

    __tablename__ = "carries"
    id: str = Field(primary_key=True)  # "{product}/{agreement}"
    product: str
    agreement: str
    partner: str = Field(index=True)
    carry_g: str
    expires_on: date | None
    cause: str  # the round that left it: "rnd_01j..."
    since: date


class BookRow(Table, table=True):
    __tablename__ = "books"
    product: str = Field(primary_key=True)


class RequestRow(Table, table=True):
    __tablename__ = "requests"
    request: str = Field(primary_key=True)
    product: str
    partner: str = Field(index=True)
    mass_g: int = whole()
    minimum_g: int = whole()
    daily_consumption_g: int = whole()
    needed_by: date
    nominee: str
    consignee: str = ""
    end_user: str = ""
    end_use: str
    least_contents: dict[str, str] = json()
    excluded_origins: list[str] = json()
    statement: dict[str, Any] = json()  # as `Statement`
    submitted_on: date
    status: str
    accepted_g: int | None = whole(nullable=True)
    reasons: list[str] = json()  # of the last acceptance, decline or withdrawal
    round: str | None = Field(index=True)
    return_on: date | None = None  # None: it is not for a loan


class RoundRow(Table, table=True):
    __tablename__ = "rounds"
    round: str = Field(primary_key=True)
    product: str
    status: str
    requests: list[str] = json()  # those that it was opened over
    disruption: str | None
    rule: str
    method: dict[str, Any] = json()  # as `RoundMethod`
    positions: list[dict[str, Any]] = json()
    policy: str
    policy_version: int
    approvals_needed: int  # by the smallest award: what is proposed may need more, by the quorum
    quorum: list[dict[str, Any]] = json()
    emergency: dict[str, Any] | None = json(nullable=True)
    release_days: int
    opened_on: date
    decision: str | None  # the last one proposed that stands, or stood to the end
    file: str | None
    release_order: str | None
    awarded_g: int | None = whole(nullable=True)
    proposed_by: str | None
    supply_g: int | None = whole(nullable=True)
    left_g: int | None = whole(nullable=True)
    expires_on: date | None
    certified_in: str | None  # where the journal has its certification: "allocation/0/123"
    ratification: str | None = None  # of one that was decided in an emergency: due, missed, ratified
    ratify_by: datetime | None = Field(default=None, sa_type=sa.DateTime(timezone=True))
    ratified_by: str | None = None
    reason: str | None  # why it was cancelled, reopened, or lost its last decision


class ApprovalRow(Table, table=True):
    __tablename__ = "approvals"
    round: str = Field(primary_key=True)
    decision: str = Field(primary_key=True)
    key: str = Field(primary_key=True, index=True)
    subject: str
    signature: str
    approved_on: date
    lapsed: bool


class AwardRow(Table, table=True):
    __tablename__ = "awards"
    award: str = Field(primary_key=True)
    round: str = Field(index=True)
    request: str
    product: str
    partner: str = Field(index=True)
    mass_g: int = whole()
    daily_consumption_g: int = whole()
    days_of_cover: str
    decision: str
    expires_on: date
    status: str
    return_on: date | None = None  # None: it is not a loan


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


# Fed by inventory's events


class ProtectedLevelRow(Table, table=True):
    """A change of the stock that rounds must leave."""

    __tablename__ = "protected_levels"
    place: str = Field(primary_key=True)  # where inventory's journal has it
    product: str = Field(index=True)
    before_g: int = whole()
    mass_g: int = whole()
    set_on: date
    authority: str
    reason: str


class StockRow(Table, table=True):
    """What of a product may be offered. Expired lots and lots on hold are still in it: inventory has the last word."""

    __tablename__ = "stock"
    product: str = Field(primary_key=True)
    nominal_unit_g: int = whole()
    protected_g: int = whole()
    reserved_rights_g: int = whole()  # by open releases


class StockUnitsRow(Table, table=True):
    """Units of lots that are available."""

    __tablename__ = "stock_units"
    product: str = Field(primary_key=True)
    unit_g: int = Field(primary_key=True, sa_type=sa.BigInteger)
    units: int = whole()


class LotRow(Table, table=True):
    """A lot that was taken in since this table is there; of older ones only `stock_units` knows. One that is used up stays: a draw may come
    back."""

    __tablename__ = "lots"
    lot: str = Field(primary_key=True)
    product: str = Field(index=True)
    depot: str
    unit_g: int = whole()
    units: int = whole()  # in stock: available if in specification, else quarantined
    pinned_units: int = whole()  # of these, that releases are pinned to
    in_specification: bool
    origin: str
    contents: dict[str, str] = json()  # of the ruling assay: element -> share of the mass
    expires_on: date | None  # the last day on which it may be drawn


class PinRow(Table, table=True):
    """Units of a lot that a release is met from, and nobody else."""

    __tablename__ = "pins"
    release: str = Field(primary_key=True)
    lot: str = Field(primary_key=True)
    units: int = whole()


class StopRow(Table, table=True):
    """A hold that is on a product's stockpile."""

    __tablename__ = "stops"
    product: str = Field(primary_key=True)
    hold: str = Field(primary_key=True)
    scope: str
    target: str | None
    expires_on: date | None  # inclusive


class RightRow(Table, table=True):
    """What is left of a right. Only firm ones enter a round."""

    __tablename__ = "rights"
    right: str = Field(primary_key=True)
    product: str = Field(index=True)
    kind: str
    window_to: date
    window_from: date | None = None  # None: it was added before this was kept
    mass_g: int = whole()
