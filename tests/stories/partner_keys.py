"""A partner's keys, as an agreement and its own signatures have them, for tests of the audit."""

from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from services.allocation import events as allocation
from services.allocation.events.papers import PartnerKeyPaper
from services.allocation.events.partner import PartnerKeyRegistered, PartnerKeyRevoked
from shared.journal.record import name_of
from shared.journal.texts import TypedText
from shared.terms.acting import Approval, approval_of
from shared.terms.approval import approve, key_id, public_key_hex
from tests.stories.audit import DAY_BEFORE, TODAY, Step, Story
from tests.stories.audit_ceremony import origin_of

KEYS = {name: Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number, name in enumerate(("one", "two", "other"), 11)}
JP = allocation.PartnerCode("JP")
GONE = PartnerKeyRevoked(
    partner=JP,
    key=allocation.KeyId(key_id(public_key_hex(KEYS["one"]))),
    reason=TypedText("lost"),
    revoked_by=allocation.SubjectId("sub_jp"),
)


def fingerprint_of(key: str) -> str:
    return sha256(KEYS[key].public_key().public_bytes_raw()).hexdigest()


def signed_by(folder: Path, by: str, key: str, **said: Any) -> Approval:
    public_key = public_key_hex(KEYS[key])
    paper = PartnerKeyPaper(partner=JP, key=allocation.KeyId(key_id(public_key)), public_key=public_key)
    whole = {"approver": "JP", "purpose": "partner_key", "origin": origin_of(folder)} | said
    return approval_of(approve(name_of(paper), KEYS[by], **whole), TODAY)


def registered(folder: Path, key: str, **changes: Any) -> PartnerKeyRegistered:
    public_key = public_key_hex(KEYS[key])
    event = PartnerKeyRegistered(
        partner=JP,
        key=allocation.KeyId(key_id(public_key)),
        public_key=public_key,
        possession=signed_by(folder, key, key),
        agreement=allocation.AgreementId("agr_jp"),
    )
    return replace(event, **changes)


def vouched(folder: Path, by: str, key: str) -> PartnerKeyRegistered:
    return registered(folder, key, agreement=None, endorsement=signed_by(folder, by, key))


def story(folder: Path, **more: Any) -> Story:
    """An agreement that names the first key; then each step is a day later than that."""
    agreement = allocation.AgreementSigned(
        agreement=allocation.AgreementId("agr_jp"),
        partner=JP,
        products=(),
        priority_class=0,
        valid_from=DAY_BEFORE,
        valid_until=date(2030, 6, 30),
        key_fingerprint=fingerprint_of("one"),
    )
    partner = Step(event=allocation.PartnerRegistered(partner=JP, name="Japan"), stream="partner/JP", on=DAY_BEFORE)
    steps: Story = {"partner": partner, "agreement": Step(event=agreement, stream="agreement/agr_jp", on=DAY_BEFORE)}
    steps |= {name: step if isinstance(step, Step) else Step(event=step, stream="partner/JP", on=TODAY) for name, step in more.items()}
    return steps | {"close": Step()}
