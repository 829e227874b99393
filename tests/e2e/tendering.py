"""Tenders over the whole deployment, from the offer to the releases."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from reserve.client import ProblemAnswer
from services.allocation.domain.tenders.sealed_bid import SealedBid, seal
from services.allocation.events import BidStep
from tests.e2e.world import UNIT_G, World
from tests.waiting import until

SALT = "5a" * 16
BIDS = {"JP": (("2600", 3),), "US": (("2500", 3),), "EU": (("9000", 1),)}  # EU's is sealed, and never revealed
TENDERS = "/allocation/v1/tenders"


def instant(world: World, days: int) -> str:
    """At noon in UTC, that many days from the world's today: past when two more days are, wherever in its day the world is."""
    return f"{world.today + timedelta(days=days)}T12:00:00Z"


async def a_tender(world: World) -> str:
    """The tender, released: JP has bought what it bid for, and US what was left."""
    tender, bought = await sold(world, BIDS, revealed=("JP", "US"))
    unit_minor = 2500 * UNIT_G // 1000
    assert bought == {"JP": (3, 3 * unit_minor), "US": (1, unit_minor)}
    return tender


async def an_open_tender(world: World, bidders: Sequence[str] = tuple(BIDS), pricing: str = "uniform") -> str:
    """Of four units, which each of these partners may bid for."""
    product = await world.registered_product()
    await world.taken_in(product, 4)
    for partner in bidders:
        await world.agreed_with(partner, product)
    terms = {
        "product": product,
        "units": 4,
        "currency": "AUD",
        "reserve_price": "2400",
        "pricing": pricing,
        "cap_units": 3,
        "bidders": list(bidders),
        "commit_until": instant(world, 1),
        "reveal_until": instant(world, 3),
    }
    tender: str = (await world.post(world.operator, TENDERS, terms))["tender"]
    return tender


async def sold(
    world: World, bids: Mapping[str, Sequence[tuple[str, int]]], *, revealed: Sequence[str], pricing: str = "uniform"
) -> tuple[str, dict[str, tuple[int, int]]]:
    """(tender, {partner: (units, amount in minor units)}): a tender of four units that is released to those who revealed what they bid."""
    tender = await an_open_tender(world, tuple(bids), pricing)
    for partner, steps in bids.items():
        bid = SealedBid(tender=tender, bidder=partner, steps=tuple(BidStep(price=price, units=units) for price, units in steps))  # type: ignore[arg-type]
        await world.post(world.partner(partner), f"{TENDERS}/{tender}/commitments", {"commitment": seal(bid, SALT)})
    await world.days_pass(2)
    for partner in revealed:
        steps_sent = [{"price": price, "units": units} for price, units in bids[partner]]
        await world.post(world.partner(partner), f"{TENDERS}/{tender}/reveals", {"salt": SALT, "steps": steps_sent})
    await world.days_pass(2)
    await _status(world, tender, "closed")
    proposed = await until(lambda: _proposed(world, tender))
    approval = await world.approval(proposed["decision"], purpose="tender")
    await world.post(world.clients["approver-1"], f"{TENDERS}/{tender}/approvals", approval)
    await world.post(world.operator, f"{TENDERS}/{tender}/certify")
    await _status(world, tender, "released")
    return tender, {each["partner"]: (each["units"], each["amount_minor"]) for each in proposed["awards"]}


async def _proposed(world: World, tender: str) -> Any:
    """Once the last timer of a bid has fired."""
    try:
        return (await world.post(world.operator, f"{TENDERS}/{tender}/propose")).body
    except ProblemAnswer as problem:
        assert problem.code == "tender_bidding_open"
        return None


async def _status(world: World, tender: str, status: str) -> None:
    async def reached() -> bool:
        answer = await world.operator.get(f"{TENDERS}/{tender}")
        return bool(answer["status"] == status)

    await until(reached)
