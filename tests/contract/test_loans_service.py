"""Facility loans as they are served, beside the real allocation, whose approvers sign, on the real PostgreSQL and Kafka."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest

from shared.engines.engines import Engines
from tests.contract.any_order import assert_no_order_matters
from tests.contract.loans_stage import LIMITS, TERMS, TODAY, Lender, a_lender, followed
from tests.kernel.stage import until


@pytest.fixture(scope="module")
async def lender(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lender]:
    async with a_lender(servers, tmp_path_factory.mktemp("lender")) as lender:
        await lender.by_two("admin-1", "/v1/facilities", {"facility": "cmf", "limits": LIMITS, "authority": "Act"})
        yield lender


async def test_an_advance_waits_for_offtake_sees_it_and_is_paid_and_a_late_told_payment_is_put_right(lender: Lender):
    loan = await lender.committed(TERMS)
    path = f"/v1/loans/{loan}"
    advance = await lender.post("operator-1", f"{path}/advances", {"amount_minor": 120_000, "purpose": "a furnace"})
    assert advance["status"] == "requested"
    pay, paid_out = f"{path}/advances/{advance['advance']}/pay", {"payee": await lender.payee(TERMS["borrower"]), "paid_on": str(TODAY)}
    assert await lender.refused("operator-1", pay, paid_out) == (409, "conditions_unmet")
    (condition,) = await lender.get("borrower-hillgrove", f"{path}/conditions")
    assert (condition["status"], condition["needed"]) == ("not_evaluated", "offtake / output: at least 4/5")

    await lender.fact("hillgrove", "output", quantity=1_000, unit="g")
    offtake = await lender.fact("hillgrove", "offtake", subject="buyer-1", quantity=800, unit="g", binding=True)

    async def cleared() -> Any:
        (found,) = (await lender.get("operator-1", f"{path}/advances"))["data"]
        return found if found["status"] == "cleared" else None

    assert offtake in (await until(cleared))["seen"][0]["evidence"]
    assert await lender.refused("operator-1", pay, paid_out) == (403, "advance_by_one_person")
    paid = await lender.pay(loan, advance)
    assert (paid["undrawn_minor"], paid["figures"]["principal_minor"], paid["seen"][0]["status"]) == (0, 120_000, "met")

    before = datetime.now().astimezone().isoformat()
    body = {"reference": "bank-1", "amount_minor": 20_000, "received_on": str(TODAY), "prepays": "instalment"}
    recorded = await lender.post("operator-1", f"{path}/payments", body)
    assert recorded["figures"]["principal_minor"] == 100_000
    assert await lender.refused("operator-1", f"{path}/payments", body) == (409, "payment_reference_used")
    known = await lender.get("auditor-1", f"{path}/standing", known_at=before, on=str(TODAY))
    now = await lender.get("auditor-1", f"{path}/standing", on=str(TODAY))
    far = await lender.clients["borrower-hillgrove"].get(f"{path}/standing", params={"on": "2999-12-31"})
    assert (far.status_code, far.json()["code"]) == (422, "date_in_future")
    assert (known["figures"]["principal_minor"], now["figures"]["principal_minor"]) == (120_000, 100_000)
    reversed = await lender.by_two("operator-1", f"{path}/payments/{recorded['payment']}/reverse", {"reason": "of another loan"})
    assert followed(reversed, "payment_reversed")["after"]["principal_minor"] == 120_000
    known = await lender.get("auditor-1", f"{path}/standing", known_at=datetime.now().astimezone().isoformat())
    assert known["figures"]["principal_minor"] == 120_000  # a command that waits for its signature is in the stream, and changes none
    assert [entry["kind"] for entry in (await lender.get("auditor-1", f"{path}/entries"))["data"]][-4:] == [
        "advance_paid",
        "payment_recorded",
        "payment_reversed",
        "authority_cited",
    ]
    rows = await lender.get("borrower-hillgrove", f"{path}/schedule")
    assert (len(rows), sum(row["principal_minor"] for row in rows), rows[-1]["balance_minor"]) == (12, 120_000, 0)


async def test_a_condition_is_waived_only_with_a_second_person_s_signature(lender: Lender):
    loan = await lender.committed(TERMS | {"project": "nowhere"})
    path = f"/v1/loans/{loan}"
    content = {"type": "waive_condition", "name": "offtake"}
    act = await lender.post("operator-1", f"{path}/acts", {"content": content, "reason": "the market is disrupted"})
    document = (await lender.clients["approver-1"].get(f"{path}/acts/{act['act']}/document")).content
    assert b'"reason":"text:' in document  # what is signed is the commitment to it
    await lender.approve(f"{path}/acts/{act['act']}/approvals", act["document"], "loan_act")
    advance = await lender.post("operator-1", f"{path}/advances", {"amount_minor": 1, "purpose": "a furnace"})
    assert advance["status"] == "cleared"
    paid = await lender.pay(loan, advance)
    assert paid["seen"][0]["status"] == "waived"


@asynccontextmanager
async def interested(lender: Lender, who: str, company: str) -> AsyncIterator[None]:
    """Somebody has declared an interest, which is withdrawn after."""
    conflict = {"about": "company", "name": company, "reason": "holds shares"}
    declared = f"/v1/officials/{lender.subject(who)}/conflicts"
    url = lender.stage.urls[lender.allocation.kernel.service.name]
    async with lender.stage.client(url, "admin-1") as admin, lender.stage.client(url, "approver-1") as approver:
        answer = await admin.post(declared, json=conflict, headers={"Idempotency-Key": secrets.token_hex(8)})
        assert answer.is_success, answer.text
        await until(lambda: lender.loans.kernel.pool.fetchval("SELECT true FROM conflicts"))
        yield
        withdrawn = await admin.post(f"{declared}/withdraw", json=conflict, headers={"Idempotency-Key": secrets.token_hex(8)})
        proposed = withdrawn.json()
        signed, path = lender.signed(proposed["document"], "command"), f"/v1/proposals/{proposed['proposal']}/approvals"
        answer = await approver.post(path, json=signed, headers={"Idempotency-Key": secrets.token_hex(8)})
        assert answer.is_success, answer.text
        await until(lambda: lender.loans.kernel.pool.fetchval("SELECT count(*) = 0 FROM conflicts"))


async def test_who_has_an_interest_in_the_borrower_or_whom_it_is_connected_with_pays_nothing_out(lender: Lender):
    bound = {"joint_borrowers": ["yangibana-mines"], "guarantors": [{"party": "borrower/owner"}]}
    loan = await lender.committed(TERMS | {"precedents": []} | bound)
    path = f"/v1/loans/{loan}/advances"
    advance = await lender.post("operator-1", path, {"amount_minor": 1, "purpose": "a furnace"})
    pay, paid = f"{path}/{advance['advance']}/pay", {"payee": await lender.payee(TERMS["borrower"]), "paid_on": str(TODAY)}
    members = ["borrower/hillgrove-mines", "borrower/sister"]
    group = {"group": "sisters", "members": members, "facilities": ["cmf"], "reason": "one holds both"}
    await lender.by_two("admin-1", "/v1/groups", group)
    for company in (TERMS["borrower"], "yangibana-mines", "owner", "sister"):
        async with interested(lender, "operator-2", company):
            assert await lender.refused("operator-2", pay, paid) == (403, "conflict_of_interest"), company
    await lender.by_two("admin-1", "/v1/groups", group | {"members": []})
    async with interested(lender, "operator-2", "sister"):
        await lender.post("operator-2", pay, paid)


async def test_who_is_bound_beside_the_borrower_is_charged_too(lender: Lender):
    before = {each["key"]: each["committed_minor"] for each in (await lender.get("auditor-1", "/v1/facilities/cmf"))["limits"]}
    shares = {"joint_borrowers": ["joint-mines"], "guarantors": [{"party": "partner/KR", "amount_minor": 50_000}]}
    syndicated = {"total_minor": 360_000, "share": "1/3"}
    await lender.committed(TERMS | shares | {"borrower": "lone-mines", "syndicated": syndicated})
    after = {each["key"]: each["committed_minor"] for each in (await lender.get("auditor-1", "/v1/facilities/cmf"))["limits"]}
    charged = {key: minor - before.get(key, 0) for key, minor in after.items() if minor != before.get(key, 0)}
    wanted = {"borrower/lone-mines": 120_000, "borrower/joint-mines": 120_000, "partner/KR": 50_000, "total": 120_000}
    assert charged.items() >= wanted.items()
    wrong = await lender.refused("operator-1", "/v1/loans", TERMS | {"syndicated": syndicated | {"share": "1/2"}})
    assert wrong == (422, "loan_terms_invalid")


async def test_a_default_lets_all_fall_due_tells_the_borrower_s_other_loan_and_ends_with_a_refund(lender: Lender):
    lent = TERMS | {"precedents": [], "borrower": "yangibana-mines", "cross_default": True}
    first, second = [await lender.committed(lent) for _ in range(2)]
    path, default = f"/v1/loans/{first}", {"reason": "insolvent"}

    async def signed(content: Any) -> None:
        act = await lender.post("operator-1", f"{path}/acts", {"content": content, "reason": "agreed by the board"})
        await lender.approve(f"{path}/acts/{act['act']}/approvals", act["document"], "loan_act")

    advance = await lender.post("operator-1", f"{path}/advances", {"amount_minor": 100_000, "purpose": "a furnace"})
    await lender.pay(first, advance)
    for cause in ("payment", "covenant", "cross_default"):
        assert await lender.refused("operator-1", f"{path}/default", default | {"cause": cause}) == (409, "default_without_grounds")
    await lender.post("operator-1", f"{path}/default", default)
    assert (await lender.loan(first, "defaulted"))["in_default"]["lapses_at"] is not None
    accelerate = {"content": {"type": "accelerate", "on": str(TODAY)}, "reason": "agreed by the board"}
    assert await lender.refused("operator-1", f"{path}/acts", accelerate) == (409, "default_unconfirmed")
    assert await lender.refused("operator-1", f"{path}/default/confirm") == (403, "default_confirmed_by_same_person")
    await lender.post("operator-2", f"{path}/default/confirm")
    assert await lender.refused("operator-2", f"{path}/default/confirm") == (409, "default_stands_already")
    await signed(accelerate["content"])
    in_default = {"cause": "other", "lapses_at": None, "falls_due_on": str(TODAY), "fallen_due": True, "claim_minor": None}
    assert (await lender.loan(first, "defaulted"))["in_default"] == in_default
    assert (await lender.get("operator-1", f"{path}/standing"))["figures"]["due_minor"] == 100_000

    async def told(ended: bool) -> Any:
        found = await lender.get("operator-1", f"/v1/loans/{second}")
        return found if found["cross_defaults"] == ([] if ended else [first]) else None

    await until(lambda: told(ended=False))
    await lender.post("operator-1", f"/v1/loans/{second}/default", {"reason": "its other loan", "cause": "cross_default"})
    body = {"reference": "bank-all", "amount_minor": 100_500, "received_on": str(TODAY)}
    recorded = await lender.post("operator-1", f"{path}/payments", body)
    assert recorded["figures"]["due_minor"] == 0
    await lender.loan(first, "repaid")
    refund = {"content": {"type": "refund", "amount_minor": 500, "reference": "b", "on": str(TODAY)}, "reason": "paid twice"}
    assert await lender.refused("operator-1", f"{path}/acts", refund) == (409, "payments_not_reconciled")
    reconcile, statement = f"{path}/payments/{recorded['payment']}/reconcile", {"statement": "2026/117"}
    assert await lender.refused("operator-1", reconcile, statement) == (403, "payment_reconciled_by_same_person")
    [waits] = (await lender.get("operator-2", f"{path}/payments?unreconciled=true"))["data"]
    assert waits["payment"] == recorded["payment"]
    await lender.post("operator-2", reconcile, statement)
    assert (await lender.get("operator-2", f"{path}/payments?unreconciled=true"))["data"] == []
    assert await lender.refused("operator-2", reconcile, statement) == (409, "payment_not_to_reconcile")
    assert await lender.refused("operator-1", f"{path}/close", {"reason": "over"}) == (409, "loan_owes_borrower")
    await signed({"type": "refund", "amount_minor": 500, "reference": "bank-back", "on": str(TODAY)})
    await lender.post("operator-1", f"{path}/close", {"reason": "over"})
    await until(lambda: told(ended=True))
    await lender.loan(second, "committed")  # its default was for the other one's


async def test_a_breach_is_one_person_s_word_until_another_confirms_it(lender: Lender):
    loan = await lender.committed(TERMS | {"covenants": [{"kind": "dscr", "minimum": "1.3"}]})
    path = f"/v1/loans/{loan}/ratios"
    figure = {"kind": "dscr", "ratio": "1.0", "for_on": str(TODAY), "source": "accounts"}
    reported = await lender.post("operator-1", path, figure)
    assert (reported["standing"], reported["lapses_at"] is not None) == ("breached", True)
    assert await lender.refused("operator-1", f"{path}/dscr/confirm") == (403, "breach_confirmed_by_same_person")
    assert await lender.refused("operator-2", f"{path}/llcr/confirm") == (404, "covenant_not_found")
    assert (await lender.post("operator-2", f"{path}/dscr/confirm"))["confirmed_by"] == lender.subject("operator-2")
    [listed] = await lender.get("auditor-1", path)
    assert (listed["standing"], listed["lapses_at"]) == ("breached", None)
    cured = await lender.post("operator-1", path, figure | {"ratio": "1.5"})
    assert cured["command"]["by"] is None, "what another signs says nothing of whose word it would have been"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"base_pct": "-1"}, 422, "loan_rate_invalid"),
        ({"base_pct": "1000"}, 422, "loan_rate_invalid"),
        ({"currency": "USD"}, 409, "rate_missing"),
        ({"commitment_minor": 1_000_000_001}, 409, "limit_exceeded"),
        ({"facility": "nowhere"}, 404, "facility_not_found"),
        ({"schedule": TERMS["schedule"] | {"kind": "balloon", "balloon_minor": 120_001}}, 422, "schedule_invalid"),
        ({"schedule": TERMS["schedule"] | {"calendar": "Atlantis"}}, 422, "schedule_invalid"),
        ({"precedents": TERMS["precedents"] * 2}, 422, "condition_invalid"),
    ],
)
async def test_a_loan_that_cannot_be_is_refused_and_changes_nothing(lender: Lender, changes: Any, status: int, code: str):
    before = await lender.get("auditor-1", "/v1/loans")
    assert await lender.refused("operator-1", "/v1/loans", TERMS | changes) == (status, code)
    assert await lender.get("auditor-1", "/v1/loans") == before


async def test_a_borrower_sees_its_own_loans_only(lender: Lender):
    loan = await lender.committed(TERMS)
    assert (await lender.get("borrower-hillgrove", f"/v1/loans/{loan}"))["borrower"] == "hillgrove-mines"
    for party, status in (("borrower-nolans", 404), ("partner-jp", 403)):
        for path in ("", "/conditions", "/standing", "/entries", "/schedule", "/payments", "/advances", "/acts", "/ratios", "/proposal"):
            assert (await lender.clients[party].get(f"/v1/loans/{loan}{path}")).status_code == status, path
    assert (await lender.get("borrower-nolans", "/v1/loans"))["data"] == []
    answer = await lender.clients["borrower-hillgrove"].post(
        f"/v1/loans/{loan}/payments",
        json={"reference": "x", "amount_minor": 1, "received_on": str(TODAY)},
        headers={"Idempotency-Key": "own"},
    )
    assert answer.status_code == 403


async def test_headroom_is_never_exceeded_by_commitments_that_come_at_once(lender: Lender):
    """64 loans of a tenth of what their project may have: ten are committed, whichever, and never one more."""
    terms = TERMS | {"project": "crowded", "commitment_minor": 100_000, "precedents": []}
    proposed = [await lender.post("operator-1", "/v1/loans", terms) for _ in range(64)]
    await asyncio.gather(*(lender.approve(f"/v1/loans/{each['loan']}/approvals", each["document"], "loan_proposal") for each in proposed))

    async def answered() -> Any:
        found = (await lender.get("operator-1", "/v1/loans", project="crowded", limit="100"))["data"]
        return found if all(each["status"] != "approved" for each in found) else None

    found = await until(answered)
    assert [each["status"] for each in found].count("committed") == 10
    facility = await lender.get("auditor-1", "/v1/facilities/cmf")
    (crowded,) = [each for each in facility["limits"] if each["key"] == "project/crowded"]
    assert (crowded["committed_minor"], crowded["headroom_minor"]) == (1_000_000, 0)
    refused = next(each for each in found if each["status"] == "proposed")
    assert "limit_exceeded" in (await lender.get("operator-1", f"/v1/loans/{refused['loan']}"))["reason"]


async def test_whichever_shard_is_read_first_the_tables_are_the_same(lender: Lender):
    await assert_no_order_matters(lender.stage, lender.loans, lender.allocation)
