"""PostgreSQL or Kafka goes away, and comes back: callers are told to wait, nothing is lost or doubled, and nobody's hands are needed."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import msgspec
import psutil
import pytest

from services.identity.tokens import Claims, TokenSigner, signing_key
from shared.delivery.kafka_broker import KafkaBroker
from shared.delivery.topics import ensure_topics
from shared.engines.engines import Engines, engines
from shared.engines.processes import Program
from shared.process.service import Kernel
from shared.process.watch import look_at_database, look_at_kafka
from tests.kernel.counter import counter_service
from tests.kernel.stage import Running, Stage, a_stage, until
from tests.kernel.tally import tally_service


@pytest.fixture(scope="module")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engines]:
    """Servers that no other test minds losing."""
    running = engines(tmp_path_factory.mktemp("own-engines"))
    for program in running.programs:
        await program.start()
    yield running
    for program in running.programs:
        await program.stop()


@pytest.fixture(scope="module")
async def own_stage(own: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with a_stage(own, tmp_path_factory.mktemp("own-stage")) as stage:
        yield stage


async def kill(program: Program) -> None:
    assert program.process.pid is not None
    os.kill(program.process.pid, signal.SIGKILL)
    await program.process.wait()


async def tells_to_wait(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
    assert int(answer.headers["Retry-After"]) > 0


async def test_without_postgresql_callers_are_told_to_wait_and_afterwards_all_goes_on(
    own: Engines, own_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.writer.shard.DATABASE_PATIENCE_SECONDS", 0.5)
    postgres = own.programs[0]
    source, sink = counter_service(own_stage.name("counter")), own_stage.name("tally")
    async with own_stage.serving(source) as counter, own_stage.serving(tally_service(sink, source.name)) as tally:
        assert (await counter.post("/v1/counters/a/additions", {"amount": 1}, "first")).status_code == 201
        await until(lambda: got(tally, [1]))
        await kill(postgres)
        await tells_to_wait(await counter.post("/v1/counters/a/additions", {"amount": 2}, "second"))
        await tells_to_wait(await counter.post("/v1/counters", {"counter": "b", "amount": 2}))
        await tells_to_wait(await counter.http.get("/v1/counters/a"))
        await tells_to_wait(await counter.http.get("/v1/counters/a", params={"at_least": f"{source.name}/0/1"}))
        await tells_to_wait(await counter.http.get("/v1/counters/b/state"))
        signer = TokenSigner(signing_key(own_stage.folder / "keys"), issuer=own_stage.issuer, audience="reserve")
        for partner, told in ((None, "the database does not answer"), ("JP", "send the same request again")):
            role = "operator" if partner is None else "partner"
            token = signer.sign(Claims(subject="sub_one", client_id="one", roles=(role,), partner=partner))
            answer = await counter.http.get("/v1/counters/a", headers={"Authorization": f"Bearer {token}"})
            await tells_to_wait(answer)
            assert told in answer.json()["detail"]
            assert ("database" in answer.text) == (partner is None), "what is inside is for who operates it"
        async with own_stage.client(str(counter.http.base_url), "auditor-1") as auditor:
            await tells_to_wait(await auditor.get("/v1/journal/heads"))
        assert "the database does not answer" in (await counter.ready())[0]

        await postgres.start()
        for amount, key in ((2, "second"), (1, "first"), (3, "third")):
            await until(lambda: accepted(counter, amount, key))  # noqa: B023
        await until(lambda: got(tally, [1, 2, 3]))
        assert (await counter.http.get("/v1/counters/a")).json()["total"] == 6
        await until(lambda: is_ready(counter))
        await until(lambda: is_ready(tally))


async def test_commands_under_way_when_postgresql_dies_count_once(own: Engines, own_stage: Stage) -> None:
    postgres = own.programs[0]
    source = counter_service(own_stage.name("counter"))
    async with own_stage.serving(source) as counter:
        await counter.post("/v1/counters/a/additions", {"amount": 1}, "before")

        async def insist(key: str) -> None:
            await until(lambda: accepted(counter, 1, key))

        insisting = [asyncio.create_task(insist(f"key{number}")) for number in range(200)]
        await until(lambda: sum(task.done() for task in insisting) > 20)
        await kill(postgres)
        await postgres.start()
        await asyncio.gather(*insisting)
        assert (await counter.http.get("/v1/counters/a")).json()["total"] == 201
    assert [record.position for record in await own_stage.records(source)] == list(range(1, 202))


async def test_a_service_that_starts_before_postgresql_waits_for_it(own: Engines, own_stage: Stage) -> None:
    postgres = own.programs[0]
    source = counter_service(own_stage.name("counter"))
    async with own_stage.serving(source):
        pass
    await postgres.stop()

    async def serves() -> None:
        async with own_stage.serving(source) as counter:
            assert (await counter.post("/v1/counters/a/additions", {"amount": 1})).status_code == 201

    serving = asyncio.create_task(serves())
    await asyncio.wait([serving], timeout=1)
    assert not serving.done()
    await postgres.start()
    await serving


async def test_without_kafka_writes_go_on_and_the_backlog_drains_afterwards(own: Engines, own_stage: Stage) -> None:
    kafka = own.programs[1]
    source, sink = counter_service(own_stage.name("counter")), own_stage.name("tally")
    async with own_stage.serving(source) as counter, own_stage.serving(tally_service(sink, source.name)) as tally:
        assert await accepted(counter, 1, "one")
        await until(lambda: got(tally, [1]))
        await kill(kafka)
        for amount in range(2, 6):
            assert await accepted(counter, amount, f"key{amount}")
        await until(lambda: is_ready(counter))
        await kafka.start()
        await until(lambda: got(tally, [1, 2, 3, 4, 5]))

        async def drained() -> bool:
            async with own_stage.sql(source.name) as sql:
                return bool(await sql.fetchval("SELECT max(position) = 5 FROM relay_cursors"))

        await until(drained)


@pytest.mark.parametrize(("index", "up"), [(0, "reserve_database_up"), (1, "reserve_kafka_up")])
async def test_an_engine_that_hangs_is_told_to_be_away(
    own: Engines, own_stage: Stage, monkeypatch: pytest.MonkeyPatch, index: int, up: str
) -> None:
    monkeypatch.setattr("shared.process.watch.LOOK_SECONDS", 0.1)
    pid = own.programs[index].process.pid
    async with own_stage.serving(counter_service(own_stage.name("counter"))) as counter:
        await counter.tells(1, up)
        # Far longer than an answer takes, here and now: how long that is, a machine says itself.
        monkeypatch.setattr("shared.process.watch.PATIENCE_SECONDS", 0.5 + 10 * await longest_look(counter.kernel))
        hanging = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        for process in hanging:
            process.suspend()
        try:
            await counter.tells(0, up)
            await until(counter.ready if up == "reserve_database_up" else lambda: is_ready(counter))
        finally:
            for process in hanging:
                process.resume()
        await counter.tells(1, up)


async def test_a_source_that_is_away_holds_up_its_own_lines_alone(own_stage: Stage) -> None:
    there, away = counter_service(own_stage.name("counter")), counter_service(own_stage.name("counter"))
    sink = tally_service(own_stage.name("tally"), there.name)
    both = tally_service(sink.name, away.name).subscriptions + sink.subscriptions
    async with own_stage.serving(away) as counter:
        note = await counter.post("/v1/counters/a/notes", {"text": "fetch me"})
        assert note.status_code == 201
        await until(lambda: relayed(own_stage, away.name))
    async with own_stage.serving(msgspec.structs.replace(sink, subscriptions=both)) as tally:
        async with own_stage.serving(there) as counter:
            assert await accepted(counter, 1, "one")
            await until(lambda: got(tally, [1]))
        assert await tally.ready() == []
        async with own_stage.serving(away):  # its document can be had by now
            await tally.get_at("/v1/tallies/a", note.headers["Reserve-Position"])
            assert any(b"fetch me" in bytes(record.data) for record in await own_stage.records(sink))


async def longest_look(kernel: Kernel) -> float:
    """In seconds, of a few."""
    took_s = []
    for _ in range(3):
        began = time.monotonic()
        await asyncio.gather(look_at_database(kernel), look_at_kafka(kernel))
        took_s.append(time.monotonic() - began)
    return max(took_s)


async def is_ready(running: Running) -> bool:
    return not await running.ready()


async def relayed(stage: Stage, name: str) -> bool:
    async with stage.sql(name) as sql:
        return bool(await sql.fetchval("SELECT max(position) > 0 FROM relay_cursors"))


async def accepted(counter: Running, amount: int, key: str) -> bool:
    return (await counter.post("/v1/counters/a/additions", {"amount": amount}, key)).status_code == 201


async def got(tally: Running, amounts: list[int]) -> bool:
    answer = await tally.http.get("/v1/tallies/a")
    return answer.status_code == 200 and sorted(answer.json()) == amounts


async def test_whoever_leaves_kafka_while_it_is_away_is_not_cancelled_by_it(own: Engines) -> None:
    """aiokafka's tasks are then about to try again, and it lets their cancellation out: a service's inbox would end without a word."""
    kafka, broker = own.programs[1], KafkaBroker(own.kafka)
    await ensure_topics(own.kafka, {"left": 1})
    async with AsyncExitStack() as stack:
        for _ in range(8):
            consumer = await stack.enter_async_context(broker.consumer({("left", 0): -1}))
            await consumer.poll([("left", 0)])
        await kill(kafka)
        await consumer.poll([("left", 0)])
    await kafka.start()
