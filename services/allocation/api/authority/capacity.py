"""What a command needs to know of authority, from the read tables: the chains that a person holds, and their conflicts."""

from collections.abc import Collection
from datetime import date

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.lookups import among
from services.allocation.events import PartnerCode
from services.allocation.tables.authority import ConflictRow, InstrumentRow
from services.allocation.tables.book import RequestRow, RoundRow
from shared.terms.authority import Acting, Authority, Capacity, Chain, Kind, chain_of


def authority_of(row: InstrumentRow) -> Authority:
    return Authority(
        id=row.instrument,
        version=row.version,
        kind=Kind(row.kind),
        under=row.under,
        holder=row.holder,
        acting=tuple(
            Acting(
                subject=each["subject"],
                valid_from=date.fromisoformat(each["valid_from"]),
                valid_until=date.fromisoformat(each["valid_until"]),
            )
            for each in row.acting
        ),
        acts=frozenset(row.acts),
        products=frozenset(row.products),
        limit_g=row.limit_g,
        limit_minor=row.limit_minor,
        currency=row.currency,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        may_sub_delegate=row.may_sub_delegate,
        ended_on=row.ended_on,
    )


async def find_chains(session: AsyncSession, instruments: Collection[str]) -> dict[str, Chain]:
    """Of each instrument that there is, itself and all above it."""
    known: dict[str, Authority] = {}
    wanted = set(instruments)
    while wanted:
        rows = (await session.exec(select(InstrumentRow).where(col(InstrumentRow.instrument).in_(wanted)))).all()
        known |= {row.instrument: authority_of(row) for row in rows}
        wanted = {row.under for row in rows if row.under is not None} - known.keys()
    found = {instrument: chain_of(known, instrument) for instrument in instruments}
    return {instrument: chain for instrument, chain in found.items() if chain is not None}


async def chains_held(session: AsyncSession, subject: str, named: str | None = None) -> tuple[Chain, ...]:
    """What the person holds, or was ever named to act under; and what they named, whosever it is."""
    acts_under = col(InstrumentRow.acting).contains([{"subject": subject}])
    own = select(InstrumentRow.instrument).where(or_(InstrumentRow.holder == subject, acts_under))
    instruments = set((await session.exec(own)).all()) | ({named} if named is not None else set())
    chains = await find_chains(session, instruments)
    return tuple(chains[instrument] for instrument in sorted(chains))


async def capacity_of(session: AsyncSession, subject: str, on: date, named: str | None = None) -> Capacity:
    """In what capacity a person may act, as the tables have it. `named`: the one authority that they say they act under."""
    held = await chains_held(session, subject, named)
    return Capacity(by=subject, on=on, held=held, named=named, conflicts=await conflicts_of(session, subject))


async def conflicts_of(session: AsyncSession, official: str) -> frozenset[str]:
    """By their keys (`shared.terms.authority.interest_in`)."""
    return frozenset((await session.exec(select(ConflictRow.key).where(ConflictRow.official == official))).all())


async def companies_of(session: AsyncSession, round: RoundRow) -> frozenset[str]:
    """Those that the round's requests name: nominees, consignees and end users."""
    parties = select(RequestRow.nominee, RequestRow.consignee, RequestRow.end_user).where(among(RequestRow.request, round.requests))
    return frozenset(company for named in await session.exec(parties) for company in named if company)  # an earlier build named one


async def partners_of(session: AsyncSession, round: RoundRow) -> frozenset[PartnerCode]:
    """Those that asked for something that the round was opened over."""
    asked = select(RequestRow.partner).where(among(RequestRow.request, round.requests)).distinct()
    return frozenset(PartnerCode(partner) for partner in await session.exec(asked))
