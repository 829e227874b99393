"""What the partner's client signs is what the Reserve asks to be signed."""

from datetime import date

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reserve_partner import DrawItem, RequestBody, RequestItem
from reserve_partner.models import Me, StatementBody
from reserve_partner.signing import fingerprint, key_id, public_key, registration, sign_draw, sign_request
from services.allocation.api.partners.signing import salt_of
from services.allocation.events.papers import PartnerKeyPaper
from services.allocation.events.requests import ProductId, RequestPaper, Statement
from services.inventory.events import DrawPaper, LotId, ReleaseId
from shared.journal.record import name_of
from shared.journal.texts import commitment_to
from shared.terms import approval
from shared.terms.approval import SignedApproval, verify_approval
from tests.unit.client.serving import ASKED

KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(name * 32) for name in (b"k", b"o"))
ORIGIN = "reserve.example/ledger/1"
ME = Me(subject="sub_1", client="partner-jp", roles=[], partner="JP", nominee=None, borrower=None, keys=[], powers=[], entitlements=[])


def test_a_signed_draw_is_the_paper_that_inventory_makes_of_it() -> None:
    draw = DrawItem(release="rel_1", idempotency_key="truck-1", mass_g=5, lots=["lot_1"], assign_rights=True)
    signed = sign_draw(draw, KEY, me=ME, origin=ORIGIN)
    paper = DrawPaper(
        partner="JP",
        release=ReleaseId("rel_1"),
        mass_g=5,
        lots=(LotId("lot_1"),),
        assign_rights=True,
        client="partner-jp",
        subject="sub_1",
        idempotency_key="truck-1",
    )
    assert signed.signature is not None
    key, _, signature = signed.signature.partition(":")
    given = SignedApproval(purpose="draw", document=name_of(paper), approver="JP", key_id=key, signature=signature, origin=ORIGIN)
    assert verify_approval(given, public_key(KEY))
    assert (signed.release, signed.mass_g, signed.lots, signed.assign_rights) == ("rel_1", 5, ["lot_1"], True)


def test_a_registration_is_signed_by_its_own_key_and_by_one_that_vouches_for_it() -> None:
    body = registration(KEY, partner="JP", origin=ORIGIN, endorsed_by=OTHER)
    paper = name_of(PartnerKeyPaper(partner="JP", key=key_id(KEY), public_key=body["public_key"]))
    for said, key in ((body["possession"], KEY), (body["endorsement"], OTHER)):
        given = SignedApproval(**said)
        assert (given.document, given.purpose, given.approver, given.origin) == (paper, "partner_key", "JP", ORIGIN)
        assert verify_approval(given, public_key(key))
    assert "endorsement" not in registration(KEY, partner="JP", origin=ORIGIN)
    assert fingerprint(KEY) == approval.fingerprint(public_key(KEY))


SPECIAL = msgspec.structs.replace(
    ASKED,
    excluded_origins=["RU", "CN", "RU"],
    least_contents={"Sb": "0.9985"},
    return_on=date(2026, 9, 1),
    statement=StatementBody(event="the smelter burned", duration_days=90),
)


@pytest.mark.parametrize("asked", [SPECIAL, RequestItem(**msgspec.structs.asdict(SPECIAL), idempotency_key="order-1")])
def test_a_signed_request_is_the_paper_that_allocation_makes_of_it(asked: RequestBody) -> None:
    signed = sign_request(asked, KEY, me=ME, origin=ORIGIN, idempotency_key="order-1")
    assert signed.salt is not None and signed.signature is not None
    event = commitment_to(salt_of(signed.salt, "partner-jp", "sub_1", "order-1", "statement.event"), "the smelter burned")
    paper = RequestPaper(
        partner="JP",
        product=ProductId("antimony-metal"),
        mass_g=5,
        minimum_g=0,
        daily_consumption_g=1,
        needed_by=date(2026, 3, 1),
        nominee="a trader",
        consignee="a trader",
        end_user="a smelter",
        end_use="alloys",
        least_contents={"Sb": "0.9985"},
        excluded_origins=("CN", "RU"),
        statement=Statement(event=event, duration_days=90),
        return_on=date(2026, 9, 1),
        client="partner-jp",
        subject="sub_1",
        idempotency_key="order-1",
    )
    key, _, signature = signed.signature.partition(":")
    given = SignedApproval(purpose="request", document=name_of(paper), approver="JP", key_id=key, signature=signature, origin=ORIGIN)
    assert verify_approval(given, public_key(KEY))
    assert type(signed) is type(asked) and signed.statement == asked.statement
