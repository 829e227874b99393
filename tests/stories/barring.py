"""Who bars somebody by their word alone, and who confirms it, as they are looked up."""

from datetime import UTC, datetime

from services.allocation.domain.authority.bar import Barring, Confirming
from services.allocation.events import SubjectId
from tests.stories.endorsing import ADMIN

AT = datetime(2026, 1, 6, 3, tzinfo=UTC)


def barring(by: str = ADMIN, *others: str, at: datetime = AT, lapsed_at: datetime | None = None) -> Barring:
    return Barring(by=SubjectId(by), accounts=frozenset({by, *others}), at=at, lapsed_at=lapsed_at)


def confirming(by: str, *others: str, has_key: bool = True) -> Confirming:
    return Confirming(by=SubjectId(by), accounts=frozenset({by, *others}), has_key=has_key)
