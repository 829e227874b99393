"""What a project owes under a right, over HTTP: exercised, planned, delivered in part, postponed, substituted, given back, failed, made
good, terminated."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import msgspec

from services.allocation.events import DecisionGivenBack
from services.inventory.domain.deliveries import FailAssignments
from services.inventory.domain.draws import DrawStock
from services.inventory.domain.holds import ExpireHold, PutOnHold
from services.inventory.domain.programme import CloseTranches
from services.inventory.domain.rights import AddRight
from services.inventory.events import DrawId, HoldId, ReleaseId, RightId, RightTerms
from tests.contract.allocation_stage import PRODUCT, TODAY, Reserve
from tests.kernel.stage import until
from tests.stories.stockpile import PASSED, UNIT_G

NOT_HEARD = ((404, "approver_key_not_found"), (403, "authority_missing"))  # inventory hears of both by events
OPTION = RightId("rgt_01kec0m3v2e8nbmy9p7y4bq1k0")


async def posted(client: httpx.AsyncClient, path: str, body: Any) -> Any:
    answer = await client.post(path, json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
    return answer.json() if answer.is_success else (answer.status_code, answer.json()["code"])


class Parties(msgspec.Struct):
    """Inventory's clients."""

    reserve: Reserve
    operator: httpx.AsyncClient
    approver: httpx.AsyncClient
    jp: httpx.AsyncClient
    us: httpx.AsyncClient

    async def sign(self, proposed: Any) -> Any:
        """Signed by another person: what followed."""
        signed = self.reserve.signed(proposed["document"], "command")

        async def countersigned() -> Any:
            answer = await posted(self.approver, f"/v1/proposals/{proposed['proposal']}/approvals", signed)
            return answer if answer not in NOT_HEARD else None

        return (await until(countersigned))["followed"]

    async def by_two(self, path: str, body: Any) -> Any:
        return await self.sign(await posted(self.operator, path, body))

    async def assigned(self, right: RightId, draw: DrawId, units: int, terms: RightTerms | None = None) -> Any:
        """Japan is awarded so many units, and draws them of a right, since a fire stops the depot: the award."""
        reserve = self.reserve
        round = await reserve.certified_round(units, supply=units)
        await reserve.status(round, "released")
        award = next(row for row in (await reserve.get("partner-jp", "/v1/awards?limit=200"))["data"] if row["round"] == round)
        claim: dict[str, Any] = {"project": "Hillgrove", "kind": "firm_offtake", "window_from": TODAY, "terms": terms}
        fire = HoldId(f"hld_{right.removeprefix('rgt_')}")
        await reserve.happen(
            AddRight(right=right, mass_g=units * UNIT_G, window_to=TODAY + timedelta(days=30), on=TODAY, **claim),
            PutOnHold(hold=fire, scope="depot", target="Fremantle", reason="fire", authority="keeper", expires_on=TODAY, on=TODAY),
            DrawStock(
                draw=draw,
                release=ReleaseId(f"rel_{award['award'].removeprefix('awd_')}"),
                partner="JP",
                mass_g=units * UNIT_G,
                assign_rights=True,
                on=TODAY,
            ),
            ExpireHold(hold=fire, on=TODAY + timedelta(days=1)),
        )
        return award


@asynccontextmanager
async def parties(reserve: Reserve) -> AsyncIterator[Parties]:
    url = reserve.stage.urls[reserve.inventory.kernel.service.name]
    async with (
        reserve.stage.client(url) as operator,
        reserve.stage.client(url, "approver-1") as approver,
        reserve.stage.client(url, "partner-jp") as jp,
        reserve.stage.client(url, "partner-us") as us,
    ):
        yield Parties(reserve, operator, approver, jp, us)


async def rows(client: httpx.AsyncClient, path: str) -> Any:
    return (await client.get(path)).json()["data"]


async def tasks(reserve: Reserve, who: str, award: str) -> Any:
    found = (await reserve.get(who, "/v1/tasks", kind="make_good", limit="200"))["data"]
    return [task for task in found if task["about"] == award]


async def test_what_a_project_has_not_delivered_when_its_window_has_passed_is_given_back_and_offered_again(reserve: Reserve):
    right, draw = RightId("rgt_01kec0m3v2e8nbmy9p7y4bq1kd"), DrawId("drw_01kec0m3v2e8nbmy9p7y4bq1kd")
    window_to, later = TODAY + timedelta(days=30), TODAY + timedelta(days=60)
    path = f"/v1/rights/{right}"
    async with parties(reserve) as stage:
        award = await stage.assigned(right, draw, 2)
        one = {"draw": draw, "mass_g": UNIT_G, "delivered_on": str(TODAY), "evidence": "CMR 4711"}
        waits = await posted(stage.operator, f"{path}/deliveries", one)
        [owed] = await rows(stage.operator, f"{path}/owed")
        assert (waits["act"], owed["remaining_g"]) == ("accept_delivery", 2 * UNIT_G)  # one person writes off nothing
        early = one | {"delivered_on": "2020-01-01", "dated_because": "paper_late"}
        assert await posted(stage.operator, f"{path}/deliveries", early) == (422, "delivered_before_drawn")
        assert await posted(stage.us, f"{path}/deliveries", one) == (404, "assignment_not_found")
        assert (await posted(stage.jp, f"{path}/deliveries", one))["remaining_g"] == UNIT_G  # its own claim
        assert await posted(stage.operator, f"{path}/deliveries", one | {"mass_g": 2 * UNIT_G}) == (422, "quantity_invalid")
        majeure = {"window_to": str(later), "cause": "force_majeure", "evidence": "a notice"}
        proposed = await posted(stage.operator, f"{path}/postpone", majeure)
        [owed] = await rows(stage.operator, f"{path}/owed")
        assert owed["window_to"] == str(window_to)  # one person postpones nothing
        assert (await stage.sign(proposed))[0]["before"] == str(window_to)
        await reserve.happen(FailAssignments(right=right, on=window_to + timedelta(days=1)))
        [owed] = await rows(stage.operator, f"{path}/owed")
        assert (owed["remaining_g"], owed["failed_g"], owed["window_to"]) == (UNIT_G, 0, str(later))
        await reserve.happen(FailAssignments(right=right, on=later + timedelta(days=1)))
        [owed] = await rows(stage.jp, f"/v1/assignments?right={right}")  # the partner sees it
        assert (owed["remaining_g"], owed["failed_g"]) == (0, UNIT_G)
        assert await rows(stage.us, f"/v1/assignments?right={right}") == []
        assert await posted(stage.operator, f"{path}/deliveries", one) == (404, "assignment_not_found")

    async def given_back() -> Any:
        journal = reserve.allocation.kernel.journal
        events = [event async for _, event in journal.read_stream(f"book/{PRODUCT}") if isinstance(event, DecisionGivenBack)]
        return events[-1] if events and events[-1].decision == award["decision"] else None

    event = await until(given_back)
    assert {partner: back.mass_g for partner, back in event.given.items()} == {"JP": UNIT_G}
    assert (event.whole, event.reason) == (False, f"Hillgrove has not delivered what was assigned of {right}")
    for who in ("operator-1", "partner-jp"):
        assert (await reserve.get(who, f"/v1/awards/{award['award']}"))["failed_g"] == UNIT_G
        [task] = await tasks(reserve, who, award["award"])
        assert (task["partner"], task["why"]) == ("JP", event.reason)
    assert await tasks(reserve, "partner-us", award["award"]) == []
    again = await reserve.certified_round(1, supply=1)
    await reserve.status(again, "released")
    assert await tasks(reserve, "operator-1", award["award"]) == []


async def test_an_option_is_exercised_planned_and_terminated_by_two_people(reserve: Reserve):
    first, last = TODAY + timedelta(days=60), TODAY + timedelta(days=200)
    terms = RightTerms(notice_days=60, tolerance="0.02", grace_days=14, force_majeure_days=90, failures_to_terminate=1)
    claim: dict[str, Any] = {"project": "Nolans", "kind": "option", "window_from": TODAY, "window_to": last, "terms": terms}
    await reserve.happen(AddRight(right=OPTION, mass_g=4 * UNIT_G, on=TODAY, **claim))
    path = f"/v1/rights/{OPTION}"
    async with parties(reserve) as stage:
        early = await stage.operator.post(
            f"{path}/exercise", json={"deliver_from": str(TODAY + timedelta(days=59))}, headers={"Idempotency-Key": secrets.token_hex(8)}
        )
        assert (early.status_code, early.json()["code"], early.json()["accepted"]) == (422, "notice_too_short", f"{first} or later")
        assert (await stage.by_two(f"{path}/exercise", {"deliver_from": str(first)}))[0]["notice_days"] == 60
        shown = (await stage.operator.get(path)).json()
        assert (shown["kind"], shown["exercised_on"], shown["window_from"]) == ("option", str(TODAY), str(first))
        assert shown["terms"] == {
            "notice_days": 60,
            "tolerance": "0.02",
            "grace_days": 14,
            "force_majeure_days": 90,
            "failures_to_terminate": 1,
        }
        halves = [
            {"window_from": str(first), "window_to": str(first + timedelta(days=30)), "mass_g": 2 * UNIT_G},
            {"window_from": str(first + timedelta(days=31)), "window_to": str(last), "mass_g": 2 * UNIT_G},
        ]
        assert await posted(stage.operator, f"{path}/programme", {"tranches": halves[:1]}) == (422, "programme_incomplete")
        await stage.by_two(f"{path}/programme", {"tranches": halves})
        assert await posted(stage.operator, f"{path}/terminate", {"cause": "repeated_failure"}) == (409, "failures_too_few")
        await reserve.happen(CloseTranches(right=OPTION, on=first + timedelta(days=45)))
        planned = await rows(stage.operator, f"{path}/programme")
        assert [(each["number"], each["status"]) for each in planned] == [(1, "replaced"), (2, "failed"), (3, "open")]
        await stage.by_two(f"{path}/terminate", {"cause": "repeated_failure"})
        shown = (await stage.operator.get(path)).json()
        assert (shown["termination"], shown["remaining_g"]) == ("repeated_failure", 0)
        assert (await rows(stage.operator, f"{path}/programme"))[-1]["status"] == "terminated"


async def test_a_partner_gives_a_right_back_and_is_delivered_other_goods_no_worse(reserve: Reserve):
    right, draw = RightId("rgt_01kec0m3v2e8nbmy9p7y4bq1ke"), DrawId("drw_01kec0m3v2e8nbmy9p7y4bq1ke")
    path = f"/v1/rights/{right}"
    async with parties(reserve) as stage:
        await stage.assigned(right, draw, 3, RightTerms(grace_days=14))
        back = {"draw": draw, "mass_g": UNIT_G}
        assert await posted(stage.us, f"{path}/give-back", back) == (404, "assignment_not_found")
        assert (await posted(stage.operator, f"{path}/give-back", back))[0] == 403
        [given] = [
            event for event in await stage.sign(await posted(stage.jp, f"{path}/give-back", back)) if event["type"].endswith("back.v1")
        ]
        assert given["right_remaining_g"] == UNIT_G
        goods = {
            "draw": draw,
            "mass_g": 2 * UNIT_G,
            "substitute": PRODUCT,
            "delivered_g": 2 * UNIT_G,
            "assay": msgspec.to_builtins(PASSED),
            "delivered_on": str(TODAY),
        }
        lower = goods | {"assay": goods["assay"] | {"contents": {"Sb": "0.99"}}}
        assert await posted(stage.operator, f"{path}/substitutes", lower) == (409, "substitute_inferior")
        assert await posted(stage.operator, f"{path}/substitutes", goods | {"substitute": "tin"}) == (404, "product_not_found")
        await stage.by_two(f"{path}/substitutes", goods)
        [owed] = await rows(stage.jp, f"/v1/assignments?right={right}")
        assert (owed["remaining_g"], owed["given_back_g"], owed["substituted_g"]) == (0, UNIT_G, 2 * UNIT_G)

    async def offered() -> bool:
        stock = await reserve.get("operator-1", "/v1/stock")
        return any(row["product"] == PRODUCT and row["rights_g"] >= UNIT_G for row in stock)

    await until(offered)
