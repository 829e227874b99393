"""Bad input to decisions: claims, policies, bids and authorities that must not count. A problem with its stable code and its field, and
nothing changed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from reserve.demo.instruments import delegate
from services.allocation.domain.tenders.sealed_bid import SealedBid, seal
from services.allocation.events import BidStep
from services.allocation.events.authority import Power
from tests.documented import listed
from tests.e2e.refusals import APPROVALS, NOBODY, REQUESTS, Bad, Ground, assert_problem
from tests.e2e.tendering import SALT, TENDERS, instant
from tests.e2e.world import UNIT_G, World
from tests.waiting import HANGS_AFTER_S

ROUNDS = "/allocation/v1/rounds"
POLICY = "/allocation/v1/policies/bad-input/versions"
REVEALS = TENDERS + "/{tender}/reveals"


@pytest.fixture(scope="module")
async def ground(world: World) -> AsyncIterator[Ground]:
    tender = await sealed_tender(world)
    await world.days_pass(2)
    product = await world.registered_product()
    await world.taken_in(product, 9)
    await world.agreed_with("JP", product)
    later = {
        "partner": "US",
        "products": [{"product": product, "yearly_quota_g": UNIT_G, "share": "1/4"}],
        "priority_class": 1,
        "valid_from": world.in_days(100),
        "valid_until": world.in_days(200),
    }
    await world.countersigned("agreements", later, service="allocation")
    requests = [await world.requested("JP", product, UNIT_G, minimum_g=minimum_g) for minimum_g in (0, 0, UNIT_G)]
    for each in requests:
        await world.accepted(each, UNIT_G)
    request, claimed, insisting = requests
    round = await world.opened(product, [claimed])
    there = {
        "product": product,
        "request": request,  # JP's, accepted, in no round
        "claimed": claimed,  # JP's: the round is over it
        "insisting": insisting,  # JP's, accepted: all of it or nothing
        "round": round,
        "decision": await world.proposed(round, UNIT_G),
        "policy": await world.policy(release_days=90),
        "strict": await world.policy(largest_minimum="1/100"),
        "tender": tender,
        **await wanting_authorities(world, product),
    }
    hooks, base = {"response": [listed]}, world.running.endpoints.base_url
    async with httpx.AsyncClient(base_url=base, timeout=HANGS_AFTER_S, event_hooks=hooks) as http:
        await world.at_rest()
        yield Ground(world, http, there)


async def sealed_tender(world: World) -> str:
    """Of three units, to JP and US. Only JP seals a bid; in two days no other can, and for weeks it may be revealed."""
    product = await world.registered_product()
    await world.taken_in(product, 3)
    for partner in ("JP", "US"):
        await world.agreed_with(partner, product)
    terms = {
        "product": product,
        "units": 3,
        "cap_units": 2,
        "currency": "AUD",
        "reserve_price": "2400",
        "bidders": ["JP", "US"],
        "commit_until": instant(world, 1),
        "reveal_until": instant(world, 60),
    }
    tender: str = (await world.post(world.operator, TENDERS, terms))["tender"]
    bid = SealedBid(tender=tender, bidder="JP", steps=(BidStep(price="2500", units=2),))  # type: ignore[arg-type]
    await world.post(world.partner("JP"), f"{TENDERS}/{tender}/commitments", {"commitment": seal(bid, SALT)})
    return tender


async def wanting_authorities(world: World, product: str) -> dict[str, str]:
    """Each would do for the ground's decision, but for what it is named by."""
    instruments = await world.rows(world.operator, "/allocation/v1/instruments")
    direction = next(row["instrument"] for row in instruments if row["kind"] == "direction")
    second, third = await world.subject("approver-2"), await world.subject("operator-2")

    async def delegated(holder: str, act: Power = Power.APPROVE_DECISION, **limits: Any) -> str:
        return await delegate(world.registered, direction, holder, "Deputy Secretary", [act], **({"products": [product]} | limits))

    return {
        "out of date": await delegated(second, valid_until=world.in_days(-1)),
        "not in force yet": await delegated(second, valid_from=world.in_days(1)),
        "over its limit": await delegated(second, limit_g=UNIT_G - 1),
        "of another act": await delegated(second, Power.LIFT_HOLD),
        "of another person": await delegated(third),
    }


def round_over(name: str, status: int, code: str, field: str | None, *requests: str, policy: str = "{policy}") -> Bad:
    body = {"product": "{product}", "requests": list(requests), "policy": policy}
    return Bad(f"a round over {name}", "operator-1", ROUNDS, status, code, field, body=body)


def policy_of(name: str, code: str, field: str, **terms: Any) -> Bad:
    return Bad(f"a policy of {name}", "operator-1", POLICY, 422, code, field, body={"terms": terms})


def revealed(name: str, who: str, status: int, code: str, field: str | None, price: str = "2500", units: int = 2, salt: str = SALT) -> Bad:
    body = {"salt": salt, "steps": [{"price": price, "units": units}]}
    return Bad(f"a bid revealed {name}", who, REVEALS, status, code, field, body=body)


CLAIMS = [
    round_over("one request twice", 422, "round_request_twice", "/requests", "{request}", "{request}"),
    round_over("what another round claims", 409, "request_in_another_round", "/requests/1", "{request}", "{claimed}"),
    round_over("a request that there is not", 409, "request_closed", "/requests/0", f"req_{NOBODY}"),
    round_over("nothing", 422, "invalid_request", "/requests"),
    round_over("requests by no policy", 409, "policy_not_active", "/policy", "{request}", policy="unheard-of"),
    round_over(
        "more insistence than its policy allows", 409, "request_minimum_beyond_policy", "/requests/0", "{insisting}", policy="{strict}"
    ),
    Bad(
        "a request on a day outside every agreement",
        "partner-us",
        REQUESTS,
        409,
        "agreement_missing",
        None,
        body={
            "product": "{product}",
            "mass_g": UNIT_G,
            "daily_consumption_g": 1,
            "needed_by": "2990-01-01",
            "nominee": "Ohio Antimony",
            "consignee": "Ohio Antimony",
            "end_user": "Ohio Antimony",
            "end_use": "flame retardants",
        },
    ),
]

POLICIES = [
    policy_of("an unknown rule", "rule_unknown", "/terms/method/rule", method={"rule": "first_come"}),
    policy_of(
        "an unknown rule inside", "rule_unknown", "/terms/method/inside/1", method={"rule": "priority", "inside": {"1": "first_come"}}
    ),
    policy_of(
        "a class that there is not",
        "policy_inside_invalid",
        "/terms/method/inside/77",
        method={"rule": "priority", "inside": {"77": "talmud"}},
    ),
    policy_of("a cap above all", "policy_cap_invalid", "/terms/method/cap", method={"cap": "3/2"}),
    policy_of("a cap below nothing", "policy_cap_invalid", "/terms/method/caps/JP", method={"caps": {"JP": "-1/4"}}),
    policy_of("a cap by nothing", "policy_cap_invalid", "/terms/method/cap", method={"cap": "1/0"}),
    policy_of("no approvals", "policy_quorum_invalid", "/terms/quorum/0/approvals", quorum=[{"above_g": 0, "approvals": 0}]),
    policy_of("a negative memory", "policy_carry_years_invalid", "/terms/carry_years", carry_years=-1),
    policy_of("a hundred years' memory", "policy_carry_years_invalid", "/terms/carry_years", carry_years=100),
    policy_of("minimums above what is asked for", "policy_minimum_invalid", "/terms/largest_minimum", largest_minimum="11/10"),
]

BIDS = [
    revealed("at another price than was sealed", "partner-jp", 422, "bid_differs_from_commitment", None, price="2499"),
    revealed("for another quantity than was sealed", "partner-jp", 422, "bid_differs_from_commitment", None, units=1),
    revealed("with another salt", "partner-jp", 422, "bid_differs_from_commitment", None, salt="00" * 16),
    revealed("that was never sealed", "partner-us", 409, "bid_not_committed", None),
    revealed("by none of the bidders", "partner-eu", 404, "tender_not_found", "path:tender"),
    Bad(
        "a bid sealed too late",
        "partner-us",
        TENDERS + "/{tender}/commitments",
        409,
        "bid_too_late",
        None,
        body={"commitment": "0" * 64},
    ),
]


@pytest.mark.parametrize("bad", [*CLAIMS, *POLICIES, *BIDS], ids=lambda bad: bad.name)
async def test_it_is_refused_with_its_code_and_changes_nothing(ground: Ground, bad: Bad) -> None:
    await bad.is_refused(ground)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("out of date", "authority_out_of_date"),
        ("not in force yet", "authority_out_of_date"),
        ("over its limit", "authority_over_limit"),
        ("of another act", "authority_other_act"),
        ("of another person", "authority_of_another"),
    ],
)
async def test_an_authority_that_does_not_cover_it_approves_nothing(ground: Ground, fault: str, code: str) -> None:
    approval = await ground.world.approval(ground["decision"], "approver-2", authority=ground[fault])
    await Bad(fault, "approver-2", APPROVALS, 403, code, "/authority", body=approval).is_refused(ground)


async def test_of_two_rounds_that_claim_one_request_at_once_one_is_opened(ground: Ground) -> None:
    body = ground.filled({"product": "{product}", "requests": ["{request}"], "policy": "{policy}"})
    opened, refused = sorted(
        await asyncio.gather(*(ground.sends("operator-1", ROUNDS, body) for _ in range(2))), key=lambda answer: answer.status_code
    )
    assert opened.status_code == 201, opened.text
    assert_problem(refused, 409, "request_in_another_round", "/requests/0")
    await ground.world.post(ground.world.operator, f"{ROUNDS}/{opened.json()['round']}/cancel", {"reason": "one is enough"})
    freed = await ground.sends("operator-1", ROUNDS, body)
    assert freed.status_code == 201, "a round that is cancelled claims nothing"
    await ground.world.post(ground.world.operator, f"{ROUNDS}/{freed.json()['round']}/cancel", {"reason": "one is enough"})
    await ground.world.at_rest()
