"""kill -9 of the ledger in the middle of a delivery: a webhook is sent everything, in its order, and at most what was under way again."""

import os
import secrets
import signal

import pytest

from tests.contract.webhook_receiver import Received, a_receiver
from tests.e2e.world import UNIT_G, World
from tests.faults.load import all_are_ready
from tests.waiting import until

DRAWS, KILLED_AT = 12, (3, 7)


@pytest.mark.parametrize("answered", [False, True], ids=["before it was answered", "after it was answered"])
async def test_a_webhook_loses_nothing_to_a_kill_in_mid_delivery(shaken: World, answered: bool) -> None:
    await all_are_ready(shaken)
    partner = shaken.partner("EU")
    _, _, release = await shaken.stocked_release("EU", DRAWS)
    kills = set(KILLED_AT)

    async def kills_its_sender(_: Received) -> int | None:
        if len({each.id for each in receiver.received}) in kills:
            kills.discard(len({each.id for each in receiver.received}))
            os.kill(shaken.running.endpoints.pids["ledger"], signal.SIGKILL)
            return 200 if answered else None
        return 200

    async with a_receiver() as receiver:
        receiver.answers = kills_its_sender
        body = {"url": receiver.url, "types": ["inventory.stock_drawn"]}
        registered = await partner.post("/ledger/v1/webhooks", body, key=secrets.token_hex(8))
        places = [(await shaken.drawn("EU", release, UNIT_G))["place"] for _ in range(DRAWS)]

        async def all_taken() -> bool:
            return len({each.id for each in receiver.taken}) >= DRAWS

        await until(all_taken)
        assert not kills, "the ledger was killed as often as it was to be"
        first: dict[str, str] = {}
        for each in receiver.received:
            first.setdefault(each.id, each.event["place"])
        ids = [int(each.rpartition("-")[2]) for each in first]
        assert ids == sorted(ids), "whatever came again, what came first came in the log's order"
        assert sorted(first.values()) == sorted(places)
        await all_are_ready(shaken)
        await until(lambda: _removed(shaken, registered["webhook"]))


async def _removed(world: World, webhook: str) -> bool:
    await world.partner("EU").post(f"/ledger/v1/webhooks/{webhook}/remove", {}, key=f"remove-{webhook}")
    return True
