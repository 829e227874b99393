"""Lookups: which stockpile a thing is in. That never changes, so it is remembered, and the way to a draw asks no database."""

from collections import OrderedDict
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.inventory.tables import DrawRow, LotRow, MoveRow, PartnerRow, ProductRow, ReleaseRow, RightRow
from shared.http.handlers import Reads
from shared.http.problems import Problem
from shared.process.service import Kernel, Part

REMEMBERED = 200_000  # some 40 MB at most

_COLUMNS: dict[str, tuple[Any, Any]] = {
    "lot": (LotRow.lot, LotRow.product),
    "right": (RightRow.right, RightRow.product),
    "release": (ReleaseRow.release, ReleaseRow.product),
    "draw": (DrawRow.draw, DrawRow.product),
}


class Stockpiles(Part):
    """Which one a lot, right, release or draw is in: id -> stream, as far as it was asked."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self.known: OrderedDict[str, str] = OrderedDict()

    def remember(self, identifier: str, stream: str) -> None:
        self.known[identifier] = stream
        if len(self.known) > REMEMBERED:
            self.known.popitem(last=False)


def stream_of(product: str) -> str:
    return f"stockpile/{product}"


async def stockpile_of(reads: Reads, kind: str, identifier: str, field: str | None = None) -> str:
    """The stream of a lot's, right's, release's or draw's stockpile. Raises Problem `lot_not_found` and so on."""
    stockpiles: Stockpiles = reads.kernel.part(Stockpiles)
    if (known := stockpiles.known.get(identifier)) is not None:
        return known
    key, product = _COLUMNS[kind]
    async with reads.session() as session:
        found = (await session.exec(select(product).where(col(key) == identifier))).first()
    if found is None:
        raise not_found(kind, identifier, field)
    stream = stream_of(found)
    stockpiles.remember(identifier, stream)
    return stream


async def version_of(session: AsyncSession, product: str) -> int:
    """Of the product's stockpile: the ETag of whatever is in it."""
    return (await session.exec(select(ProductRow.version).where(ProductRow.product == product))).one()


async def own_depots(session: AsyncSession) -> list[str]:
    """All that goods were ever taken in to: a lot stands in one of them, or was moved out of it."""
    now, before = await session.exec(select(LotRow.depot).distinct()), await session.exec(select(MoveRow.from_depot).distinct())
    return sorted({*now.all(), *before.all()})


async def require_partner(reads: Reads, partner: str) -> None:
    async with reads.session() as session:
        if await session.get(PartnerRow, partner) is None:
            raise Problem("partner_not_found", f"no partner {partner} is registered", field="/target")


def not_found(kind: str, identifier: str, field: str | None = None) -> Problem:
    """The same for what is unknown and for what is another partner's. `field`: where the id stood, if not in the path."""
    return Problem(f"{kind}_not_found", f"there is no {kind} {identifier}", field=field or f"path:{kind}")
