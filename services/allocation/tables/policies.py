"""Policies and their versions."""

from datetime import date
from typing import Any

from sqlmodel import Field

from services.allocation.tables.table import Table
from shared.journal.columns import json


class PolicyRow(Table, table=True):
    __tablename__ = "policies"
    policy: str = Field(primary_key=True)
    latest: int  # version
    stream_version: int  # of its last event that is a policy's: by which the build before this one answers


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
