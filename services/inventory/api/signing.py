"""Signatures: which partners have keys, and whether a draw is signed by one of its partner's."""

import asyncio
import time
from typing import Annotated, Protocol

import msgspec
from pydantic import StringConstraints
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.inventory.events import DrawPaper, LotId, ReleaseId, SignedDraw
from services.inventory.tables import PartnerKeyRow
from shared.http.handlers import Post, Reads
from shared.http.problems import Problem
from shared.journal.record import name_of
from shared.process.service import Kernel, Part
from shared.terms.acting_api import origin_here
from shared.terms.approval import SignedApproval, verify_approval

REMEMBERED_S = 1.0

type SignatureField = Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}:[0-9a-f]{128}$")]


class Keys(msgspec.Struct, frozen=True):
    """`signers`: the partners that have had one, also if none of them is left. `open`: those that are not revoked, by partner and key."""

    signers: frozenset[str]
    open: dict[tuple[str, str], str]


class PartnerKeys(Part):
    """All of them, as they were within the last second: draws come by the thousand, and keys by the year. What is registered in allocation
    arrives a moment later anyway."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self._since = 0.0  # monotonic
        self._known: asyncio.Task[Keys] | None = None

    async def known(self) -> Keys:
        """Whoever asks while a look is under way waits for it."""
        now = time.monotonic()
        if self._known is None or now >= self._since + REMEMBERED_S or _has_failed(self._known):
            self._since, self._known = now, asyncio.create_task(_all(self.kernel))
        return self._known.result() if self._known.done() else await asyncio.shield(self._known)


class Drawn(Protocol):
    """The body of a draw."""

    mass_g: int
    lots: tuple[str, ...]
    assign_rights: bool
    signature: SignatureField | None


def signed_draw(reads: Reads, post: Post, keys: Keys, release: str, body: Drawn) -> SignedDraw | Problem:
    """As its partner has signed it, or what to answer in place of the command."""
    assert body.signature is not None
    key, _, signature = body.signature.partition(":")
    caller = post.caller
    if caller.partner is None:
        detail = "a partner alone signs its draws"
        return Problem("partner_signature_invalid", detail, field="/signature", accepted="a draw without one, or the partner's own request")
    paper = DrawPaper(
        partner=caller.partner,
        release=ReleaseId(release),
        mass_g=body.mass_g,
        lots=tuple(map(LotId, body.lots)),
        assign_rights=body.assign_rights,
        client=caller.client_id,
        subject=caller.subject,
        idempotency_key=post.key,
    )
    if (public_key := keys.open.get((caller.partner, key))) is None:
        detail, accepted = f"{caller.partner} has no key {key} to sign with", "one that it has registered, and not revoked"
        return Problem("partner_signature_invalid", detail, field="/signature", accepted=accepted)
    said = SignedApproval(
        purpose=paper.purpose,
        document=name_of(paper),
        approver=caller.partner,
        key_id=key,
        signature=signature,
        origin=origin_here(reads),
    )
    if not verify_approval(said, public_key):
        accepted = f"its signature over {said.document}, for the purpose {said.purpose}, in the name of {said.approver}, for {said.origin}"
        return Problem("partner_signature_invalid", f"{key} did not sign this draw", field="/signature", accepted=accepted)
    return SignedDraw(key=key, signature=signature, paper=paper)


async def _all(kernel: Kernel) -> Keys:
    async with AsyncSession(kernel.engine) as session:
        rows = (await session.exec(select(PartnerKeyRow))).all()
    return Keys(frozenset(row.partner for row in rows), {(row.partner, row.key): row.public_key for row in rows if not row.revoked})


def _has_failed(task: asyncio.Task[Keys]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
