"""Who bars somebody by their word alone, and who confirms it, as they are looked up."""

from datetime import datetime

from sqlmodel import col, func, select

from services.allocation.domain.authority.bar import Barring, Confirming
from services.allocation.events import SubjectId
from services.allocation.tables.authority import ApproverKeyRow, BarRow
from shared.http.auth import Caller
from shared.http.handlers import Post, Reads
from shared.terms.authority_tables import accounts_of


async def barring_of(reads: Reads, post: Post, caller: Caller) -> Barring:
    async with reads.session() as session:
        accounts = await accounts_of(session, caller.subject)
        own = select(func.max(BarRow.lapses_at)).where(col(BarRow.by).in_(accounts), BarRow.lapses_at <= post.now)
        lapsed_at: datetime | None = (await session.exec(own)).one()
    return Barring(by=SubjectId(caller.subject), accounts=frozenset(accounts), at=post.now, lapsed_at=lapsed_at)


async def confirming_of(reads: Reads, caller: Caller) -> Confirming:
    async with reads.session() as session:
        accounts = await accounts_of(session, caller.subject)
        keys = select(ApproverKeyRow.key).where(col(ApproverKeyRow.subject).in_(accounts), col(ApproverKeyRow.revoked_on).is_(None))
        has_key = (await session.exec(keys.limit(1))).first() is not None
    return Confirming(by=SubjectId(caller.subject), accounts=frozenset(accounts), has_key=has_key)
