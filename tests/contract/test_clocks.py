"""Clocks to delivery, readiness registers, tasks and suspended agreements, as they are served on the real PostgreSQL and Kafka."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from services.allocation.background.watch import clocks_overdue
from services.allocation.domain.book.declining import LapseDecline
from services.allocation.domain.book.reminders import RemindOfScreening
from services.allocation.domain.clocks.clock import CheckClock, EndClock, LapsePause, StartClock
from services.allocation.domain.clocks.state import MILESTONES
from services.allocation.domain.readiness.readiness import CheckItem
from services.allocation.events import PartnerCode, ProductId, RequestId
from services.allocation.events.readiness import ItemId
from services.inventory.domain.dispatch import DeliverDraw, DispatchDraw, WeighDraw
from services.inventory.domain.draws import DrawStock
from services.inventory.domain.holds import ConfirmHold, PutOnHold
from services.inventory.events import DrawId, HoldId, ReleaseId
from shared.terms.protecting import lapses_at
from tests.contract.allocation_stage import POLICY, PRODUCT, TODAY, UNKNOWN, Reserve
from tests.contract.any_order import assert_no_order_matters
from tests.kernel.stage import context, until
from tests.stories.stockpile import GATES, UNIT_G


async def a_clock(reserve: Reserve, request: str, wanted: Any) -> Any:
    """The request's clock, once it is as wanted."""

    async def found() -> Any:
        answer = await reserve.clients["operator-1"].get(f"/v1/clocks/{request}")
        return answer.json() if answer.is_success and wanted(answer.json()) else None

    return await until(found)


def reached(clock: Any) -> dict[str, Any]:
    return {each["milestone"]: each["reached_on"] for each in clock["milestones"]}


async def later(reserve: Reserve, stream: str, command: Any) -> None:
    """As its timer would, on the day."""
    decided = await reserve.allocation.kernel.writer.submit(stream, command, context())
    assert hasattr(decided, "facts"), decided


async def an_awarded_request(reserve: Reserve, units: int) -> str:
    """JP's, released."""
    round = await reserve.certified_round(units, supply=units)
    await reserve.status(round, "released")
    rows = (await reserve.get("partner-jp", "/v1/requests?limit=200"))["data"]
    return str(next(row["request"] for row in rows if row["round"] == round))


async def test_a_request_is_followed_from_its_submission_to_its_delivery(reserve: Reserve):
    request = await an_awarded_request(reserve, 4)
    clock = await a_clock(reserve, request, lambda clock: reached(clock)["secured"])
    assert (clock["clock"], clock["next"], clock["limit_on"]) == ("standard", "cleared", str(TODAY + timedelta(days=25)))
    draws = [DrawId(f"drw_{secrets.token_hex(4)}") for _ in range(2)]
    release = ReleaseId(f"rel_{request.removeprefix('req_')}")
    for draw in draws:
        await reserve.happen(
            DrawStock(draw=draw, release=release, partner="JP", mass_g=2 * UNIT_G, on=TODAY),
            WeighDraw(draw=draw, weighed_g=2 * UNIT_G),
            DispatchDraw(draw=draw, carrier="Linfox", consignee="Sojitz", gates=GATES, on=TODAY),
        )
        half = await a_clock(reserve, request, lambda clock: clock["milestones"][4]["reached_g"])
        assert half["milestones"][4]["of_g"] == 4 * UNIT_G
    assert half["milestones"][4]["reached_on"] is None
    for draw in draws:
        await reserve.happen(
            DeliverDraw(draw=draw, partner="JP", delivered_on=TODAY, received_by="Kobe warehouse", evidence="CMR 4711", on=TODAY)
        )
    whole = await a_clock(reserve, request, lambda clock: clock["status"] == "delivered")
    assert (all(reached(whole).values()), reached(whole)["delivered"]) == (True, str(TODAY))
    assert (whole["next"], whole["breached"]) == (None, False)
    assert (await reserve.get("partner-jp", f"/v1/requests/{request}"))["clock"] == whole
    assert (await reserve.clients["partner-eu"].get(f"/v1/clocks/{request}")).status_code == 404


async def test_a_limit_that_is_near_is_a_task_and_one_that_has_passed_a_breach(reserve: Reserve):
    request = await reserve.accepted_request("partner-us", 3)
    await a_clock(reserve, request, lambda clock: True)
    await later(reserve, f"clock/{request}", CheckClock(on=TODAY + timedelta(days=12)))
    [task] = [each for each in (await reserve.get("partner-us", "/v1/tasks?kind=clock"))["data"] if each["about"] == request]
    assert (task["what"], task["due_on"]) == (f"{request} is to be decided", str(TODAY + timedelta(days=15)))
    assert not [each for each in (await reserve.get("partner-jp", "/v1/tasks"))["data"] if each["about"] == request]
    await later(reserve, f"clock/{request}", CheckClock(on=TODAY + timedelta(days=16)))
    [late] = (await reserve.get("operator-1", "/v1/clocks?breached=true&partner=US"))["data"]
    assert (late["request"], late["next"]) == (request, "decided")
    assert late["milestones"][1]["breach_told_on"] == str(TODAY + timedelta(days=16))
    due = (await reserve.get("operator-1", f"/v1/clocks?due={TODAY + timedelta(days=15)}"))["data"]
    assert request in {each["request"] for each in due}
    assert not (await reserve.get("operator-1", f"/v1/clocks?due={TODAY}"))["data"]
    await reserve.post("partner-us", f"/v1/requests/{request}/withdraw", {"reason": "met elsewhere"})
    ended = await a_clock(reserve, request, lambda clock: clock["status"] == "ended")
    assert (ended["ended"], ended["breached"]) == ("withdrawn", False)
    assert request in {each["about"] for each in (await reserve.get("operator-1", "/v1/tasks?done=true"))["data"]}


async def test_a_pause_moves_what_is_not_reached(reserve: Reserve):
    request = await reserve.accepted_request("partner-us", 2)
    await a_clock(reserve, request, lambda clock: True)
    path, body = f"/v1/clocks/{request}", {"reason": "waits for the partner's letter of credit"}
    assert await reserve.refused("operator-1", f"{path}/resume") == (409, "clock_not_paused")
    tomorrow = body | {"since": str(TODAY + timedelta(days=1))}
    assert await reserve.refused("operator-1", f"{path}/pause", tomorrow) == (422, "clock_pause_invalid")
    assert await reserve.refused("partner-us", f"{path}/pause", body) == (403, "forbidden")
    paused = await reserve.post("operator-1", f"{path}/pause", body)
    assert (paused["status"], paused["limit_on"]) == ("paused", None)
    seen = await reserve.get("partner-us", path)
    assert (seen["pause_reason"], seen["pause_lapses_at"] is not None) == (body["reason"], True)
    assert await reserve.refused("operator-1", f"{path}/pause/confirm") == (403, "clock_pause_confirmed_by_same_person")
    await reserve.post("approver-1", f"{path}/pause/confirm")
    assert (await reserve.get("partner-us", path))["pause_lapses_at"] is None
    assert await reserve.refused("approver-1", f"{path}/pause/confirm") == (409, "clock_pause_stands_already")
    assert await reserve.refused("operator-1", f"{path}/pause", body) == (409, "clock_paused")
    resumed = await reserve.post("operator-1", f"{path}/resume")
    assert (resumed["status"], resumed["limit_on"]) == ("running", str(TODAY + timedelta(days=15)))
    await reserve.post("operator-2", f"{path}/pause", body)
    lapses = datetime.fromisoformat((await reserve.get("partner-us", path))["pause_lapses_at"])
    await later(reserve, f"clock/{request}", LapsePause(lapses_at=lapses))
    on = await reserve.get("partner-us", path)
    assert (on["status"], on["pause_lapses_at"], on["limit_on"]) == ("running", None, str(TODAY + timedelta(days=18)))
    assert await reserve.refused("operator-2", f"{path}/pause", body) == (403, "clock_pause_renewed_by_same_person")
    assert await reserve.refused("operator-1", f"{path}/pause/confirm") == (409, "clock_not_paused")
    assert await reserve.refused("operator-1", f"/v1/clocks/req_{UNKNOWN}/pause", body) == (409, "clock_not_running")
    assert (await reserve.clients["operator-1"].get(f"/v1/clocks/req_{UNKNOWN}")).status_code == 404


async def test_a_request_that_nobody_screens_is_a_task(reserve: Reserve):
    body = {"product": PRODUCT, "mass_g": UNIT_G, "daily_consumption_g": UNIT_G, "needed_by": str(TODAY + timedelta(days=60))}
    parties = {"nominee": "Sojitz", "consignee": "Toyo Logistics", "end_user": "Kyushu Smelting", "end_use": "flame retardants"}
    request, screened = [(await reserve.post("partner-us", "/v1/requests", body | parties))["request"] for _ in range(2)]
    screen_by = TODAY + timedelta(days=5)
    for each in (request, screened):
        for days in (5, 6):
            remind = RemindOfScreening(request=each, screen_by=screen_by, on=TODAY + timedelta(days=days))
            await later(reserve, f"book/{PRODUCT}", remind)
    await reserve.post("operator-1", f"/v1/requests/{screened}/accept", {"accepted_g": UNIT_G, "reasons": ["as asked"]})
    done = (await reserve.get("operator-1", "/v1/tasks?kind=clock&done=true&limit=200"))["data"]
    assert [each["done_on"] for each in done if each["task"] == f"clock/{screened}/screened"] == [str(TODAY)]
    [task] = [each for each in (await reserve.get("operator-1", "/v1/tasks?kind=clock"))["data"] if each["about"] == request]
    assert (task["what"], task["why"]) == (f"{request} is to be screened", f"its limit, {screen_by}, has passed")
    await reserve.post("operator-1", f"/v1/requests/{request}/decline", {"reasons": ["no stock"]})
    assert not [each for each in (await reserve.get("operator-1", "/v1/tasks?kind=clock"))["data"] if each["about"] == request]


async def test_a_request_that_one_person_declines_is_as_it_was_before_unless_a_second_one_confirms_it(reserve: Reserve):
    request = await reserve.accepted_request("partner-us", 1)
    path, no = f"/v1/requests/{request}", {"reasons": ["no stock"]}
    before = await reserve.get("partner-us", path)
    await a_clock(reserve, request, lambda clock: True)
    assert await reserve.refused("operator-1", f"{path}/decline/confirm") == (409, "request_not_declined")
    await reserve.post("operator-1", f"{path}/decline", no)
    declined = await reserve.get("partner-us", path)
    assert (declined["status"], declined["reasons"]) == ("declined", ["no stock"])
    lapses = datetime.fromisoformat(declined["lapses_at"])
    assert abs(lapses - lapses_at(datetime.now(UTC))) < timedelta(minutes=5)
    assert await reserve.refused("operator-1", f"{path}/accept", {"accepted_g": UNIT_G, "reasons": ["after all"]}) == (
        409,
        "request_closed",
    )
    assert await reserve.refused("operator-1", f"{path}/decline/confirm") == (403, "decline_confirmed_by_same_person")
    assert await reserve.refused("partner-us", f"{path}/decline/confirm") == (403, "forbidden")
    assert await task_of_decline(reserve, request) is not None

    await later(reserve, f"book/{PRODUCT}", LapseDecline(request=RequestId(request), lapses_at=lapses))
    again = await reserve.get("partner-us", path)
    assert {**again, "clock": None} == {**before, "clock": None} and again["clock"]["status"] == "running"
    assert await task_of_decline(reserve, request) is None
    assert await reserve.refused("operator-1", f"{path}/decline", no) == (403, "decline_renewed_by_same_person")
    assert {"allocation.request_declined.v2", "allocation.request_decline_lapsed.v1"} <= await told_to(reserve, "US", request)

    await reserve.post("operator-2", f"{path}/decline", no)
    await reserve.post("approver-1", f"{path}/decline/confirm")
    shown = await reserve.get("partner-us", path)
    assert (shown["status"], shown["lapses_at"]) == ("declined", None)
    await a_clock(reserve, request, lambda clock: clock["ended"] == "declined")
    assert await task_of_decline(reserve, request) is None
    assert await reserve.refused("approver-1", f"{path}/decline/confirm") == (409, "request_closed")


async def task_of_decline(reserve: Reserve, request: str) -> Any:
    """To confirm that it is declined, as long as that is to be done."""
    rows = (await reserve.get("operator-1", "/v1/tasks?kind=screening&limit=200"))["data"]
    return next((row for row in rows if row["task"] == f"decline/{request}"), None)


async def told_to(reserve: Reserve, partner: str, request: str) -> set[str]:
    """Types of the events about it that the partner is told."""
    async with reserve.allocation.kernel.pool.acquire() as connection:
        rows = await connection.fetch("SELECT type, data FROM events WHERE partner = $1", partner)
    return {row["type"] for row in rows if request in str(row["data"])}


async def test_what_is_overdue_is_seen_from_outside(reserve: Reserve):
    request = RequestId(f"req_{UNKNOWN}")
    long_ago = TODAY - timedelta(days=40)
    limits = dict.fromkeys(MILESTONES, 8)
    start = StartClock(
        request=request,
        product=ProductId(PRODUCT),
        partner=PartnerCode("EU"),
        clock="watched",
        submitted_on=long_ago,
        limits_days=limits,
        warn_days=1,
        loan=False,
        on=long_ago,
    )
    await later(reserve, f"clock/{request}", start)
    await until(lambda: clocks_overdue.labels("watched")._value.get() == 1)
    await later(
        reserve, f"clock/{request}", EndClock(request=request, product=start.product, partner=start.partner, on=TODAY, cause="expired")
    )
    await until(lambda: clocks_overdue.labels("watched")._value.get() == 0)


async def test_a_disruption_that_ends_voids_what_was_decided_for_it_and_another_decision_knows(reserve: Reserve):
    told = {"instrument": "MOFCOM No. 1/2026", "products": [PRODUCT], "declared_scope": "military use", "observed_scope": "all use"}
    hit = {"partners": ["JP"], "starts_on": str(TODAY), "evidence": ["notice"]}
    disruption = (await reserve.by_two("/v1/disruptions", told | hit))["command"]["disruption"]
    request = await reserve.accepted_request("partner-jp", 3)
    opening = {"product": PRODUCT, "requests": [request], "policy": POLICY, "disruption": disruption}
    round = (await reserve.post("operator-1", "/v1/rounds", opening))["round"]
    await reserve.propose(round, 3)
    await reserve.approve(round)
    await reserve.by_two(f"/v1/disruptions/{disruption}/end", {"ends_on": str(TODAY), "reason": "exports go on"})
    assert (await reserve.status(round, "open"))["reason"] == f"lapsed: disruption {disruption}"
    assert await reserve.refused("operator-1", f"/v1/rounds/{round}/certify") == (409, "round_not_proposed")
    await reserve.propose(round, 3)
    await reserve.approve(round)
    await reserve.certify(round)
    await reserve.status(round, "released")


async def test_screening_says_how_fast_it_is_to_be(reserve: Reserve):
    request = await reserve.accepted_request("partner-us", 2)
    screening = {"accepted_g": 2 * UNIT_G, "reasons": ["supply has stopped"]}
    path = f"/v1/requests/{request}/accept"
    assert await reserve.refused("operator-1", path, screening | {"clock": "leisurely"}) == (422, "clock_unknown")
    await reserve.post("operator-1", path, screening | {"clock": "emergency"})
    clock = await a_clock(reserve, request, lambda clock: clock["clock"] == "emergency")
    assert clock["milestones"][5]["limit_on"] == str(TODAY + timedelta(days=8))
    assert await reserve.refused("operator-1", path, screening | {"policy": "unheard-of"}) == (409, "policy_not_active")


async def test_what_is_cleared_says_how_soon_first_grams_arrive(reserve: Reserve):
    [agreement] = [each["agreement"] for each in (await reserve.get("partner-eu", "/v1/agreements"))["data"]]
    asked = f"/v1/readiness?agreement={agreement}&product={PRODUCT}"
    nothing = await reserve.get("partner-eu", asked)
    assert nothing["causes"][0]["kind"] == "permit"
    kinds = ("nominee", "consignee", "permit", "security", "specification", "route", "carrier")
    item = {"agreement": agreement, "product": PRODUCT, "name": "as agreed", "evidence": "file 12"}
    until_on = TODAY + timedelta(days=60)
    items = {kind: (await reserve.post("operator-1", "/v1/readiness/items", item | {"kind": kind}))["item"] for kind in kinds[:-1]}
    carrier = item | {"kind": "carrier", "until": str(until_on)}
    items["carrier"] = (await reserve.post("operator-1", "/v1/readiness/items", carrier))["item"]
    ready = await reserve.get("partner-eu", f"{asked}&clock=emergency")
    assert (ready["days"], ready["says"], ready["causes"]) == (4, "first grams in 4 days, since all is cleared", [])
    what_if = await reserve.get("partner-eu", f"{asked}&on={until_on + timedelta(days=1)}")
    assert [(cause["kind"], cause["status"]) for cause in what_if["causes"]] == [("carrier", "expired")]
    assert what_if["days"] == 3 + 5
    assert await reserve.refused("operator-1", "/v1/readiness/items", carrier) == (409, "readiness_cleared_already")
    assert await reserve.refused("operator-1", "/v1/readiness/items", item | {"kind": "wish"}) == (422, "invalid_request")
    assert await reserve.refused("operator-1", "/v1/readiness/items", item | {"kind": "route", "product": "tin"}) == (
        404,
        "product_not_found",
    )
    assert await reserve.refused("operator-1", f"/v1/readiness/items/rdy_{UNKNOWN}/renew", {"evidence": "x"}) == (
        404,
        "readiness_item_not_found",
    )
    assert (await reserve.clients["partner-jp"].get(asked)).json()["code"] == "agreement_not_found"
    answer = await reserve.clients["operator-1"].get(f"{asked}&clock=leisurely")
    assert (answer.status_code, answer.json()["code"]) == (422, "clock_unknown")
    await _expiring(reserve, f"readiness/{agreement}.{PRODUCT}", items["carrier"])
    await reserve.post("operator-1", f"/v1/readiness/items/{items['permit']}/withdraw", {"reason": "revoked"})
    assert [cause["kind"] for cause in (await reserve.get("partner-eu", asked))["causes"]] == ["permit"]


async def _expiring(reserve: Reserve, stream: str, item: str) -> None:
    """It becomes a task, which its renewal ends."""
    await later(reserve, stream, CheckItem(item=ItemId(item), on=TODAY + timedelta(days=30)))
    [task] = (await reserve.get("operator-1", "/v1/tasks?kind=readiness"))["data"]
    assert (task["what"], task["partner"]) == ("the carrier as agreed is to be renewed", "EU")
    await reserve.post("operator-1", f"/v1/readiness/items/{item}/renew", {"evidence": "file 13"})
    assert not (await reserve.get("operator-1", "/v1/tasks?kind=readiness"))["data"]


async def test_a_suspended_agreement_stops_what_is_decided_and_holds_what_is_released(reserve: Reserve):
    request = await an_awarded_request(reserve, 2)
    round = await reserve.a_round(2)
    await reserve.propose(round, 2)
    [agreement] = [each["agreement"] for each in (await reserve.get("partner-jp", "/v1/agreements"))["data"]]
    path, reason = f"/v1/agreements/{agreement}", {"reason": "arrears"}
    await reserve.post("operator-1", f"{path}/suspend", reason)
    assert (await reserve.get("partner-jp", path))["suspended"]
    assert (await reserve.status(round, "open"))["reason"] == f"lapsed: agreement {agreement}"
    assert await reserve.refused("operator-1", f"/v1/rounds/{round}/propose", {"supply_g": 2 * UNIT_G}) == (409, "agreement_missing")
    assert await reserve.refused("operator-1", f"{path}/suspend", reason) == (409, "agreement_suspended")
    seen = await reserve.get("partner-jp", path)
    assert seen["suspension_lapses_at"] is not None and seen["suspended_by"] is None
    confirm = f"{path}/suspension/confirm"
    assert await reserve.refused("operator-1", confirm, {}) == (403, "suspension_confirmed_by_same_person")
    await reserve.post("approver-1", confirm, {})
    assert await reserve.refused("approver-1", confirm, {}) == (409, "suspension_stands_already")
    assert (await reserve.get("operator-1", path))["suspension_lapses_at"] is None
    asked = f"/v1/readiness?agreement={agreement}&product={PRODUCT}"
    assert (await reserve.get("partner-jp", asked))["says"] == "no first grams, because the agreement is suspended"
    release = ReleaseId(f"rel_{request.removeprefix('req_')}")
    draw = DrawStock(draw=DrawId("drw_held"), release=release, partner="JP", mass_g=2 * UNIT_G, on=TODAY)

    async def holds() -> list[Any]:
        state, _ = await reserve.inventory.kernel.writer.state(f"stockpile/{PRODUCT}")
        return list(state.stops.get("partner/JP", ()))

    await until(holds)
    refused = await reserve.inventory.kernel.writer.submit(f"stockpile/{PRODUCT}", draw, context())
    assert refused.code == "on_hold"
    await reserve.by_two(f"{path}/resume", reason)

    async def freed() -> bool:
        return not await holds()

    await until(freed)
    await reserve.happen(draw)
    assert await reserve.refused("operator-1", f"{path}/resume", reason) == (409, "agreement_not_suspended")
    await reserve.propose(round, 2)
    await reserve.post("operator-1", f"/v1/rounds/{round}/cancel", {"reason": "enough"})


async def test_who_has_put_a_partner_on_hold_suspends_its_agreement_no_longer_than_that(reserve: Reserve):
    [agreement] = [each["agreement"] for each in (await reserve.get("partner-us", "/v1/agreements"))["data"]]
    path, reason = f"/v1/agreements/{agreement}", {"reason": "a tip at night"}
    one, at = reserve.subject("operator-1"), datetime.now(UTC) - timedelta(hours=2)
    about: dict[str, Any] = {"hold": HoldId("hld_alone"), "scope": "partner", "target": "US", "reason": "a tip", "authority": "keeper"}
    await reserve.happen(PutOnHold(**about, on=TODAY, at=at, by=one, accounts=frozenset({one})))

    async def heard() -> int:
        return int(await reserve.allocation.kernel.pool.fetchval("SELECT count(*) FROM hold_words WHERE hold = 'hld_alone'"))

    async def confirmed() -> bool:
        return not await heard()

    await until(heard)
    await reserve.post("operator-1", f"{path}/suspend", reason)
    lapses = datetime.fromisoformat((await reserve.get("operator-1", path))["suspension_lapses_at"])
    assert lapses == lapses_at(at), "with the hold, and not 72 hours from now"
    await reserve.by_two(f"{path}/resume", reason)
    two = reserve.subject("approver-1")
    await reserve.happen(ConfirmHold(hold=HoldId("hld_alone"), by=two, accounts=frozenset({two})))
    await until(confirmed)


async def test_whichever_shard_is_read_first_the_tables_are_the_same(reserve: Reserve):
    await assert_no_order_matters(reserve.stage, reserve.inventory, reserve.allocation)
