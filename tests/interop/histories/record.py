"""Records a history of one stockpile: what many clients asked of it and heard, while its process is killed under them.

A line of JSON an operation, in the order in which they ended. `call` and `return` are this process's clock; `return: null` and
`answer: null` are of one that got no answer, so what it did is unknown until the end. An operation that is repeated under its
Idempotency-Key is a line each time, with the same `key`.
"""

import argparse
import asyncio
import itertools
import os
import random
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path
from typing import Any, TextIO

import httpx
import msgspec

from reserve.client import Client, ProblemAnswer
from tests.e2e.running import up
from tests.e2e.world import PARTNERS, World, a_world
from tests.waiting import until

UNIT_G = 1_000
UNITS = 1_500
DRAWERS = 10
ENOUGH_OPEN = 8  # releases: no more rounds are made while there are so many
NO_ANSWER = (502, 503, 504)
CLOSED = ("release_exceeded", "release_cancelled", "release_lapsed")


class Release(msgspec.Struct, eq=False):
    release: str
    partner: str
    expires_on: date
    mass_g: int


class Recorder:
    """`open`: releases that may have something left."""

    def __init__(self, world: World, product: str, out: TextIO, chance: random.Random) -> None:
        self.world = world
        self.product = product
        self.chance = chance
        self.open: list[Release] = []
        self.made: list[Release] = []
        self.answered = self.unanswered = 0
        self._out = out
        self._numbers = itertools.count(1)
        self.ended = False

    def key(self) -> str:
        return f"k{next(self._numbers)}"

    def write(self, op: str, call: int, answer: dict[str, Any] | None, **asked: Any) -> None:
        line = {"op": op, "call": call, "return": time.monotonic_ns() if answer is not None else None, **asked, "answer": answer}
        self._out.write(msgspec.json.encode(line).decode() + "\n")
        self.answered += answer is not None
        self.unanswered += answer is None

    async def asks(
        self, op: str, ask: Callable[[], Awaitable[Any]], give_up: float, impatient: float, keep: tuple[str, ...], **asked: Any
    ) -> dict[str, Any] | None:
        """One try. `impatient`: how likely it is that the caller goes away at once. None: there was no answer."""
        call, day = time.monotonic_ns(), self.world.today
        answer: dict[str, Any] | None = None
        patience_s = self.chance.uniform(0, 0.02) if self.chance.random() < impatient else give_up
        try:
            async with asyncio.timeout(patience_s):
                body = await ask()
            answer = {name: body[name] for name in keep}
        except ProblemAnswer as problem:
            if problem.status not in NO_ANSWER:
                answer = {"refused": problem.code}
        except (httpx.TransportError, TimeoutError):
            pass
        if answer is not None or "key" in asked:  # a read that heard nothing says nothing
            self.write(op, call, answer, **asked, days=[day, self.world.today])
        return answer

    async def settles(self, op: str, ask: Callable[[], Awaitable[Any]], keep: tuple[str, ...], **asked: Any) -> dict[str, Any] | None:
        """Tries under one key until there is an answer, but sometimes gives up at the first try; sometimes asks again after the answer."""
        gives_up = self.chance.random() < 0.25
        while (answer := await self.asks(op, ask, 10.0, 0.04, keep, **asked)) is None:
            await asyncio.sleep(0.2)
            if gives_up:
                return None
        if self.chance.random() < 0.1:
            await self.asks(op, ask, 10.0, 0.0, keep, **asked)
        return answer

    async def draws(self, partners: dict[str, Client]) -> None:
        while not self.ended:
            if not self.open:
                await asyncio.sleep(0.01)
                continue
            release = self.chance.choice(self.open[-3:] if self.chance.random() < 0.7 else self.open)
            mass_g, key = UNIT_G * self.chance.randint(1, 4), self.key()
            path = f"/inventory/v1/releases/{release.release}/draws"

            def ask(client: Client = partners[release.partner], path: str = path, mass_g: int = mass_g, key: str = key) -> Awaitable[Any]:
                return client.post(path, {"mass_g": mass_g}, key=key)

            answer = await self.settles("draw", ask, ("draw", "remaining_g"), key=key, release=release.release, mass_g=mass_g)
            if answer and (answer.get("refused") in CLOSED or answer.get("remaining_g") == 0) and self.chance.random() < 0.3:
                self._forget(release)
            await asyncio.sleep(self.chance.uniform(0, 0.04))

    async def cancels(self, operator: Client) -> None:
        while not self.ended:
            await asyncio.sleep(self.chance.uniform(0.5, 2.5))
            if not self.made:
                continue
            release, key = self.chance.choice(self.made[-6:]), self.key()
            path = f"/inventory/v1/releases/{release.release}/cancel"

            async def ask(path: str = path, key: str = key) -> Any:
                """An operator proposes it, and an approver signs."""
                proposed = await operator.post(path, {"reason": "no longer needed"}, key=key)
                signed = await self.world.approval(proposed["document"], purpose="command")
                approvals = f"/inventory/v1/proposals/{proposed['proposal']}/approvals"
                done = await self.world.clients["approver-1"].post(approvals, signed, key=f"{key}-signed")
                return {"cancelled_g": done["followed"][0]["mass_g"]}

            await self.settles("cancel", ask, ("cancelled_g",), key=key, release=release.release)

    async def reads(self, operator: Client) -> None:
        while not self.ended:
            await self.read_stock(operator)
            if self.made:
                await self.read_release(operator, self.chance.choice(self.made[-8:]))
            await asyncio.sleep(self.chance.uniform(0.05, 0.25))

    async def read_stock(self, operator: Client) -> dict[str, Any] | None:
        async def ask() -> Any:
            return (await operator.get(f"/inventory/v1/products/{self.product}"))["balances"]

        return await self.asks("read_stock", ask, 10.0, 0.0, ("available_g", "released_g", "drawn_g"))

    async def read_release(self, operator: Client, release: Release) -> dict[str, Any] | None:
        def ask() -> Awaitable[Any]:
            return operator.get(f"/inventory/v1/releases/{release.release}")

        return await self.asks("read_release", ask, 10.0, 0.0, ("status", "remaining_g"), release=release.release)

    async def releases(self) -> None:
        """Rounds, one after another: what came back by a lapse or a cancel is released again."""
        agreed: set[str] = set()
        while not self.ended:
            if len(self.open) >= ENOUGH_OPEN:
                await asyncio.sleep(0.05)
                continue
            partner, mass_g = self.chance.choice(list(PARTNERS)), UNIT_G * self.chance.randint(10, 60)
            if partner not in agreed:
                await self.world.agreed_with(partner, self.product)
                agreed.add(partner)
            await self.release(partner, mass_g)

    async def release(self, partner: str, mass_g: int) -> None:
        world = self.world
        try:
            request = await world.requested(partner, self.product, mass_g)
            await world.accepted(request, mass_g)
            round = await world.opened(self.product, [request], release_days=self.chance.choice([1, 90]))
            await world.approved(round, await world.proposed(round, mass_g))
            call, day = time.monotonic_ns(), world.today
            certified = await world.certified(round)
        except ProblemAnswer:  # there is less in stock by now, or what was approved has changed since
            await asyncio.sleep(0.1)
            return

        async def settled() -> dict[str, Any] | None:
            row: dict[str, Any] = await world.operator.get(f"/allocation/v1/rounds/{round}", at_least=certified.position)
            return row if row["status"] in ("released", "open") else None

        row = await until(settled)
        assert row is not None
        if row["status"] == "open":
            self.write("release", call, {"refused": row["reason"]}, mass_g=mass_g)
            await world.post(world.operator, f"/allocation/v1/rounds/{round}/cancel", {"reason": "refused"})
            return
        [award] = row["awards"]
        release = Release("rel_" + award["award"].removeprefix("awd_"), partner, date.fromisoformat(row["expires_on"]), award["mass_g"])
        days = [day, world.today]
        self.write("release", call, {}, release=release.release, mass_g=release.mass_g, expires_on=release.expires_on, days=days)
        self.open.append(release)
        self.made.append(release)

    async def day_passes(self, operator: Client) -> None:
        """What has to lapse does, in its own time: seen from outside it may happen at any time from now on."""
        call = time.monotonic_ns()
        self.world.move_on(2)
        for release in [each for each in self.made if each.expires_on < self.world.today]:
            self._forget(release)
            self.write("lapse", call, None, release=release.release)

            async def closed(release: Release = release) -> bool:
                answer = await self.read_release(operator, release)
                return answer is not None and answer["status"] != "open"

            await until(closed, every_s=0.2)
            self.made.remove(release)

    def _forget(self, release: Release) -> None:
        if release in self.open:
            self.open.remove(release)


async def kill(world: World) -> None:
    """kill -9 of inventory; its supervisor starts it again."""
    killed = world.running.endpoints.pids["inventory"]
    os.kill(killed, signal.SIGKILL)

    async def runs_again() -> bool:
        return world.running.endpoints.pids.get("inventory", killed) != killed

    await until(runs_again)


async def record(out: TextIO, seed: int, kills: int) -> Recorder:
    with tempfile.TemporaryDirectory(prefix="reserve-history-") as folder:
        clock_file = Path(folder) / "clock"
        clock_file.write_text("0")
        async with (
            up(Path(folder) / "reserve", clock_file) as running,
            a_world(running, clock_file) as world,
            AsyncExitStack() as stack,
        ):
            product = await world.registered_product(unit_g=UNIT_G)
            await world.taken_in(product, UNITS, nominal_unit_g=UNIT_G)
            recorder = Recorder(world, product, out, random.Random(seed))  # noqa: S311
            recorder.write("stockpile", time.monotonic_ns(), {}, product=product, available_g=UNITS * UNIT_G)

            async def without_patience(client_id: str) -> Client:
                return await stack.enter_async_context(Client.of(running.endpoints, client_id))

            partners = {code: await without_patience(f"partner-{code.lower()}") for code in PARTNERS}
            operator = await without_patience("operator-1")
            async with asyncio.TaskGroup() as tasks:
                for _ in range(DRAWERS):
                    tasks.create_task(recorder.draws(partners))
                for _ in range(2):
                    tasks.create_task(recorder.cancels(operator))
                    tasks.create_task(recorder.reads(operator))
                tasks.create_task(recorder.releases())
                await play(recorder, operator, kills)
            assert await recorder.read_stock(operator)
            return recorder


async def play(recorder: Recorder, operator: Client, kills: int) -> None:
    """A stretch of work, a kill, and every other time a day that passes meanwhile."""
    for number in range(kills):
        goal = recorder.answered + 200

        async def worked(goal: int = goal) -> bool:
            return recorder.answered >= goal

        await until(worked)
        async with asyncio.TaskGroup() as both:
            both.create_task(kill(recorder.world))
            if number % 2 == 0:
                both.create_task(recorder.day_passes(operator))
    recorder.ended = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--kills", type=int, default=3)
    given = parser.parse_args()
    began = time.monotonic()
    with given.out.open("w") as out:
        recorder = asyncio.run(record(out, given.seed, given.kills))
    took_s = time.monotonic() - began
    asked = f"{recorder.answered} answers and {recorder.unanswered} calls without one"
    print(f"recorded {asked}, through {given.kills} kills in {took_s:.0f} s; seed {given.seed}")


if __name__ == "__main__":
    main()
