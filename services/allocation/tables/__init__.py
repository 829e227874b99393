"""Read tables of allocation, as its projections write them and its API reads them: a file a feature, and `metadata` of all."""

from services.allocation.tables import authority, book, certificates, clocks, decisions, partners, policies, screening, supply, tenders
from services.allocation.tables.table import metadata

__all__ = [
    "authority",
    "book",
    "certificates",
    "clocks",
    "decisions",
    "metadata",
    "partners",
    "policies",
    "screening",
    "supply",
    "tenders",
]
