"""Partner: a government that may ask for material. Australia itself is one. Its own Ed25519 keys sign its draws."""

from datetime import date
from typing import assert_never

import immutables
import msgspec
from msgspec.structs import replace

from services.allocation.events import (
    AgreementId,
    KeyId,
    PartnerCode,
    PartnerEvent,
    PartnerRegistered,
    SubjectId,
)
from services.allocation.events.papers import PartnerKeyPaper
from services.allocation.events.partner import PartnerKeyRegistered, PartnerKeyRevoked
from shared.journal.decider import Decider, Reasons, Refused
from shared.journal.record import name_of
from shared.journal.texts import TypedText
from shared.terms.acting import approval_of
from shared.terms.approval import SignedApproval, fingerprint, verify_approval


class RegisterPartner(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    partner: PartnerCode
    name: str


class RegisterPartnerKey(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`agreement`: of the partner, in force, that names the key's fingerprint, as looked up; `endorsement`: by another key of the partner.
    One of them is needed."""

    paper: PartnerKeyPaper
    possession: SignedApproval | None  # by the key itself
    endorsement: SignedApproval | None
    agreement: AgreementId | None
    on: date


class RevokePartnerKey(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    key: KeyId
    reason: TypedText
    by: SubjectId


type Command = RegisterPartner | RegisterPartnerKey | RevokePartnerKey


class Reason(Reasons):
    """Why a partner, or one of its keys, is not registered, or not revoked."""

    ALREADY_REGISTERED = "partner_already_registered", 409, "The partner is registered already"
    NOT_FOUND = "partner_not_found", 404, "There is no such partner"
    KEY_ALREADY_REGISTERED = "partner_key_already_registered", 409, "The key was registered before"
    KEY_UNPROVEN = "partner_key_unproven", 422, "The key has to sign its own registration"
    KEY_NOT_AGREED = "partner_key_not_agreed", 403, "Neither an agreement nor another key vouches for this key"
    KEY_NOT_FOUND = "partner_key_not_found", 404, "There is no such key"
    KEY_ALREADY_REVOKED = "partner_key_already_revoked", 409, "The key is revoked already"


class PartnerKey(msgspec.Struct, frozen=True):
    public_key: str
    revoked: bool = False


class Partner(msgspec.Struct, frozen=True):
    code: PartnerCode | None = None  # None: not registered yet
    keys: immutables.Map[KeyId, PartnerKey] = immutables.Map()


def decide(command: Command, partner: Partner) -> list[PartnerEvent] | Refused[Reason]:
    match command:
        case RegisterPartner():
            if partner.code is not None:
                return Refused(Reason.ALREADY_REGISTERED, f"{command.partner} is registered already", field="/partner")
            return [PartnerRegistered(partner=command.partner, name=command.name)]
        case RegisterPartnerKey():
            return _register_key(command, partner)
        case RevokePartnerKey():
            key = partner.keys.get(command.key)
            if key is None or partner.code is None:
                return Refused(Reason.KEY_NOT_FOUND, f"there is no key {command.key}", field="path:key")
            if key.revoked:
                return Refused(Reason.KEY_ALREADY_REVOKED, f"key {command.key} is revoked already")
            return [PartnerKeyRevoked(partner=partner.code, key=command.key, reason=command.reason, revoked_by=command.by)]
        case _:
            assert_never(command)


def _register_key(command: RegisterPartnerKey, partner: Partner) -> list[PartnerEvent] | Refused[Reason]:
    paper, said = command.paper, command.possession
    if partner.code is None:
        return Refused(Reason.NOT_FOUND, f"there is no partner {paper.partner}")
    if paper.key in partner.keys:  # also a revoked one: it stays revoked for ever
        detail = f"{paper.key} was registered before"
        return Refused(Reason.KEY_ALREADY_REGISTERED, detail, field="/public_key", accepted="another key")
    needed = f"over {name_of(paper)}, for the purpose {paper.purpose}, in the name of {paper.partner}"
    if said is None or said.key_id != paper.key or not _signs(said, paper, paper.public_key):
        accepted = f"the key's own signature {needed}"
        return Refused(Reason.KEY_UNPROVEN, "nothing shows that the partner has the key", field="/possession", accepted=accepted)
    endorsement = command.endorsement
    if endorsement is not None:
        by = partner.keys.get(KeyId(endorsement.key_id))
        if by is None or by.revoked or not _signs(endorsement, paper, by.public_key):
            accepted = f"the signature of another key of the partner, not revoked, {needed}"
            return Refused(Reason.KEY_NOT_AGREED, "no other key of the partner has signed this", field="/endorsement", accepted=accepted)
    elif command.agreement is None:
        return Refused(
            Reason.KEY_NOT_AGREED,
            f"no agreement in force names {fingerprint(paper.public_key)}",
            field="/public_key",
            accepted="a key whose fingerprint an agreement names, or an `endorsement` by another key of the partner",
        )
    registered = PartnerKeyRegistered(
        partner=paper.partner,
        key=paper.key,
        public_key=paper.public_key,
        possession=approval_of(said, command.on),
        agreement=None if endorsement is not None else command.agreement,
        endorsement=None if endorsement is None else approval_of(endorsement, command.on),
    )
    return [registered]


def _signs(said: SignedApproval, paper: PartnerKeyPaper, public_key: str) -> bool:
    about = (said.purpose, said.document, said.approver, said.authority)
    return about == (paper.purpose, name_of(paper), paper.partner, None) and verify_approval(said, public_key)


def evolve(partner: Partner, event: PartnerEvent) -> Partner:
    match event:
        case PartnerRegistered():
            return Partner(event.partner)
        case PartnerKeyRegistered():
            return replace(partner, keys=partner.keys.set(event.key, PartnerKey(event.public_key)))
        case PartnerKeyRevoked():
            return replace(partner, keys=partner.keys.set(event.key, replace(partner.keys[event.key], revoked=True)))
        case _:
            assert_never(event)


DECIDER = Decider(kind="partner", initial=Partner(), commands=Command, decide=decide, evolve=evolve)
