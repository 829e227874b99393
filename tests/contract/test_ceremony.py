"""The ceremony that begins a reserve: two keys and one instrument, and from then on nothing of that by an administrator alone."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reserve.demo.instruments import register_direction
from shared.engines.engines import Engines
from tests.contract.allocation_stage import Reserve, allocation_alone

KEYS = "/v1/approver-keys"
INSTRUMENTS = "/v1/instruments"
ROUNDS_AT_ONCE = 10


@pytest.fixture(scope="module")
async def reserve(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reserve]:
    async with allocation_alone(servers, tmp_path_factory.mktemp("ceremony")) as reserve:
        yield reserve


def delegation(holder: str, direction: str) -> dict[str, Any]:
    days = {"valid_from": "2025-01-01", "valid_until": "2099-12-31"}
    return {
        "kind": "delegation",
        "title": "a delegation",
        "office": "an office",
        "under": direction,
        "holder": holder,
        "acts": ["ratify"],
        **days,
    }


async def test_of_those_who_enter_the_last_of_the_ceremony_at_once_no_more_are_entered_than_one_after_another(
    servers: Engines, tmp_path: Path
):
    """Each of them was looked up before any of the others was entered."""
    async with allocation_alone(servers, tmp_path) as fresh:
        persons = [f"sub_{name}" for name in ("first", "second", "third", "fourth")]
        enrolments = [fresh.registrar.enrolment(person, Ed25519PrivateKey.generate()) for person in persons]
        statuses = await at_once(fresh, KEYS, enrolments)
        assert sorted(statuses) == [201, 201, 403, 403]
        days = {"valid_from": "2025-01-01", "valid_until": "2099-12-31"}
        act = {"kind": "act", "title": "An Act", "office": "an office", "holder": persons[0], "acts": ["ratify"], **days}
        assert sorted(await at_once(fresh, INSTRUMENTS, [act | {"title": f"Act {number}"} for number in range(3)])) == [201, 403, 403]
        entered = [persons[place] for place, status in enumerate(statuses) if status == 201]
        assert {row["subject"] for row in (await fresh.get("auditor-1", KEYS))["data"]} == set(entered)


async def at_once(reserve: Reserve, path: str, bodies: list[dict[str, Any]]) -> list[int]:
    posts = (reserve.clients["admin-1"].post(path, json=body, headers={"Idempotency-Key": secrets.token_hex(8)}) for body in bodies)
    return [answer.status_code for answer in await asyncio.gather(*posts)]


async def test_the_root_of_all_authority_is_entered_once_and_then_by_nobody_alone(reserve: Reserve):
    registrar, first, second = reserve.registrar, reserve.subject("approver-1"), reserve.subject("approver-2")
    keys = [Ed25519PrivateKey.generate() for _ in range(4)]

    enrolment = registrar.enrolment(first, keys[0])
    unproven = [{"possession": None}, {"possession": registrar.enrolment(first, keys[1])["possession"]}]
    for change in unproven:
        assert await reserve.refused("admin-1", KEYS, enrolment | change) == (422, "approver_key_unproven")
    drilled = registrar.sign(enrolment["possession"]["document"], "enrolment", first, key=keys[0], origin="reserve/ledger/a-drill")
    assert await reserve.refused("admin-1", KEYS, enrolment | {"possession": drilled}) == (409, "approval_of_another_log")
    for subject, key in ((first, keys[0]), (first, keys[1]), (second, keys[2])):
        await registrar.enrol(subject, key)

    third = registrar.enrolment("sub_third", keys[3])
    alone = {name: third[name] for name in ("subject", "public_key", "possession")}
    assert await reserve.refused("admin-1", KEYS, alone) == (403, "endorsement_missing")
    own = alone | {"endorsement": third["possession"]}
    assert await reserve.refused("admin-1", KEYS, own) == (403, "endorsement_by_party")
    anothers = alone | {"endorsement": registrar.enrolment("sub_fourth", keys[3])["endorsement"]}
    assert await reserve.refused("admin-1", KEYS, anothers) == (409, "approval_of_another_document")
    drilled = alone | {"endorsement": third["endorsement"] | {"origin": "reserve/ledger/a-drill"}}
    assert await reserve.refused("admin-1", KEYS, drilled) == (409, "approval_of_another_log")
    assert await reserve.refused("admin-1", KEYS, registrar.enrolment("sub_third", keys[0])) == (409, "approver_key_already_enrolled")
    await registrar.enrol("sub_third", keys[3])
    revoked = (await reserve.get("auditor-1", KEYS))["data"][0]["key"]
    await reserve.post("admin-1", f"{KEYS}/{revoked}/revoke", {"reason": "lost"})
    again = next(key for key in keys if registrar.enrolment(first, key)["possession"]["key_id"] == revoked)
    holder = next(row["subject"] for row in (await reserve.get("auditor-1", KEYS))["data"] if row["key"] == revoked)
    registrar.keys.pop(holder)  # it endorses nothing any more
    assert await reserve.refused("admin-1", KEYS, registrar.enrolment(holder, again)) == (409, "approver_key_already_enrolled")


async def test_after_the_first_instrument_an_administrator_registers_none_alone(reserve: Reserve):
    posted: list[dict[str, Any]] = []

    async def register(body: dict[str, Any]) -> Any:
        posted.append(body)
        return await reserve.register(body)

    direction = await register_direction(register)
    wanted = delegation("sub_anybody", direction)
    assert await reserve.refused("admin-1", INSTRUMENTS, wanted) == (403, "endorsement_missing")
    assert await reserve.refused("admin-1", INSTRUMENTS, posted[0]) == (403, "endorsement_missing"), "a second root"
    for nobody_asks in ("waive_gate", "review_decision"):
        assert await reserve.refused("admin-1", INSTRUMENTS, wanted | {"acts": [nobody_asks]}) == (422, "invalid_request")
    made = await reserve.register(wanted)
    acting = {"officer": "sub_deputy", "valid_from": "2026-01-01", "valid_until": "2099-12-31"}
    path = f"{INSTRUMENTS}/{made['instrument']}/acting"
    assert await reserve.refused("admin-1", path, acting) == (403, "endorsement_missing")
    await reserve.registrar.name_acting(made["instrument"], "sub_anybody", acting)


async def test_one_human_with_two_accounts_is_one_person(reserve: Reserve):
    endorser = next(iter(reserve.registrar.keys))
    twin = "sub_twin"
    path, unsigned = f"/v1/officials/{twin}/person", {"person": "per_0123456789"}
    assert await reserve.refused("admin-1", path, unsigned) == (403, "endorsement_missing")
    await reserve.registrar.name_person(endorser, "per_0123456789")
    own = reserve.registrar.naming(twin, "per_0123456789")
    assert own["endorsement"]["approver"] == endorser
    assert await reserve.refused("admin-1", path, own) == (403, "endorsement_by_party")
    await reserve.registrar.name_person(twin, "per_0123456789", endorser)
    other = reserve.registrar.naming(twin, "per_9876543210", endorser)
    assert await reserve.refused("admin-1", path, other) == (409, "person_already_named")
    assert await reserve.refused("operator-1", path, other) == (403, "forbidden")
    enrolment = reserve.registrar.enrolment(twin, Ed25519PrivateKey.generate())
    assert enrolment["endorsement"]["approver"] == endorser
    assert await reserve.refused("admin-1", KEYS, enrolment) == (403, "endorsement_by_party")


async def test_who_signs_while_their_accounts_are_named_one_persons_has_signed_before_or_is_refused(reserve: Reserve):
    """Both at once end as one after the other, in either order; and what is begun afterwards finds one person."""
    endorser = next(iter(reserve.registrar.keys))
    admin, seen = reserve.clients["admin-1"], set()
    for number in range(ROUNDS_AT_ONCE):
        twin = f"sub_twin_{number}"
        path, person = f"/v1/officials/{twin}/person", reserve.registrar.naming(twin, "per_0123456789", endorser)
        enrolment = reserve.registrar.enrolment(twin, Ed25519PrivateKey.generate())
        assert enrolment["endorsement"]["approver"] == endorser
        sent = [(KEYS, enrolment), (path, person)] if number % 2 else [(path, person), (KEYS, enrolment)]
        answers = await asyncio.gather(*(admin.post(to, json=body, headers={"Idempotency-Key": secrets.token_hex(8)}) for to, body in sent))
        status = {to: answer.status_code for (to, _), answer in zip(sent, answers, strict=True)}
        assert status[path] == 201
        assert status[KEYS] in (201, 403)
        seen.add(status[KEYS])
        again = reserve.registrar.enrolment(twin, Ed25519PrivateKey.generate())
        assert await reserve.refused("admin-1", KEYS, again) == (403, "endorsement_by_party")
    assert 201 in seen, "none was under way when its accounts were named one person's: nothing is tried"
