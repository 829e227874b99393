"""Me: who the caller is to the Reserve, what they may do here, and how much of it is left."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.lookups import valid_terms
from services.allocation.events import PartnerCode
from services.allocation.tables.authority import ApproverKeyRow, InstrumentRow
from services.allocation.tables.partners import AgreementRow
from shared.http.auth import Caller, allow
from shared.http.handlers import Reading, Reads

router = APIRouter(prefix="/v1/me", tags=["me"])


class EntitlementView(BaseModel):
    """Of one product, today: the most that rounds award in this year of the agreement, and what of it is left."""

    product: str
    agreement: str
    year_from: date
    yearly_quota_g: int
    used_g: int
    left_g: int


class PowerView(BaseModel):
    """An instrument that the caller holds, or acts under as somebody's officer, and that is in force today. No product: all of them."""

    instrument: str
    title: str
    office: str
    acts: list[str]
    products: list[str]
    limit_g: int | None
    limit_minor: int | None
    currency: str | None
    valid_until: date


class OwnKeyView(BaseModel):
    key: str
    enrolled_on: date


class MeView(BaseModel):
    """`subject`: how approvals and events name the caller. `keys`, `powers`: of who decides; `entitlements`: of a partner."""

    subject: str
    client: str
    roles: list[str]
    partner: str | None
    nominee: str | None
    borrower: str | None
    keys: list[OwnKeyView]
    powers: list[PowerView]
    entitlements: list[EntitlementView]


@router.get("")
async def show_me(caller: Annotated[Caller, allow()], reads: Reading) -> MeView:
    """By the token alone. A role lets its holder ask; what a person decides needs a power, too."""
    async with reads.session() as session:
        keys = await session.exec(
            select(ApproverKeyRow).where(ApproverKeyRow.subject == caller.subject, col(ApproverKeyRow.revoked_on).is_(None))
        )
        return MeView(
            subject=caller.subject,
            client=caller.client_id,
            roles=sorted(caller.roles),
            partner=caller.partner,
            nominee=caller.nominee,
            borrower=caller.borrower,
            keys=[OwnKeyView(key=row.key, enrolled_on=row.enrolled_on) for row in keys],
            powers=await _powers(session, caller.subject, reads.today),
            entitlements=[]
            if caller.partner is None or caller.nominee is not None
            else await _entitlements(session, reads, caller.partner),
        )


async def _powers(session: AsyncSession, subject: str, on: date) -> list[PowerView]:
    theirs = or_(InstrumentRow.holder == subject, col(InstrumentRow.acting).contains([{"subject": subject}]))
    rows = await session.exec(
        select(InstrumentRow).where(
            theirs,
            or_(col(InstrumentRow.ended_on).is_(None), col(InstrumentRow.ended_on) > on),
            col(InstrumentRow.valid_from) <= on,
            col(InstrumentRow.valid_until) >= on,
        )
    )
    return [PowerView.model_validate(row, from_attributes=True) for row in rows if row.holder == subject or _acts(row, subject, on)]


def _acts(row: InstrumentRow, subject: str, on: date) -> bool:
    return any(each["subject"] == subject and each["valid_from"] <= on.isoformat() <= each["valid_until"] for each in row.acting)


async def _entitlements(session: AsyncSession, reads: Reads, partner: str) -> list[EntitlementView]:
    own = (await session.exec(select(AgreementRow.products).where(AgreementRow.partner == partner))).all()
    found = []
    for product in sorted({terms["product"] for products in own for terms in products}):
        for terms in (await valid_terms(session, product, [PartnerCode(partner)], reads.today)).values():
            book, _ = await reads.state(f"book/{product}")
            used_g = book.used_g(terms.agreement, terms.year_from)
            found.append(
                EntitlementView(
                    product=product,
                    agreement=terms.agreement,
                    year_from=terms.year_from,
                    yearly_quota_g=terms.quota_g,
                    used_g=used_g,
                    left_g=max(0, terms.quota_g - used_g),
                )
            )
    return found
