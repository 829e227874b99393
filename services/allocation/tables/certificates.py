"""Where the journal has what a certificate stands on."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.allocation.tables.table import Table


class ProofRow(Table, table=True):
    """`kind`: enrolled, revoked, restored (of a key); proposed, approved, certified (of a decision); cited (an authority, for a matter)."""

    __tablename__ = "proofs"
    place: str = Field(primary_key=True)  # "allocation/0/123"
    kind: str
    matter: str | None = Field(index=True)  # a round
    decision: str | None = Field(index=True)
    approver: str | None = Field(index=True)  # "{subject}/{key}"
    command: str  # what was recorded for one command has the same
    detail: dict[str, Any] = Field(sa_type=JSONB, sa_column_kwargs={"server_default": sa.text("'{}'")})
