"""Columns of read tables that SQLModel does not make of their Python type alone."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field


def whole(*, nullable: bool = False) -> Any:
    """A whole number: grams, minor units, units of trade, a version."""
    return Field(default=None, sa_type=sa.BigInteger, nullable=nullable)


def json(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_type=JSONB, nullable=nullable)
