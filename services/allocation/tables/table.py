"""What the read tables of allocation share."""

from sqlalchemy.orm import registry
from sqlmodel import SQLModel


class Table(SQLModel, registry=registry()):
    """What the tables share: a registry of their own, so that no other service's tables are among them."""


metadata = Table.metadata
