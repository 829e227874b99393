"""Partners' keys: their public halves, registered and revoked by the partner itself. From the first one on it signs what it does."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints
from sqlmodel import col, select

from services.allocation.api.fields import KeyPath, own_partner
from services.allocation.domain.partners.partner import RegisterPartnerKey, RevokePartnerKey
from services.allocation.events import AgreementId, KeyId, SubjectId
from services.allocation.events.papers import PartnerKeyPaper
from services.allocation.tables.partners import AgreementRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, ReasonBody
from shared.http.handlers import Posting, Reading
from shared.terms.acting_api import ApprovalBody, signed_here
from shared.terms.approval import fingerprint, key_id

router = APIRouter(prefix="/v1/partner-keys", tags=["partner keys"])


class PartnerKeyBody(Body):
    """The papers that are signed have the format `reserve.partner_key.v1`."""

    public_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(description="Ed25519, 32 bytes in hex")
    possession: ApprovalBody | None = Field(default=None, description="the key's own signature over its paper; without one it is refused")
    endorsement: ApprovalBody | None = Field(
        default=None, description="the signature of another of the partner's keys; not needed where an agreement names the fingerprint"
    )


class PartnerKeyChange(BaseModel):
    key: str
    partner: str
    revoked: bool


@router.post("", status_code=201)
async def register_partner_key(
    body: PartnerKeyBody, caller: Annotated[Caller, allow("partner")], post: Posting, reads: Reading
) -> PartnerKeyChange:
    """From the first one on, nobody draws in the partner's name without the signature of one of its keys."""
    partner = own_partner(caller)
    in_force = select(AgreementRow.agreement).where(
        AgreementRow.partner == partner,
        AgreementRow.key_fingerprint == fingerprint(body.public_key),
        col(AgreementRow.ended).is_(False),
        AgreementRow.valid_until >= post.today,
    )
    async with reads.session() as session:
        agreement = (await session.exec(in_force.order_by(AgreementRow.agreement).limit(1))).first()
    command = RegisterPartnerKey(
        paper=PartnerKeyPaper(partner=partner, key=KeyId(key_id(body.public_key)), public_key=body.public_key),
        possession=None if body.possession is None else signed_here(reads, body.possession),
        endorsement=None if body.endorsement is None else signed_here(reads, body.endorsement),
        agreement=None if agreement is None else AgreementId(agreement),
        on=post.today,
    )
    await post.submit(f"partner/{partner}", command)
    return PartnerKeyChange(key=command.paper.key, partner=partner, revoked=False)


@router.post("/{key}/revoke")
async def revoke_partner_key(
    key: KeyPath, body: ReasonBody, caller: Annotated[Caller, allow("partner")], post: Posting
) -> PartnerKeyChange:
    """For good. A partner without a key left draws nothing until it has registered another."""
    partner = own_partner(caller)
    command = RevokePartnerKey(key=KeyId(key), reason=post.text(body.reason), by=SubjectId(caller.subject))
    await post.submit(f"partner/{partner}", command)
    return PartnerKeyChange(key=key, partner=partner, revoked=True)
