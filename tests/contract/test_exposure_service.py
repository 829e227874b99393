"""Exposure and what-ifs as they are served, over a loan, a holding and metal that is lent."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from services.loans.api.facility.positions import positions_of
from services.loans.domain.facility.exposure import Due, Exposure
from services.loans.domain.facility.state import Facility
from services.loans.domain.standing.calendars import months_later
from services.loans.tables.facility import CommitmentRow
from services.loans.tables.material import MaterialLoanRow
from shared.engines.engines import Engines
from shared.process.app import read_engine
from tests.contract.loans_stage import HOLDING, TERMS, TODAY, Lender, a_lender, sign_holding
from tests.kernel.stage import until

LIMITS = [
    {"key": "total", "limit_minor": 10_000_000},
    {"key": "instrument/equity", "parent": "total", "limit_minor": 900_000, "warn_at": "1/2"},
]
UNTIL = TODAY + timedelta(days=100)


@pytest.fixture(scope="module")
async def lender(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lender]:
    """It has lent 60,000 of 120,000 that are due in twelve months, and paid 200,000 for shares of the borrower."""
    async with a_lender(servers, tmp_path_factory.mktemp("exposure")) as lender:
        await lender.by_two("admin-1", "/v1/facilities", {"facility": "cmf", "limits": LIMITS, "authority": "Act"})
        loan = await lender.committed(TERMS | {"precedents": [], "available_until": str(UNTIL), "sunset_on": str(UNTIL)})
        advance = await lender.post("operator-1", f"/v1/loans/{loan}/advances", {"amount_minor": 60_000, "purpose": "a furnace"})
        await lender.pay(loan, advance)
        ratio = {"kind": "dscr", "ratio": "1.60", "for_on": str(TODAY), "source": "the borrower's accounts"}
        await lender.post("operator-1", f"/v1/loans/{loan}/ratios", ratio)
        await _hold(lender)
        await lender.fact("hillgrove", "offtake", quantity=300, unit="g", binding=True, until=str(months_later(TODAY, 3)))
        await lender.fact("hillgrove", "offtake", subject="x", quantity=100, unit="g", binding=True, until=str(months_later(TODAY, 9)))
        yield lender


async def _hold(lender: Lender) -> None:
    proposed = await lender.post("operator-1", "/v1/holdings", HOLDING | {"company": TERMS["borrower"]})
    await sign_holding(lender, proposed)
    path = f"/v1/holdings/{proposed['holding']}"

    async def committed() -> bool:
        return bool((await lender.get("operator-1", path))["status"] == "committed")

    await until(committed)
    tranche = {"reference": "bank-1", "units": 400, "amount_minor": 200_000, "paid_on": str(TODAY)}
    await lender.by_two("operator-1", f"{path}/subscriptions", tranche)


async def ask(lender: Lender, *scenarios: Any, by: str = "borrower") -> Any:
    answer = await lender.clients["operator-1"].post("/v1/exposure/what-if", json={"by": by, "scenarios": scenarios})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_exposure_is_what_is_committed_and_owed_with_the_limits_on_it(lender: Lender):
    seen = await lender.get("auditor-1", "/v1/exposure", by="instrument")
    rows = {row["key"]: row for row in seen["rows"]}
    assert rows["loan"]["sums"]["committed_minor"] == 120_000
    assert (rows["loan"]["sums"]["undrawn_minor"], rows["loan"]["sums"]["outstanding_minor"]) == (60_000, 60_000)
    assert rows["equity"]["sums"] == {
        "positions": 1,
        "committed_minor": 500_000,
        "undrawn_minor": 300_000,
        "outstanding_minor": 200_000,
        "overdue_minor": 0,
        "value_minor": 200_000,
        "security_minor": 0,
    }
    assert rows["equity"]["limits"] == [
        {
            "facility": "cmf",
            "key": "instrument/equity",
            "limit_minor": 900_000,
            "committed_minor": 500_000,
            "headroom_minor": 400_000,
            "warned": True,
        }
    ]
    assert seen["totals"]["AUD"]["committed_minor"] == 620_000
    by_element = await lender.get("auditor-1", "/v1/exposure", by="element")
    assert [(row["key"], row["sums"]["committed_minor"]) for row in by_element["rows"]] == [("Sb", 620_000)]
    assert not by_element["adds_up"]


async def at_rest(lender: Lender) -> None:
    """What loans tell themselves has all been heard."""
    name = lender.loans.kernel.service.name
    await lender.stage.heard(name, name)


SCENARIOS = [
    {"kind": "default", "borrower": "hillgrove-mines", "recovery": "0.4"},
    {"kind": "price", "asset": "contained/Sb", "change": "-0.3"},
    {"kind": "delay", "project": "hillgrove", "months": 6},
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: str(scenario["kind"]))
async def test_a_what_if_needs_no_key_and_changes_nothing(lender: Lender, scenario: Any):
    await at_rest(lender)
    before = await lender.get("auditor-1", "/v1/journal/heads"), await lender.get("auditor-1", "/v1/exposure", by="borrower")
    said = await ask(lender, scenario)
    assert said["before"] == before[1]
    assert said["assumptions"]
    assert (await lender.get("auditor-1", "/v1/journal/heads"), await lender.get("auditor-1", "/v1/exposure", by="borrower")) == before


async def test_a_default_loses_what_is_not_recovered_and_frees_what_is_not_drawn(lender: Lender):
    said = await ask(lender, SCENARIOS[0])
    assert said["lost_minor"] == {"AUD": 36_000 + 200_000}
    after = said["after"]["totals"]["AUD"]
    assert (after["value_minor"], after["committed_minor"], after["overdue_minor"]) == (24_000, 260_000, 60_000)


async def test_a_price_that_falls_is_felt_in_shares(lender: Lender):
    assert (await ask(lender, SCENARIOS[1]))["lost_minor"] == {"AUD": 60_000}


async def test_a_delay_moves_deliveries_lets_advances_lapse_and_breaks_a_covenant(lender: Lender):
    said = await ask(lender, SCENARIOS[2])
    assert [(each["quantity"], each["before"], each["after"]) for each in said["moved"]] == [
        (300, str(months_later(TODAY, 3)), str(months_later(months_later(TODAY, 3), 6))),
        (100, str(months_later(TODAY, 9)), str(months_later(months_later(TODAY, 9), 6))),
    ]
    assert [(each["undrawn"], each["until"]) for each in said["lapses"]] == [(60_000, str(UNTIL))]
    assert [(each["kind"], each["before"], each["after"]) for each in said["breaches"]] == [("dscr", "1.60", "1.20")]


@pytest.mark.parametrize(
    "scenario",
    [
        {"kind": "flood"},
        {"kind": "default"},
        {"kind": "default", "borrower": "larvotto", "partner": "JP"},
        {"kind": "default", "borrower": "larvotto", "recovery": "1.1"},
        {"kind": "price", "asset": "contained/Sb", "change": "-1.1"},
        {"kind": "price", "asset": "Sb", "change": "0.1"},
        {"kind": "delay", "project": "hillgrove", "months": 0},
        {"kind": "delay", "project": "hillgrove", "months": 121},
    ],
)
async def test_a_what_if_of_what_cannot_be_is_refused(lender: Lender, scenario: dict[str, Any]):
    answer = await lender.clients["operator-1"].post("/v1/exposure/what-if", json={"scenarios": [scenario]})
    assert answer.status_code == 422, answer.text


async def test_nobody_but_those_who_see_everything_sees_exposure(lender: Lender):
    for party in ("partner-jp", "borrower-hillgrove"):
        assert (await lender.clients[party].get("/v1/exposure")).status_code == 403
        assert (await lender.clients[party].post("/v1/exposure/what-if", json={"scenarios": SCENARIOS})).status_code == 403


async def test_metal_that_is_lent_is_a_position_with_its_security_as_it_counts(lender: Lender):
    """As its read table has it: the conversation that fills it is another test's."""
    row = MaterialLoanRow(
        loan="mln_1",
        status="lent",
        partner="JP",
        product="antimony-metal",
        award="awd_1",
        release="rel_1",
        decision="00" * 32,
        mass_g=5_000,
        undrawn_g=1_000,
        return_on=TODAY,
        draw_by=UNTIL,
        terms={"security": {"kind": "pledged_metal", "haircut": "1/10", "required_cover": "1.10"}},
        facility="lending",
        element="Sb",
        due_on=TODAY,
        committed_g=4_900,
        lent_g=4_000,
        out_g=3_000,
        pending_g=0,
        returned_g=1_000,
        premium_g=0,
        excess_g=0,
        overdue=True,
        defaulted=False,
        currency="AUD",
        security_minor=7_001,
        call_minor=0,
        version=9,
    )
    held = CommitmentRow(facility="lending", commitment="mln_1", asset="contained/Sb", amount=3_900, value_minor=0, keys=[])
    engine = read_engine(lender.stage.database_url, lender.inventory.kernel.service.name)
    async with AsyncSession(engine) as session:
        session.add_all([row, held])
        found = await positions_of(session, {"lending": Facility(currency="AUD")}, TODAY)
        await session.exec(row.__table__.delete())  # type: ignore[attr-defined]
        await session.exec(held.__table__.delete().where(CommitmentRow.commitment == "mln_1"))  # type: ignore[attr-defined]
    await engine.dispose()
    [metal] = [each for each in found if each.instrument == "material"]
    assert metal == Exposure(
        instrument="material",
        id="mln_1",
        facility="lending",
        asset="contained/Sb",
        elements=("Sb",),
        partner="JP",
        committed=3_900,
        undrawn=900,
        outstanding=3_000,
        overdue=3_000,
        value=3_000,
        security_minor=6_300,
        security_asset="contained/Sb",
        required_cover="1.10",
        undrawn_until=UNTIL,
        dues=(Due(TODAY, 3_000),),
    )


async def test_groups_are_set_by_two_and_what_is_committed_is_counted_again_at_once(lender: Lender):
    await at_rest(lender)
    grown = [*LIMITS, {"key": "group/hillgrove-group", "parent": "total", "limit_minor": 600_000}]
    body = {"limits": grown, "authority": "Act", "reason": "large exposures"}
    await lender.by_two("admin-1", "/v1/facilities/cmf/limits", body)
    members = ["borrower/hillgrove-mines", "borrower/nolans-mines"]
    group = {"group": "hillgrove-group", "members": members, "facilities": ["cmf"], "reason": "one holds the other"}
    assert await lender.refused("operator-1", "/v1/groups", group) == (403, "forbidden")
    assert await lender.refused("admin-1", "/v1/groups", group | {"members": members[:1]}) == (422, "group_invalid")
    assert await lender.refused("admin-1", "/v1/groups", group | {"facilities": ["nowhere"]}) == (404, "facility_not_found")
    proposed = await lender.post("admin-1", "/v1/groups", group)
    assert await lender.get("auditor-1", "/v1/groups") == []
    await lender.approve(f"/v1/proposals/{proposed['proposal']}/approvals", proposed["document"], "command")
    [seen] = await lender.get("auditor-1", "/v1/groups")
    assert (seen["committed_minor"], seen["limit_minor"], seen["excess_minor"]) == (620_000, 600_000, 20_000)
    other = TERMS | {"borrower": "nolans-mines", "project": "nolans"}
    assert await lender.refused("operator-1", "/v1/loans", other) == (409, "limit_exceeded")
    shown = await lender.get("auditor-1", "/v1/facilities/cmf")
    assert {each["key"]: each["excess_minor"] for each in shown["limits"]}["group/hillgrove-group"] == 20_000
    by_group = await lender.get("auditor-1", "/v1/exposure", by="group")
    [row] = by_group["rows"]
    assert (row["key"], row["sums"]["committed_minor"], row["limits"][0]["headroom_minor"]) == ("hillgrove-group", 620_000, -20_000)
    assert not by_group["adds_up"]

    await lender.by_two("admin-1", "/v1/groups", group | {"members": ["borrower/larvotto", "borrower/nolans-mines"]})
    [seen] = await lender.get("auditor-1", "/v1/groups")
    assert (seen["committed_minor"], seen["excess_minor"]) == (0, 0)
