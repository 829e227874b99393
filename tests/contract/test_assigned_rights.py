"""What a project owes a partner under a right that was assigned to it, over HTTP: delivered in part, postponed, failed, made good."""

import secrets
from datetime import timedelta
from typing import Any

import httpx

from services.allocation.events import DecisionGivenBack
from services.inventory.domain.deliveries import FailAssignments
from services.inventory.domain.draws import DrawStock
from services.inventory.domain.holds import ExpireHold, PutOnHold
from services.inventory.domain.rights import AddRight
from services.inventory.events import DrawId, HoldId, ReleaseId, RightId
from tests.contract.allocation_stage import PRODUCT, TODAY, Reserve
from tests.kernel.stage import until
from tests.stories.stockpile import UNIT_G

NAME = "01kec0m3v2e8nbmy9p7y4bq1kd"
RIGHT, DRAW = RightId(f"rgt_{NAME}"), DrawId(f"drw_{NAME}")

NOT_HEARD = ((404, "approver_key_not_found"), (403, "authority_missing"))  # inventory hears of both by events


async def posted(client: httpx.AsyncClient, path: str, body: Any) -> Any:
    answer = await client.post(path, json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
    return answer.json() if answer.is_success else (answer.status_code, answer.json()["code"])


async def test_what_a_project_has_not_delivered_when_its_window_has_passed_is_given_back(reserve: Reserve):
    round = await reserve.certified_round(2, supply=2)
    await reserve.status(round, "released")
    award = next(row for row in (await reserve.get("partner-jp", "/v1/awards?limit=200"))["data"] if row["round"] == round)
    window_to, later = TODAY + timedelta(days=30), TODAY + timedelta(days=60)
    claim: dict[str, Any] = {"project": "Hillgrove", "kind": "firm_offtake", "window_from": TODAY, "window_to": window_to}
    everything = HoldId("hld_goods")
    await reserve.happen(
        AddRight(right=RIGHT, mass_g=2 * UNIT_G, on=TODAY, **claim),
        PutOnHold(hold=everything, scope="depot", target="Fremantle", reason="fire", authority="keeper", expires_on=TODAY, on=TODAY),
        DrawStock(
            draw=DRAW,
            release=ReleaseId(f"rel_{award['award'].removeprefix('awd_')}"),
            partner="JP",
            mass_g=2 * UNIT_G,
            assign_rights=True,
            on=TODAY,
        ),
        ExpireHold(hold=everything, on=TODAY + timedelta(days=1)),
    )
    path = f"/v1/rights/{RIGHT}"
    url = reserve.stage.urls[reserve.inventory.kernel.service.name]
    async with reserve.stage.client(url) as operator, reserve.stage.client(url, "approver-1") as approver:
        one = {"draw": DRAW, "mass_g": UNIT_G, "delivered_on": str(TODAY), "evidence": "CMR 4711"}
        assert (await posted(operator, f"{path}/deliveries", one))["remaining_g"] == UNIT_G
        assert await posted(operator, f"{path}/deliveries", one | {"mass_g": 2 * UNIT_G}) == (422, "quantity_invalid")
        majeure = {"window_to": str(later), "cause": "force_majeure", "evidence": "a notice"}
        proposed = await posted(operator, f"{path}/postpone", majeure)
        [owed] = (await operator.get(f"{path}/owed")).json()["data"]
        assert owed["window_to"] == str(window_to)  # one person postpones nothing
        signed = reserve.signed(proposed["document"], "command")

        async def countersigned() -> Any:
            answer = await posted(approver, f"/v1/proposals/{proposed['proposal']}/approvals", signed)
            return answer if answer not in NOT_HEARD else None

        assert (await until(countersigned))["followed"][0]["before"] == str(window_to)
        await reserve.happen(FailAssignments(right=RIGHT, on=window_to + timedelta(days=1)))
        [owed] = (await operator.get(f"{path}/owed")).json()["data"]
        assert (owed["remaining_g"], owed["failed_g"], owed["window_to"]) == (UNIT_G, 0, str(later))
        await reserve.happen(FailAssignments(right=RIGHT, on=later + timedelta(days=1)))
        [owed] = (await operator.get(f"{path}/owed")).json()["data"]
        assert (owed["remaining_g"], owed["failed_g"]) == (0, UNIT_G)
        assert await posted(operator, f"{path}/deliveries", one) == (404, "assignment_not_found")

    async def given_back() -> Any:
        journal = reserve.allocation.kernel.journal
        events = [event async for _, event in journal.read_stream(f"book/{PRODUCT}") if isinstance(event, DecisionGivenBack)]
        return events[-1] if events and events[-1].decision == award["decision"] else None

    event = await until(given_back)
    assert {partner: back.mass_g for partner, back in event.given.items()} == {"JP": UNIT_G}
    assert (event.whole, event.reason) == (False, f"Hillgrove has not delivered what was assigned of {RIGHT}")
