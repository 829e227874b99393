"""Certificates over HTTP: everything that a decision stands on, for its reader. There is no ledger here: its receipts are missing, and said
to be; `tests/e2e` has them."""

from collections.abc import AsyncIterator
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reserve.commands.certificate import check
from services.allocation.domain.book.state import ATTESTATION
from services.allocation.domain.decisions.certificate import Certificate, read_certificate
from services.allocation.domain.decisions.check import recompute, recompute_own
from services.allocation.domain.decisions.decision import read_file
from services.allocation.domain.decisions.sealed import decision_hash, read_view
from shared.engines.engines import Engines
from tests.contract.allocation_stage import UNKNOWN, Reserve, a_reserve
from tests.contract.any_order import assert_no_order_matters
from tests.stories.stockpile import UNIT_G


@pytest.fixture(scope="module")
async def reserve(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reserve]:
    async with a_reserve(servers, tmp_path_factory.mktemp("certificates")) as reserve:
        yield reserve


async def certificate(reserve: Reserve, who: str, decision: str) -> Certificate:
    answer = await reserve.clients[who].get(f"/v1/certificates/{decision}")
    assert answer.is_success, answer.text
    assert (answer.headers["etag"], answer.headers["retry-after"]) == (f'"{decision}"', "1")
    return read_certificate(answer.content)


async def test_an_auditor_has_the_whole_decision_its_approvals_and_what_is_missing(reserve: Reserve):
    round = await reserve.certified_round(4, 6, supply=5)
    decision = (await reserve.status(round, "released"))["decision"]
    found = await certificate(reserve, "auditor-1", decision)
    file = read_file(bytes(found.file))
    assert (decision_hash(file), recompute(file), found.round) == (decision, [], round)
    assert [approval.subject for approval in found.approvals] == [reserve.subject("approver-1")]
    kinds = [missing.part.split()[0] for missing in found.missing]
    assert sorted(kinds) == ["approved", "certified", "cited", "enrolled", "enrolled", "proposed"]
    looked = list(check(found, []))
    assert [name for outcome, name in looked if outcome == "failed"] == []


async def test_a_partner_and_its_nominee_see_their_own_lines_and_nothing_of_others(reserve: Reserve):
    round = await reserve.certified_round(4, 6, supply=5)
    decision = (await reserve.status(round, "released"))["decision"]
    for who in ("partner-jp", "nominee-sojitz"):
        found = await certificate(reserve, who, decision)
        file = read_view(bytes(found.file))
        assert {line.content.claimant.partner for line in file.lines} == {"JP"}
        assert recompute_own(file).failed == ()
        assert b'"US"' not in msgspec.json.encode(found)
        assert "it tells of other partners" in {missing.why for missing in found.missing if missing.part.startswith("proposed")}
    answer = await reserve.clients["partner-eu"].get(f"/v1/certificates/{decision}")
    assert (answer.status_code, answer.json()["code"]) == (404, "certificate_not_found")
    assert round not in answer.text


async def test_who_certifies_a_decision_attests_with_a_key_of_their_own_what_a_partner_cannot_see(reserve: Reserve):
    operator = reserve.subject("operator-1")
    await reserve.registrar.enrol(operator, Ed25519PrivateKey.generate())
    round = await reserve.a_round(4, 6)
    decision = (await reserve.propose(round, 5))["decision"]
    await reserve.approve(round)
    certify = f"/v1/rounds/{round}/certify"

    def attestation(purpose: str = ATTESTATION, document: str = decision, who: str = "operator-1") -> dict[str, Any]:
        return {"attestation": reserve.signed(document, purpose, who, authority=None)}

    assert await reserve.refused("operator-1", certify) == (422, "attestation_missing")
    assert await reserve.refused("operator-1", certify, {"attestation": None}) == (422, "attestation_missing")
    assert await reserve.refused("operator-1", certify, attestation("decision")) == (409, "approval_of_another_document")
    assert await reserve.refused("operator-1", certify, attestation(document="0" * 64)) == (409, "approval_of_another_document")
    assert await reserve.refused("operator-1", certify, attestation(who="approver-1")) == (403, "approval_of_another_approver")
    forged = attestation()
    forged["attestation"]["signature"] = "0" * 128
    assert await reserve.refused("operator-1", certify, forged) == (422, "approval_signature_invalid")
    await reserve.post("operator-1", certify, attestation())
    found = await certificate(reserve, "partner-jp", (await reserve.status(round, "released"))["decision"])
    assert found.attestation is not None
    assert (found.attestation.subject, found.attestation.origin) == (operator, reserve.registrar.origin)
    looked = list(check(found, []))
    assert [name for outcome, name in looked if outcome == "failed"] == []
    assert ("passed", f"attestation of {operator} by key {found.attestation.key}/signature") in [(each, name.name) for each, name in looked]


async def test_nothing_that_a_partner_is_given_of_a_round_says_what_others_got(reserve: Reserve):
    """All that a round of two has for a partner, but for its own figures: neither what was offered nor a number that comes from it."""
    round = await reserve.certified_round(8, 13, supply=10)
    decision = (await reserve.status(round, "released"))["decision"]
    paths = (f"/v1/rounds/{round}", f"/v1/rounds/{round}/decision", f"/v1/rounds/{round}/certificate", f"/v1/certificates/{decision}")
    answers = [(await reserve.clients["partner-jp"].get(path)).text for path in (*paths, "/v1/carries", "/v1/awards", "/v1/requests")]
    offered, own_g, other_g, other_asked_g = (units * UNIT_G for units in (10, 4, 6, 13))
    assert any(str(own_g) in text for text in answers)
    for text in answers:
        for told in (offered, other_g, other_asked_g, "10/21", Fraction(80 * UNIT_G, 21), Fraction(80 * UNIT_G, 21) - own_g):
            assert f'"{told}"' not in text
            assert f":{told}," not in text
    page = (await reserve.clients["partner-jp"].get(f"/v1/certificates/{decision}", headers={"Accept": "text/html"})).text
    assert "10/21" not in page
    cited = [missing for missing in (await certificate(reserve, "partner-jp", decision)).missing if missing.part.startswith("cited")]
    assert [missing.why for missing in cited] == ["it tells of other partners"], "it says how much all awards are together"


async def test_a_certificate_is_a_page_for_print_too(reserve: Reserve):
    round = await reserve.certified_round(2, 2, supply=2)
    decision = (await reserve.status(round, "released"))["decision"]
    answer = await reserve.clients["partner-jp"].get(f"/v1/certificates/{decision}", headers={"Accept": "text/html"})
    assert answer.headers["content-type"].startswith("text/html")
    assert f"{UNIT_G:,}" in answer.text
    assert "would tell of other partners" in answer.text


async def test_a_decision_that_was_not_certified_has_no_certificate(reserve: Reserve):
    round = await reserve.a_round(2, 2)
    proposed = await reserve.propose(round, 2)
    for decision in (proposed["decision"], "0" * 64):
        answer = await reserve.clients["auditor-1"].get(f"/v1/certificates/{decision}")
        assert (answer.status_code, answer.json()["code"]) == (404, "certificate_not_found")
    assert (await reserve.clients["auditor-1"].get(f"/v1/certificates/{UNKNOWN}")).status_code == 422
    await reserve.post("operator-1", f"/v1/rounds/{round}/cancel", {"reason": "enough"})


async def test_whichever_shard_is_read_first_the_tables_are_the_same(reserve: Reserve):
    await assert_no_order_matters(reserve.stage, reserve.inventory, reserve.allocation)
