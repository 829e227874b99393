"""Readiness of an agreement's product: what is cleared, and how soon first grams could arrive. An operator keeps it; a partner sees
its own."""

from datetime import date
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.fields import READERS, AgreementField, ClockField, ProductField, limited_to
from services.allocation.domain.figures import CLOCKS, READINESS_WARN_DAYS
from services.allocation.domain.policies.terms import STANDARD
from services.allocation.domain.readiness.first_grams import ClearedItem, FirstGrams, first_grams
from services.allocation.domain.readiness.readiness import ClearItem, RenewItem, WithdrawItem
from services.allocation.events import AgreementId, PartnerCode, ProductId, SubjectId
from services.allocation.events.readiness import ItemId, ItemKind, ReadinessCleared, ReadinessRenewed, ReadinessWithdrawn
from services.allocation.settings import leads
from services.allocation.tables.clocks import ItemStatus, ReadinessItemRow
from services.allocation.tables.partners import AgreementRow
from shared.http.auth import Caller, allow
from shared.http.fields import TYPEID, Body, Day, ReasonBody, Text
from shared.http.handlers import Posting, Reading, Reads
from shared.http.problems import Problem

router = APIRouter(prefix="/v1/readiness", tags=["readiness"])

ItemPath = Annotated[str, Path(pattern=f"^rdy_{TYPEID}$")]


class ItemBody(Body):
    agreement: AgreementField
    product: ProductField
    kind: ItemKind
    name: Text  # who or what is cleared: a company, a permit's number, "Fremantle-Kobe"; never a person's name
    evidence: Text
    until: Day | None = None  # the last day that it holds; for good, if it is not said


class RenewalBody(Body):
    evidence: Text
    until: Day | None = None


class ItemView(BaseModel):
    item: str
    kind: ItemKind
    name: str
    evidence: str
    cleared_on: date
    until: date | None
    status: ItemStatus


class CauseView(BaseModel):
    kind: ItemKind
    status: Literal["missing", "expired", "expires"]  # expires: before the goods would leave
    name: str | None
    until: date | None
    lead_days: int
    working_days: bool
    ready_on: date
    says: str


class ReadinessView(BaseModel):
    """`days` null: nothing can be asked for on that day, and `says` why."""

    agreement: str
    product: str
    on: date
    clock: str
    days: int | None
    first_grams_on: date | None
    leaves_on: date | None
    says: str
    causes: list[CauseView]  # the slowest first
    items: list[ItemView]


class ItemChange(BaseModel):
    item: str
    agreement: str
    product: str
    kind: ItemKind
    name: str
    status: ItemStatus
    until: date | None = None


@router.get("")
async def show_readiness(
    caller: Annotated[Caller, allow(*READERS, "partner")],
    reads: Reading,
    agreement: Annotated[AgreementField, Query()],
    product: Annotated[ProductField, Query()],
    clock: Annotated[ClockField, Query(description="whose days of dispatch and transport are added")] = STANDARD,
    on: Annotated[Day | None, Query(description="as if asked for on that day, and nothing renewed before; today, if not said")] = None,
) -> ReadinessView:
    day = on or reads.today
    async with reads.session() as session:
        terms = await _agreement(session, agreement, caller, "query:")
        if (problem := _not_about(terms, product, "query:")) is not None:
            raise problem
        of_product = (ReadinessItemRow.agreement == agreement, ReadinessItemRow.product == product)
        kept = select(ReadinessItemRow).where(*of_product, ReadinessItemRow.status != ItemStatus.WITHDRAWN)
        rows = (await session.exec(kept.order_by(col(ReadinessItemRow.kind), col(ReadinessItemRow.name)))).all()
    found = first_grams(
        [ClearedItem(kind=cast("ItemKind", row.kind), name=row.name, until=row.until) for row in rows],
        leads().of(product),
        day,
        **_way(clock),
    )
    stop = _stop(terms, day)
    return ReadinessView(
        agreement=agreement,
        product=product,
        on=day,
        clock=clock,
        days=found.days if stop is None else None,
        first_grams_on=found.arrives_on if stop is None else None,
        leaves_on=found.leaves_on if stop is None else None,
        says=str(found) if stop is None else f"no first grams, because {stop}",
        causes=_causes(found),
        items=[ItemView.model_validate(row, from_attributes=True) for row in rows],
    )


def _way(clock: str) -> dict[str, int]:
    """From cleared to dispatched, and from dispatched to delivered. Raises Problem `clock_unknown`."""
    limits = CLOCKS.get(clock)
    if limits is None:
        raise Problem("clock_unknown", f"there is no clock {clock!r}", field="query:clock", accepted=", ".join(sorted(CLOCKS)))
    return {"dispatch_days": limits["dispatched"] - limits["cleared"], "transport_days": limits["delivered"] - limits["dispatched"]}


def _stop(terms: AgreementRow, on: date) -> str | None:
    if terms.ended:
        return "the agreement has ended"
    if terms.suspended:
        return "the agreement is suspended"
    return None if terms.valid_from <= on <= terms.valid_until else f"the agreement is valid from {terms.valid_from} to {terms.valid_until}"


def _causes(found: FirstGrams) -> list[CauseView]:
    return [
        CauseView(
            kind=cause.kind,
            status=cause.status,
            name=cause.name,
            until=cause.until,
            lead_days=cause.lead.days,
            working_days=cause.lead.working,
            ready_on=cause.ready_on,
            says=str(cause),
        )
        for cause in found.causes
    ]


@router.post("/items", status_code=201)
async def clear_item(body: ItemBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading) -> ItemChange:
    async with reads.session() as session:
        terms = await _agreement(session, body.agreement, caller, "/")
    command = _not_about(terms, body.product, "/") or ClearItem(
        agreement=AgreementId(body.agreement),
        product=ProductId(body.product),
        partner=PartnerCode(terms.partner),
        item=ItemId(post.new_id("rdy")),
        kind=body.kind,
        name=body.name,
        evidence=post.text(body.evidence),
        by=SubjectId(caller.subject),
        until=body.until,
        warn_days=READINESS_WARN_DAYS,
        on=post.today,
    )
    event = (await post.submit(_stream(body.agreement, body.product), command)).event(ReadinessCleared)
    return _changed(event, ItemStatus.CLEARED, event.until)


@router.post("/items/{item}/renew")
async def renew_item(
    item: ItemPath, body: RenewalBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> ItemChange:
    command = RenewItem(
        item=ItemId(item),
        evidence=post.text(body.evidence),
        by=SubjectId(caller.subject),
        until=body.until,
        warn_days=READINESS_WARN_DAYS,
        on=post.today,
    )
    event = (await post.submit(await _register(reads, item), command)).event(ReadinessRenewed)
    return _changed(event, ItemStatus.CLEARED, event.until)


@router.post("/items/{item}/withdraw")
async def withdraw_item(
    item: ItemPath, body: ReasonBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> ItemChange:
    command = WithdrawItem(item=ItemId(item), reason=post.text(body.reason))
    event = (await post.submit(await _register(reads, item), command)).event(ReadinessWithdrawn)
    return _changed(event, ItemStatus.WITHDRAWN, None)


async def _agreement(session: AsyncSession, agreement: str, caller: Caller, at: str) -> AgreementRow:
    """`at`: what a problem's field begins with. Raises Problem `agreement_not_found`, also for another partner's."""
    row = await session.get(AgreementRow, agreement)
    if row is None or limited_to(caller) not in (None, row.partner):
        raise Problem("agreement_not_found", f"there is no agreement {agreement}", field=f"{at}agreement")
    return row


def _not_about(agreement: AgreementRow, product: str, at: str) -> Problem | None:
    """The problem `product_not_found`, of a product that the agreement does not name."""
    if product in {terms["product"] for terms in agreement.products}:
        return None
    return Problem("product_not_found", f"{agreement.agreement} is not about {product}", field=f"{at}product")


async def _register(reads: Reads, item: str) -> str:
    """The stream of an item's register. Raises Problem `readiness_item_not_found`."""
    async with reads.session() as session:
        row = await session.get(ReadinessItemRow, item)
    if row is None:
        raise Problem("readiness_item_not_found", f"there is no item {item}", field="path:item")
    return _stream(row.agreement, row.product)


def _stream(agreement: str, product: str) -> str:
    return f"readiness/{agreement}.{product}"


def _changed(event: ReadinessCleared | ReadinessRenewed | ReadinessWithdrawn, status: ItemStatus, until: date | None) -> ItemChange:
    return ItemChange(
        item=event.item,
        agreement=event.agreement,
        product=event.product,
        kind=event.kind,
        name=event.name,
        status=status,
        until=until,
    )
