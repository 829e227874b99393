"""Projects, and what is known of them."""

from datetime import date

from sqlmodel import Field

from services.loans.tables.table import Table
from shared.journal.columns import json, whole


class ProjectRow(Table, table=True):
    __tablename__ = "projects"
    project: str = Field(primary_key=True)
    loans: list[str] = json()  # that watch it
    version: int = whole()  # of its last event that is a project's: by which the build before this one answers


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
