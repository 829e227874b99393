"""The books: entries with their postings, accounts, balances as of now or as of a day, and what was flagged."""

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from fastapi import APIRouter, Query
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.ledger.accounts import Side, Status
from services.ledger.api.callers import PARTNER, only_of
from services.ledger.api.views import AccountView, BalanceView, EntryView, FlagView, PostingView
from services.ledger.log import Log
from services.ledger.tables import BalanceRow, EntryRow, FlagRow, PostingRow
from shared.http.auth import Caller, allow
from shared.http.fields import Day
from shared.http.handlers import Page, Paging
from shared.http.problems import Problem
from shared.process.kernel_api import Running

router = APIRouter(tags=["books"])

type Name = Annotated[str | None, Query(max_length=400, pattern="^[^\\x00]+$")]


@router.get("/v1/entries")
async def list_entries(
    caller: Annotated[Caller, allow(PARTNER, "auditor", "service")],
    kernel: Running,
    pages: Paging,
    source: Annotated[str | None, Query(pattern="^[a-z]{1,20}$")] = None,
) -> Page[EntryView]:
    """The log's entries in its order, with what they posted: a partner's own, or all."""
    logs = await kernel.part(Log).logs()
    view = partial(EntryView.of, logs, kernel.journal.histories)
    only = {EntryRow.partner: only_of(caller), EntryRow.source: source}
    async with pages.session() as session:
        found = await pages.of(select(EntryRow), EntryRow.leaf_index, view, only=only, session=session)
        await _add_postings(session, {logs.number_of(each.history, each.leaf_index): each for each in found.data})
    return found


async def _add_postings(session: AsyncSession, by_index: dict[int, EntryView]) -> None:
    query = select(PostingRow).where(col(PostingRow.leaf_index).in_(by_index)).order_by(col(PostingRow.leaf_index), col(PostingRow.line))
    for row in await session.exec(query):
        by_index[row.leaf_index].postings.append(PostingView.of(row))


@router.get("/v1/accounts")
async def list_accounts(caller: Annotated[Caller, allow(PARTNER, "operator", "auditor", "service")], pages: Paging) -> Page[AccountView]:
    """The accounts that anything was ever posted to."""
    identity = (col(BalanceRow.side) + "/" + col(BalanceRow.account)).label("id")
    query = sa.select(identity, col(BalanceRow.side), col(BalanceRow.account), col(BalanceRow.partner)).distinct()
    found = query.subquery()
    every: Any = sa.select(found)
    return await pages.of(every, found.c.id, AccountView.of, only={found.c.partner: only_of(caller)})


@router.get("/v1/balances")
async def list_balances(
    caller: Annotated[Caller, allow(PARTNER, "operator", "auditor", "service")],
    kernel: Running,
    pages: Paging,
    as_of: Annotated[Day | None, Query(description="what counted for this day, and the days before")] = None,
    as_known_on: Annotated[
        str | None,
        Query(max_length=40, description="as known on this day (2026-01-20), or at this instant (2026-01-20T05:00:00Z)"),
    ] = None,
    account: Name = None,
    asset: Name = None,
    side: Side | None = None,
) -> Page[BalanceView]:
    """Balances that are not zero: as of now or, with `as_of` and `as_known_on`, of what counted for a day as it was known on another."""
    known_before = None if as_known_on is None else _end_of(as_known_on, kernel.settings.zone)
    rows: Any = BalanceRow.__table__ if as_of is None and known_before is None else _sums(as_of, known_before)  # type: ignore[attr-defined]
    query: Any = sa.select(rows).where(sa.or_(rows.c.posted != 0, rows.c.pending != 0))
    only = {rows.c.account: account, rows.c.asset: asset, rows.c.side: side, rows.c.partner: only_of(caller)}
    return await pages.of(query, rows.c.id, BalanceView.of, only=only)


def _sums(as_of: date | None, known_before: datetime | None) -> sa.Subquery:
    """Balances from postings, of those that count for `as_of` or earlier and were recorded before `known_before`."""
    is_posted = col(PostingRow.status) == Status.POSTED
    amount = col(PostingRow.amount)

    def total(condition: Any) -> Any:
        return sa.cast(sa.func.coalesce(sa.func.sum(amount).filter(condition), 0), sa.BigInteger)

    sums = sa.select(col(PostingRow.balance), total(is_posted).label("posted"), total(sa.not_(is_posted)).label("pending")).group_by(
        col(PostingRow.balance)
    )
    if as_of is not None:
        sums = sums.where(col(PostingRow.effective_on) <= as_of)
    if known_before is not None:
        sums = sums.where(col(PostingRow.recorded_at) < known_before)
    summed = sums.subquery()
    names = (col(getattr(BalanceRow, name)) for name in ("id", "side", "asset", "account", "partner"))
    return sa.select(*names, summed.c.posted, summed.c.pending).join(summed, summed.c.balance == col(BalanceRow.id)).subquery()


def _end_of(text: str, zone: ZoneInfo) -> datetime:
    """The first instant that is too late: after a whole day of the reserve, or after an instant."""
    try:
        if len(text) == len("2026-01-20"):
            midnight = datetime.combine(date.fromisoformat(text) + timedelta(days=1), datetime.min.time(), zone)
            return midnight.astimezone(UTC)
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise ValueError("an instant has a time zone")
        return instant.astimezone(UTC) + timedelta(microseconds=1)
    except (ValueError, OverflowError) as error:
        raise Problem(
            "invalid_request", "not a day or an instant", field="query:as_known_on", accepted="2026-01-20 or 2026-01-20T05:00:00Z"
        ) from error


@router.get("/v1/flags")
async def list_flags(
    caller: Annotated[Caller, allow("operator", "auditor", "administrator")], kernel: Running, pages: Paging
) -> Page[FlagView]:
    """Events that brought an account below zero, in the log's order."""
    return await pages.of(select(FlagRow), FlagRow.id, partial(FlagView.of, await kernel.part(Log).logs()))
