"""As of: what counted for a day, as it was known at an instant, and as it is known by now. What is recorded late, or corrected, changes
what counts for a day, and never what was known.

Known is what a checkpoint of the log had covered by then, whole: who held that checkpoint could have asked for it. Balances are summed from
the events by the audit's own table of postings.
"""

from typing import Any

import msgspec

from reserve.audit.evidence import LEDGER, SOURCES, Evidence
from reserve.audit.life import events_until, read_event, records_of
from reserve.audit.postings import MOVING, first_version, posted_by
from services.ledger.events import CheckpointSigned

type Account = tuple[str, str, str]  # side, asset, account
type Amounts = tuple[int, int]  # posted, pending
type _Signed = tuple[str, CheckpointSigned]  # when, and what it says


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One account: (posted, pending) of the day, as known then and now."""

    side: str
    asset: str
    account: str
    then: Amounts
    now: Amounts


class AsOf(msgspec.Struct, frozen=True, kw_only=True):
    """`size`, `root`, `signed_at`: of the last checkpoint by then; None where there was none yet. `known`, `later`: events that count for
    the day or before it, known then, and only afterwards."""

    day: str
    size: int
    root: str | None
    signed_at: str | None
    known: int
    later: int
    lines: tuple[Line, ...]


async def as_of(evidence: Evidence, day: str, known_at: str | None) -> AsOf:
    """`known_at`: an instant as journals write it; None: the end."""
    then, now = await _last_signed(evidence, known_at)
    covered = {} if then is None else then[1].covers
    accounts: dict[Account, list[int]] = {}
    known = later = 0
    for service in SOURCES:
        async for line, record in events_until(evidence, service, {} if now is None else now[1].covers):
            if record.effective_on > day:
                continue
            is_known = record.position <= covered.get(line, 0)
            known, later = known + is_known, later + (not is_known)
            if first_version(record.type) in MOVING:
                _post(accounts, read_event(service, record), is_known)
    return AsOf(
        day=day,
        size=0 if then is None else then[1].size,
        root=None if then is None else then[1].root,
        signed_at=None if then is None else then[0],
        known=known,
        later=later,
        lines=tuple(
            Line(side=side, asset=asset, account=account, then=(amounts[0], amounts[1]), now=(amounts[2], amounts[3]))
            for (side, asset, account), amounts in sorted(accounts.items())
            if any(amounts)
        ),
    )


async def _last_signed(evidence: Evidence, known_at: str | None) -> tuple[_Signed | None, _Signed | None]:
    """The last by then, and the last of all."""
    then: _Signed | None = None
    now: _Signed | None = None
    async for record in records_of(evidence, LEDGER):
        if isinstance(event := read_event(LEDGER, record), CheckpointSigned):
            signed = record.recorded_at, event
            now = signed if now is None or signed[0] >= now[0] else now
            if known_at is None or signed[0] <= known_at:
                then = signed if then is None or signed[0] >= then[0] else then
    return then, now


def _post(accounts: dict[Account, list[int]], event: Any, is_known: bool) -> None:
    for posted in posted_by(event):
        amounts = accounts.setdefault((posted.side, posted.asset, posted.account), [0, 0, 0, 0])
        pending = posted.status != "posted"
        amounts[2 + pending] += posted.amount
        if is_known:
            amounts[pending] += posted.amount
