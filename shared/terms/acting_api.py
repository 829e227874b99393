"""Acting under authority, as callers see it: the fields and bodies of requests, and what is looked up for a command."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Annotated, Self

import msgspec
from fastapi import Response
from pydantic import BaseModel, Field, StringConstraints
from sqlmodel.ext.asyncio.session import AsyncSession

from shared.http.auth import Caller
from shared.http.fields import TYPEID, Body
from shared.http.handlers import Reads
from shared.http.problems import Problem
from shared.journal.postgres import read_document
from shared.proofs.signed_note import parse_verifier_keys
from shared.terms.acting import ApprovalReason, Proposal, Signing
from shared.terms.approval import SignedApproval, verify_approval
from shared.terms.authority import Chain, Fault
from shared.terms.authority_tables import Register, UnderAuthority, accounts_of, capacity_of, chains_of, fallen_among, interests_of
from shared.terms.protecting import ByOne, Word

type InstrumentField = Annotated[str, StringConstraints(pattern=f"^ins_{TYPEID}$")]


class ApprovalBody(Body):
    """The file that `reserve approve` makes."""

    purpose: Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]{0,39}$")]
    document: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    approver: Annotated[str, StringConstraints(pattern="^[!-~]{1,200}$")]
    key_id: Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]
    signature: Annotated[str, StringConstraints(pattern="^[0-9a-f]{128}$")]
    origin: Annotated[str, StringConstraints(pattern="^[!-*,-~]{1,200}$")] | None = Field(
        default=None, description="of the log of this deployment, as signed; an approval without one is refused"
    )
    authority: InstrumentField | None = Field(
        default=None, description="the instrument that the approver acts under, as signed; an approval without one is refused"
    )

    @property
    def signed(self) -> SignedApproval:
        return msgspec.convert(self.model_dump(), SignedApproval)


class ApprovalView(BaseModel):
    subject: str
    key: str
    signature: str
    approved_on: date

    @classmethod
    def of(cls, approval: object) -> Self:
        """Of an event, or of a row."""
        return cls.model_validate(approval, from_attributes=True)


def register_of(reads: Reads) -> Register:
    acting: UnderAuthority | None = reads.kernel.service.acting
    assert acting is not None, "only a service in which people act under authority gets here"
    return acting.register


async def accounts_of_caller(reads: Reads, caller: Caller) -> frozenset[str]:
    """All of the same person."""
    async with reads.session() as session:
        return frozenset(await accounts_of(session, caller.subject))


async def by_one_caller(reads: Reads, caller: Caller, at: datetime, beside: Iterable[Word] = ()) -> ByOne:
    """Who stops something now, by themselves. `beside`: words that stop the same thing by another stream."""
    return ByOne(by=caller.subject, accounts=await accounts_of_caller(reads, caller), at=at, beside=(*beside,))


async def signing_of(reads: Reads, body: ApprovalBody, caller: Caller, on: date) -> Signing:
    """Of something that an instrument has to cover. Raises Problem for what the statement has to name."""
    if signed_here(reads, body).authority is None:
        needed = "sign the instrument that you act under: reserve approve --authority"
        raise Problem(ApprovalReason.WITHOUT_INSTRUMENT, "the statement names no instrument", field="/authority", accepted=needed)
    return await signature_of(reads, body, caller.subject, on)


async def signature_of(reads: Reads, body: ApprovalBody, by: str, on: date) -> Signing:
    """As of this person, who may be another than sends it."""
    approval, register = signed_here(reads, body), register_of(reads)
    async with reads.session() as session:
        capacity = await capacity_of(session, register, by=by, on=on, named=approval.authority)
        key = await register.key(session, by, approval.key_id)
    return Signing(
        approval=approval,
        key="unknown" if key is None else key.status,
        signature_valid=key is not None and verify_approval(approval, key.public_key),
        capacity=capacity,
    )


def origin_here(reads: Reads) -> str:
    """Of the log of this deployment."""
    return parse_verifier_keys(reads.kernel.settings.ledger_public_key)[0].name


def signed_here(reads: Reads, body: ApprovalBody) -> SignedApproval:
    """What was signed for this deployment. Raises Problem: statements of the first version, and of other deployments, count for nothing
    new."""
    origin = origin_here(reads)
    if body.origin is None:
        detail = "the statement names no log: it was signed by an earlier build"
        raise Problem(ApprovalReason.OF_FIRST_VERSION, detail, field="/origin", accepted=origin)
    if body.origin != origin:
        raise Problem(ApprovalReason.OF_ANOTHER_LOG, f"it was signed for {body.origin}", field="/origin", accepted=origin)
    return body.signed


async def barred(reads: Reads, subject: str, concerns: Callable[[AsyncSession], Awaitable[Collection[str]]]) -> Problem | None:
    """Why somebody with an interest may not do something, to be sent in place of the command. `concerns`: looked up for those alone who
    have declared any."""
    async with reads.session() as session:
        interests = await interests_of(session, await accounts_of(session, subject))
        found = sorted(interests.intersection(await concerns(session))) if interests else []
    if not found:
        return None
    return Problem(Fault.CONFLICT, f"a conflict of interest is declared: {found[0]}", accepted="a person without one")


async def looked_up_again(
    reads: Reads, proposal: Proposal | None, concerns: Collection[str] = ()
) -> tuple[Mapping[str, Chain], tuple[str, ...]]:
    """What the approvals of a proposal cite, as it is now; and the keys of those that count no more (`fallen_among`)."""
    if proposal is None:
        return {}, ()
    register = register_of(reads)
    async with reads.session() as session:
        authorities = await chains_of(session, register, {cited.authority for cited in proposal.cited.values()})
        return authorities, await fallen_among(session, register, proposal, concerns)


async def document_answer(reads: Reads, name: str) -> Response:
    """What was signed, or is to be, as it is stored."""
    async with reads.kernel.pool.acquire() as connection:
        document = await read_document(connection, name)
    assert document is not None, f"the document {name} is kept with the event that names it"
    return Response(bytes(document.content), media_type="application/json", headers={"ETag": f'"{name}"'})
