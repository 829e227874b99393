"""Agreements: a partner's standing terms. An operator proposes what becomes of one, and another person signs it. One suspends it."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, StrictInt, StringConstraints
from sqlmodel import select

from services.allocation.api.book.terms import RecentTerms
from services.allocation.api.fields import READERS, AgreementPath, PartnerField, ProductField, limited_to
from services.allocation.api.lookups import require_partners, require_products, words_beside
from services.allocation.domain.controls import CONTROLS
from services.allocation.domain.partners.agreement import (
    AmendAgreement,
    ConfirmSuspension,
    EndAgreement,
    ResumeAgreement,
    SignAgreement,
    SuspendAgreement,
)
from services.allocation.events import (
    AgreementId,
    AgreementSuspended,
    AgreementSuspensionConfirmed,
    PartnerCode,
    ProductId,
    ProductTerms,
    SubjectId,
)
from services.allocation.tables.partners import AgreementRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, ReasonBody, Text, WholeGrams
from shared.http.handlers import Page, Paging, Posting, Reading
from shared.http.problems import Problem
from shared.http.seen import seen
from shared.journal.postgres import read_version
from shared.terms.acting_api import accounts_of_caller, by_one_caller
from shared.terms.countersigning_api import ProposalView, propose

router = APIRouter(prefix="/v1/agreements", tags=["agreements"])


class TermsBody(Body):
    product: ProductField
    yearly_quota_g: WholeGrams
    share: Annotated[str, StringConstraints(max_length=40)] = Field(description='a rational in lowest terms, such as "1/4"')

    def terms(self) -> ProductTerms:
        return ProductTerms(product=ProductId(self.product), yearly_quota_g=self.yearly_quota_g, share=self.share)


type PriorityClass = Annotated[StrictInt, Field(ge=0, le=9, description="0 is served first")]
type Fingerprint = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
type TermsList = Annotated[list[TermsBody], Field(min_length=1, max_length=50)]


class AgreementBody(Body):
    partner: PartnerField
    products: TermsList
    priority_class: PriorityClass
    valid_from: Day
    valid_until: Day
    key_fingerprint: Fingerprint | None = Field(
        default=None, description="SHA-256 (hex) of the 32 bytes of the public key that its partner registers first"
    )


class AmendmentBody(Body):
    """The terms from now on, in full."""

    products: TermsList
    priority_class: PriorityClass
    valid_until: Day
    key_fingerprint: Fingerprint | None = Field(default=None, description="of a key that its partner may register; none: of no other")
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
    key_fingerprint: str | None = None  # of the key that it has named last
    suspension_lapses_at: datetime | None = None  # unless a second person confirms it
    suspended_by: str | None = None  # not for its partner
    suspension_confirmed_by: str | None = None


SEEN_BY_PARTNER = frozenset(
    (
        *("agreement", "partner", "products", "priority_class", "valid_from", "valid_until", "ended", "suspended", "key_fingerprint"),
        "suspension_lapses_at",
    )
)


class AgreementChange(BaseModel):
    agreement: str
    partner: str
    ended: bool
    suspended: bool


def _view(row: AgreementRow) -> AgreementView:
    return AgreementView.model_validate(row, from_attributes=True)


def _as_its_partner_sees(row: AgreementRow) -> AgreementView:
    return seen(_view(row), SEEN_BY_PARTNER)


@router.post("", status_code=202)
async def sign_agreement(
    body: AgreementBody,
    caller: Annotated[Caller, allow("operator")],
    post: Posting,
    reads: Reading,
) -> ProposalView:
    """It is in force once another person has signed it, too."""
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
        key_fingerprint=body.key_fingerprint,
        on=post.today,
    )
    return await propose(post, CONTROLS, f"agreement/{agreement}", command)


@router.post("/{agreement}/amend", status_code=202)
async def amend_agreement(
    agreement: AgreementPath,
    body: AmendmentBody,
    caller: Annotated[Caller, allow("operator")],
    post: Posting,
    reads: Reading,
) -> ProposalView:
    async with reads.session() as session:
        await require_products(session, [terms.product for terms in body.products], "/products")
    command = AmendAgreement(
        products=tuple(terms.terms() for terms in body.products),
        priority_class=body.priority_class,
        valid_until=body.valid_until,
        key_fingerprint=body.key_fingerprint,
        reason=post.text(body.reason),
        on=post.today,
    )
    return await propose(post, CONTROLS, f"agreement/{agreement}", command)


@router.post("/{agreement}/end", status_code=202)
async def end_agreement(
    agreement: AgreementPath, body: ReasonBody, caller: Annotated[Caller, allow("operator")], post: Posting
) -> ProposalView:
    """What is released stays released. What was held since the agreement was suspended is free again: put it on another hold first, if
    it is not to be drawn."""
    return await propose(post, CONTROLS, f"agreement/{agreement}", EndAgreement(reason=post.text(body.reason)))


@router.post("/{agreement}/suspend")
async def suspend_agreement(
    agreement: AgreementPath, body: ReasonBody, caller: Annotated[Caller, allow("operator", on_duty=True)], post: Posting, reads: Reading
) -> AgreementChange:
    """By one person at once, for 72 hours: longer, if a second one confirms it; less, after a hold of theirs on the same. What
    is released to the partner of its products is held a moment later, by inventory."""
    command = SuspendAgreement(
        hold=post.new_id("hld"),
        reason=post.text(body.reason),
        by=await by_one_caller(reads, caller, post.now, await words_beside(reads, agreement)),
    )
    accepted = await post.submit(f"agreement/{agreement}", command)
    post.kernel.part(RecentTerms).forget()
    return AgreementChange(agreement=agreement, partner=accepted.event(AgreementSuspended).partner, ended=False, suspended=True)


@router.post("/{agreement}/suspension/confirm")
async def confirm_suspension(
    agreement: AgreementPath, caller: Annotated[Caller, allow("operator", "approver", on_duty=True)], post: Posting, reads: Reading
) -> AgreementChange:
    """By a second person: it does not lapse any more."""
    command = ConfirmSuspension(by=SubjectId(caller.subject), accounts=await accounts_of_caller(reads, caller))
    accepted = await post.submit(f"agreement/{agreement}", command)
    return AgreementChange(agreement=agreement, partner=accepted.event(AgreementSuspensionConfirmed).partner, ended=False, suspended=True)


@router.post("/{agreement}/resume", status_code=202)
async def resume_agreement(
    agreement: AgreementPath, body: ReasonBody, caller: Annotated[Caller, allow("operator")], post: Posting
) -> ProposalView:
    return await propose(post, CONTROLS, f"agreement/{agreement}", ResumeAgreement(reason=post.text(body.reason)))


@router.get("")
async def list_agreements(caller: Annotated[Caller, allow(*READERS, "partner")], pages: Paging) -> Page[AgreementView]:
    partner = limited_to(caller)
    view = _view if partner is None else _as_its_partner_sees
    return await pages.of(select(AgreementRow), AgreementRow.agreement, view, only={AgreementRow.partner: partner})


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
    async with reads.kernel.pool.acquire() as connection:  # what waits for a signature changes the stream, too, and no terms
        reads.etag(response, caller, f"agreement/{agreement}", await read_version(connection, f"agreement/{agreement}"))
    return _view(row) if limited_to(caller) is None else _as_its_partner_sees(row)
