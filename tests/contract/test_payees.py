"""Payees as they are served: two people register one, it is shown to each reader as far as they need it, and one person ends it at once."""

from collections.abc import AsyncIterator

import pytest

from shared.engines.engines import Engines
from tests.contract.loans_stage import LIMITS, PAYEE, TERMS, TODAY, Lender, a_lender

PAYEES = "/v1/payees"
BORROWER = "hillgrove-mines"


@pytest.fixture(scope="module")
async def lender(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lender]:
    async with a_lender(servers, tmp_path_factory.mktemp("lender")) as lender:
        await lender.by_two("admin-1", "/v1/facilities", {"facility": "cmf", "limits": LIMITS, "authority": "Act"})
        yield lender


async def test_an_account_s_number_is_whole_for_those_alone_who_pay_or_sign(lender: Lender):
    payee = await lender.payee(BORROWER)
    for party, account in (("operator-2", PAYEE["account"]), ("approver-1", PAYEE["account"]), ("auditor-1", None)):
        shown = await lender.get(party, f"{PAYEES}/{payee}")
        assert (shown["account"], shown["masked"], shown["holder"]) == (account, "***678", PAYEE["holder"]), party
    [own] = (await lender.get("borrower-hillgrove", PAYEES))["data"]
    assert (own["payee"], own["masked"]) == (payee, "***678")
    assert "account" not in own and (await lender.get("borrower-hillgrove", f"{PAYEES}/{payee}"))["account"] is None
    assert (await lender.get("borrower-nolans", PAYEES))["data"] == []
    assert (await lender.clients["borrower-nolans"].get(f"{PAYEES}/{payee}")).status_code == 404
    stored = await lender.loans.kernel.pool.fetch("SELECT data FROM events")
    assert stored and not any(PAYEE["account"] in str(row["data"]) for row in stored)


async def test_nobody_pays_on_a_payee_that_they_proposed_or_that_has_just_taken_the_place_of_another(lender: Lender):
    loan = await lender.committed(TERMS | {"precedents": []})
    first = await lender.payee(BORROWER)
    own = await lender.by_two("operator-2", PAYEES, PAYEE | {"borrower": "nolans-mines"})
    changed = await lender.by_two("operator-2", PAYEES, PAYEE | {"borrower": BORROWER, "account": "666 666"})
    advance = await lender.post("operator-1", f"/v1/loans/{loan}/advances", {"amount_minor": 1, "purpose": "a furnace"})
    pay = f"/v1/loans/{loan}/advances/{advance['advance']}/pay"
    for payee, code in ((own, "payee_of_another"), (changed, "payee_not_in_force")):
        paid = {"payee": payee["command"]["payee"], "paid_on": str(TODAY)}
        assert await lender.refused("operator-2", pay, paid) == (409, code)

    theirs = await lender.committed(TERMS | {"precedents": [], "borrower": "nolans-mines"})
    asked = await lender.post("operator-1", f"/v1/loans/{theirs}/advances", {"amount_minor": 1, "purpose": "a furnace"})
    paid = {"payee": own["command"]["payee"], "paid_on": str(TODAY)}
    by_one = await lender.refused("operator-2", f"/v1/loans/{theirs}/advances/{asked['advance']}/pay", paid)
    assert by_one == (403, "advance_by_one_person")

    await lender.post("operator-2", pay, {"payee": first, "paid_on": str(TODAY)})
    [listed] = (await lender.get("borrower-hillgrove", f"/v1/loans/{loan}/advances"))["data"]
    assert listed["payee"] == first


async def test_one_person_ends_a_payee_and_nothing_is_paid_on_it(lender: Lender):
    borrower = "yangibana-mines"
    loan = await lender.committed(TERMS | {"precedents": [], "borrower": borrower})
    payee = await lender.payee(borrower)
    assert await lender.refused("auditor-1", f"{PAYEES}/{payee}/end", {"reason": "not theirs"}) == (403, "forbidden")
    ended = await lender.post("operator-1", f"{PAYEES}/{payee}/end", {"reason": "the borrower says that it is not theirs"})
    assert (ended["ended_on"], ended["reason"]) == (str(TODAY), "the borrower says that it is not theirs")
    assert await lender.refused("operator-1", f"{PAYEES}/{payee}/end", {"reason": "again"}) == (409, "payee_already_ended")
    assert await lender.refused("operator-1", f"{PAYEES}/{payee}/end/confirm") == (403, "ending_confirmed_by_same_person")
    assert (await lender.post("operator-2", f"{PAYEES}/{payee}/end/confirm"))["payee"] == payee
    assert (await lender.get("operator-1", f"{PAYEES}/{payee}"))["lapses_at"] is None
    advance = await lender.post("operator-1", f"/v1/loans/{loan}/advances", {"amount_minor": 1, "purpose": "a furnace"})
    pay, paid = f"/v1/loans/{loan}/advances/{advance['advance']}/pay", {"payee": payee, "paid_on": str(TODAY)}
    assert await lender.refused("operator-2", pay, paid) == (409, "payee_not_in_force")
