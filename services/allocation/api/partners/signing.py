"""Signatures: whether a request, or an objection, is signed by one of its partner's keys. What is typed in it stays erasable: the paper has
commitments in place of the words, whose salts follow from one that the partner draws, so that it knows them before it signs."""

from hashlib import sha256
from typing import Annotated, Any, Protocol

from msgspec.structs import replace
from pydantic import Field, StringConstraints
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.domain.book.objections import RaiseObjection
from services.allocation.domain.book.requests import SubmitRequest
from services.allocation.events import PartnerCode, ProductId
from services.allocation.events.requests import RequestPaper, SignedRequest
from services.allocation.events.screening import ObjectionPaper, SignedObjection
from services.allocation.tables.partners import PartnerKeyRow
from shared.http.handlers import Post, Reads
from shared.http.problems import Problem
from shared.journal.record import canonical
from shared.journal.texts import TypedText
from shared.process.service import Part
from shared.terms.papers import Paper
from shared.terms.signing_api import RememberedKeys, SignatureField, SigningKeys, Signs, invalid, signed_by_partner

type SaltField = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]
SIGNATURE = Field(default=None, description="of a partner that has keys: `key:signature`, over its paper")
SALT = Field(default=None, description="sent with a signature: drawn for this alone; salts of what is typed follow from it")


class PartnerKeys(RememberedKeys, Part):
    async def look(self) -> SigningKeys:
        async with AsyncSession(self.kernel.engine) as session:
            rows = (await session.exec(select(PartnerKeyRow))).all()
        unrevoked = {(row.partner, row.key): row.public_key for row in rows if row.revoked_on is None}
        return SigningKeys(frozenset(row.partner for row in rows), unrevoked)


def salt_of(salt: str, client: str, subject: str, key: str, name: str) -> bytes:
    """Of one text of a command: nobody finds it by the salt of another text. `salt`: as the partner drew it for this, 32 hex digits;
    `name`: which of its texts, such as `statement.event`, or `req_01j....reasons.0` of an objection to that request."""
    return sha256(canonical([salt, client, subject, key, name])).digest()[:16]


def committed(post: Post, salt: str | None, name: str, typed: str) -> TypedText:
    """As `Post.text`, with the partner's own salt if it gave one."""
    caller = post.caller
    return post.text(typed, None if salt is None else salt_of(salt, caller.client_id, caller.subject, post.key, name))


async def signed_request(reads: Reads, post: Post, asked: "Signed", product: str, command: SubmitRequest) -> SubmitRequest | Problem:
    """The command as its partner has signed it, or what to answer in place of it."""
    keys = await reads.kernel.part(PartnerKeys).known()
    command = replace(command, signs=command.partner in keys.signers)
    if asked.signature is None:
        return command
    own = {name: getattr(command, name) for name in RequestPaper.__struct_fields__ if hasattr(command, name)}
    paper = RequestPaper(**own, product=ProductId(product), **_command_of(post))
    signed = _signed(reads, post, keys, asked, paper, SignedRequest)
    return signed if isinstance(signed, Problem) else replace(command, signed=signed)


async def signed_objection(
    reads: Reads, post: Post, asked: "Signed", partner: PartnerCode, command: RaiseObjection
) -> RaiseObjection | Problem:
    """As `signed_request`."""
    keys = await reads.kernel.part(PartnerKeys).known()
    command = replace(command, signs=partner in keys.signers)
    if asked.signature is None:
        return command
    paper = ObjectionPaper(partner=partner, request=command.request, reasons=command.reasons, **_command_of(post))
    signed = _signed(reads, post, keys, asked, paper, SignedObjection)
    return signed if isinstance(signed, Problem) else replace(command, signed=signed)


class Signed(Protocol):
    """The body of what a partner signs."""

    signature: SignatureField | None
    salt: SaltField | None


def _command_of(post: Post) -> dict[str, Any]:
    """What makes the command's id."""
    return {"client": post.caller.client_id, "subject": post.caller.subject, "idempotency_key": post.key}


def _signed[Kept](reads: Reads, post: Post, keys: SigningKeys, asked: Signed, paper: Paper, kind: Signs[Kept]) -> Kept | Problem:
    assert asked.signature is not None
    if asked.salt is None:
        return invalid("its paper has commitments to its texts, and no salt says to which", "32 hex digits, drawn for this alone", "/salt")
    return signed_by_partner(reads, post.caller, keys, asked.signature, paper, kind)
