"""Repayment in kind as it is served, from a lot that inventory takes in to the balance of a loan, on the real PostgreSQL and Kafka."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.inventory.domain.controls import CONTROLS
from services.inventory.domain.lots import RecordAssay
from services.inventory.domain.rights import MatureRight
from services.inventory.events import Assay, LotId, RightId
from services.inventory.main import SERVICE as INVENTORY
from shared.engines.engines import Engines
from tests.contract.any_order import assert_no_order_matters
from tests.contract.loans_stage import LIMITS, TERMS, TODAY, Lender, a_lender, followed
from tests.kernel.stage import context, until
from tests.stories.countersigned import by_two
from tests.stories.stockpile import PASSED, UNIT_G, lot, register, right

RIGHTS = [f"rgt_01jh7qmxw4e0aayfkn3d1a2b{number}" for number in ("31", "32")]
LOTS = [f"lot_01jh7qmxw4e0aayfkn3d1a2c{number}" for number in ("31", "32")]
UNKNOWN = "01jh7qmxw4e0aayfkn3d1a2b99"
AGREED = {
    "product": "antimony-metal",
    "element": "Sb",
    "price": "1/50",  # of a cent for a contained gram
    "since": str(TODAY),
    "until": str(TODAY + timedelta(days=300)),
    "authority": "offtake agreement 7",
}


@pytest.fixture(scope="module")
async def lender(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lender]:
    async with a_lender(servers, tmp_path_factory.mktemp("offtakes"), INVENTORY) as lender:
        await lender.by_two("admin-1", "/v1/facilities", {"facility": "cmf", "limits": LIMITS, "authority": "Act"})
        until = TODAY + timedelta(days=200)
        rights = [right(name, 4, window_from=TODAY, window_to=until, on=TODAY) for name in RIGHTS]
        await in_stock(lender, register(), *rights)
        yield lender


async def in_stock(lender: Lender, *commands: Any) -> None:
    for command in (each for whole in commands for each in by_two(CONTROLS, whole, TODAY)):
        told = context(effective_on=TODAY.isoformat())
        decided = await lender.beside["inventory"].kernel.writer.submit("stockpile/antimony-metal", command, told)
        assert hasattr(decided, "facts"), decided


def delivered(name: str, under: str, *, fit: bool) -> MatureRight:
    assay = Assay(report="A", laboratory="L", assayed_on=TODAY, contents={"Sb": "0.9965"}, in_specification=fit)
    return MatureRight(right=RightId(under), settled_g=UNIT_G, delivery=lot(name, 1, assay=assay, on=TODAY))


async def lent(lender: Lender) -> str:
    """A$1,200.00, all advanced today."""
    loan = await lender.committed(TERMS | {"precedents": []})
    advance = await lender.post("operator-1", f"/v1/loans/{loan}/advances", {"amount_minor": 120_000, "purpose": "a furnace"})
    await lender.pay(loan, advance)
    return loan


async def delivery(lender: Lender, loan: str, status: str) -> Any:
    async def reached() -> Any:
        found = (await lender.get("borrower-hillgrove", f"/v1/loans/{loan}/deliveries"))["data"]
        return next((each for each in found if each["status"] == status), None)

    return await until(reached)


async def credited(lender: Lender, loan: str, payment: str) -> Any:
    async def reached() -> Any:
        found = (await lender.get("borrower-hillgrove", f"/v1/loans/{loan}/payments?kind=delivery"))["data"]
        return next((each for each in found if each["payment"] == payment), None)

    return await until(reached)


async def test_a_lot_that_is_taken_in_under_a_right_repays_the_loan(lender: Lender):
    loan = await lent(lender)
    signed = await lender.by_two("operator-1", f"/v1/loans/{loan}/offtakes", AGREED | {"right": RIGHTS[0]})
    agreed = followed(signed, "offtake_agreed")
    assert (agreed["currency"], agreed["share"]) == ("AUD", "1")
    await in_stock(lender, delivered(LOTS[0], RIGHTS[0], fit=True))

    worth = UNIT_G * 9965 // 10_000 // 50
    valued = await delivery(lender, loan, "valued")
    assert (valued["lot"], valued["contained_g"], valued["amount_minor"]) == (LOTS[0], UNIT_G * 9965 // 10_000, worth)
    payment = await credited(lender, loan, LOTS[0].replace("lot_", "pay_"))
    assert (payment["amount_minor"], payment["reference"], payment["received_on"]) == (worth, LOTS[0], str(TODAY))
    shown = await lender.get("borrower-hillgrove", f"/v1/loans/{loan}")
    assert shown["figures"]["credit_minor"] == worth  # nothing was due yet

    ended = await lender.by_two("operator-1", f"/v1/loans/{loan}/offtakes/{agreed['offtake']}/end", {"reason": "repaid"})
    assert followed(ended, "offtake_ended")["on"] == str(TODAY)
    [listed] = (await lender.get("borrower-hillgrove", f"/v1/loans/{loan}/offtakes"))["data"]
    assert listed["ended_because"] == "repaid"
    again = f"/v1/loans/{loan}/offtakes/{agreed['offtake']}/end"
    assert await lender.refused("operator-1", again, {"reason": "again"}) == (409, "offtake_ended")


async def test_goods_out_of_specification_repay_nothing_until_an_assay_finds_them_fit(lender: Lender):
    loan = await lent(lender)
    await lender.by_two("operator-1", f"/v1/loans/{loan}/offtakes", AGREED | {"right": RIGHTS[1], "share": "1/2"})
    await in_stock(lender, delivered(LOTS[1], RIGHTS[1], fit=False))
    waits = await delivery(lender, loan, "quarantined")
    assert (waits["lot"], waits["amount_minor"], waits["reason"]) == (LOTS[1], None, "out_of_specification")
    assert (await lender.get("operator-1", f"/v1/loans/{loan}"))["figures"]["credit_minor"] == 0
    await in_stock(lender, RecordAssay(lot=LotId(LOTS[1]), assay=PASSED))
    valued = await delivery(lender, loan, "valued")
    payment = await credited(lender, loan, valued["payment"])
    assert payment["amount_minor"] == valued["amount_minor"] > 0


async def test_deliveries_that_slip_beyond_their_agreement_leave_a_gap_of_what_they_were_to_repay(lender: Lender):
    """Three of the right's four units are to come, and half of each is more than all that is due."""
    [standing] = [each for each in await agreements(lender) if each["right"] == RIGHTS[1]]
    scenario = {"kind": "delay", "project": "hillgrove", "months": 6}
    answer = await lender.clients["operator-1"].post("/v1/exposure/what-if", json={"scenarios": [scenario]})
    assert answer.status_code == 200, answer.text
    due = await lender.get("auditor-1", f"/v1/loans/{standing['loan']}/schedule")
    assert answer.json()["gaps"] == [
        {
            "position": standing["loan"],
            "asset": "AUD",
            "missing": sum(row["principal_minor"] + row["interest_minor"] + row["fees_minor"] for row in due),
            "since": min(row["due"] for row in due if row["due"] >= str(TODAY + timedelta(days=200))),
        }
    ]


async def agreements(lender: Lender) -> list[Any]:
    loans = (await lender.get("operator-1", "/v1/loans"))["data"]
    return [each for loan in loans for each in (await lender.get("operator-1", f"/v1/loans/{loan['loan']}/offtakes"))["data"]]


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"price": "0"}, 422, "invalid_request"),
        ({"price": "-1"}, 422, "invalid_request"),
        ({"price": 1}, 422, "invalid_request"),
        ({"share": "3/2"}, 422, "offtake_share_invalid"),
        ({"until": str(TODAY - timedelta(days=1))}, 422, "offtake_dates_reversed"),
        ({"right": "rgt_1"}, 422, "invalid_request"),
        ({"currency": "AUD"}, 422, "invalid_request"),  # it is the loan's
    ],
)
async def test_an_agreement_that_makes_no_sense_changes_nothing(lender: Lender, changed: dict[str, Any], status: int, code: str):
    [loan] = (await lender.get("operator-1", "/v1/loans?limit=1"))["data"]
    path = f"/v1/loans/{loan['loan']}/offtakes"
    before = (await lender.get("operator-1", path))["data"]
    assert await lender.refused("operator-1", path, AGREED | {"right": f"rgt_{UNKNOWN}"} | changed) == (status, code)
    assert (await lender.get("operator-1", path))["data"] == before


async def test_only_a_loan_that_is_committed_is_repaid_in_kind_and_only_its_borrower_sees_it(lender: Lender):
    proposed = (await lender.post("operator-1", "/v1/loans", TERMS))["loan"]
    body = AGREED | {"right": f"rgt_{UNKNOWN}"}
    assert await lender.refused("operator-1", f"/v1/loans/{proposed}/offtakes", body) == (409, "loan_status")
    assert await lender.refused("operator-1", f"/v1/loans/lon_{UNKNOWN}/offtakes", body) == (404, "loan_not_found")
    assert (await lender.refused("borrower-hillgrove", f"/v1/loans/{proposed}/offtakes", body))[0] == 403
    for path in ("offtakes", "deliveries"):
        assert (await lender.clients["borrower-nolans"].get(f"/v1/loans/{proposed}/{path}")).status_code == 404


async def test_whichever_shard_is_read_first_the_tables_are_the_same(lender: Lender):
    await assert_no_order_matters(lender.stage, lender.loans, lender.allocation, lender.beside["inventory"])
