"""Tenders as they are served, beside the real inventory: from the offer to what is released, and every way that a bid may be no good."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from services.allocation.domain.tenders.decision import read_tender_file, recompute_own_bid, recompute_tender, tender_decision_hash
from services.allocation.domain.tenders.sealed_bid import SealedBid, seal
from services.allocation.events import BidStep
from services.inventory.domain.holds import LiftHold, PutOnHold
from services.inventory.events import HoldId
from shared.clock import SystemClock, day_of, written
from shared.engines.engines import Engines
from shared.settings import Settings
from tests.contract.allocation_stage import PRODUCT, UNKNOWN, Reserve, a_reserve
from tests.contract.any_order import assert_no_order_matters
from tests.kernel.stage import Day, until
from tests.stories.powers import may
from tests.stories.stockpile import UNIT_G

KILOGRAMS = UNIT_G // 1000
HOUR = timedelta(hours=1)
SALT = "5a" * 16


class Hall:
    """A reserve whose clock stands still until a test moves it."""

    def __init__(self, reserve: Reserve, clock: Day) -> None:
        self.reserve = reserve
        self.clock = clock

    async def open(self, **changes: Any) -> str:
        told = self.terms(**changes)
        tender: str = (await self.reserve.post("operator-1", "/v1/tenders", told))["tender"]
        return tender

    def terms(self, **changes: Any) -> dict[str, Any]:
        told = {
            "product": PRODUCT,
            "units": 10,
            "currency": "AUD",
            "reserve_price": "2400",
            "pricing": "uniform",
            "cap_units": 8,
            "bidders": ["JP", "US", "EU"],
            "commit_until": self.at(HOUR),
            "reveal_until": self.at(2 * HOUR),
        }
        return told | changes

    def at(self, later: timedelta) -> str:
        return written(self.clock.instant.replace(microsecond=0) + later)[:19] + "Z"

    async def bid(self, tender: str, who: str, *steps: tuple[str, int], salt: str = SALT) -> Any:
        return await self.reserve.post(
            f"partner-{who.lower()}", f"/v1/tenders/{tender}/commitments", self.sealed(tender, who, *steps, salt=salt)
        )

    def sealed(self, tender: str, who: str, *steps: tuple[str, int], salt: str = SALT) -> dict[str, str]:
        bid = SealedBid(tender=tender, bidder=who, steps=tuple(BidStep(price=price, units=units) for price, units in steps))  # type: ignore[arg-type]
        return {"commitment": seal(bid, salt)}

    async def reveal(self, tender: str, who: str, *steps: tuple[str, int]) -> Any:
        return await self.reserve.post(f"partner-{who.lower()}", f"/v1/tenders/{tender}/reveals", opened(*steps))

    async def refused_reveal(self, tender: str, who: str, *steps: tuple[str, int]) -> tuple[int, str]:
        return await self.reserve.refused(f"partner-{who.lower()}", f"/v1/tenders/{tender}/reveals", opened(*steps))

    def wait(self, time: timedelta = HOUR) -> None:
        self.clock.instant += time

    async def closed(self, tender: str) -> Any:
        self.wait()
        return await self.status(tender, "closed")

    async def status(self, tender: str, status: str) -> Any:
        async def reached() -> Any:
            found = await self.reserve.get("operator-1", f"/v1/tenders/{tender}")
            return found if found["status"] == status else None

        return await until(reached)

    async def settled(self, tender: str) -> None:
        """Until every bid is revealed or void."""

        async def all_known() -> bool:
            found = await self.reserve.get("operator-1", f"/v1/tenders/{tender}")
            return all(bid["void"] or bid["steps"] for bid in found["bids"])

        await until(all_known)

    async def propose(self, tender: str) -> Any:
        return await self.reserve.post("operator-1", f"/v1/tenders/{tender}/propose")

    async def approval(self, tender: str, purpose: str = "tender") -> Any:
        file = read_tender_file(msgspec.json.encode(await self.reserve.get("approver-1", f"/v1/tenders/{tender}/decision")))
        assert recompute_tender(file) == []
        return self.reserve.signed(tender_decision_hash(file), purpose)

    async def approve(self, tender: str) -> Any:
        return await self.reserve.post("approver-1", f"/v1/tenders/{tender}/approvals", await self.approval(tender))

    async def certify(self, tender: str) -> Any:
        return await self.reserve.post("operator-1", f"/v1/tenders/{tender}/certify")

    async def bidden(self, **bids: tuple[tuple[str, int], ...]) -> str:
        """A tender whose bidding has closed after these bids."""
        tender = await self.open()
        for who, steps in bids.items():
            await self.bid(tender, who, *steps)
        self.wait()
        for who, steps in bids.items():
            await self.reveal(tender, who, *steps)
        await self.closed(tender)
        return tender


def opened(*steps: tuple[str, int]) -> dict[str, Any]:
    return {"salt": SALT, "steps": [{"price": price, "units": units} for price, units in steps]}


@pytest.fixture(scope="module")
async def hall(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hall]:
    clock = Day(SystemClock().now().isoformat())
    async with a_reserve(servers, tmp_path_factory.mktemp("tenders"), clock) as reserve:
        yield Hall(reserve, clock)


async def test_what_is_bid_for_is_cleared_approved_and_released_at_its_price(hall: Hall):
    tender = await hall.bidden(JP=(("2600", 4), ("2500", 4)), US=(("2550", 4),), EU=(("2450", 8),))
    proposed = await hall.propose(tender)
    assert {(each["partner"], each["units"], each["amount_minor"]) for each in proposed["awards"]} == {
        ("JP", 6, 6 * 2500 * KILOGRAMS),
        ("US", 4, 4 * 2500 * KILOGRAMS),
    }
    assert (await hall.approve(tender))["authority"].startswith("ins_")
    certified = await hall.certify(tender)
    seen = await hall.status(tender, "released")
    assert [(each["award"], each["amount_minor"], each["status"]) for each in seen["awards"]] == [
        (each["award"], each["amount_minor"], "released") for each in sorted(certified["awards"], key=lambda each: each["award"])
    ]
    releases = (await hall.reserve.inventory.http.get("/v1/releases?limit=200")).json()["data"]
    own = {award["award"].replace("awd_", "rel_"): (award["mass_g"], award["bid"]) for award in certified["awards"]}
    assert {each["release"]: (each["mass_g"], each["request"]) for each in releases if each["round"] == tender} == own


async def test_until_bidding_has_closed_nobody_sees_a_bid_but_its_bidder(hall: Hall):
    tender = await hall.open()
    first = await hall.bid(tender, "JP", ("2500", 1))
    again = await hall.bid(tender, "JP", ("2600", 2))
    assert first["bid"] == again["bid"] and first["commitment"] != again["commitment"]
    await hall.bid(tender, "US", ("2450", 1))
    assert await hall.refused_reveal(tender, "JP", ("2600", 2)) == (409, "reveal_too_early")
    hall.wait()
    await hall.reveal(tender, "JP", ("2600", 2))
    for who, bids in (("operator-1", 0), ("approver-1", 0), ("auditor-1", 0), ("partner-us", 1), ("partner-eu", 0)):
        seen = await hall.reserve.get(who, f"/v1/tenders/{tender}")
        assert len(seen["bids"]) == bids, who
        assert "2600" not in str(seen)
    [own] = (await hall.reserve.get("partner-jp", f"/v1/tenders/{tender}"))["bids"]
    assert own["commitment"] == again["commitment"] and own["steps"] == [{"price": "2600", "units": 2}]
    assert (await hall.reserve.get("partner-jp", f"/v1/tenders/{tender}"))["terms"]["bidders"] == ["JP"]
    await hall.closed(tender)
    await hall.settled(tender)
    seen = await hall.reserve.get("operator-1", f"/v1/tenders/{tender}")
    assert [(bid["partner"], bid["void"]) for bid in sorted(seen["bids"], key=lambda bid: bid["partner"])] == [("JP", False), ("US", True)]


async def test_a_bid_that_is_not_revealed_in_time_is_void_and_buys_nothing(hall: Hall):
    tender = await hall.open()
    await hall.bid(tender, "JP", ("9000", 8))
    await hall.bid(tender, "US", ("2400", 3))
    hall.wait()
    await hall.reveal(tender, "US", ("2400", 3))
    await hall.closed(tender)
    await hall.settled(tender)
    assert await hall.refused_reveal(tender, "JP", ("9000", 8)) == (409, "reveal_too_late")
    proposed = await hall.propose(tender)
    assert [(each["partner"], each["units"]) for each in proposed["awards"]] == [("US", 3)]
    assert proposed["left_units"] == 7


async def test_a_bid_that_is_not_the_sealed_one_changes_nothing(hall: Hall):
    tender = await hall.open()
    await hall.bid(tender, "JP", ("2500", 4))
    hall.wait()
    before = await hall.reserve.get("partner-jp", f"/v1/tenders/{tender}")
    assert await hall.refused_reveal(tender, "JP", ("2500", 5)) == (422, "bid_differs_from_commitment")
    assert await hall.refused_reveal(tender, "JP", ("2500", 3), ("2400", 1)) == (422, "bid_differs_from_commitment")
    assert await hall.reserve.get("partner-jp", f"/v1/tenders/{tender}") == before
    await hall.reveal(tender, "JP", ("2500", 4))
    assert await hall.refused_reveal(tender, "JP", ("2500", 4)) == (409, "bid_already_revealed")


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ((("2500", 9),), "bid_over_cap"),
        ((("2500", 4), ("2500", 1)), "bid_steps_invalid"),
        ((("2400", 1), ("2500", 1)), "bid_steps_invalid"),
        ((("2500.00001", 1),), "price_not_whole"),
    ],
)
async def test_a_sealed_bid_that_is_none_is_refused_when_it_is_revealed(hall: Hall, steps: tuple[tuple[str, int], ...], code: str):
    tender = await hall.open()
    await hall.bid(tender, "JP", *steps)
    hall.wait()
    assert await hall.refused_reveal(tender, "JP", *steps) == (422, code)


async def test_who_may_not_bid_finds_no_tender(hall: Hall):
    tender = await hall.open(bidders=["JP", "US"])
    commitment = hall.sealed(tender, "EU", ("2500", 1))
    for path in (f"/v1/tenders/{tender}/commitments", f"/v1/tenders/tnd_{UNKNOWN}/commitments"):
        assert await hall.reserve.refused("partner-eu", path, commitment) == (404, "tender_not_found")
    assert (await hall.reserve.clients["partner-eu"].get(f"/v1/tenders/{tender}")).status_code == 404
    assert tender not in {each["tender"] for each in (await hall.reserve.get("partner-eu", "/v1/tenders?limit=200"))["data"]}
    assert tender in {each["tender"] for each in (await hall.reserve.get("partner-jp", "/v1/tenders?limit=200"))["data"]}
    assert (await hall.reserve.refused("operator-1", f"/v1/tenders/{tender}/commitments", commitment))[0] == 403


async def test_a_bid_comes_in_time_or_not_at_all(hall: Hall):
    tender = await hall.open()
    hall.wait()
    late = hall.sealed(tender, "JP", ("2500", 1))
    assert await hall.reserve.refused("partner-jp", f"/v1/tenders/{tender}/commitments", late) == (409, "bid_too_late")
    assert await hall.refused_reveal(tender, "JP", ("2500", 1)) == (409, "bid_not_committed")
    assert await hall.reserve.refused("operator-1", f"/v1/tenders/{tender}/propose") == (409, "tender_bidding_open")
    await hall.closed(tender)
    assert await hall.reserve.refused("operator-1", f"/v1/tenders/{tender}/propose") == (409, "tender_sells_nothing")
    await hall.reserve.post("operator-1", f"/v1/tenders/{tender}/cancel", {"reason": "nobody bid"})
    assert await hall.reserve.refused("operator-1", f"/v1/tenders/{tender}/propose") == (409, "tender_closed")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"reserve_price": "0"}, 422, "reserve_price_invalid"),
        ({"reserve_price": "2400.0"}, 422, "invalid_request"),
        ({"reserve_price": "2400.00001"}, 422, "price_not_whole"),
        ({"units": 100_000}, 409, "supply_beyond_stock"),
        ({"units": 301}, 409, "supply_beyond_stock"),  # 400 are there, and 100 are protected
        ({"cap_units": 11}, 422, "tender_cap_invalid"),
        ({"unit_g": 7}, 422, "price_not_whole"),
        ({"unit_g": 1000}, 422, "tender_unit_unknown"),
        ({"bidders": ["JP", "JP"]}, 422, "tender_bidders_invalid"),
        ({"bidders": ["JP", "AU"]}, 409, "agreement_missing"),
        ({"commit_until": "2020-01-01T00:00:00Z"}, 422, "tender_times_invalid"),
        ({"commit_until": "2099-01-01T00:00:00Z"}, 422, "tender_times_invalid"),
        ({"product": "unobtainium"}, 404, "product_not_found"),
    ],
)
async def test_an_offer_that_cannot_be_is_refused(hall: Hall, changes: dict[str, Any], status: int, code: str):
    answer = await hall.reserve.refused("operator-1", "/v1/tenders", hall.terms(**changes))
    assert answer == (status, code)


async def test_a_bidder_recomputes_its_own_award_and_sees_no_other(hall: Hall):
    tender = await hall.bidden(JP=(("2500", 7),), US=(("2500", 7),), EU=(("2500", 1),))
    await hall.propose(tender)
    assert (await hall.reserve.clients["partner-jp"].get(f"/v1/tenders/{tender}/decision")).status_code == 404
    listed = {each["tender"]: each for each in (await hall.reserve.get("partner-jp", "/v1/tenders?limit=200"))["data"]}
    assert (listed[tender]["status"], listed[tender]["decision"]) == ("proposed", None)
    await hall.approve(tender)
    await hall.certify(tender)
    await hall.status(tender, "released")
    view = read_tender_file(msgspec.json.encode(await hall.reserve.get("partner-jp", f"/v1/tenders/{tender}/decision")))
    assert [line.content.revealed.partner for line in view.lines] == ["JP"]
    checked = recompute_own_bid(view)
    assert checked.failed == () and checked.passed
    seen = await hall.reserve.get("partner-jp", f"/v1/tenders/{tender}")
    assert {award["partner"] for award in seen["awards"]} == {"JP"}


async def test_an_approval_counts_only_for_the_tender_that_was_signed_and_once(hall: Hall):
    tender = await hall.bidden(JP=(("2500", 1),))
    await hall.propose(tender)
    path = f"/v1/tenders/{tender}/approvals"
    assert await hall.reserve.refused("approver-1", path, await hall.approval(tender, "decision")) == (409, "approval_of_another_document")
    signed = await hall.approval(tender)
    assert await hall.reserve.refused("operator-1", f"/v1/tenders/{tender}/certify") == (409, "approvals_missing")
    assert await hall.reserve.refused("approver-1", path, signed | {"signature": "00" * 64}) == (422, "approval_signature_invalid")
    await hall.propose(tender)  # again: with other salts it is another decision
    assert await hall.reserve.refused("approver-1", path, signed) == (409, "approval_of_another_document")
    await hall.approve(tender)
    assert await hall.reserve.refused("approver-1", path, await hall.approval(tender)) == (409, "approval_duplicate")
    assert await hall.reserve.refused("operator-1", f"/v1/tenders/{tender}/propose") == (409, "decision_already_approved")


async def test_who_has_an_interest_in_a_bidder_neither_proposes_nor_certifies_and_approves_no_more(hall: Hall):
    tender = await hall.bidden(JP=(("2500", 1),))
    reserve, path = hall.reserve, f"/v1/tenders/{tender}"
    conflict = {"about": "partner", "name": "JP", "reason": "shares"}

    async def about(who: str) -> None:
        await reserve.post("admin-1", f"/v1/officials/{reserve.subject(who)}/conflicts", conflict)

    await about("operator-1")
    assert await reserve.refused("operator-1", f"{path}/propose") == (403, "conflict_of_interest")
    await reserve.withdraw_conflict("operator-1", conflict)
    await hall.propose(tender)
    await hall.approve(tender)
    await about("operator-1")
    assert await reserve.refused("operator-1", f"{path}/certify") == (403, "conflict_of_interest")
    await reserve.withdraw_conflict("operator-1", conflict)
    await about("approver-1")
    assert await reserve.refused("operator-1", f"{path}/certify") == (409, "approvals_missing")
    await reserve.withdraw_conflict("approver-1", conflict)
    await hall.certify(tender)


async def test_a_tender_that_inventory_refuses_is_proposed_and_approved_again(hall: Hall):
    on = day_of(hall.clock.now(), Settings().zone)
    hold = PutOnHold(
        hold=HoldId("hld_us"), scope="partner", target="US", reason="court order", authority="Minister", expires_on=None, on=on
    )
    await hall.reserve.happen(hold)
    tender = await hall.bidden(JP=(("2500", 1),), US=(("2600", 1),))
    await hall.propose(tender)
    await hall.approve(tender)
    await hall.certify(tender)
    seen = await hall.status(tender, "closed")
    assert (seen["decision"], seen["reason"]) == (None, "refused by inventory: on_hold")
    assert (await hall.reserve.get("partner-jp", f"/v1/tenders/{tender}"))["reason"] is None  # it is about another partner
    assert {award["status"] for award in seen["awards"]} == {"withdrawn"}
    await hall.reserve.happen(LiftHold(hold=HoldId("hld_us"), reason="lifted", capacity=may("keeper", on)))
    await hall.propose(tender)
    await hall.approve(tender)
    await hall.certify(tender)
    assert {award["status"] for award in (await hall.status(tender, "released"))["awards"]} == {"released"}


async def test_a_bidder_without_a_valid_agreement_on_the_day_buys_nothing(hall: Hall):
    tender = await hall.bidden(JP=(("2500", 1),), EU=(("2600", 1),))
    await hall.propose(tender)
    await hall.approve(tender)
    [agreement] = (await hall.reserve.get("partner-eu", "/v1/agreements"))["data"]
    await hall.reserve.by_two(f"/v1/agreements/{agreement['agreement']}/end", {"reason": "suspended"})
    assert await hall.reserve.refused("operator-1", f"/v1/tenders/{tender}/certify") == (409, "decision_stale")
    proposed = await hall.propose(tender)
    assert [each["partner"] for each in proposed["awards"]] == ["JP"]


async def test_the_same_bid_sent_twice_is_one(hall: Hall):
    tender = await hall.open(bidders=["US"])
    key = secrets.token_hex(8)
    sealed = hall.sealed(tender, "US", ("2500", 1))
    path = f"/v1/tenders/{tender}/commitments"
    answers = [await hall.reserve.post("partner-us", path, sealed, key=key) for _ in range(2)]
    answers.append(await hall.reserve.post("partner-us", path, sealed))
    assert answers[0] == answers[1] == answers[2]


async def test_a_bid_sent_again_once_the_tender_is_over_gets_its_first_answer(hall: Hall):
    tender = await hall.open(bidders=["US"])
    sealed, path = hall.sealed(tender, "US", ("2500", 1)), f"/v1/tenders/{tender}"
    committed = await hall.reserve.post("partner-us", f"{path}/commitments", sealed, key=f"{tender}-seal")
    hall.wait()
    revealed = await hall.reserve.post("partner-us", f"{path}/reveals", opened(("2500", 1)), key=f"{tender}-open")
    await hall.reserve.post("operator-1", f"{path}/cancel", {"reason": "not needed"})
    assert await hall.reserve.post("partner-us", f"{path}/commitments", sealed, key=f"{tender}-seal") == committed
    assert await hall.reserve.post("partner-us", f"{path}/reveals", opened(("2500", 1)), key=f"{tender}-open") == revealed
    assert await hall.reserve.refused("partner-us", f"{path}/commitments", sealed) == (409, "tender_closed")
    assert await hall.refused_reveal(tender, "US", ("2500", 1)) == (409, "tender_closed")


async def test_whichever_shard_is_read_first_the_tables_are_the_same(hall: Hall):
    await assert_no_order_matters(hall.reserve.stage, hall.reserve.inventory, hall.reserve.allocation)
