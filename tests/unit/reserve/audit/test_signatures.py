"""The audit of what partners sign: whose their keys are."""

from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from services.allocation import events as allocation
from services.allocation.events.papers import PartnerKeyPaper
from services.allocation.events.partner import PartnerKeyRegistered, PartnerKeyRevoked
from shared.journal.record import name_of
from shared.terms.acting import Approval, approval_of
from shared.terms.approval import approve, key_id, public_key_hex
from tests.stories.audit import DAY_BEFORE, TODAY, Step, Story, Told, failures
from tests.stories.audit_ceremony import origin_of

KEYS = {name: Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number, name in enumerate(("one", "two", "other"), 11)}
JP = allocation.PartnerCode("JP")


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


async def found_in(folder: Path, steps: Story) -> dict[str, list[str]]:
    history = Told(steps, folder)
    names = {place: name for name, place in history.places.items()}
    # that nobody has signed the agreement is not what is looked at here
    return {check: [names[place] for place in places] for check, places in failures(await history.audited()).items() if check != "control"}


async def test_a_key_of_the_agreement_and_one_that_it_signs_for_are_fine(tmp_path: Path) -> None:
    assert await found_in(tmp_path, story(tmp_path, one=registered(tmp_path, "one"), two=vouched(tmp_path, "one", "two"))) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"possession": ("two", "one", {})},
        {"possession": ("one", "two", {})},
        {"possession": ("one", "one", {"origin": "reserve/ledger/a-drill"})},
        {"possession": ("one", "one", {"approver": "US"})},
        {"agreement": None},
        {"agreement": allocation.AgreementId("agr_other")},
    ],
)
async def test_a_key_that_did_not_sign_or_that_no_agreement_names_is_found(tmp_path: Path, changes: dict[str, Any]) -> None:
    made = {name: signed_by(tmp_path, said[0], said[1], **said[2]) if isinstance(said, tuple) else said for name, said in changes.items()}
    found = await found_in(tmp_path, story(tmp_path, one=registered(tmp_path, "one", **made)))
    assert found["partners_sign"] == ["one"]


async def test_a_key_that_the_agreement_does_not_name_is_found(tmp_path: Path) -> None:
    assert await found_in(tmp_path, story(tmp_path, other=registered(tmp_path, "other"))) == {"partners_sign": ["other"]}


async def test_a_key_that_was_revoked_or_never_was_there_signs_for_none(tmp_path: Path) -> None:
    gone = PartnerKeyRevoked(partner=JP, key=allocation.KeyId(key_id(public_key_hex(KEYS["one"]))), reason="lost", revoked_by="sub_jp")  # type: ignore[arg-type]
    later = Step(event=vouched(tmp_path, "one", "two"), stream="partner/JP", on=TODAY + timedelta(days=1))
    steps = story(tmp_path, one=registered(tmp_path, "one"), gone=gone, two=later, never=vouched(tmp_path, "other", "other"))
    assert set((await found_in(tmp_path, steps))["partners_sign"]) == {"two", "never"}


async def test_a_key_has_one_life(tmp_path: Path) -> None:
    steps = story(tmp_path, one=registered(tmp_path, "one"), again=registered(tmp_path, "one"))
    assert await found_in(tmp_path, steps) == {"partners_sign": ["again"]}
