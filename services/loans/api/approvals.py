"""Approvals: what is signed, and the file that `reserve approve` makes, held against the keys that allocation has enrolled."""

from datetime import date
from typing import Annotated, Any

import msgspec
from fastapi import Response
from pydantic import BaseModel, Field, StringConstraints

from services.loans.domain.approvals import Signing
from services.loans.tables.approvals import ApproverKeyRow, AuthorityRow, ConflictRow
from shared.http.auth import Caller
from shared.http.fields import TYPEID, Body
from shared.http.handlers import Reads
from shared.journal.postgres import read_document
from shared.terms.approval import Approval, verify_approval
from shared.terms.authority_tables import capacity_of

DOCUMENT: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {"schema": {"type": "object"}}}}}


class ApprovalBody(Body):
    """The file that `reserve approve` makes, as it is."""

    purpose: Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]{0,39}$")]
    document: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    approver: Annotated[str, StringConstraints(pattern="^[!-~]{1,200}$")]
    key_id: Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]
    signature: Annotated[str, StringConstraints(pattern="^[0-9a-f]{128}$")]
    authority: Annotated[str, StringConstraints(pattern=f"^ins_{TYPEID}$")] | None = Field(
        default=None, description="the instrument that is acted under; left out: the narrowest that covers it"
    )


class ApprovalView(BaseModel):
    subject: str
    key: str
    signature: str
    approved_on: date


async def signing_of(reads: Reads, body: ApprovalBody, caller: Caller, on: date) -> Signing:
    approval = msgspec.convert(body.model_dump(exclude={"authority"}), Approval)
    async with reads.session() as session:
        capacity = await capacity_of(session, AuthorityRow, ConflictRow, by=caller.subject, on=on, named=body.authority)
        key = await session.get(ApproverKeyRow, (caller.subject, approval.key_id))
    return Signing(
        approval=approval,
        by=caller.subject,
        key="unknown" if key is None else "revoked" if key.revoked else "enrolled",
        signature_valid=key is not None and verify_approval(approval, key.public_key),
        capacity=capacity,
    )


async def document_answer(reads: Reads, name: str) -> Response:
    async with reads.kernel.pool.acquire() as connection:
        document = await read_document(connection, name)
    assert document is not None, f"the document {name} is kept with the event that names it"
    return Response(bytes(document.content), media_type="application/json", headers={"ETag": f'"{name}"'})
