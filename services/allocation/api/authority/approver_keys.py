"""Approvers' keys: their public halves, enrolled by an administrator, and revoked by whose they are, or by an administrator for 72 hours,
unless they or another approver confirm it."""

from datetime import date, datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.authority.bars import barring_of, confirming_of
from services.allocation.api.authority.endorsing import EndorsedBody, endorsing_of, in_ceremony
from services.allocation.api.fields import READERS, KeyPath, SubjectField
from services.allocation.domain.authority.approver import ConfirmRevocation, EnrolKey, RevokeKey, proven
from services.allocation.domain.authority.approver_key import ClaimKey
from services.allocation.domain.authority.ceremony import EnterKey
from services.allocation.events import KeyId, ProductId, SubjectId
from services.allocation.tables.authority import ApproverKeyRow, PersonRow
from services.allocation.tables.book import ApprovalRow, RoundRow, RoundStatus
from shared.http.auth import Caller, allow
from shared.http.fields import ReasonBody
from shared.http.handlers import Page, Paging, Posting, Reading, same_fields
from shared.http.problems import Problem
from shared.journal.decider import Refused
from shared.terms.acting_api import ApprovalBody, signed_here
from shared.terms.approval import key_id

router = APIRouter(prefix="/v1/approver-keys", tags=["approver keys"])


class KeyBody(EndorsedBody):
    subject: SubjectField
    public_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(description="Ed25519, 32 bytes in hex")
    possession: ApprovalBody | None = Field(default=None, description="the key's own signature over its paper; without one it is refused")


class KeyView(BaseModel):
    key: str
    subject: str
    public_key: str
    enrolled_on: date
    revoked_on: date | None
    revoked_by: str | None  # none: by an earlier build
    revocation_lapses_at: datetime | None  # unless it is confirmed
    revocation_confirmed_by: str | None


class KeyChange(BaseModel):
    key: str
    subject: str
    revoked: bool


@router.post("", status_code=201)
async def enrol_key(
    body: KeyBody,
    caller: Annotated[Caller, allow("administrator")],
    post: Posting,
    reads: Reading,
) -> KeyChange:
    key = KeyId(key_id(body.public_key))
    async with reads.session() as session:
        others = select(ApproverKeyRow.key).where(ApproverKeyRow.key == key, ApproverKeyRow.subject != body.subject).limit(1)
        if (await session.exec(others)).first() is not None:
            raise Problem("approver_key_already_enrolled", "a key is one person's own", field="/public_key", accepted="another key")
        ceremony = await _persons_with_keys(session) < 2
    command = EnrolKey(
        subject=SubjectId(body.subject),
        key=key,
        public_key=body.public_key,
        possession=None if body.possession is None else signed_here(reads, body.possession),
        endorsing=await endorsing_of(reads, post, caller, body, ceremony=ceremony),
    )
    if ceremony and not isinstance(proven(command), Refused):
        entered = await in_ceremony(post, body, EnterKey(subject=command.subject), command.endorsing)
        command = msgspec.structs.replace(command, endorsing=entered)
    claim: ClaimKey | Problem = ClaimKey(subject=command.subject, key=key)
    if isinstance(fault := proven(command), Refused):  # who does not have the key claims it for nobody
        claim = Problem(str(fault.code), fault.detail, field=fault.field, accepted=fault.accepted)
    await post.submit(f"approver_key/{key}", claim, part="claim")  # of two who enrol it at once, one is refused
    await post.submit(f"approver/{body.subject}", command)
    return KeyChange(key=key, subject=body.subject, revoked=False)


async def _persons_with_keys(session: AsyncSession) -> int:
    """Who ever enrolled one: with two of them, the ceremony that begins a reserve is over for ever."""
    whose = func.coalesce(PersonRow.person, ApproverKeyRow.subject)
    persons = select(func.count(whose.distinct())).select_from(ApproverKeyRow)
    return (await session.exec(persons.outerjoin(PersonRow, col(PersonRow.subject) == col(ApproverKeyRow.subject)))).one()


@router.post("/{key}/revoke")
async def revoke_key(
    key: KeyPath,
    body: ReasonBody,
    caller: Annotated[Caller, allow("administrator", "approver")],
    post: Posting,
    reads: Reading,
) -> KeyChange:
    """One's own, for good. Another's by an administrator, for 72 hours: for good, if whose it is or an approver confirms it. Approvals
    by it lapse at once, and do not come back with it."""
    async with reads.session() as session:
        row = await _found(session, key)
        approved = (
            select(RoundRow.product)
            .join(ApprovalRow, col(ApprovalRow.round) == col(RoundRow.round))
            .where(ApprovalRow.key == key, RoundRow.status == RoundStatus.PROPOSED.value, col(ApprovalRow.lapsed).is_(False))
            .distinct()
        )
        products = sorted((await session.exec(approved)).all())
    barring = await barring_of(reads, post, caller)
    if row.subject not in barring.accounts and "administrator" not in caller.roles:
        raise Problem("forbidden", "another's key is revoked by an administrator", field="path:key")
    command = RevokeKey(
        subject=SubjectId(row.subject),
        key=KeyId(key),
        products=tuple(ProductId(product) for product in products),
        reason=post.text(body.reason),
        barring=barring,
    )
    await post.submit(f"approver/{row.subject}", command)
    return KeyChange(key=key, subject=row.subject, revoked=True)


@router.post("/{key}/revocation/confirm")
async def confirm_revocation(key: KeyPath, caller: Annotated[Caller, allow("approver")], post: Posting, reads: Reading) -> KeyChange:
    """By whose it is, or by an approver who has a key of their own and has not revoked this one."""
    async with reads.session() as session:
        row = await _found(session, key)
    command = ConfirmRevocation(subject=SubjectId(row.subject), key=KeyId(key), confirming=await confirming_of(reads, caller))
    await post.submit(f"approver/{row.subject}", command)
    return KeyChange(key=key, subject=row.subject, revoked=True)


async def _found(session: AsyncSession, key: str) -> ApproverKeyRow:
    row = (await session.exec(select(ApproverKeyRow).where(ApproverKeyRow.key == key).order_by(col(ApproverKeyRow.id)))).first()
    if row is None:
        raise Problem("approver_key_not_found", f"there is no key {key}", field="path:key")
    return row


@router.get("")
async def list_keys(caller: Annotated[Caller, allow(*READERS)], pages: Paging) -> Page[KeyView]:
    return await pages.of(select(ApproverKeyRow), ApproverKeyRow.id, same_fields(KeyView))
