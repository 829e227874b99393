"""Certificates over HTTP: everything that a decision stands on, for its reader. There is no ledger here: its receipts are missing, and said
to be; `tests/e2e` has them."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from reserve.commands.certificate import check
from services.allocation.domain.decisions.certificate import Certificate, read_certificate
from services.allocation.domain.decisions.check import recompute, recompute_own
from services.allocation.domain.decisions.decision import decision_hash, read_file
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
    assert sorted(kinds) == ["approved", "certified", "cited", "enrolled", "proposed"]
    looked = list(check(found, []))
    assert [name for outcome, name in looked if outcome == "failed"] == []


async def test_a_partner_and_its_nominee_see_their_own_lines_and_nothing_of_others(reserve: Reserve):
    round = await reserve.certified_round(4, 6, supply=5)
    decision = (await reserve.status(round, "released"))["decision"]
    for who in ("partner-jp", "nominee-sojitz"):
        found = await certificate(reserve, who, decision)
        file = read_file(bytes(found.file))
        assert {line.content.claimant.partner for line in file.lines} == {"JP"}
        assert recompute_own(file).failed == ()
        assert b'"US"' not in msgspec.json.encode(found)
        assert "it tells of other partners" in {missing.why for missing in found.missing if missing.part.startswith("proposed")}
    answer = await reserve.clients["partner-eu"].get(f"/v1/certificates/{decision}")
    assert (answer.status_code, answer.json()["code"]) == (404, "certificate_not_found")
    assert round not in answer.text


async def test_a_certificate_is_a_page_for_print_too(reserve: Reserve):
    round = await reserve.certified_round(2, 2, supply=2)
    decision = (await reserve.status(round, "released"))["decision"]
    answer = await reserve.clients["partner-jp"].get(f"/v1/certificates/{decision}", headers={"Accept": "text/html"})
    assert answer.headers["content-type"].startswith("text/html")
    assert f"{UNIT_G:,}" in answer.text
    assert "1 of 2 lines are open" in answer.text


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
