"""What one person stops: who, when, and until when."""

from datetime import UTC, datetime, timedelta

from shared.terms.protecting import ByOne, lapses_at

ONE, TWO = "sub_ann", "sub_bob"
AT = datetime(2026, 1, 6, 3, tzinfo=UTC)
LATER = lapses_at(AT)


def by_one(by: str = ONE, days: int = 0, *others: str) -> ByOne:
    """So many days after AT."""
    return ByOne(by=by, accounts=frozenset({by, *others}), at=AT + timedelta(days=days))
