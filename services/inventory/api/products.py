"""Products: what is reserved, with its balances, and the stock that rounds must leave."""

from datetime import date
from typing import Annotated

import msgspec
from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlmodel import col, or_, select

from services.inventory.api.fields import READERS, Contents, PartnerField, ProductField, ProductPath, ScaleField, Share
from services.inventory.api.lookups import not_found, stream_of
from services.inventory.domain.controls import CONTROLS
from services.inventory.domain.products import RegisterProduct, SetProtectedStock, SetReceiptGrade, StandingHold
from services.inventory.domain.state import SUSPENSION
from services.inventory.domain.weighing import SetWeighingTolerance
from services.inventory.events import Form, Grade, ProductId
from services.inventory.tables import HoldRow, ProductRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, PositiveGrams, Text, WholeGrams
from shared.http.handlers import Page, Paging, Posting, Reading, Reads
from shared.terms.countersigning_api import ProposalView, propose

router = APIRouter(prefix="/v1/products", tags=["products"])


class ProductBody(Body):
    product: ProductField
    name: Text
    contents: Contents
    form: Form
    unit: Text  # the trade unit's name
    nominal_unit_g: PositiveGrams
    specification: Text


class ProtectedStockBody(Body):
    """`authority`: who approved that it is kept."""

    mass_g: WholeGrams
    authority: Text = "none named"
    reason: Text


class ReceiptGradeBody(Body):
    """`grade`: which a draw's receipt needs before its goods leave: signed by the log, or witnessed as well."""

    grade: Grade
    reason: Text


class WeighingToleranceBody(Body):
    """How far a weighing may be from its draw before another person signs it: under a partner's contract, on a scale, or (neither) for
    partners without one."""

    partner: PartnerField | None = None
    scale: ScaleField | None = None
    tolerance: Share  # of the draw's mass: "1/500", at most 1/100; "0": each difference is signed for
    reason: Text


class Balances(BaseModel):
    """Grams. `short_g`: more is released than is there, since an assay failed what releases had reserved."""

    available_g: int = 0
    released_g: int = 0
    drawn_g: int = 0
    dispatched_g: int = 0
    quarantined_g: int = 0
    protected_g: int = 0
    short_g: int = 0
    released_rights_g: int = 0
    assigned_g: int = 0


class ProductView(BaseModel):
    product: str
    name: str
    contents: dict[str, str]
    form: Form
    unit: str
    nominal_unit_g: int
    specification: str
    receipt_grade: Grade
    weighing_tolerances: dict[str, str]  # of the "product", a "partner/JP" or a "scale/PKL-2"; the product's is 1/200 where none is set
    balances: Balances


def _view(row: ProductRow) -> ProductView:
    balances = Balances(
        available_g=max(0, row.in_stock_g - row.released_g),
        released_g=row.released_g,
        drawn_g=row.drawn_g,
        dispatched_g=row.dispatched_g,
        quarantined_g=row.quarantined_g,
        protected_g=row.protected_g,
        short_g=max(0, row.released_g - row.in_stock_g),
        released_rights_g=row.released_rights_g,
        assigned_g=row.assigned_g,
    )
    return ProductView.model_validate(row.model_dump() | {"balances": balances, "receipt_grade": row.receipt_grade or "signed"})


@router.post("", status_code=202)
async def register_product(body: ProductBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading) -> ProposalView:
    """With the holds that are on everything, a partner or a depot: they stop the new product too."""
    command = RegisterProduct(
        product=ProductId(body.product),
        name=body.name,
        contents=dict(body.contents),
        form=body.form,
        unit=body.unit,
        nominal_unit_g=body.nominal_unit_g,
        specification=body.specification,
        holds=await _standing_holds(reads, post.today),
    )
    return await propose(post, CONTROLS, stream_of(body.product), command)


async def _standing_holds(reads: Reads, on: date) -> tuple[StandingHold, ...]:
    standing = select(HoldRow).where(
        col(HoldRow.scope).in_(("all", "partner", "depot")),
        col(HoldRow.lifted_on).is_(None),
        or_(col(HoldRow.expires_on).is_(None), col(HoldRow.expires_on) >= on),
        ~col(HoldRow.authority).startswith(SUSPENSION),
    )
    async with reads.session() as session:
        rows = {row.hold: row for row in (await session.exec(standing.order_by(col(HoldRow.hold)))).all()}
    return tuple(msgspec.convert(row, StandingHold, from_attributes=True) for row in rows.values())


@router.get("")
async def list_products(caller: Annotated[Caller, allow(*READERS)], pages: Paging) -> Page[ProductView]:
    return await pages.of(select(ProductRow), ProductRow.product, _view)


@router.get("/{product}")
async def show_product(product: ProductPath, caller: Annotated[Caller, allow(*READERS)], reads: Reading, response: Response) -> ProductView:
    async with reads.session() as session:
        row = await session.get(ProductRow, product)
    if row is None:
        raise not_found("product", product)
    reads.etag(response, caller, stream_of(product), row.version)
    return _view(row)


@router.post("/{product}/protected-stock", status_code=202)
async def set_protected_stock(
    product: ProductPath, body: ProtectedStockBody, caller: Annotated[Caller, allow("operator")], post: Posting
) -> ProposalView:
    """The grams of lots that no round may release. It is proposed, and another person signs it: less opens stock, and more keeps it from
    rounds for good. What cannot wait is put on hold."""
    command = SetProtectedStock(mass_g=body.mass_g, authority=post.text(body.authority), reason=post.text(body.reason))
    return await propose(post, CONTROLS, stream_of(product), command)


@router.post("/{product}/receipt-grade", status_code=202)
async def set_receipt_grade(
    product: ProductPath, body: ReceiptGradeBody, caller: Annotated[Caller, allow("operator")], post: Posting
) -> ProposalView:
    """Which grade the receipt of a draw needs before its goods leave. It is proposed, and another person signs it."""
    return await propose(post, CONTROLS, stream_of(product), SetReceiptGrade(grade=body.grade, reason=post.text(body.reason)))


@router.post("/{product}/weighing-tolerance", status_code=202)
async def set_weighing_tolerance(
    product: ProductPath, body: WeighingToleranceBody, caller: Annotated[Caller, allow("operator")], post: Posting
) -> ProposalView:
    """What a scale may be wrong by. It is proposed, and another person signs it. Of a contract's and a scale's the narrower counts; once a
    scale has one, each weighing of the product names its scale."""
    reason = post.text(body.reason)
    command = SetWeighingTolerance(partner=body.partner, scale=body.scale, tolerance=body.tolerance, reason=reason)
    return await propose(post, CONTROLS, stream_of(product), command)
