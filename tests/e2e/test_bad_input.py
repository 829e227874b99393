"""Bad input: a problem with its stable code and its field, nothing changed, and nobody else's command disturbed."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reserve.client import ProblemAnswer
from tests.documented import listed
from tests.e2e.refusals import APPROVALS, NOBODY, REQUESTS, Bad, Ground, assert_problem
from tests.e2e.tokens import bad_tokens, of_two_roles
from tests.e2e.world import DISPATCH, UNIT_G, World, product_body
from tests.waiting import HANGS_AFTER_S, until

MAX_INTEGER = 2**53 - 1
DRAW = "/inventory/v1/releases/{release}/draws"
LOTS = "/inventory/v1/lots"

ONE_UNIT = {"mass_g": UNIT_G}
REVOKED = Ed25519PrivateKey.generate()  # a key that approver-2 had
WHY = {"reason": "under inquiry", "authority": "Reserve Act s 12"}


@pytest.fixture(scope="module")
async def ground(world: World) -> AsyncIterator[Ground]:
    _, _, lapsed = await world.stocked_release("JP", 1, release_days=1)
    held_product, _, held = await world.stocked_release("JP", 1)
    await world.held("product", held_product)
    await world.days_pass(2)

    async def has_lapsed() -> bool:
        return bool((await world.operator.get(f"/inventory/v1/releases/{lapsed}"))["status"] == "lapsed")

    await until(has_lapsed)

    product = await world.registered_product()
    lot = await world.taken_in(product, 202)
    release = await world.released_to("JP", product, 101 * UNIT_G)
    drawn = (await world.drawn("JP", release, UNIT_G))["draw"]

    request = await world.requested("JP", product, UNIT_G)
    await world.accepted(request, UNIT_G)
    decided = await world.requested("JP", product, UNIT_G)
    await world.accepted(decided, UNIT_G)
    round = await world.opened(product, [decided])
    second = await world.subject("approver-2")
    key = (await world.registrar.enrol(second, REVOKED))["key"]
    await world.post(world.clients["approver-2"], f"/allocation/v1/approver-keys/{key}/revoke", {"reason": "lost"})  # their own, for good

    hooks, base = {"response": [listed]}, world.running.endpoints.base_url
    async with httpx.AsyncClient(base_url=base, timeout=HANGS_AFTER_S, event_hooks=hooks) as http:
        proposer = await world.subject("approver-1")
        answer = await http.post(
            f"/allocation/v1/rounds/{round}/propose",
            json={"supply_g": UNIT_G},
            headers={"Authorization": f"Bearer {of_two_roles(world, proposer, 'operator', 'approver')}", "Idempotency-Key": "propose"},
        )
        answer.raise_for_status()
        decision = answer.json()["decision"]
        there = {
            "product": product,
            "lot": lot,
            "release": release,  # JP's, open, of 100 units
            "drawn": drawn,  # JP's: drawn and not weighed
            "lapsed": lapsed,  # JP's release, lapsed
            "held": held,  # JP's release, of a product that is on hold
            "request": request,  # JP's, accepted, in no round
            "round": round,  # proposed by approver-1
            "decision": decision,
        }
        await world.at_rest()
        yield Ground(world, http, there)


def draw_of(name: str, mass: str, field: str | None = "/mass_g", code: str = "invalid_request", status: int = 422) -> Bad:
    """`mass` as it is written in the body."""
    return Bad(f"a draw of {name}", "partner-jp", DRAW, status, code, field, raw=b'{"mass_g": %s}' % mass.encode())


QUANTITIES = [
    draw_of("nothing", "0"),
    draw_of("less than nothing", "-5000000"),
    draw_of("a part of a gram", "0.5"),
    draw_of("whole grams written with a point", "5000000.0"),
    draw_of("whole grams written with an exponent", "5e6"),
    draw_of("more than JSON's integers", str(MAX_INTEGER + 1)),
    draw_of("a number of 400 digits", "9" * 400),
    draw_of("a number of 5000 digits", "9" * 5000, field=None, code="malformed_request", status=400),
    draw_of("NaN", "NaN"),
    draw_of("infinity", "Infinity"),
    draw_of("1e999", "1e999"),
    draw_of("a text", '"5000000"'),
    draw_of("true", "true"),
    draw_of("null", "null"),
    draw_of("a list", "[5000000]"),
    draw_of("part of a unit", "5000001", code="not_whole_units"),
    draw_of("more than is left", str(101 * UNIT_G), code="release_exceeded", status=409),
    draw_of("the largest integer", str(MAX_INTEGER), code="release_exceeded", status=409),
]

TEXTS = [
    Bad("no JSON", "partner-jp", DRAW, 422, "invalid_request", "", raw=b'{"mass_g": '),
    Bad("no body", "partner-jp", DRAW, 422, "invalid_request", ""),
    Bad("a member that there is not", "partner-jp", DRAW, 422, "invalid_request", "/for_free", body={"mass_g": UNIT_G, "for_free": True}),
    Bad("over 1 MiB", "partner-jp", DRAW, 413, "body_too_large", None, raw=b'{"mass_g": 5000000}' + b" " * (1 << 20)),
    Bad("a NUL, escaped", "partner-jp", REQUESTS, 422, "nul_in_text", None, raw=b'{"nominee": "Kyushu\\u0000Smelting"}'),
    Bad("a NUL, as it is", "partner-jp", REQUESTS, 422, "nul_in_text", None, raw=b'{"nominee": "Kyushu\x00Smelting"}'),
    Bad("a NUL in the path", "partner-jp", "/inventory/v1/releases/rel%00/draws", 422, "nul_in_text", None, body=ONE_UNIT),
    Bad("half a surrogate pair", "partner-jp", REQUESTS, 422, "text_not_unicode", None, raw=b'{"nominee": "\\ud800"}'),
    Bad("bytes that are no UTF-8", "partner-jp", REQUESTS, 400, "malformed_request", None, raw=b'{"nominee": "\xff\xfe"}'),
    Bad(
        "a key of 300 characters",
        "partner-jp",
        DRAW,
        400,
        "idempotency_key_malformed",
        "header:idempotency-key",
        body=ONE_UNIT,
        headers={"Idempotency-Key": "k" * 300},
    ),
    Bad(
        "an ETag that is none", "partner-jp", DRAW, 400, "if_match_malformed", "header:if-match", body=ONE_UNIT, headers={"If-Match": "12"}
    ),
    Bad(
        "an ETag of the past", "operator-1", DRAW, 412, "precondition_failed", "header:if-match", body=ONE_UNIT, headers={"If-Match": '"1"'}
    ),
    Bad("a guess", "partner-jp", DRAW, 400, "if_match_not_taken", "header:if-match", body=ONE_UNIT, headers={"If-Match": '"1"'}),
]

UNKNOWN = [
    Bad(
        "a draw under no release",
        "partner-jp",
        f"/inventory/v1/releases/rel_{NOBODY}/draws",
        404,
        "release_not_found",
        "path:release",
        body=ONE_UNIT,
    ),
    Bad(
        "a draw under what is no id", "partner-jp", "/inventory/v1/releases/1/draws", 422, "invalid_request", "path:release", body=ONE_UNIT
    ),
    Bad("a draw from no lot", "partner-jp", DRAW, 404, "lot_not_found", "/lots", body={"mass_g": UNIT_G, "lots": [f"lot_{NOBODY}"]}),
    Bad(
        "an assay of no lot",
        "operator-1",
        f"/inventory/v1/lots/lot_{NOBODY}/assays",
        404,
        "lot_not_found",
        "path:lot",
        body={"report": "1", "laboratory": "SGS", "assayed_on": "2026-01-06", "contents": {"Sb": "0.9"}, "in_specification": True},
    ),
    Bad(
        "a hold on no lot",
        "operator-1",
        "/inventory/v1/holds",
        404,
        "lot_not_found",
        "/target",
        body={"scope": "lot", "target": f"lot_{NOBODY}", **WHY},
    ),
    Bad(
        "a hold on no product",
        "operator-1",
        "/inventory/v1/holds",
        404,
        "product_not_found",
        "/target",
        body={"scope": "product", "target": "unobtainium", **WHY},
    ),
    Bad(
        "a hold on no partner",
        "operator-1",
        "/inventory/v1/holds",
        404,
        "partner_not_found",
        "/target",
        body={"scope": "partner", "target": "XX", **WHY},
    ),
    Bad(
        "a hold on no depot",
        "operator-1",
        "/inventory/v1/holds",
        422,
        "depot_not_of_reserve",
        "/target",
        body={"scope": "depot", "target": "Atlantis", **WHY},
    ),
    Bad(
        "protected stock of no product",
        "operator-1",
        "/inventory/v1/products/unobtainium/protected-stock",
        404,
        "product_not_found",
        None,
        body={"mass_g": 1, **WHY},
    ),
    Bad(
        "a request for no product",
        "partner-jp",
        REQUESTS,
        404,
        "product_not_found",
        "/product",
        body={
            "product": "unobtainium",
            "mass_g": 1,
            "daily_consumption_g": 1,
            "needed_by": "2990-01-01",
            "nominee": "Kyushu Smelting",
            "consignee": "Toyo Logistics",
            "end_user": "Kyushu Smelting",
            "end_use": "flame retardants",
        },
    ),
    Bad(
        "a product registered again",
        "operator-1",
        "/inventory/v1/products",
        409,
        "product_registered_already",
        "/product",
        body=product_body("{product}"),
    ),
    Bad(
        "a return of no draw",
        "operator-1",
        f"/inventory/v1/draws/drw_{NOBODY}/return",
        404,
        "draw_not_found",
        "path:draw",
        body={"reason": "r"},
    ),
    Bad("a service that there is not", "operator-1", "/treasury/v1/purchases", 404, "route_not_found", None, body={}),
    Bad("a route that there is not", "operator-1", "/inventory/v1/gifts", 404, "route_not_found", None, body={}),
]

STATES = [
    Bad("a draw after the lapse", "partner-jp", "/inventory/v1/releases/{lapsed}/draws", 409, "release_lapsed", None, body=ONE_UNIT),
    Bad("a draw under a hold", "partner-jp", "/inventory/v1/releases/{held}/draws", 409, "on_hold", None, body=ONE_UNIT),
    Bad("another partner's draw", "partner-us", DRAW, 404, "release_not_found", "path:release", body=ONE_UNIT),
    Bad("goods not weighed", "operator-1", "/inventory/v1/draws/{drawn}/dispatch", 409, "not_weighed", None, body=DISPATCH),
    Bad("a partner's dispatch", "partner-jp", "/inventory/v1/draws/{drawn}/dispatch", 403, "forbidden", None, body=DISPATCH),
    Bad(
        "more accepted than asked for",
        "operator-1",
        "/allocation/v1/requests/{request}/accept",
        422,
        "accepted_mass_invalid",
        "/accepted_g",
        body={"accepted_g": 2 * UNIT_G, "reasons": ["r"]},
    ),
    Bad("certified without approval", "operator-1", "/allocation/v1/rounds/{round}/certify", 409, "approvals_missing", None),
]


@pytest.mark.parametrize("bad", [*QUANTITIES, *TEXTS, *UNKNOWN, *STATES], ids=lambda bad: bad.name)
async def test_it_is_refused_with_its_code_and_changes_nothing(ground: Ground, bad: Bad) -> None:
    await bad.is_refused(ground)


PAST = [
    (LOTS, "operator-1", "/expires_on", lambda world: world.lot_body("{product}", 1, expires_on=world.in_days(-1))),
    (REQUESTS, "partner-jp", "/needed_by", lambda world: world.request_body("{product}", UNIT_G, needed_by=world.in_days(-1))),
    (
        "/inventory/v1/holds",
        "operator-1",
        "/expires_on",
        lambda world: {"scope": "product", "target": "{product}", "reason": "r", "authority": "a", "expires_on": world.in_days(-1)},
    ),
    (
        "/inventory/v1/rights",
        "operator-1",
        "/window_to",
        lambda world: {
            "product": "{product}",
            "project": "Hillgrove",
            "kind": "firm_offtake",
            "mass_g": UNIT_G,
            "window_from": world.in_days(-9),
            "window_to": world.in_days(-1),
        },
    ),
    (
        "/allocation/v1/agreements",
        "operator-1",
        "/valid_until",
        lambda world: {
            "partner": "JP",
            "products": [{"product": "{product}", "yearly_quota_g": 1, "share": "1/4"}],
            "priority_class": 1,
            "valid_from": world.in_days(-9),
            "valid_until": world.in_days(-1),
        },
    ),
]


@pytest.mark.parametrize(("path", "who", "field", "body"), PAST, ids=[path.rpartition("/")[2] for path, *_ in PAST])
async def test_a_day_that_has_passed_is_refused(ground: Ground, path: str, who: str, field: str, body: Any) -> None:
    before = await ground.heads()
    assert_problem(await ground.sends(who, path, body(ground.world)), 422, "date_in_past", field)
    assert await ground.heads() == before


@pytest.mark.parametrize("day", ["2026-02-30", "06/01/2026", "2026-01-06T00:00:00Z", "1e9", "9999-12-31", ""])
async def test_what_is_no_day_is_refused(ground: Ground, day: str) -> None:
    before = await ground.heads()
    body = ground.world.request_body(ground["product"], UNIT_G, needed_by=day)
    assert_problem(await ground.sends("partner-jp", REQUESTS, body), 422, "invalid_request", "/needed_by")
    assert await ground.heads() == before


async def test_an_agreement_names_partners_and_products_that_there_are(ground: Ground) -> None:
    before = await ground.heads()
    world = ground.world
    body = {
        "partner": "XX",
        "products": [{"product": ground["product"], "yearly_quota_g": 1, "share": "1/4"}],
        "priority_class": 1,
        "valid_from": world.in_days(0),
        "valid_until": world.in_days(9),
    }
    assert_problem(await ground.sends("operator-1", "/allocation/v1/agreements", body), 404, "partner_not_found", "/partner")
    body |= {"partner": "JP", "products": [{"product": "unobtainium", "yearly_quota_g": 1, "share": "1/4"}]}
    assert_problem(await ground.sends("operator-1", "/allocation/v1/agreements", body), 404, "product_not_found", "/products")
    lot = world.lot_body("unobtainium", 1)
    assert_problem(await ground.sends("operator-1", LOTS, lot), 404, "product_not_found", "/product")
    assert await ground.heads() == before


class TestApprovals:
    """Of a decision that approver-1 proposed, when they acted as an operator."""

    async def test_a_proposer_does_not_approve(self, ground: Ground) -> None:
        await self.refused(ground, "approver-1", await ground.world.approval(ground["decision"]), 403, "approval_by_proposer", None)

    async def test_an_approval_of_another_decision_does_not_count(self, ground: Ground) -> None:
        other = await ground.world.approval("0" * 64, "approver-2")
        await self.refused(ground, "approver-2", other, 409, "approval_of_another_document", "/document")

    async def test_an_approval_of_another_decision_cannot_be_relabelled(self, ground: Ground) -> None:
        other = await ground.world.approval("0" * 64, "approver-2") | {"document": ground["decision"]}
        await self.refused(ground, "approver-2", other, 422, "approval_signature_invalid", "/signature")

    async def test_a_revoked_key_approves_nothing(self, ground: Ground) -> None:
        signed = await ground.world.approval(ground["decision"], "approver-2", key=REVOKED)
        await self.refused(ground, "approver-2", signed, 409, "approver_key_revoked", "/key_id")

    async def test_an_unknown_key_approves_nothing(self, ground: Ground) -> None:
        signed = await ground.world.approval(ground["decision"], "approver-2", key=Ed25519PrivateKey.generate())
        await self.refused(ground, "approver-2", signed, 404, "approver_key_not_found", "/key_id")

    async def test_nobody_hands_in_anothers_approval(self, ground: Ground) -> None:
        approval = await ground.world.approval(ground["decision"], "approver-1")
        await self.refused(ground, "approver-2", approval, 403, "approval_of_another_approver", "/approver")

    async def test_an_operator_is_no_approver(self, ground: Ground) -> None:
        approval = await ground.world.approval(ground["decision"], "approver-2")
        await self.refused(ground, "operator-2", approval, 403, "forbidden", None)

    async def refused(self, ground: Ground, who: str, approval: Any, status: int, code: str, field: str | None) -> None:
        before = await ground.heads()
        assert_problem(await ground.sends(who, APPROVALS, approval), status, code, field)
        assert await ground.heads() == before


class TestKeys:
    """Idempotency-Key: once for each client, whatever others send under theirs."""

    async def test_a_key_that_was_used_for_another_body_is_refused(self, ground: Ground) -> None:
        first = await ground.sends("partner-jp", DRAW, {"mass_g": UNIT_G}, **{"Idempotency-Key": "once"})
        assert first.status_code == 201
        before = await ground.heads()
        other = await ground.sends("partner-jp", DRAW, {"mass_g": 2 * UNIT_G}, **{"Idempotency-Key": "once"})
        assert_problem(other, 422, "idempotency_key_reused", "header:idempotency-key")
        again = await ground.sends("partner-jp", DRAW, raw=b'{ "mass_g" : 5000000 }', **{"Idempotency-Key": "once"})
        assert (again.status_code, again.json()) == (201, first.json())
        assert again.headers["reserve-position"] == first.headers["reserve-position"]
        assert await ground.heads() == before

    async def test_another_clients_key_is_another_key(self, ground: Ground) -> None:
        first = await ground.sends("partner-jp", DRAW, {"mass_g": UNIT_G}, **{"Idempotency-Key": "shared"})
        second = await ground.sends("operator-1", DRAW, {"mass_g": 2 * UNIT_G}, **{"Idempotency-Key": "shared"})
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json()["draw"] != second.json()["draw"]
        assert second.json()["mass_g"] == 2 * UNIT_G

    async def test_a_stranger_learns_nothing_by_anothers_key(self, ground: Ground) -> None:
        await ground.sends("partner-jp", DRAW, {"mass_g": UNIT_G}, **{"Idempotency-Key": "mine"})
        answer = await ground.sends("partner-us", DRAW, {"mass_g": UNIT_G}, **{"Idempotency-Key": "mine"})
        assert_problem(answer, 404, "release_not_found", "path:release")

    async def test_a_command_without_a_key_is_refused(self, ground: Ground) -> None:
        before = await ground.heads()
        headers = {"Authorization": f"Bearer {await ground.world.partner('JP').token()}"}
        answer = await ground.http.post(ground.filled(DRAW), json={"mass_g": UNIT_G}, headers=headers)
        assert_problem(answer, 400, "idempotency_key_missing", "header:idempotency-key")
        assert await ground.heads() == before


async def test_no_bad_token_lets_anyone_in(ground: Ground) -> None:
    before = await ground.heads()
    for fault, (token, code) in bad_tokens(ground.world).items():
        answer = await ground.sends("operator-1", DRAW, {"mass_g": UNIT_G}, Authorization=f"Bearer {token}")
        assert (fault, answer.status_code, answer.json()["code"]) == (fault, 401, code)
        assert_problem(answer, 401, code, "header:authorization")
        assert answer.headers["www-authenticate"].startswith("Bearer ")
    for header in ("", "Basic b3BlcmF0b3I6c2VjcmV0", "Bearer"):
        answer = await ground.sends("operator-1", DRAW, {"mass_g": UNIT_G}, Authorization=header)
        assert_problem(answer, 401, "token_missing", "header:authorization")
    assert await ground.heads() == before


async def test_a_body_over_the_limit_is_refused_also_when_its_length_is_not_told(ground: Ground) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65536

    before = await ground.heads()
    headers = {"Authorization": f"Bearer {await ground.world.partner('JP').token()}", "Idempotency-Key": "in pieces"}
    assert_problem(await ground.http.post(ground.filled(DRAW), content=in_pieces(), headers=headers), 413, "body_too_large", None)
    assert await ground.heads() == before


async def test_good_commands_beside_bad_ones_all_succeed_and_are_all_that_is_recorded(ground: Ground) -> None:
    good = 20
    before = await ground.heads()
    bad = [*QUANTITIES, *TEXTS, *UNKNOWN, *STATES]
    draws = [ground.world.drawn("JP", ground["release"], UNIT_G) for _ in range(good)]
    drawn, answers = await asyncio.gather(asyncio.gather(*draws), asyncio.gather(*(each.sent(ground) for each in bad)))
    assert [answer.json()["code"] for answer in answers] == [each.code for each in bad]
    assert len({answer["draw"] for answer in drawn}) == good
    after = await ground.heads()
    assert (after["allocation"], after["loans"]) == (before["allocation"], before["loans"])
    moved = {shard: head["position"] - before["inventory"][shard]["position"] for shard, head in after["inventory"].items()}
    assert sorted(moved.values()) == [0, 0, 0, good]


async def test_what_was_refused_stays_refused_under_its_key(ground: Ground) -> None:
    key = secrets.token_hex(8)
    for _ in range(2):
        with pytest.raises(ProblemAnswer) as raised:
            await ground.world.drawn("JP", ground["release"], 1000 * UNIT_G, key=key)
        assert raised.value.code == "release_exceeded"
