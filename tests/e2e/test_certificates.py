"""A certificate with the ledger's receipts: checked by whoever holds the file and the log's key, and nothing else."""

from reserve.commands.certificate import Found, check
from services.allocation.domain.decisions.certificate import Certificate, read_certificate
from services.ledger.receipt import verify_receipt
from shared.proofs.signed_note import parse_verifier_key
from tests.e2e.world import UNIT_G, World
from tests.waiting import until


async def test_a_partner_and_an_auditor_check_an_allocation_from_its_file_alone(world: World) -> None:
    product = await world.registered_product()
    await world.taken_in(product, 4)
    asked = []
    for partner, units in (("JP", 3), ("US", 1)):
        await world.agreed_with(partner, product)
        asked.append(await world.requested(partner, product, units * UNIT_G))
        await world.accepted(asked[-1], units * UNIT_G)
    round = await world.opened(product, asked)
    decision = await world.proposed(round, 3 * UNIT_G)
    await world.approved(round, decision, "approver-2")
    await world.certified(round)
    key = parse_verifier_key((world.running.folder / "keys" / "ledger.vkey").read_text().strip())

    async def covered(client) -> Certificate | None:  # type: ignore[no-untyped-def]
        answer = await client.request("GET", f"/allocation/v1/certificates/{decision}")
        return None if "retry-after" in answer.headers else read_certificate(answer.content)

    for client, lines in ((world.partner("JP"), 1), (world.auditor, 2)):
        certificate = await until(lambda client=client: covered(client))
        looked = list(check(certificate, [key]))
        assert [found for outcome, found in looked if outcome == "failed"] == []
        passed = {found.name for outcome, found in looked if outcome == "passed"}
        assert {"decision", "certified/approvals", "certified/decision"} <= passed
        assert any(name.endswith("/enrolled") for name in passed)
        assert any(name.startswith("approval of") and name.endswith("/approved") for name in passed)
        shown = {proof.kind for proof in certificate.proofs}
        assert {"enrolled", "approved", "certified"} <= shown
        assert {kind in shown for kind in ("proposed", "cited")} == {lines == 2}, "they say how much all awards are together"
        for proof in certificate.proofs:
            assert verify_receipt(proof.receipt, [key]).opening.place == proof.place
        assert Found("proposer") in [found for outcome, found in looked if outcome == "passed"] or lines == 1
