"""The terms that a request is made under, and the units that it comes in, remembered for a moment: a partner asks by the hundred, and the
query would cost more than the request does. What this process changes is forgotten at once; what another one does counts a second later,
here. A round looks the terms up itself when it is proposed and certified."""

from collections.abc import Sequence
from datetime import date

from services.allocation.api.lookups import available_units, valid_terms
from services.allocation.domain.book.lapses import TermsRead
from services.allocation.events import PartnerCode
from services.allocation.tables.supply import StockRow
from shared.http.handlers import Reads
from shared.http.remembered import Remembered
from shared.process.service import Part


class RecentTerms(Remembered[tuple[str, PartnerCode, date], TermsRead | None], Part):
    async def of(self, reads: Reads, product: str, partner: PartnerCode, on: date) -> TermsRead | None:
        """As `valid_terms` has them, or had them within the last second. That there are none is taken from nobody else's look."""
        await reads.arrived()
        terms = await self.remembered((product, partner, on), lambda: _found(reads, product, partner, on))
        return terms if terms is not None else await _found(reads, product, partner, on)


class TradeUnits(Remembered[str, tuple[int, ...]], Part):
    """The sizes of a product's trade units, in grams, largest first: its own, and those of lots in stock. Empty: it is not registered."""

    async def of(self, reads: Reads, product: str) -> tuple[int, ...]:
        """As they are, or were within the last second."""
        return await self.remembered(product, lambda: _sizes(reads, product))


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


async def _found(reads: Reads, product: str, partner: PartnerCode, on: date) -> TermsRead | None:
    async with reads.session() as session:
        return (await valid_terms(session, product, [partner], on)).get(partner)
