"""Policies: an operator drafts a version and submits it, an approver approves it, and it is active from its day."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, StrictInt, StringConstraints
from sqlmodel import col, select

from services.allocation.api.fields import READERS, PartnerField, PolicyPath, ProductField, VersionPath
from services.allocation.api.lookups import read_policy, require_partners, require_products
from services.allocation.domain.controls import CONTROLS
from services.allocation.domain.policies.policy import (
    ApproveVersion,
    DraftVersion,
    ReviseVersion,
    SubmitVersion,
    WithdrawVersion,
    document_of,
)
from services.allocation.domain.policies.terms import STANDARD_CLOCKS
from services.allocation.events.ids import SubjectId
from services.allocation.events.policies import PolicyApproved, PolicyDocument, PolicyDrafted, PolicyRevised, PolicySubmitted, PolicyTerms
from services.allocation.events.rounds import QUORUM_DAYS
from services.allocation.tables.policies import PolicyRow, PolicyVersionRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, PositiveGrams, ReasonBody, WholeGrams
from shared.http.handlers import Page, Paging, Posting, Reading, Reads
from shared.http.openapi import answers
from shared.http.problems import Problem
from shared.journal.postgres import read_version
from shared.journal.protocol import Document
from shared.terms.acting_api import ApprovalBody, accounts_of_caller, document_answer, signing_of
from shared.terms.countersigning_api import OR_PROPOSED, ProposalView, done_or_proposed

router = APIRouter(prefix="/v1/policies", tags=["policies"])

Operates = Annotated[Caller, allow("operator")]
Sees = Annotated[Caller, allow(*READERS)]


type RuleName = Annotated[str, StringConstraints(pattern="^[a-z_]{1,40}$")]
type Rational = Annotated[str, StringConstraints(max_length=100)]
type ByClass = Annotated[dict[Annotated[str, StringConstraints(pattern="^[0-9]{0,3}$")], RuleName], Field(max_length=20)]
type ByPartner = Annotated[dict[PartnerField, Rational], Field(max_length=200)]
type ByProduct = Annotated[dict[ProductField, WholeGrams], Field(max_length=200)]
type Count = Annotated[StrictInt, Field(ge=-1_000_000, le=1_000_000)]  # what is out of range is for the policy's rules to say


class MethodBody(Body):
    rule: RuleName = "pro_rata"
    inside: ByClass = Field(default_factory=dict, description='the rule inside each priority class; "" is for all others')
    cap: Rational | None = Field(default=None, description='the largest part of what is offered that one partner may get: "2/5"')
    caps: ByPartner = Field(default_factory=dict, description="those that differ")
    restraint: Rational | None = Field(default=None, description='of iep: permissible consumption as a part of the base, "93/100"')


class QuorumStepBody(Body):
    above_g: WholeGrams
    approvals: Count


class EmergencyBody(Body):
    ratify_within_hours: Count
    max_g: PositiveGrams


class ClocksBody(Body):
    """Days from the submission of a request."""

    screened: Count
    decided: Count
    secured: Count
    cleared: Count
    dispatched: Count
    delivered: Count


type Quorum = Annotated[list[QuorumStepBody], Field(max_length=20)]
type ByClockClass = Annotated[dict[Annotated[str, StringConstraints(pattern="^[a-z_]{1,40}$")], ClocksBody], Field(max_length=20)]


def _standard_clocks() -> dict[str, ClocksBody]:
    return {name: ClocksBody(**msgspec.to_builtins(clocks)) for name, clocks in STANDARD_CLOCKS.items()}


class PolicyTermsBody(Body):
    method: MethodBody = MethodBody()
    protected_g: ByProduct = Field(default_factory=dict, description="levels that rounds never break, where above inventory's own")
    quorum: Quorum = Field(default_factory=lambda: [QuorumStepBody(above_g=0, approvals=1)])
    quorum_days: Count = Field(default=QUORUM_DAYS, description="what was decided in so many days is summed with a decision")
    emergency: EmergencyBody | None = None
    clocks: ByClockClass = Field(default_factory=_standard_clocks)
    release_days: Count = 90
    carry_years: Count = 2
    largest_minimum: Rational = "1"

    def terms(self) -> PolicyTerms:
        return msgspec.convert(self.model_dump(), PolicyTerms)


class VersionBody(Body):
    active_from: Day | None = Field(default=None, description="otherwise from today; in any case once it is approved")
    terms: PolicyTermsBody


class VersionView(BaseModel):
    version: int
    status: str  # draft, submitted, approved, superseded, withdrawn
    active_from: date
    document: str  # SHA-256 of what is signed
    terms: dict[str, Any]
    drafted_by: str
    submitted_by: str | None
    approved_by: str | None
    approved_on: date | None
    reason: str | None  # why it was withdrawn


class PolicyView(BaseModel):
    policy: str
    active: int | None  # the version that rounds are opened under today
    versions: list[VersionView]


class PolicySummary(BaseModel):
    policy: str
    active: int | None
    latest: int


class VersionChange(BaseModel):
    policy: str
    version: int
    status: str
    document: str
    active_from: date | None = None


@router.post("/{policy}/versions", status_code=201)
async def draft_version(policy: PolicyPath, body: VersionBody, caller: Operates, post: Posting, reads: Reading) -> VersionChange:
    """The next version of a policy; the first one begins it."""
    await _require_known(reads, body.terms)
    number = (await read_policy(reads, policy)).latest + 1
    terms = body.terms.terms()
    begins = body.active_from or post.today
    command = DraftVersion(policy=policy, version=number, active_from=begins, terms=terms, by=SubjectId(caller.subject), on=post.today)
    document = Document(document_of(policy, number, begins, terms))
    event = (await post.submit(f"policy/{policy}", command, documents=[document])).event(PolicyDrafted)
    return VersionChange(policy=policy, version=event.version, status="draft", document=event.document, active_from=event.active_from)


async def _require_known(reads: Reads, terms: PolicyTermsBody) -> None:
    """What is misspelt would protect no stock, and cap nobody. Raises Problem `product_not_found`, `partner_not_found`."""
    async with reads.session() as session:
        await require_products(session, terms.protected_g, "/terms/protected_g")
        await require_partners(session, terms.method.caps, "/terms/method/caps")


@router.post("/{policy}/versions/{version}/revise")
async def revise_version(
    policy: PolicyPath, version: VersionPath, body: VersionBody, caller: Operates, post: Posting, reads: Reading
) -> VersionChange:
    """A draft anew, in full."""
    await _require_known(reads, body.terms)
    terms = body.terms.terms()
    begins = body.active_from or post.today
    command = ReviseVersion(version=version, active_from=begins, terms=terms, by=SubjectId(caller.subject), on=post.today)
    document = Document(document_of(policy, version, begins, terms))
    event = (await post.submit(f"policy/{policy}", command, documents=[document])).event(PolicyRevised)
    return VersionChange(policy=policy, version=version, status="draft", document=event.document, active_from=event.active_from)


@router.post("/{policy}/versions/{version}/submit")
async def submit_version(policy: PolicyPath, version: VersionPath, caller: Operates, post: Posting, reads: Reading) -> VersionChange:
    """Nothing of it changes any more; approvers may sign it. `active_from`: from when it would be in force, if it is approved by then."""
    accepted = await post.submit(f"policy/{policy}", SubmitVersion(version=version, by=SubjectId(caller.subject)))
    begins = max((await read_policy(reads, policy)).versions[version].active_from, post.today)
    document = accepted.event(PolicySubmitted).document
    return VersionChange(policy=policy, version=version, status="submitted", document=document, active_from=begins)


@router.post("/{policy}/versions/{version}/approvals", status_code=201)
async def approve_version(
    policy: PolicyPath,
    version: VersionPath,
    body: ApprovalBody,
    caller: Annotated[Caller, allow("approver")],
    post: Posting,
    reads: Reading,
) -> VersionChange:
    """What `reserve approve` makes of the version's document. Whoever wrote it does not approve it."""
    command = ApproveVersion(version=version, signing=await signing_of(reads, body, caller, post.today))
    event = (await post.submit(f"policy/{policy}", command)).event(PolicyApproved)
    return VersionChange(policy=policy, version=version, status="approved", document=event.document, active_from=event.active_from)


@router.post("/{policy}/versions/{version}/withdraw", responses=OR_PROPOSED)
async def withdraw_version(
    policy: PolicyPath, version: VersionPath, body: ReasonBody, caller: Operates, post: Posting, reads: Reading
) -> VersionChange | ProposalView:
    """One that is approved, or that others wrote, is withdrawn by two. Of an active one: until another version is approved and its day has
    come, no round is opened under the policy. One that it had superseded does not come back."""
    command = WithdrawVersion(version=version, by=SubjectId(caller.subject), reason=post.text(body.reason), on=post.today)
    own = msgspec.structs.replace(command, accounts=await accounts_of_caller(reads, caller))
    if isinstance(done := await done_or_proposed(post, CONTROLS, f"policy/{policy}", own, proposed=command), ProposalView):
        return done
    found = (await read_policy(reads, policy)).versions[version]
    return VersionChange(policy=policy, version=version, status="withdrawn", document=found.document)


@router.get("")
async def list_policies(caller: Sees, pages: Paging) -> Page[PolicySummary]:
    async with pages.session() as session:
        found = await pages.of(
            select(PolicyRow),
            PolicyRow.policy,
            lambda row: PolicySummary(policy=row.policy, active=None, latest=row.latest),
            session=session,
        )
        versions = select(PolicyVersionRow).where(col(PolicyVersionRow.policy).in_([row.policy for row in found.data]))
        rows = (await session.exec(versions)).all()
    for summary in found.data:
        summary.active = active_of([row for row in rows if row.policy == summary.policy], pages.today)
    return found


@router.get("/{policy}")
async def show_policy(policy: PolicyPath, caller: Sees, reads: Reading, response: Response) -> PolicyView:
    async with reads.session() as session:
        row = await session.get(PolicyRow, policy)
        if row is None:
            raise Problem("policy_not_found", f"there is no policy {policy}", field="path:policy")
        versions = select(PolicyVersionRow).where(PolicyVersionRow.policy == policy).order_by(col(PolicyVersionRow.version))
        rows = (await session.exec(versions)).all()
    async with reads.kernel.pool.acquire() as connection:  # what waits for a signature changes the stream, too, and no version
        reads.etag(response, caller, f"policy/{policy}", await read_version(connection, f"policy/{policy}"))
    return PolicyView(
        policy=policy,
        active=active_of(rows, reads.today),
        versions=[VersionView.model_validate(each, from_attributes=True) for each in rows],
    )


@router.get("/{policy}/versions/{version}/document", response_class=Response, responses=answers(PolicyDocument))
async def show_version_document(policy: PolicyPath, version: VersionPath, caller: Sees, reads: Reading) -> Response:
    """The bytes that an approver signs the SHA-256 of."""
    async with reads.session() as session:
        row = await session.get(PolicyVersionRow, (policy, version))
    if row is None:
        raise Problem("policy_version_not_found", f"{policy} has no version {version}", field="path:version")
    return await document_answer(reads, row.document)


def active_of(rows: Sequence[PolicyVersionRow], day: date) -> int | None:
    return max((row.version for row in rows if row.status == "approved" and row.active_from <= day), default=None)
