"""Which parties of a request its agreement has cleared before, by the readiness register. One that it has not is no stop."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, Field
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.lookups import valid_terms
from services.allocation.background.party_screening import parties_of
from services.allocation.events import PartnerCode, PartyRole
from services.allocation.tables.book import RequestRow
from services.allocation.tables.clocks import ItemStatus, ReadinessItemRow
from shared.terms.matching import match, words_of

REGISTERED: tuple[PartyRole, ...] = ("nominee", "consignee")  # the parties that a register has


class PreClearanceView(BaseModel):
    """`until` null: for good, or not at all."""

    role: PartyRole
    party: str
    cleared: bool
    item: Annotated[str | None, Field(description="of the readiness register")]
    until: date | None


async def pre_clearance(session: AsyncSession, row: RequestRow, on: date) -> list[PreClearanceView]:
    """Of the parties that the request names, as of that day. A name is the register's if both have the same words."""
    partner = PartnerCode(row.partner)
    terms = (await valid_terms(session, row.product, [partner], on)).get(partner)
    items: list[ReadinessItemRow] = []
    if terms is not None:
        held = select(ReadinessItemRow).where(
            ReadinessItemRow.agreement == terms.agreement,
            ReadinessItemRow.product == row.product,
            ReadinessItemRow.status == ItemStatus.CLEARED.value,
            or_(col(ReadinessItemRow.until).is_(None), col(ReadinessItemRow.until) >= on),
        )
        items = list((await session.exec(held.order_by(col(ReadinessItemRow.item)))).all())
    return [_of(role, party, items) for role, party in parties_of(row).items() if role in REGISTERED]


def _of(role: PartyRole, party: str, items: list[ReadinessItemRow]) -> PreClearanceView:
    words = words_of(party)
    fitting = [item for item in items if item.kind == role and match(words_of(item.name), words) == "exact"]
    if not fitting:
        return PreClearanceView(role=role, party=party, cleared=False, item=None, until=None)
    longest = max(fitting, key=lambda item: item.until or date.max)
    return PreClearanceView(role=role, party=party, cleared=True, item=longest.item, until=longest.until)
