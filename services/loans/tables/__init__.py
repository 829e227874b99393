"""Read tables of loans, as its projections write them and its API reads them: a file a feature, and `metadata` of all."""

from services.loans.tables import equity, facility, laboratory, loan, material, offtake, payees, projects, rates
from services.loans.tables.table import metadata

__all__ = ["equity", "facility", "laboratory", "loan", "material", "metadata", "offtake", "payees", "projects", "rates"]
