"""Holds: stops on releases, draws and dispatch. One that spans products is put on each product's stockpile, under one id."""

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from msgspec.structs import replace
from pydantic import BaseModel
from sqlmodel import and_, col, or_, select

from services.inventory.api.fields import READERS, HoldField, HoldPath, ProductField, limited_to
from services.inventory.api.lookups import not_found, own_depots, require_partner, stockpile_of, stream_of
from services.inventory.domain.controls import CONTROLS
from services.inventory.domain.holds import ConfirmHold, LiftHold, PutOnHold
from services.inventory.domain.reasons import Reason
from services.inventory.events import HoldConfirmed, HoldId, HoldPutOn, HoldScope
from services.inventory.tables import HoldRow, ProductRow, ReleaseRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, ReasonBody, Text
from shared.http.handlers import Page, Paging, Posting, Reading, Reads, same_fields
from shared.http.problems import Problem
from shared.http.seen import seen
from shared.terms.acting_api import accounts_of_caller
from shared.terms.countersigning_api import ProposalView, propose

router = APIRouter(prefix="/v1/holds", tags=["holds"])


class HoldBody(Body):
    """`target` is the lot, product, partner or depot; a hold of scope `all` has none."""

    scope: HoldScope
    target: Text | None = None
    reason: Text
    authority: Text
    expires_on: Day | None = None  # the last day that it stops anything


class HoldView(BaseModel):
    """A hold on one product. For a partner, `reason` and `authority` are there of those on itself alone."""

    hold: str
    product: str
    scope: HoldScope | Literal["round"]  # of a round that is not ratified, which no operator lifts
    target: str | None
    reason: str | None
    authority: str | None
    put_on_on: date
    put_on_by: str | None
    lapses_at: datetime | None  # unless a second person confirms it
    confirmed_by: str | None
    expires_on: date | None
    lifted_on: date | None
    lifted_reason: str | None


SEEN_BY_PARTNER = frozenset(("hold", "product", "scope", "target", "put_on_on", "lapses_at", "expires_on", "lifted_on"))
SEEN_OF_ITS_OWN = SEEN_BY_PARTNER | {"reason", "authority", "lifted_reason"}


class HoldChange(BaseModel):
    hold: str
    products: list[str]  # on whose stockpiles it was put, or confirmed


@router.post("", status_code=201)
async def put_on_hold(
    body: HoldBody,
    caller: Annotated[Caller, allow("operator", on_duty=True)],
    post: Posting,
    reads: Reading,
) -> HoldChange:
    """By one person at once, for 72 hours: longer, if a second one confirms it.

    Nobody renews their own, under whatever scope: it is off with the first of theirs that stops any of the same, and once that one is off,
    put on no stockpile that it was on. Each stockpile takes it for itself: should the request fail midway, the same key goes on where it
    stopped.
    """
    hold = post.new_id("hld")
    command = PutOnHold(
        hold=HoldId(hold),
        scope=body.scope,
        target=None if body.scope == "product" else body.target,
        reason=post.text(body.reason),
        authority=post.text(body.authority),
        expires_on=body.expires_on,
        on=post.today,
        at=post.now,
        by=caller.subject,
        accounts=await accounts_of_caller(reads, caller),
        own_depots=await _own_depots(body, reads),
    )
    products: list[str] = []
    renewed = None
    for stream in await _streams(body, reads):
        try:
            accepted = await post.submit(stream, command, part=stream)
        except Problem as problem:
            if problem.code != Reason.HOLD_RENEWED:
                raise
            renewed = problem  # of this stockpile alone
            continue
        products += [fact.event.product for fact in accepted.facts]
        if accepted.facts:  # in all of them, the words have the salts that were drawn for the first
            put_on = accepted.event(HoldPutOn)
            command = replace(command, reason=put_on.reason, authority=put_on.authority)
    if renewed is not None and not products:
        raise renewed
    return HoldChange(hold=hold, products=products)


async def _own_depots(body: HoldBody, reads: Reads) -> tuple[str, ...] | None:
    """Looked up for a hold on a depot alone."""
    if body.scope != "depot":
        return None
    async with reads.session() as session:
        return tuple(await own_depots(session))


async def _streams(body: HoldBody, reads: Reads) -> list[str]:
    """The stockpiles that the hold goes on. Raises Problem for a target that does not exist, or that the scope has none of."""
    if (body.target is None) != (body.scope == "all"):
        wanted = "no target" if body.scope == "all" else "a target"
        raise Problem("hold_target_mismatch", f"a hold of scope {body.scope} has {wanted}", field="/target")
    match body.scope, body.target:
        case "lot", str(lot):
            return [await stockpile_of(reads, "lot", lot, "/target")]
        case "product", str(product):
            return [stream_of(product)]
        case "partner", str(partner):
            await require_partner(reads, partner)
    async with reads.session() as session:
        products = (await session.exec(select(ProductRow.product).order_by(col(ProductRow.product)))).all()
    if not products:
        raise Problem("product_not_found", "no product is registered")
    return [stream_of(product) for product in products]


@router.post("/{hold}/confirm")
async def confirm_hold(
    hold: HoldPath, caller: Annotated[Caller, allow("operator", "approver", on_duty=True)], post: Posting, reads: Reading
) -> HoldChange:
    """By a second person: it does not lapse any more."""
    command = ConfirmHold(hold=HoldId(hold), by=caller.subject, accounts=await accounts_of_caller(reads, caller))
    products: list[str] = []
    for stream in await _streams_with(reads, hold):
        accepted = await post.submit(stream, command, part=stream)
        products.append(accepted.event(HoldConfirmed).product)
    return HoldChange(hold=hold, products=products)


async def _streams_with(reads: Reads, hold: str) -> list[str]:
    """The stockpiles that still have it."""
    on = select(HoldRow.product).where(HoldRow.hold == hold, col(HoldRow.lifted_on).is_(None)).order_by(col(HoldRow.product))
    async with reads.session() as session:
        streams = [stream_of(product) for product in (await session.exec(on)).all()]
    if not streams:
        raise not_found("hold", hold)
    return streams


@router.post("/{hold}/lift", status_code=202)
async def lift_hold(
    hold: HoldPath,
    body: ReasonBody,
    caller: Annotated[Caller, allow("operator")],
    post: Posting,
    reads: Reading,
) -> ProposalView:
    """Signed, from every stockpile that still has it. The signer cites the authority."""
    streams = await _streams_with(reads, hold)
    return await propose(
        post, CONTROLS, streams[0], LiftHold(hold=HoldId(hold), reason=post.text(body.reason), capacity=None), *streams[1:]
    )


@router.get("")
async def list_holds(
    caller: Annotated[Caller, allow(*READERS, "partner")],
    pages: Paging,
    product: Annotated[ProductField | None, Query()] = None,
    hold: Annotated[HoldField | None, Query(description="one, on each product that it was put on")] = None,
    active: Annotated[bool, Query(description="only those that are still on")] = False,
) -> Page[HoldView]:
    """A partner sees those on itself and, of products that were released to it, those on the product, on its rounds, or on everything."""
    query = select(HoldRow).where(col(HoldRow.lifted_on).is_(None)) if active else select(HoldRow)
    only = {HoldRow.product: product, HoldRow.hold: hold}
    if (partner := limited_to(caller)) is None:
        return await pages.of(query, HoldRow.id, same_fields(HoldView), only=only)
    own = col(HoldRow.product).in_(select(ReleaseRow.product).where(ReleaseRow.partner == partner))
    its_rounds = col(HoldRow.target).in_(select(ReleaseRow.round).where(ReleaseRow.partner == partner))
    on_it = and_(col(HoldRow.scope) == "partner", col(HoldRow.target) == partner)
    on_its = and_(own, or_(col(HoldRow.scope).in_(("product", "all")), and_(col(HoldRow.scope) == "round", its_rounds)))
    return await pages.of(query.where(or_(on_it, on_its)), HoldRow.id, _as_its_partner_sees, only=only)


def _as_its_partner_sees(row: HoldRow) -> HoldView:
    view = HoldView.model_validate(row, from_attributes=True)
    return seen(view, SEEN_OF_ITS_OWN if row.scope == "partner" else SEEN_BY_PARTNER)
