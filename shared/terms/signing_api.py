"""What partners sign, as callers give it: which partners have keys, and whether one of a partner's own has signed a paper."""

from typing import Annotated, Any, Protocol

import msgspec
from pydantic import StringConstraints

from shared.http.auth import Caller
from shared.http.handlers import Reads
from shared.http.problems import Problem
from shared.http.remembered import Remembered
from shared.journal.record import name_of
from shared.terms.acting_api import origin_here
from shared.terms.approval import SignedApproval, verify_approval
from shared.terms.papers import Paper

type SignatureField = Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}:[0-9a-f]{128}$")]


class SigningKeys(msgspec.Struct, frozen=True):
    """`signers`: the partners that have had one, also if none of them is left. `open`: those that are not revoked, by partner and key."""

    signers: frozenset[str]
    open: dict[tuple[str, str], str]


class RememberedKeys(Remembered[None, SigningKeys]):
    """All of them, as they were within the last second: draws and requests come by the thousand, and keys by the year. A service's `Part`
    says by `look` where it has them."""

    async def look(self) -> SigningKeys:
        raise NotImplementedError

    async def known(self) -> SigningKeys:
        return await self.remembered(None, self.look)


def invalid(detail: str, accepted: str, field: str = "/signature") -> Problem:
    return Problem("partner_signature_invalid", detail, field=field, accepted=accepted)


class Signs[Signed](Protocol):
    """An event's part that keeps what was signed, with its paper."""

    def __call__(self, *, key: str, signature: str, paper: Any) -> Signed: ...


def signed_by_partner[Signed](
    reads: Reads, caller: Caller, keys: SigningKeys, signature: SignatureField, paper: Paper, kind: Signs[Signed]
) -> Signed | Problem:
    """A paper as one of the caller's keys has signed it, or what to answer in place of the command."""
    key, _, signed = signature.partition(":")
    partner, what = caller.partner, paper.purpose
    if partner is None:
        return invalid(f"a partner alone signs its {what}s", f"a {what} without one, or the partner's own request")
    if (public_key := keys.open.get((partner, key))) is None:
        return invalid(f"{partner} has no key {key} to sign with", "one that it has registered, and not revoked")
    said = SignedApproval(purpose=what, document=name_of(paper), approver=partner, key_id=key, signature=signed, origin=origin_here(reads))
    if not verify_approval(said, public_key):
        accepted = f"its signature over {said.document}, for the purpose {what}, in the name of {partner}, for {said.origin}"
        return invalid(f"{key} did not sign this {what}", accepted)
    return kind(key=key, signature=signed, paper=paper)
