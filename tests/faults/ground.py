"""The ground that faults are tried on: stock that clients draw, a loan that one pays on, and a line for each fault in the table of what
came of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from tests.e2e.world import World
from tests.faults.load import (
    PAUSE_S,
    UNIT_G,
    Drawer,
    Load,
    Payer,
    all_are_ready,
    assert_no_line_stands_still,
    assert_no_payment_is_lost_or_doubled,
    assert_nothing_is_lost_or_doubled,
    assert_the_whole_history_holds,
    drawers_of,
    payer_of,
)

UNITS = 400_000
PARTNERS = ["JP", "US", "EU", "AU", "JP", "US"]
MORE = 10  # answers to each client: before something is broken, and after it is whole again


class Outcome(msgspec.Struct, frozen=True):
    """What came of a fault. Draws and payments that were repeated under their key count once."""

    fault: str
    longest_wait_s: float  # for an answer: from the fault to the recovery, where its service could not go on without what was broken
    acknowledged: int
    present: int

    def __str__(self) -> str:
        return f"{self.fault:<60} {self.longest_wait_s:>10.1f} {self.acknowledged:>14,} {self.present:>10,}"


OUTCOMES: list[Outcome] = []  # of this run, in order


class Ground(msgspec.Struct, frozen=True):
    world: World
    product: str
    drawers: list[Drawer]
    payer: Payer

    @property
    def clients(self) -> list[Drawer]:
        return [*self.drawers, self.payer]

    @property
    def acknowledged(self) -> int:
        return sum(len(client.answers) for client in self.clients)

    @asynccontextmanager
    async def under_load(self, fault: str, pause_s: float = PAUSE_S) -> AsyncIterator[Load]:
        """Draws and payments go on while the block breaks something. Afterwards all goes on by itself, and nothing is lost or doubled."""
        before = self.acknowledged
        async with Load(self.clients, pause_s) as load:
            await load.goes_on(MORE)
            yield load
            await all_are_ready(self.world)
            load.pauses(pause_s)
            await load.goes_on(MORE)
        present = await assert_nothing_is_lost_or_doubled(self.world, self.product, UNITS * UNIT_G, self.drawers)
        present += await assert_no_payment_is_lost_or_doubled(self.world, self.payer)
        await assert_the_whole_history_holds(self.world)
        await assert_no_line_stands_still(self.world)
        OUTCOMES.append(Outcome(fault, load.longest_wait_s, self.acknowledged - before, present - before))


async def a_ground(world: World) -> Ground:
    product = await world.registered_product(unit_g=UNIT_G)
    await world.taken_in(product, UNITS, nominal_unit_g=UNIT_G)
    return Ground(world, product, await drawers_of(world, PARTNERS, product, UNITS // 8), await payer_of(world))
