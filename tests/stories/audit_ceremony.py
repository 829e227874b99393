"""Approvers' keys for the audit's tests: two persons' in a ceremony, and what is entered after it, with whose signatures one likes."""

from datetime import date
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from services.allocation import events as allocation
from services.allocation.events.papers import paper_of
from services.ledger.keys import seed_key
from shared.journal.record import name_of
from shared.proofs.signed_note import parse_verifier_key
from shared.terms.acting import approval_of
from shared.terms.approval import approve, key_id, public_key_hex
from tests.stories.audit import DAY_BEFORE, TODAY, Step, Story, an_instrument

KEYS = {name: Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number, name in enumerate(("ann", "ben", "cy"), 1)}


def origin_of(folder: Path) -> str:
    return parse_verifier_key(seed_key(folder)).name


def enrolled(folder: Path, subject: str, *, signed_by: str | None = None, by: str | None = None, key_of: str | None = None) -> Any:
    """`signed_by`: whose key shows possession; `by`: who endorses it; `key_of`: whose key it is, if it is another's."""
    public_key = public_key_hex(KEYS[key_of or subject])
    event = allocation.ApproverKeyEnrolled(subject=subject, key=key_id(public_key), public_key=public_key)  # type: ignore[arg-type]
    said = {"approver": subject, "purpose": "enrolment", "origin": origin_of(folder)}
    possession = approval_of(approve(name_of(paper_of(event)), KEYS[signed_by or key_of or subject], **said), TODAY)
    return endorsed(folder, replace(event, possession=possession), by)


def endorsed(folder: Path, event: Any, by: str | None) -> Any:
    if by is None:
        return event
    paper = paper_of(event)
    signed = approve(name_of(paper), KEYS[by], approver=by, purpose=paper.purpose, origin=origin_of(folder))
    return replace(event, endorsement=approval_of(signed, TODAY))


def instrument(folder: Path, name: str, by: str | None = None, holder: str = "sub_holder") -> Any:
    return endorsed(folder, an_instrument(instrument=name, holder=holder), by)


def story(folder: Path, **more: Any) -> Story:
    """A ceremony; then each step is a day later."""
    begun = {"ann": enrolled(folder, "ann"), "ben": enrolled(folder, "ben"), "act": instrument(folder, "ins_1")}
    steps: Story = {name: step(event, DAY_BEFORE) for name, event in begun.items()}
    steps |= {name: step(event, TODAY) for name, event in more.items()}
    return steps | {"close": Step()}


def step(event: Any, on: date) -> Step:
    return Step(event=event, stream=f"{type(event).__name__}/{id(event)}", shard=0, on=on)
