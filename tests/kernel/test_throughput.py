"""How fast the writer is on this machine. It prints; it asserts only that all of it arrived."""

import asyncio
import time

from shared.writer.commands import Accepted
from tests.kernel.counter import Add, counter_service
from tests.kernel.stage import Stage, context

CLIENTS, COMMANDS_EACH = 64, 50


async def test_commands_a_second_with_64_clients_on_one_hot_stream(stage: Stage) -> None:
    service = counter_service(stage.name("counter"))
    async with stage.writing(service) as writer:

        async def client() -> int:
            answers = [await writer.submit("counter/hot", Add(counter="hot", amount=1), context()) for _ in range(COMMANDS_EACH)]
            return sum(isinstance(answer, Accepted) for answer in answers)

        started = time.perf_counter()
        accepted = sum(await asyncio.gather(*(client() for _ in range(CLIENTS))))
        seconds = time.perf_counter() - started
    print(f"{accepted / seconds:,.0f} commands a second on one stream, {CLIENTS} clients, {seconds:.2f} s")
    assert accepted == CLIENTS * COMMANDS_EACH == len(await stage.records(service))
