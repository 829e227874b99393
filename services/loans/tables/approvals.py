"""Who may approve, with which keys and under what authority, as allocation enrols them."""

from sqlmodel import Field

from services.loans.tables.table import Table
from shared.terms.authority_tables import AuthorityColumns, ConflictColumns


class ApproverKeyRow(Table, table=True):
    __tablename__ = "approver_keys"
    subject: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    public_key: str
    revoked: bool


class AuthorityRow(AuthorityColumns, Table, table=True):
    __tablename__ = "authorities"


class ConflictRow(ConflictColumns, Table, table=True):
    __tablename__ = "conflicts"
