"""Clients at work in loans: facilities are opened, limited and valued anew, and commitments ask for their headroom."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date
from random import Random
from typing import Any

from services.loans.domain.facility import OpenFacility, RecordRate, ReleaseHeadroom, ReserveHeadroom, SetLimits
from services.loans.events.facility import Limit
from shared.writer import Accepted
from simulation.client import Client

FACILITY: Any = "cmf"
STREAM = f"facility/{FACILITY}"
KEYS = ("instrument/loan", "instrument/equity", "project/a", "project/b")


def at_work(client: Callable[[str], Client], dice: Random, until_s: float) -> Sequence[Any]:
    return [
        set_up(client("treasury"), until_s),
        *(commit(client(f"desk{number}"), until_s) for number in range(dice.randrange(1, 4))),
    ]


def limits(client: Client) -> tuple[Limit, ...]:
    """Tight ones, so that commitments meet at them."""
    own = tuple(Limit(key=key, parent="total", limit_minor=100 * client.dice.randrange(2, 9)) for key in KEYS)
    return (Limit(key="total", parent=None, limit_minor=1000), *own)


async def set_up(client: Client, until_s: float) -> None:
    opening = OpenFacility(facility=FACILITY, currency="AUD", limits=limits(client), authority="an Act")
    while not isinstance(answer := await client.do("loans", STREAM, opening), Accepted):
        if answer is not None:
            break  # an attempt without an answer had opened it
    while asyncio.get_running_loop().time() < until_s:
        await client.pause(4.0)
        if client.dice.random() < 0.3:
            await client.do("loans", STREAM, SetLimits(limits=limits(client), authority="an Act", reason="prudence"))
        else:
            rate = RecordRate(
                asset="USD", rate=client.dice.choice(("1.4", "3/2", "1.61")), quoted_on=date(2026, 1, 5), source="RBA", on=date.min
            )
            await client.do("loans", STREAM, rate)


async def commit(client: Client, until_s: float) -> None:
    """Somebody with commitments of several kinds."""
    held: list[Any] = []
    while asyncio.get_running_loop().time() < until_s:
        await client.pause(1.5)
        if held and client.dice.random() < 0.5:
            amount = client.dice.choice((None, 10, 100))
            await client.do("loans", STREAM, ReleaseHeadroom(commitment=client.dice.choice(held), amount=amount))
            continue
        reserve = ReserveHeadroom(
            facility=FACILITY,
            commitment=client.new_id("com"),
            asset=client.dice.choice(("AUD", "AUD", "USD")),
            amount=10 * client.dice.randrange(1, 40),
            keys=tuple(client.dice.sample(KEYS, 2)),
        )
        await client.do("loans", STREAM, reserve)
        held.append(reserve.commitment)
