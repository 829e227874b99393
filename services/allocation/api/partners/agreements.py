"""Agreements: a partner's standing terms, signed, amended and ended by an operator."""

from datetime import date
from typing import Annotated

import msgspec
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, StrictInt, StringConstraints
from sqlmodel import select

from services.allocation.api.book.terms import RecentTerms
from services.allocation.api.fields import READERS, AgreementPath, PartnerField, ProductField, limited_to
from services.allocation.api.lookups import require_partners, require_products
from services.allocation.domain.partners.agreement import AmendAgreement, EndAgreement, ResumeAgreement, SignAgreement, SuspendAgreement
from services.allocation.events import AgreementId, PartnerCode, ProductId, ProductTerms
from services.allocation.tables.partners import AgreementRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, ReasonBody, Text, WholeGrams
from shared.http.handlers import Page, Paging, Posting, Reading, etag
from shared.http.problems import Problem

router = APIRouter(prefix="/v1/agreements", tags=["agreements"])


class TermsBody(Body):
    product: ProductField
    yearly_quota_g: WholeGrams
    share: Annotated[str, StringConstraints(max_length=40)] = Field(description='a rational in lowest terms, such as "1/4"')

    def terms(self) -> ProductTerms:
        return ProductTerms(product=ProductId(self.product), yearly_quota_g=self.yearly_quota_g, share=self.share)


type PriorityClass = Annotated[StrictInt, Field(ge=0, le=9, description="0 is served first")]
type TermsList = Annotated[list[TermsBody], Field(min_length=1, max_length=50)]


class AgreementBody(Body):
    partner: PartnerField
    products: TermsList
    priority_class: PriorityClass
    valid_from: Day
    valid_until: Day


class AmendmentBody(Body):
    """The terms from now on, in full."""

    products: TermsList
    priority_class: PriorityClass
    valid_until: Day
    reason: Text


class AgreementTermsView(BaseModel):
    product: str
    yearly_quota_g: int
    share: str


class AgreementView(BaseModel):
    """While it is suspended nothing is asked for, decided or certified under it, and what is released is held."""

    agreement: str
    partner: str
    products: list[AgreementTermsView]
    priority_class: int
    valid_from: date
    valid_until: date
    ended: bool
    suspended: bool


class AgreementChange(BaseModel):
    agreement: str
    partner: str
    ended: bool
    suspended: bool = False


def _view(row: AgreementRow) -> AgreementView:
    return AgreementView.model_validate(row, from_attributes=True)


@router.post("", status_code=201)
async def sign_agreement(
    body: AgreementBody,
    caller: Annotated[Caller, allow("operator")],
    post: Posting,
    reads: Reading,
) -> AgreementView:
    async with reads.session() as session:
        await require_partners(session, [body.partner], "/partner")
        await require_products(session, [terms.product for terms in body.products], "/products")
    agreement = AgreementId(post.new_id("agr"))
    command = SignAgreement(
        agreement=agreement,
        partner=PartnerCode(body.partner),
        products=tuple(terms.terms() for terms in body.products),
        priority_class=body.priority_class,
        valid_from=body.valid_from,
        valid_until=body.valid_until,
        on=post.today,
    )
    accepted = await post.submit(f"agreement/{agreement}", command)
    post.kernel.part(RecentTerms).forget()
    return AgreementView.model_validate(msgspec.to_builtins(accepted.facts[0].event) | {"ended": False, "suspended": False})


@router.post("/{agreement}/amend")
async def amend_agreement(
    agreement: AgreementPath,
    body: AmendmentBody,
    caller: Annotated[Caller, allow("operator")],
    post: Posting,
    reads: Reading,
) -> AgreementChange:
    async with reads.session() as session:
        await require_products(session, [terms.product for terms in body.products], "/products")
    command = AmendAgreement(
        products=tuple(terms.terms() for terms in body.products),
        priority_class=body.priority_class,
        valid_until=body.valid_until,
        reason=body.reason,
        on=post.today,
    )
    accepted = await post.submit(f"agreement/{agreement}", command)
    post.kernel.part(RecentTerms).forget()
    return AgreementChange(agreement=agreement, partner=accepted.facts[0].event.partner, ended=False)


@router.post("/{agreement}/end")
async def end_agreement(
    agreement: AgreementPath, body: ReasonBody, caller: Annotated[Caller, allow("operator")], post: Posting
) -> AgreementChange:
    """What is released stays released. What was held since the agreement was suspended is free again: put it on another hold first, if
    it is not to be drawn."""
    accepted = await post.submit(f"agreement/{agreement}", EndAgreement(reason=body.reason))
    post.kernel.part(RecentTerms).forget()
    return AgreementChange(agreement=agreement, partner=accepted.facts[0].event.partner, ended=True)


@router.post("/{agreement}/suspend")
async def suspend_agreement(
    agreement: AgreementPath, body: ReasonBody, caller: Annotated[Caller, allow("operator")], post: Posting
) -> AgreementChange:
    """What is released to the partner of its products is held a moment later, by inventory."""
    accepted = await post.submit(f"agreement/{agreement}", SuspendAgreement(hold=post.new_id("hld"), reason=body.reason))
    post.kernel.part(RecentTerms).forget()
    return AgreementChange(agreement=agreement, partner=accepted.facts[0].event.partner, ended=False, suspended=True)


@router.post("/{agreement}/resume")
async def resume_agreement(
    agreement: AgreementPath, body: ReasonBody, caller: Annotated[Caller, allow("operator")], post: Posting
) -> AgreementChange:
    accepted = await post.submit(f"agreement/{agreement}", ResumeAgreement(reason=body.reason))
    post.kernel.part(RecentTerms).forget()
    return AgreementChange(agreement=agreement, partner=accepted.facts[0].event.partner, ended=False, suspended=False)


@router.get("")
async def list_agreements(caller: Annotated[Caller, allow(*READERS, "partner")], pages: Paging) -> Page[AgreementView]:
    return await pages.of(select(AgreementRow), AgreementRow.agreement, _view, only={AgreementRow.partner: limited_to(caller)})


@router.get("/{agreement}")
async def show_agreement(
    agreement: AgreementPath,
    caller: Annotated[Caller, allow(*READERS, "partner")],
    reads: Reading,
    response: Response,
) -> AgreementView:
    async with reads.session() as session:
        row = await session.get(AgreementRow, agreement)
    if row is None or limited_to(caller) not in (None, row.partner):
        raise Problem("agreement_not_found", f"there is no agreement {agreement}", field="path:agreement")
    etag(response, row.version)
    return _view(row)
