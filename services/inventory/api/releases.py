"""Releases: stock reserved for partners by certified rounds. A partner sees and draws its own."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, StrictBool
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.inventory.api.draws import DrawnView, view_drawn
from services.inventory.api.fields import READERS, LotField, ProductField, ReleaseField, ReleasePath, draws_for, limited_to
from services.inventory.api.lookups import not_found, stockpile_of, stream_of, version_of
from services.inventory.api.signing import PartnerKeys, signed_draw
from services.inventory.domain.controls import CONTROLS
from services.inventory.domain.draws import MAX_PARCELS, DrawStock
from services.inventory.domain.releases import CancelRelease
from services.inventory.domain.state import SUSPENSION
from services.inventory.events import DrawId, LotId, ReleaseId
from services.inventory.tables import AwardedLoanRow, HoldRow, ReleaseRow, ReleaseStatus
from shared.http.auth import Caller, allow
from shared.http.bulk import Alone, BulkBody, BulkView, Keyed, bulk
from shared.http.fields import Body, PositiveGrams, ReasonBody
from shared.http.handlers import Page, Paging, Post, Posting, Reading, Reads, same_fields
from shared.http.problems import Problem
from shared.terms.countersigning_api import ProposalView, propose
from shared.terms.signing_api import SignatureField

router = APIRouter(prefix="/v1/releases", tags=["releases"])
bulk_router = APIRouter(prefix="/v1/draws", tags=["draws"])


class DrawBody(Body):
    """First-expiring then oldest lots, unless `lots` names them."""

    mass_g: PositiveGrams
    lots: Annotated[tuple[LotField, ...], Field(max_length=MAX_PARCELS)] = ()
    assign_rights: StrictBool = False  # take firm rights for what lots do not cover
    signature: SignatureField | None = Field(default=None, description="of a partner that has keys: `key:signature`, over its paper")


class DrawItem(Keyed, DrawBody):
    release: ReleaseField


class UnitsView(BaseModel):
    nominal_unit_g: int
    units: int


class PinnedView(BaseModel):
    lot: str
    nominal_unit_g: int
    units: int


class ReleaseView(BaseModel):
    """`lots`: which it was pinned to by its decision, or is since rights stood in for some of them; None: it is met from any."""

    release: str
    product: str
    partner: str
    round: str
    decision: str
    award: str
    request: str
    units: list[UnitsView]  # of lots
    rights_g: int  # of rights
    mass_g: int  # both together
    remaining_g: int  # not drawn; what was so when it lapsed or was cancelled
    status: ReleaseStatus
    released_on: date
    expires_on: date
    reason: str | None
    lots: list[PinnedView] | None = None


class ReleaseLoanView(BaseModel):
    """It is drawn once it is committed, and comes back by `return_on`. `committed`: by what, if it is."""

    award: str
    return_on: date
    committed: str | None


class ReleaseDetail(ReleaseView):
    """`held_since`: the Reserve holds it, and it cannot be drawn; once the hold is off, `expires_on` moves by as long."""

    held_since: date | None
    held_until: date | None  # the last day that the hold stops anything; None: until it is lifted
    loan: ReleaseLoanView | None  # None: it is not lent


@router.get("")
async def list_releases(
    caller: Annotated[Caller, allow(*READERS, "partner")],
    pages: Paging,
    product: Annotated[ProductField | None, Query()] = None,
    status: Annotated[ReleaseStatus | None, Query()] = None,
) -> Page[ReleaseView]:
    return await pages.of(
        select(ReleaseRow),
        ReleaseRow.release,
        same_fields(ReleaseView),
        only={ReleaseRow.partner: limited_to(caller), ReleaseRow.product: product, ReleaseRow.status: status},
    )


@router.get("/{release}")
async def show_release(
    release: ReleasePath,
    caller: Annotated[Caller, allow(*READERS, "partner")],
    reads: Reading,
    response: Response,
) -> ReleaseDetail:
    async with reads.session() as session:
        row = await session.get(ReleaseRow, release)
        if row is None or limited_to(caller) not in (None, row.partner):
            raise not_found("release", release)
        loan = await session.get(AwardedLoanRow, release)
        hold = await _held(session, row)
        reads.etag(response, caller, stream_of(row.product), await version_of(session, row.product))
    held = {"held_since": None if hold is None else hold.put_on_on, "held_until": None if hold is None else hold.expires_on}
    return ReleaseDetail.model_validate(row.model_dump() | held | {"loan": _loan(loan, row.decision)})


async def _held(session: AsyncSession, row: ReleaseRow) -> HoldRow | None:
    """The longest hold of the Reserve's own on all that is left of a release."""
    if row.status != ReleaseStatus.OPEN:
        return None
    stops = {("all", None), ("product", None), ("partner", row.partner), ("round", row.round)}
    standing = select(HoldRow).where(HoldRow.product == row.product, col(HoldRow.lifted_on).is_(None)).order_by(col(HoldRow.put_on_on))
    holds = [
        hold
        for hold in await session.exec(standing)
        if (hold.scope, hold.target) in stops and not (hold.authority.startswith(SUSPENSION) and hold.confirmed_by is not None)
    ]
    return next((hold for hold in holds if hold.expires_on is None), max(holds, key=lambda hold: hold.expires_on or date.max, default=None))


def _loan(row: AwardedLoanRow | None, decision: str) -> ReleaseLoanView | None:
    """Of the decision that the release is by: an earlier one may have awarded a loan, and been refused."""
    if row is None or row.award is None or row.return_on is None or row.decision != decision:
        return None
    committed = row.gate["evidence"] if row.gate is not None and row.opened_for == decision else None
    return ReleaseLoanView(award=row.award, return_on=row.return_on, committed=committed)


@router.post("/{release}/draws", status_code=201)
async def draw_stock(
    release: ReleasePath,
    body: DrawBody,
    caller: Annotated[Caller, allow("operator", "partner", on_duty=True)],
    post: Posting,
    reads: Reading,
) -> DrawnView:
    """Take stock, in part or whole: goods from lots, or an assignment of rights. Rights in place of goods a partner takes itself."""
    partner = draws_for(caller)
    keys = await reads.kernel.part(PartnerKeys).known()
    signed = None if body.signature is None else signed_draw(reads, post, keys, release, body)
    command = DrawStock(
        draw=DrawId(post.new_id("drw")),
        release=ReleaseId(release),
        partner=partner,
        mass_g=body.mass_g,
        lots=tuple(LotId(lot) for lot in body.lots),
        assign_rights=body.assign_rights,
        signers=keys.signers,
        signed=None if isinstance(signed, Problem) else signed,
        on=post.today,
    )
    stream = await stockpile_of(reads, "release", release)
    try:
        accepted = await post.submit(stream, signed if isinstance(signed, Problem) else command)
    except Problem as problem:
        if problem.code == "release_not_found":
            raise await _why_closed(reads, release, partner) from problem
        raise
    return view_drawn(accepted.facts)


@bulk_router.post("/bulk")
async def draw_in_bulk(
    body: BulkBody[DrawItem],
    caller: Annotated[Caller, allow("operator", "partner", on_duty=True)],
    post: Posting,
    reads: Reading,
) -> BulkView[DrawnView]:
    """Up to 500 draws, each as if it had been asked for alone. `atomic`: all of them or none, of one product."""

    async def draw(item: DrawItem, own: Post) -> DrawnView:
        return await draw_stock(item.release, item, caller, own, reads)

    return await bulk(post, body, Alone(route="/v1/releases/{release}/draws", ids=("release",), handle=draw, view=DrawnView))


async def _why_closed(reads: Reads, release: str, partner: str | None) -> Problem:
    """The stockpile forgets a release that has ended; the table remembers how."""
    async with reads.session() as session:
        row = await session.get(ReleaseRow, release)
    if row is None or partner not in (None, row.partner):
        return not_found("release", release)
    match ReleaseStatus(row.status):
        case ReleaseStatus.LAPSED:
            return Problem("release_lapsed", f"the release could be drawn through {row.expires_on}")
        case ReleaseStatus.CANCELLED:
            return Problem("release_cancelled", "what was left of the release was taken back")
        case _:
            return Problem("release_exceeded", "nothing is left of the release", field="/mass_g")


@router.post("/{release}/cancel", status_code=202)
async def cancel_release(
    release: ReleasePath,
    body: ReasonBody,
    caller: Annotated[Caller, allow("operator")],
    post: Posting,
    reads: Reading,
) -> ProposalView:
    """Signed, what is left of it is available again. The signer cites the authority."""
    command = CancelRelease(release=ReleaseId(release), reason=post.text(body.reason), capacity=None)
    return await propose(post, CONTROLS, await stockpile_of(reads, "release", release), command)
