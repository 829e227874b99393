"""Inventory asks for an authority over HTTP, by what allocation tells it: on the real PostgreSQL and Kafka."""

import secrets
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reserve.demo.instruments import VALIDITY, delegate, register_direction
from services.allocation.events.authority import Power
from services.inventory.domain.holds import ExpireHold, LiftHold, PutOnHold
from services.inventory.events import AuthorityCited, HoldId, ProductId
from shared.terms.countersigning import WithdrawCommand
from tests.contract.allocation_stage import PRODUCT, TODAY, Reserve
from tests.kernel.stage import context, until
from tests.stories.stockpile import UNIT_G, register

KEY = Ed25519PrivateKey.from_private_bytes(b"s" * 32)


async def answered(client: httpx.AsyncClient, path: str, body: Any) -> tuple[int, str | None]:
    answer = await client.post(path, json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
    return answer.status_code, None if answer.is_success else answer.json()["code"]


async def test_stock_is_opened_and_a_hold_lifted_by_two_people_of_whom_the_signer_has_an_authority(reserve: Reserve):
    name = reserve.inventory.kernel.service.name
    known = reserve.inventory.kernel.pool
    url = reserve.stage.urls[name]
    direction = await register_direction(reserve.register)
    subject = reserve.subject("approver-2")
    await reserve.registrar.enrol(subject, KEY)
    await until(lambda: known.fetchval("SELECT true FROM approver_keys WHERE subject = $1", subject))

    async with reserve.stage.client(url, "operator-1") as operator, reserve.stage.client(url, "approver-2") as signer:

        async def proposed(path: str, body: Any) -> Any:
            answer = await operator.post(path, json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
            assert answer.status_code == 202, answer.text
            return answer.json()

        async def signed(proposal: Any, authority: str) -> tuple[int, str | None]:
            document = (await signer.get(f"/v1/proposals/{proposal['proposal']}/document")).content
            assert sha256(document).hexdigest() == proposal["document"]
            approval = reserve.signed(proposal["document"], "command", "approver-2", authority=authority)
            return await answered(signer, f"/v1/proposals/{proposal['proposal']}/approvals", approval)

        put = await operator.post(
            "/v1/holds",
            json={"scope": "depot", "target": "Fremantle", "reason": "heat", "authority": "keeper"},
            headers={"Idempotency-Key": "h"},
        )
        assert put.is_success, put.text
        confirm = f"/v1/holds/{put.json()['hold']}/confirm"
        assert await answered(operator, confirm, {}) == (403, "hold_confirmed_by_same_person")
        assert await answered(signer, confirm, {}) == (200, None)
        [held] = (await operator.get("/v1/holds?active=true")).json()["data"]
        assert (held["confirmed_by"], held["lapses_at"]) == (subject, None)
        opened = await proposed(f"/v1/products/{PRODUCT}/protected-stock", {"mass_g": 90 * UNIT_G, "reason": "a review"})
        lifted = await proposed(f"/v1/holds/{put.json()['hold']}/lift", {"reason": "cooled"})
        assert (opened["act"], opened["status"], lifted["act"]) == ("open_protected_stock", "proposed", "lift_hold")
        assert await answered(operator, f"/v1/proposals/{lifted['proposal']}/approvals", {}) == (403, "forbidden")
        assert await signed(opened, direction) == (403, "authority_of_another")

        small = await delegate(reserve.register, direction, subject, "depot", (Power.OPEN_PROTECTED_STOCK,), limit_g=UNIT_G)
        await until(lambda: known.fetchval("SELECT true FROM authorities WHERE id = $1", small))
        assert await signed(opened, small) == (403, "authority_over_limit")
        assert await signed(lifted, small) == (403, "authority_other_act")

        wide = await delegate(reserve.register, direction, subject, "operations", (Power.OPEN_PROTECTED_STOCK, Power.LIFT_HOLD))
        await until(lambda: known.fetchval("SELECT true FROM authorities WHERE id = $1", wide))
        conflict = {"about": "product", "name": PRODUCT, "reason": "shares"}
        await reserve.post("admin-1", f"/v1/officials/{subject}/conflicts", conflict)
        await until(lambda: known.fetchval("SELECT true FROM conflicts WHERE official = $1", subject))
        assert await signed(lifted, wide) == (403, "conflict_of_interest")
        await reserve.withdraw_conflict("approver-2", conflict | {"reason": "sold"})
        await until(lambda: known.fetchval("SELECT count(*) = 0 FROM conflicts WHERE official = $1", subject))

        assert await signed(lifted, wide) == (201, None)
        assert await signed(lifted, wide) == (404, "proposal_not_found")
        assert await signed(opened, wide) == (201, None)
        found = (await signer.get(f"/v1/proposals/{opened['proposal']}")).json()
        assert (found["status"], found["approval"]["subject"]) == ("approved", subject)
        split = await delegate(reserve.register, direction, subject, "count", (Power.OPEN_PROTECTED_STOCK,), limit_g=10 * UNIT_G)
        await until(lambda: known.fetchval("SELECT true FROM authorities WHERE id = $1", split))
        part = await proposed(f"/v1/products/{PRODUCT}/protected-stock", {"mass_g": 84 * UNIT_G, "reason": "a part of it"})
        rest = await proposed(f"/v1/products/{PRODUCT}/protected-stock", {"mass_g": 79 * UNIT_G, "reason": "the rest of it"})
        assert await signed(part, split) == (201, None)
        assert await signed(rest, split) == (403, "authority_over_limit")  # 6 units were opened, and 5 more are asked
        less = await proposed(f"/v1/products/{PRODUCT}/protected-stock", {"mass_g": 80 * UNIT_G, "reason": "as much as is left"})
        assert await signed(less, split) == (201, None)
        await answered(operator, f"/v1/proposals/{rest['proposal']}/withdraw", {"reason": "too much"})

        waiting = await proposed(f"/v1/products/{PRODUCT}/protected-stock", {"mass_g": 0, "reason": "a review"})
        assert [each["proposal"] for each in (await signer.get("/v1/proposals?status=proposed")).json()["data"]] == [waiting["proposal"]]
        async with reserve.stage.client(str(operator.base_url), "admin-1") as another:
            mine = f"/v1/proposals/{waiting['proposal']}/withdraw"
            assert await answered(another, mine, {"reason": "not mine"}) == (403, "proposal_of_another")
        assert await answered(signer, mine, {"reason": "no"}) == (403, "proposal_of_another"), "an approver says no by not signing"
        assert await answered(operator, f"/v1/proposals/{waiting['proposal']}/withdraw", {"reason": "no need"}) == (200, None)
        assert (await signer.get("/v1/proposals?status=proposed")).json()["data"] == []
    events = [event async for _, event in reserve.inventory.kernel.journal.read_stream(f"stockpile/{PRODUCT}")]
    cited = [event.cited for event in events if isinstance(event, AuthorityCited)]
    assert [(each.act, each.authority, each.under[0].authority) for each in cited[-4:]] == [
        ("lift_hold", wide, direction),
        ("open_protected_stock", wide, direction),
        ("open_protected_stock", split, direction),
        ("open_protected_stock", split, direction),
    ]


async def test_a_partner_sees_that_the_reserve_holds_its_release_until_when_and_its_last_day_after(reserve: Reserve):
    round = await reserve.certified_round(4, supply=4)
    await reserve.status(round, "released")
    row = next(row for row in (await reserve.get("partner-jp", "/v1/awards?limit=200"))["data"] if row["round"] == round)
    path, began, until_day = f"/v1/releases/rel_{row['award'].removeprefix('awd_')}", TODAY, TODAY + timedelta(days=3)
    put = PutOnHold(
        hold=HoldId("hld_own"), scope="partner", target="JP", reason="a review", authority="Minister", expires_on=until_day, on=began
    )
    async with reserve.stage.client(reserve.stage.urls[reserve.inventory.kernel.service.name], "partner-jp") as partner:
        last_day = (await partner.get(path)).json()["expires_on"]
        await reserve.happen(put)
        held = (await partner.get(path)).json()
        assert (held["held_since"] is not None, held["held_until"]) == (True, str(until_day))
        await reserve.happen(ExpireHold(hold=HoldId("hld_own"), on=until_day + timedelta(days=1)))
        free = (await partner.get(path)).json()
        assert (free["held_since"], free["held_until"]) == (None, None)
        assert date.fromisoformat(free["expires_on"]) == date.fromisoformat(last_day) + timedelta(days=4)


OTHER = "gallium-metal"


async def test_what_several_stockpiles_take_waits_in_all_of_them_or_in_none(reserve: Reserve):
    """One of two refuses a hold's lifting: because it was lifted there meanwhile, when it is proposed, and when it is signed."""
    pool = reserve.inventory.kernel.pool
    await reserve.happen(msgspec.structs.replace(register(), product=ProductId(OTHER), name=OTHER), product=OTHER)
    subject = reserve.subject("approver-1")
    act = {"kind": "act", "title": "An Act", "office": "an office", "holder": subject, "acts": ["lift_hold"], **VALIDITY}
    instrument = (await reserve.register(act))["instrument"]
    await until(lambda: pool.fetchval("SELECT true FROM authorities WHERE id = $1", instrument))
    url = reserve.stage.urls[reserve.inventory.kernel.service.name]
    async with reserve.stage.client(url, "operator-1") as operator, reserve.stage.client(url, "approver-1") as signer:

        def approval_of(proposed: Any) -> Any:
            return reserve.signed(proposed["document"], "command", "approver-1", authority=instrument)

        async def held(by: str) -> str:
            body = {"scope": "all", "target": None, "reason": "a flood", "authority": "keeper"}
            async with reserve.stage.client(url, by) as keeper:
                put = await keeper.post("/v1/holds", json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
            assert put.is_success, put.text
            assert (put.status_code, sorted(put.json()["products"])) == (201, [PRODUCT, OTHER])
            assert len(put.headers.get_list("reserve-position", split_commas=True)) == 1
            assert put.headers.get_list("etag") == [], "a version of one stockpile is not the hold's"
            return str(put.json()["hold"])

        async def lifted_in_the_other(hold: str) -> None:
            await reserve.happen(LiftHold(hold=HoldId(hold), reason="dry", capacity=None), product=OTHER)

        async def waiting() -> list[str]:
            return [row["stream"] for row in await pool.fetch("SELECT stream FROM proposals WHERE status = 'proposed'")]

        first = hold = await held("operator-1")
        await lifted_in_the_other(hold)
        await pool.execute("UPDATE holds SET lifted_on = NULL WHERE hold = $1", hold)  # as it was looked up a moment before
        for _ in range(2):  # sent again, it is the same
            answer = await operator.post(f"/v1/holds/{hold}/lift", json={"reason": "dry"}, headers={"Idempotency-Key": "lift-1"})
            assert (answer.status_code, answer.json()["code"]) == (404, "hold_not_found")
            assert await waiting() == []
        await pool.execute("UPDATE holds SET lifted_on = $2 WHERE hold = $1 AND product = $3", hold, TODAY, OTHER)

        hold = await held("operator-2")  # nobody renews their own
        proposed = (await operator.post(f"/v1/holds/{hold}/lift", json={"reason": "dry"}, headers={"Idempotency-Key": "lift-2"})).json()
        assert sorted(await waiting()) == [f"stockpile/{PRODUCT}", f"stockpile/{OTHER}"]
        withdraw = WithdrawCommand(proposal=proposed["proposal"], reason="a mistake")
        await reserve.inventory.kernel.writer.submit(f"stockpile/{OTHER}", withdraw, context())
        path = f"/v1/proposals/{proposed['proposal']}"
        assert await answered(signer, f"{path}/approvals", approval_of(proposed)) == (404, "proposal_not_found")
        assert await waiting() == [f"stockpile/{PRODUCT}"], "nothing is done of what is not whole"
        assert await answered(operator, f"{path}/withdraw", {"reason": "not whole"}) == (200, None)
        assert await waiting() == []

        proposed = (await operator.post(f"/v1/holds/{hold}/lift", json={"reason": "dry"}, headers={"Idempotency-Key": "lift-3"})).json()
        await lifted_in_the_other(hold)
        path = f"/v1/proposals/{proposed['proposal']}/approvals"
        assert await answered(signer, path, approval_of(proposed)) == (404, "hold_not_found")
        assert await waiting() == [], "what one of them cannot do waits in none"
        assert await pool.fetchval("SELECT count(*) FROM holds WHERE hold = $1 AND lifted_on IS NULL", hold) == 0
    await reserve.happen(LiftHold(hold=HoldId(first), reason="dry", capacity=None))
