"""Draws against one hot stockpile, with every service running: how many a second, how long one takes, how soon its receipt is there."""

import asyncio
import time
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus

import msgspec

from bench.hot_stock import UNIT_G
from bench.load import Connection, Load, percentile_ms, post_many
from services.client import Client, ProblemAnswer
from services.demo.parties import until
from services.deployment import Endpoints

RECEIPTS, RECEIPTS_A_SECOND = 200, 20
WAIT_S, DRAINED_WITHIN_S = 10, 600.0
BODY = msgspec.json.encode({"mass_g": UNIT_G})


class Figure(msgspec.Struct, frozen=True):
    """One line of the answer."""

    name: str
    value: float
    unit: str


async def storm(url: str, path: str, owner: Client, *, clients: int, seconds: float, key_prefix: str) -> Load:
    """Draws at full speed. Raises RuntimeError if any was refused: then the figure would mean nothing."""
    load = await post_many(url, path, await owner.token(), BODY, clients=clients, seconds=seconds, key_prefix=key_prefix)
    if load.refused:
        raise RuntimeError(f"draws were refused, by status: {load.refused}")
    return load


def latencies(name: str, sorted_s: list[float]) -> Iterator[Figure]:
    yield Figure(f"{name}_p50", round(percentile_ms(sorted_s, 0.5), 2), "ms")
    yield Figure(f"{name}_p99", round(percentile_ms(sorted_s, 0.99), 2), "ms")


async def drain(auditor: Client) -> float:
    """Seconds until the ledger has signed for all that inventory has recorded."""
    began = time.perf_counter()
    heads = await auditor.get("/inventory/v1/journal/heads")
    for shard, head in heads.items():
        if head["position"]:
            place = f"inventory/{shard}/{head['position']}"
            await until(f"the receipt of {place}", partial(_receipt, auditor, place), within_s=DRAINED_WITHIN_S)
    return time.perf_counter() - began


async def _receipt(auditor: Client, place: str) -> bool | None:
    try:
        await auditor.request("GET", f"/ledger/v1/receipts/{place}", query={"wait": WAIT_S})
    except ProblemAnswer as problem:
        if problem.code != "receipt_not_ready":
            raise
        return None
    return True


async def receipts(endpoints: Endpoints, path: str, owner: Client) -> list[float]:
    """Seconds from a draw's answer to its receipt in hand, sorted, while draws come at a moderate rate."""
    token = await owner.token()
    inventory, ledger = endpoints.services["inventory"], endpoints.services["ledger"]

    async def one(number: int) -> float:
        await asyncio.sleep(number / RECEIPTS_A_SECOND)  # the rate is the measurement's own
        drawing, asking = Connection(inventory, token), Connection(ledger, token)
        status, answer = await drawing.post(path, BODY, f"receipt-{number}")
        answered = time.perf_counter()
        assert status == HTTPStatus.CREATED, answer
        place = msgspec.json.decode(answer)["place"]
        while (got := await asking.get(f"/v1/receipts/{place}?wait={WAIT_S}"))[0] != HTTPStatus.OK:
            assert b"receipt_not_ready" in got[1], got
        took = time.perf_counter() - answered
        drawing.close()
        asking.close()
        return took

    return sorted(await asyncio.gather(*(one(number) for number in range(RECEIPTS))))
