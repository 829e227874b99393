"""Signatures: which partners have keys, as inventory has heard, and whether a draw is signed by one of its partner's."""

from typing import Protocol

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.inventory.events import DrawPaper, LotId, ReleaseId, SignedDraw
from services.inventory.tables import PartnerKeyRow
from shared.http.handlers import Post, Reads
from shared.http.problems import Problem
from shared.process.service import Part
from shared.terms.signing_api import RememberedKeys, SignatureField, SigningKeys, signed_by_partner


class PartnerKeys(RememberedKeys, Part):
    """What is registered in allocation arrives a moment later."""

    async def look(self) -> SigningKeys:
        async with AsyncSession(self.kernel.engine) as session:
            rows = (await session.exec(select(PartnerKeyRow))).all()
        return SigningKeys(
            frozenset(row.partner for row in rows), {(row.partner, row.key): row.public_key for row in rows if not row.revoked}
        )


class Drawn(Protocol):
    """The body of a draw."""

    mass_g: int
    lots: tuple[str, ...]
    assign_rights: bool
    signature: SignatureField | None


def signed_draw(reads: Reads, post: Post, keys: SigningKeys, release: str, body: Drawn) -> SignedDraw | Problem:
    """As its partner has signed it, or what to answer in place of the command."""
    assert body.signature is not None
    caller = post.caller
    paper = DrawPaper(
        partner=caller.partner or "",
        release=ReleaseId(release),
        mass_g=body.mass_g,
        lots=tuple(map(LotId, body.lots)),
        assign_rights=body.assign_rights,
        client=caller.client_id,
        subject=caller.subject,
        idempotency_key=post.key,
    )
    return signed_by_partner(reads, caller, keys, body.signature, paper, SignedDraw)
