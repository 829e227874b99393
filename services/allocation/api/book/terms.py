"""The terms that a request is made under, and the units that it comes in, remembered for a moment: a partner asks by the hundred, and the
query would cost more than the request does. What this process changes is forgotten at once; what another one does counts a second later,
here. A round looks the terms up itself when it is proposed and certified."""

import asyncio
import time
from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec

from services.allocation.api.lookups import available_units, valid_terms
from services.allocation.domain.book.lapses import TermsRead
from services.allocation.events import PartnerCode
from services.allocation.tables.supply import StockRow
from shared.http.handlers import Reads
from shared.process.service import Kernel, Part

REMEMBERED_S = 1.0
MOST = 10_000

type _Key = tuple[str, PartnerCode, date]
type _Looks = dict[_Key, _Look[TermsRead | None]]


class _Look[T](msgspec.Struct, frozen=True, eq=False):
    """A look that is under way or was: whoever asks meanwhile waits for it, since a second is over for all of them at once."""

    since: float  # monotonic
    found: asyncio.Task[T]


class RecentTerms(Part):
    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self._looks: _Looks = {}

    async def of(self, reads: Reads, product: str, partner: PartnerCode, on: date) -> TermsRead | None:
        """As `valid_terms` has them, or had them within the last second. That there are none is taken from nobody else's look."""
        await reads.arrived()
        key, now = (product, partner, on), time.monotonic()
        if (look := self._looks.get(key)) is not None and now < look.since + REMEMBERED_S:
            terms = await asyncio.shield(look.found)
            return terms if terms is not None else await _found(reads, *key)
        if len(self._looks) >= MOST:
            self._looks.clear()
        look = self._looks[key] = _Look(now, asyncio.create_task(_remembered(self._looks, reads, key)))
        return await asyncio.shield(look.found)

    def forget(self) -> None:
        """An agreement has changed here. A look that is under way ends in what is forgotten."""
        self._looks = {}


class TradeUnits(Part):
    """The sizes of a product's trade units, in grams, largest first: its own, and those of lots in stock. Empty: it is not registered."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self._looks: dict[str, _Look[tuple[int, ...]]] = {}

    async def of(self, reads: Reads, product: str) -> tuple[int, ...]:
        """As they are, or were within the last second."""
        now, look = time.monotonic(), self._looks.get(product)
        if look is None or now >= look.since + REMEMBERED_S or _failed(look.found):
            if len(self._looks) >= MOST:
                self._looks.clear()
            look = self._looks[product] = _Look(now, asyncio.create_task(_sizes(reads, product)))
        return await asyncio.shield(look.found)


def _failed(look: asyncio.Task[Any]) -> bool:
    return look.done() and (look.cancelled() or look.exception() is not None)


async def _sizes(reads: Reads, product: str) -> tuple[int, ...]:
    async with reads.session() as session:
        if (stock := await session.get(StockRow, product)) is None:
            return ()
        found = {unit_g for unit_g, units in (await available_units(session, product)).items() if units}
    return tuple(sorted(found | {stock.nominal_unit_g}, reverse=True))


def whole_units(mass_g: int, sizes: Sequence[int]) -> int:
    """The grams of it that whole units make, largest first."""
    left_g = mass_g
    for unit_g in sizes:
        left_g %= unit_g
    return mass_g - left_g


async def _remembered(looks: _Looks, reads: Reads, key: _Key) -> TermsRead | None:
    terms: TermsRead | None = None
    try:
        terms = await _found(reads, *key)
    finally:
        if terms is None:  # neither that there are none, nor that nobody answers
            looks.pop(key, None)
    return terms


async def _found(reads: Reads, product: str, partner: PartnerCode, on: date) -> TermsRead | None:
    async with reads.session() as session:
        return (await valid_terms(session, product, [partner], on)).get(partner)
