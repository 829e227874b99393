"""Where this service finds who may act, which registers them: in the read tables of its own events. And whom a round is about."""

from collections.abc import Collection, Iterable

import msgspec
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.lookups import among
from services.allocation.domain.book.authority import concerns_of
from services.allocation.events import PartnerCode, ProductId, RoundId
from services.allocation.tables.authority import ApproverKeyRow, InstrumentRow
from services.allocation.tables.book import RequestRow, RoundRow
from shared.terms.authority import Authority
from shared.terms.authority_tables import EnrolledKey, Register


async def _held_by(session: AsyncSession, subject: str) -> Iterable[str]:
    acts_under = col(InstrumentRow.acting).contains([{"subject": subject}])
    return (await session.exec(select(InstrumentRow.instrument).where(or_(InstrumentRow.holder == subject, acts_under)))).all()


async def _authorities(session: AsyncSession, ids: Collection[str]) -> Iterable[Authority]:
    rows = (await session.exec(select(InstrumentRow).where(col(InstrumentRow.instrument).in_(ids)))).all()
    return [msgspec.convert({"id": row.instrument, **row.model_dump()}, Authority) for row in rows]


async def _key(session: AsyncSession, subject: str, key: str) -> EnrolledKey | None:
    row = await session.get(ApproverKeyRow, f"{subject}/{key}")
    return None if row is None else EnrolledKey(row.public_key, row.revoked_on is not None)


REGISTER = Register(held_by=_held_by, authorities=_authorities, key=_key)


async def companies_of(session: AsyncSession, requests: Collection[str]) -> frozenset[str]:
    """Those that the requests name: nominees, consignees and end users."""
    parties = select(RequestRow.nominee, RequestRow.consignee, RequestRow.end_user).where(among(RequestRow.request, requests))
    return frozenset(company for named in await session.exec(parties) for company in named if company)  # an earlier build named one


async def partners_of(session: AsyncSession, requests: Collection[str]) -> frozenset[PartnerCode]:
    """Those that have asked for it."""
    asked = select(RequestRow.partner).where(among(RequestRow.request, requests)).distinct()
    return frozenset(PartnerCode(partner) for partner in await session.exec(asked))


async def concerns_of_requests(session: AsyncSession, product: str, requests: Collection[str], round: str = "") -> list[str]:
    """Whom and what it is about to decide on requests of a product. `round`: that they are in; none: it is yet to be opened."""
    partners, companies = await partners_of(session, requests), await companies_of(session, requests)
    return concerns_of(RoundId(round), ProductId(product), partners, companies)


async def concerns_of_round(session: AsyncSession, round: RoundRow) -> list[str]:
    return await concerns_of_requests(session, round.product, round.requests, round.round)
