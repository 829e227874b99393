"""Endorsements: what another approver signs before a key, an instrument or an acting officer is entered."""

from datetime import date
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.allocation.domain.authority.approver import EnrolKey
from services.allocation.domain.authority.endorsement import Endorsing
from services.allocation.events import KeyId, SubjectId
from services.allocation.events.papers import AuthorityPaper, EnrolmentPaper
from shared.journal.record import name_of
from shared.terms.acting import Signing
from shared.terms.approval import SignedApproval, approve, key_id, public_key_hex
from shared.terms.authority import Capacity
from tests.stories.log import ORIGIN

ADMIN, ENDORSER = "sub_admin", "sub_endorser"
ENDORSERS_KEY = Ed25519PrivateKey.from_private_bytes(bytes([9] * 32))
TODAY = date(2026, 1, 6)
CEREMONY = Endorsing(posted_by=frozenset({ADMIN}), ceremony=True, on=TODAY)
UNENDORSED = Endorsing(posted_by=frozenset({ADMIN}), ceremony=False, on=TODAY)


def endorsing(paper: AuthorityPaper, by: str = ENDORSER, **changes: Any) -> Endorsing:
    """`changes`: of what is signed (`document`, `purpose`), of the signing, or of its capacity (`others`)."""
    said = {"document": name_of(paper), "purpose": paper.purpose} | {
        name: changes.pop(name) for name in ("document", "purpose") if name in changes
    }
    signed = approve(said["document"], ENDORSERS_KEY, approver=by, purpose=said["purpose"], origin=ORIGIN)
    capacity = Capacity(by=by, on=TODAY, others=changes.pop("others", frozenset()))
    signing: dict[str, Any] = {"approval": signed, "key": "enrolled", "signature_valid": True, "capacity": capacity}
    return Endorsing(posted_by=frozenset({ADMIN}), ceremony=False, signing=Signing(**(signing | changes)), on=TODAY)


def paper_of(subject: str, key: Ed25519PrivateKey) -> EnrolmentPaper:
    public_key = public_key_hex(key)
    return EnrolmentPaper(subject=SubjectId(subject), key=KeyId(key_id(public_key)), public_key=public_key)


def enrolment(subject: str, key: Ed25519PrivateKey, endorsing: Endorsing = CEREMONY, **changes: Any) -> EnrolKey:
    """With the key's own signature."""
    paper = paper_of(subject, key)
    possession = approve(name_of(paper), key, approver=subject, purpose=paper.purpose, origin=ORIGIN)
    told: dict[str, Any] = {"subject": paper.subject, "key": paper.key, "public_key": paper.public_key, "possession": possession}
    return EnrolKey(**(told | {"endorsing": endorsing} | changes))


def read_approval(data: bytes) -> SignedApproval:
    return msgspec.json.decode(data, type=SignedApproval)
