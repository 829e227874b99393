"""What moves value in allocation over HTTP: one person proposes it, an approver signs it, and until then nothing has changed."""

import secrets
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.allocation.events import KeyId, PartnerCode
from services.allocation.events.papers import PartnerKeyPaper
from shared.journal.record import name_of
from shared.terms.approval import key_id, public_key_hex
from tests.contract.allocation_stage import PRODUCT, TODAY, Reserve
from tests.stories.stockpile import UNIT_G


async def the_agreement(reserve: Reserve) -> tuple[Any, str]:
    """Europe's, and its ETag."""
    [row] = (await reserve.get("partner-eu", "/v1/agreements"))["data"]
    answer = await reserve.clients["operator-1"].get(f"/v1/agreements/{row['agreement']}")
    return answer.json(), answer.headers["ETag"]


async def test_a_quota_is_doubled_by_two_and_by_nobody_with_an_interest_in_whose_it_is(reserve: Reserve):
    before, tag = await the_agreement(reserve)
    path = f"/v1/agreements/{before['agreement']}/amend"
    doubled = [{"product": PRODUCT, "yearly_quota_g": 2000 * UNIT_G, "share": "1/4"}]
    body = {"products": doubled, "priority_class": 0, "valid_until": before["valid_until"], "reason": "they asked for more"}
    sent = {"Idempotency-Key": secrets.token_hex(8), "If-Match": tag}
    first, again = [await reserve.clients["operator-1"].post(path, json=body, headers=sent) for _ in range(2)]
    assert (first.status_code, again.status_code) == (202, 202) and first.json() == again.json()
    proposed = first.json()
    assert (proposed["act"], proposed["status"], proposed["streams"]) == (
        "sign_agreement",
        "proposed",
        [f"agreement/{before['agreement']}"],
    )
    unchanged, changed_tag = await the_agreement(reserve)
    assert unchanged == before and changed_tag != tag
    stale = await reserve.clients["operator-1"].post(path, json=body, headers={"Idempotency-Key": "stale", "If-Match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")

    approvals = f"/v1/proposals/{proposed['proposal']}/approvals"
    signed = reserve.signed(proposed["document"], "command")
    assert await reserve.refused("operator-1", approvals, signed) == (403, "forbidden")
    interest = {"about": "partner", "name": "EU", "reason": "shares"}
    await reserve.post("admin-1", f"/v1/officials/{reserve.subject('approver-1')}/conflicts", interest)
    assert await reserve.refused("approver-1", approvals, signed) == (403, "conflict_of_interest")
    await reserve.withdraw_conflict("approver-1", interest)
    assert (await the_agreement(reserve))[0] == before
    done = await reserve.post("approver-1", approvals, signed)
    assert [each["type"] for each in done["followed"]] == ["allocation.agreement_amended.v2", "allocation.authority_cited.v1"]
    assert (await the_agreement(reserve))[0]["products"] == doubled
    await reserve.by_two(path, body | {"products": before["products"]})


async def test_a_list_the_first_too_is_read_and_signed_by_another(reserve: Reserve):
    entries = [{"entry": f"E-{each}", "name": each, "source": "an example", "listed_on": str(TODAY)} for each in ("Alpha", "Beta")]
    imports, body = "/v1/screening-list-imports", {"list": "two-names", "reason": "of today", "entries": entries}
    first = await reserve.post("operator-1", imports, body)
    assert (await reserve.clients["operator-1"].get("/v1/screening-lists/two-names")).status_code == 404
    await reserve.sign(first)
    proposed = await reserve.post("operator-1", imports, body | {"entries": entries[:1]})
    assert (proposed["act"], proposed["command"]["entries"]) == ("screening_list", 1)

    async def in_force() -> Any:
        return (await reserve.get("operator-1", "/v1/screening-lists/two-names"))["entries"]

    assert len(await in_force()) == 2
    read = await reserve.get("approver-1", f"/v1/screening-list-documents/{proposed['command']['document']}")
    assert [each["name"] for each in read["entries"]] == ["Alpha"]
    answer = await reserve.clients["approver-1"].get(f"/v1/screening-list-documents/{proposed['document']}")
    assert (answer.status_code, answer.json()["code"]) == (404, "list_not_found")  # what is signed is no list
    await reserve.sign(proposed)
    assert len(await in_force()) == 1
    withdrawal = await reserve.post("operator-1", "/v1/screening-lists/two-names/withdraw", {"reason": "old"})
    assert len(await in_force()) == 1
    await reserve.sign(withdrawal)
    assert (await reserve.clients["operator-1"].get("/v1/screening-lists/two-names")).status_code == 404


async def test_a_partner_registers_the_key_that_two_have_agreed_on_and_revokes_it(reserve: Reserve):
    key = Ed25519PrivateKey.generate()
    public_key = public_key_hex(key)
    paper = PartnerKeyPaper(partner=PartnerCode("EU"), key=KeyId(key_id(public_key)), public_key=public_key)
    body = {"public_key": public_key, "possession": reserve.registrar.sign(name_of(paper), paper.purpose, "EU", key=key, authority=None)}
    assert await reserve.refused("partner-eu", "/v1/partner-keys", body) == (403, "partner_key_not_agreed")

    before, _ = await the_agreement(reserve)
    amendment = {name: before[name] for name in ("products", "priority_class", "valid_until")} | {"reason": "it signs from now on"}
    path = f"/v1/agreements/{before['agreement']}/amend"
    await reserve.by_two(path, amendment | {"key_fingerprint": sha256(bytes.fromhex(public_key)).hexdigest()})
    assert await reserve.refused("operator-1", "/v1/partner-keys", body) == (403, "forbidden")
    assert await reserve.refused("partner-us", "/v1/partner-keys", body) == (422, "partner_key_unproven")
    drill = body["possession"] | {"origin": "reserve/ledger/a-drill"}
    assert await reserve.refused("partner-eu", "/v1/partner-keys", body | {"possession": drill}) == (409, "approval_of_another_log")
    registered = await reserve.post("partner-eu", "/v1/partner-keys", body)
    assert registered == {"key": paper.key, "partner": "EU", "revoked": False}
    [shown] = (await reserve.get("partner-eu", "/v1/partners/EU"))["keys"]
    assert (shown["public_key"], shown["agreement"], shown["revoked_on"]) == (public_key, before["agreement"], None)

    revoke = f"/v1/partner-keys/{paper.key}/revoke"
    assert await reserve.refused("partner-us", revoke, {"reason": "not ours"}) == (404, "partner_key_not_found")
    await reserve.post("partner-eu", revoke, {"reason": "rotated"})
    [shown] = (await reserve.get("operator-1", "/v1/partners/EU"))["keys"]
    assert shown["revoked_on"] == str(TODAY)
    assert (await reserve.refused("partner-eu", "/v1/partner-keys", body))[1] == "partner_key_already_registered"
