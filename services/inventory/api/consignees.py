"""Consignees: to whom the goods of a release may go, as allocation has told, and what shows that they may."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.inventory.domain.consignees import CONSIGNEE_CLEARED, CONSIGNEE_NAMED
from services.inventory.events import GateEvidence
from services.inventory.tables import KnownListRow, NamedConsigneeRow, ReleaseRow, ScreenedConsigneeRow


async def consignees_of(session: AsyncSession, release: str) -> dict[str, NamedConsigneeRow]:
    """By name. A release of a request that was accepted before these were told has those alone that were approved for it since."""
    released = await session.get(ReleaseRow, release)
    assert released is not None, "what is drawn was released"
    named = select(NamedConsigneeRow).where(col(NamedConsigneeRow.subject).in_((released.request, released.award)))
    rows = (await session.exec(named.order_by(col(NamedConsigneeRow.subject), col(NamedConsigneeRow.name)))).all()
    return {row.name: row for row in rows}


async def consignee_gates(session: AsyncSession, consignees: dict[str, NamedConsigneeRow], name: str) -> tuple[GateEvidence, ...]:
    """Those that are met. Each begins with the place in allocation's journal that shows it."""
    if (named := consignees.get(name)) is None:
        return ()
    by = named.approved_by or "allocation"
    gate = GateEvidence(gate=CONSIGNEE_NAMED, evidence=f"{named.place} names {name} for {named.subject}", by=by)
    screened = await session.get(ScreenedConsigneeRow, name)
    if screened is None or not screened.clear:
        return (gate,)
    in_force = (await session.exec(select(KnownListRow).where(~col(KnownListRow.withdrawn)))).all()
    if any(screened.lists.get(row.list) != row.version for row in in_force):
        return (gate,)  # a list has come into force since: allocation looks the name up in it
    lists = ", ".join(f"{each} {version}" for each, version in sorted(screened.lists.items())) or "no list, as none is in force"
    return gate, GateEvidence(gate=CONSIGNEE_CLEARED, evidence=f"{screened.place} clears {name} by {lists}", by="allocation")
