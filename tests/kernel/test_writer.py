"""The writer against the real PostgreSQL: each command once, each failure alone, and what becomes of a commit in doubt."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from shared.journal.connection import Connection
from shared.journal.decider import Refused
from shared.journal.record import MAX_DATA_BYTES, Fact
from shared.process.service import Service
from shared.writer.commands import (
    Accepted,
    CommandFailed,
    CommandTooLarge,
    FingerprintMismatch,
    Overloaded,
    Refusal,
    Unavailable,
    VersionMismatch,
)
from shared.writer.writer import Writer
from tests.kernel.breaking_proxy import breaking_proxy
from tests.kernel.counter import TOO_MUCH_FOR_THE_TABLE, Add, Break, Close, Counter, Note, Reason, Take, counter_service, project
from tests.kernel.stage import Stage, context, until
from tests.kernel.writing import add, blocked, count, two_shards


@pytest.fixture
def service(stage: Stage) -> Service:
    return counter_service(stage.name("counter"))


@pytest.fixture
async def writer(stage: Stage, service: Service) -> AsyncIterator[Writer]:
    async with stage.writing(service) as writer:
        yield writer


# Once


async def test_the_same_command_id_gets_the_same_facts_and_moves_nothing(stage: Stage, service: Service, writer: Writer) -> None:
    first = await writer.submit("counter/a", add(times=3), context("one"))
    await writer.submit("counter/a", add(), context("two"))
    again = await writer.submit("counter/a", add(times=3), context("one"))
    assert isinstance(first, Accepted) and again == first
    assert await count(stage, service) == 4


async def test_the_same_command_id_twice_in_one_batch_counts_once(stage: Stage, service: Service, writer: Writer) -> None:
    answers = await asyncio.gather(*(writer.submit("counter/a", add(), context("one")) for _ in range(20)))
    assert isinstance(answers[0], Accepted) and answers == [answers[0]] * 20
    assert await count(stage, service) == 1


async def test_what_is_refused_before_it_is_decided_does_not_take_back_an_earlier_answer(
    stage: Stage, service: Service, writer: Writer
) -> None:
    first = await writer.submit("counter/a", add(), context("one"))
    too_late = Refused(Reason.CLOSED, "it has closed since")
    assert await writer.submit("counter/a", too_late, context("one")) == first
    assert await writer.submit("counter/a", too_late, context("two")) == too_late
    assert await writer.submit("counter/a", add(), context("two")) == too_late
    assert await count(stage, service) == 1


async def test_the_same_command_id_with_another_input_is_refused(writer: Writer) -> None:
    await writer.submit("counter/a", add(), context("one", fingerprint=b"this"))
    with pytest.raises(FingerprintMismatch):
        await writer.submit("counter/a", add(), context("one", fingerprint=b"that"))


async def test_another_input_is_refused_in_another_shard_too(writer: Writer) -> None:
    first, other = await two_shards(writer)
    await writer.submit(first, add(), context("one", fingerprint=b"this"))
    with pytest.raises(FingerprintMismatch):
        await writer.submit(other, add(), context("one", fingerprint=b"that"))


async def test_of_two_inputs_at_once_for_two_shards_one_counts(stage: Stage, service: Service, writer: Writer) -> None:
    first, other = await two_shards(writer)
    for number in range(10):
        one = writer.submit(first, add(), context(f"id{number}", fingerprint=b"this"))
        two = writer.submit(other, add(), context(f"id{number}", fingerprint=b"that"))
        answers = await asyncio.gather(one, two, return_exceptions=True)
        assert sorted(type(answer).__name__ for answer in answers) == ["Accepted", "FingerprintMismatch"]
    assert await count(stage, service, "entries") == 10


async def test_a_refusal_is_repeated_although_it_would_be_accepted_by_now(writer: Writer) -> None:
    refused = await writer.submit("counter/a", Take(counter="a", amount=5), context("one"))
    await writer.submit("counter/a", add(amount=10), context())
    again = await writer.submit("counter/a", Take(counter="a", amount=5), context("one"))
    assert isinstance(refused, Refused) and refused.code == Reason.TOO_LITTLE
    assert again == refused


async def test_a_command_without_events_is_accepted_and_repeated(stage: Stage, service: Service, writer: Writer) -> None:
    await writer.submit("counter/a", Close(counter="a"), context())
    answers = [await writer.submit("counter/a", Close(counter="a"), context("one")) for _ in range(2)]
    assert [answer.facts for answer in answers if isinstance(answer, Accepted)] == [(), ()]
    assert await count(stage, service) == 1


async def test_an_expected_version_that_has_passed_is_told_with_the_present_one(stage: Stage, service: Service, writer: Writer) -> None:
    await writer.submit("counter/a", add(times=2), context())
    with pytest.raises(VersionMismatch) as mismatch:
        await writer.submit("counter/a", add(), context(expected_version=1))
    assert mismatch.value.actual == 2
    assert isinstance(await writer.submit("counter/a", add(), context(expected_version=2)), Accepted)
    assert await count(stage, service) == 3


# Alone


async def test_a_command_that_raises_fails_alone_while_its_batch_commits(stage: Stage, service: Service, writer: Writer) -> None:
    commands: list[Any] = [add(), Break(), add(), Break(), add()]
    answers = await asyncio.gather(*(writer.submit("counter/a", each, context()) for each in commands), return_exceptions=True)
    assert [isinstance(answer, CommandFailed) for answer in answers] == [False, True, False, True, False]
    assert await count(stage, service) == 3


async def test_data_that_postgresql_refuses_fails_its_command_alone(stage: Stage, service: Service, writer: Writer) -> None:
    commands = [add(amount=TOO_MUCH_FOR_THE_TABLE if number in (7, 30) else 1) for number in range(40)]
    answers = await asyncio.gather(*(writer.submit("counter/a", each, context()) for each in commands), return_exceptions=True)
    assert [number for number, answer in enumerate(answers) if isinstance(answer, CommandFailed)] == [7, 30]
    assert await count(stage, service) == 38
    assert await count(stage, service, "outcomes") == 38
    assert [record.version for record in await stage.records(service)] == list(range(1, 39))


async def test_what_does_not_fit_into_an_event_fails_its_command_alone(stage: Stage, service: Service, writer: Writer) -> None:
    commands: list[Any] = [add(), Note(counter="a", document="x" * MAX_DATA_BYTES), add()]
    answers = await asyncio.gather(*(writer.submit("counter/a", each, context()) for each in commands), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Accepted, CommandTooLarge, Accepted]
    assert await count(stage, service) == 2


async def test_an_unknown_kind_of_stream_fails_its_command_alone(writer: Writer) -> None:
    shared = [writer.submit(stream, add(), context()) for stream in ("counter/a", "nothing/a", "counter/b")]
    answers = await asyncio.gather(*shared, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Accepted, CommandFailed, Accepted]


# Full, and stopping


async def test_a_full_queue_turns_the_next_command_away(stage: Stage, service: Service) -> None:
    async with stage.writing(service, queue_limit=3) as writer, stage.sql(service.name) as sql:
        await writer.submit("counter/a", add(), context())
        async with sql.transaction():
            await sql.execute("SELECT * FROM heads FOR UPDATE")
            under_way = asyncio.create_task(writer.submit("counter/a", add(), context()))
            await until(lambda: blocked(stage))
            waiting = [asyncio.create_task(writer.submit("counter/a", add(), context())) for _ in range(3)]
            with pytest.raises(Overloaded):
                await asyncio.gather(*waiting, writer.submit("counter/a", add(), context()))
        assert all(isinstance(answer, Accepted) for answer in await asyncio.gather(under_way, *waiting))
    assert await count(stage, service) == 5


async def test_commands_that_wait_when_the_writer_stops_are_told_and_not_decided(stage: Stage, service: Service) -> None:
    async with stage.writing(service) as writer, stage.sql(service.name) as sql:
        async with sql.transaction():
            await sql.execute("SELECT * FROM heads FOR UPDATE")
            under_way = asyncio.create_task(writer.submit("counter/a", add(), context()))
            await until(lambda: blocked(stage))
            waiting = asyncio.create_task(writer.submit("counter/a", add(), context()))
            await asyncio.sleep(0)
            await writer.stop()
        answers = await asyncio.gather(under_way, waiting, return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unavailable, Unavailable]
    assert await count(stage, service) == 0


# Two processes


async def test_two_writers_on_one_stream_lose_nothing_and_leave_no_gap(stage: Stage, service: Service) -> None:
    async with stage.writing(service, batch_limit=8) as one, stage.writing(service, batch_limit=8) as two:
        await one.submit("counter/a", add(amount=100), context())
        takes = [writer.submit("counter/a", Take(counter="a", amount=1), context()) for _ in range(75) for writer in (one, two)]
        answers = await asyncio.gather(*takes)
        assert sum(isinstance(answer, Accepted) for answer in answers) == 100
        assert (await one.state("counter/a"))[0] == (await two.state("counter/a"))[0] == Counter(total=0)
    records = await stage.records(service)
    assert [(record.position, record.version) for record in records] == [(number, number) for number in range(1, 102)]


async def test_partner_sequences_go_on_where_another_process_left_them(stage: Stage, service: Service) -> None:
    def adding() -> Add:
        return Add(counter="a", amount=1, partner="JP")

    async with stage.writing(service) as one, stage.writing(service) as two:
        for writer in (one, two, two, one):
            await writer.submit("counter/a", adding(), context())
    async with stage.writing(service) as later:
        await later.submit("counter/a", adding(), context())
    assert [record.partner_seq for record in await stage.records(service)] == [1, 2, 3, 4, 5]


async def test_a_state_that_was_evicted_is_read_again(stage: Stage, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.writer.shard.STATES_KEPT", 1)
    async with stage.writing(service) as writer:
        for _ in range(3):
            await asyncio.gather(*(writer.submit(f"counter/{name}", add(name), context()) for name in "abcdefgh"))
        assert await writer.state("counter/a") == (Counter(total=3), 3)


async def test_batches_that_are_decided_while_others_are_committed_count_once_and_in_order(stage: Stage, service: Service) -> None:
    async with stage.writing(service, batch_limit=4) as one, stage.writing(service, batch_limit=4) as other:
        counted = 0
        for number in range(5):
            writers = [one] * 60 + [other] * number  # the last rounds are disturbed
            ids = [f"{number}/{each // 2}" for each in range(len(writers))]  # each id twice
            answers = await asyncio.gather(*(to.submit("counter/a", add(), context(id)) for to, id in zip(writers, ids, strict=True)))
            assert all(isinstance(answer, Accepted) for answer in answers)
            assert len({answer.version for answer in answers if isinstance(answer, Accepted)}) == len(set(ids))
            counted += len(set(ids))
    versions = [record.version for record in await stage.records(service)]
    assert versions == list(range(1, counted + 1))
    assert await count(stage, service, "entries") == len(versions)


async def test_what_a_reader_has_read_before_others_wrote_is_not_decided_on(
    stage: Stage, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage.writing(service) as one, stage.writing(service) as other:
        shard = await one._place("counter/a")
        beside, *_ = [name for name in "bcdefghijklmnopqrstuvwxyz" if await one._place(f"counter/{name}") == shard]
        await other.submit("counter/a", add(), context())
        has_read, goes_on = asyncio.Event(), asyncio.Event()
        read_stream = one.journal.read_stream

        async def slowly(stream: str, *, after: int = 0) -> AsyncIterator[tuple[int, Any]]:
            found = [each async for each in read_stream(stream, after=after)]
            if stream == "counter/a":
                has_read.set()
                await goes_on.wait()
            for each in found:
                yield each

        monkeypatch.setattr(one.journal, "read_stream", slowly)
        reading = asyncio.create_task(one.state("counter/a"))
        await has_read.wait()
        await other.submit("counter/a", add(), context())
        await one.submit(f"counter/{beside}", add(beside), context())  # it catches up what the other wrote
        goes_on.set()
        await reading
        assert isinstance(await one.submit("counter/a", Take(counter="a", amount=2), context()), Accepted)


# In doubt


async def test_a_backend_that_dies_before_the_commit_costs_nothing(stage: Stage, service: Service) -> None:
    killed: list[int] = []

    async def project_and_die_once(connection: Connection, facts: Sequence[Fact]) -> None:
        await project(connection, facts)
        if not killed:
            killed.append(await connection.fetchval("SELECT pg_backend_pid()"))
            async with stage.sql() as sql:
                assert await sql.fetchval("SELECT pg_terminate_backend($1)", killed[0])

    dying = msgspec.structs.replace(service, project=project_and_die_once)
    async with stage.writing(dying) as writer:
        answers = await asyncio.gather(*(writer.submit("counter/a", add(), context()) for _ in range(5)))
        assert all(isinstance(answer, Accepted) for answer in answers)
    assert killed
    assert await count(stage, service) == await count(stage, service, "entries") == 5


async def test_a_full_disk_is_said_at_once_and_looked_at_again(stage: Stage, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    full = True

    async def project_and_fill(connection: Connection, facts: Sequence[Fact]) -> None:
        await project(connection, facts)
        if full:
            await connection.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$")

    monkeypatch.setattr("shared.writer.shard.ROOM_TRIED_AFTER_S", 0.5)
    async with stage.writing(msgspec.structs.replace(service, project=project_and_fill)) as writer:
        for _ in range(2):
            with pytest.raises(Unavailable, match="disk is full"):
                await writer.submit("counter/a", add(), context("one"))
            assert set(writer.refusals) == {Refusal.OUT_OF_ROOM}
        full = False
        await until(lambda: not writer.refusals)
        assert isinstance(await writer.submit("counter/a", add(), context("one")), Accepted)
    assert await count(stage, service) == await count(stage, service, "entries") == 1


async def test_a_commit_whose_answer_is_lost_is_settled_without_doubling(stage: Stage, service: Service) -> None:
    await stage.prepare(service)
    async with (
        breaking_proxy(stage.service_database_url(service.name)) as proxy,
        stage.writing(service, database_url=proxy.url) as writer,
    ):
        await writer.submit("counter/a", add(), context())
        proxy.swallow_next_commit()
        answers = await asyncio.gather(*(writer.submit("counter/a", add(), context(f"id{number}")) for number in range(5)))
        assert proxy.swallowed
        repeated = [await writer.submit("counter/a", add(), context(f"id{number}")) for number in range(5)]
        assert answers == repeated
        assert await writer.state("counter/a") == (Counter(total=6), 6)
    assert await count(stage, service) == await count(stage, service, "entries") == 6


async def test_a_process_that_is_stopped_while_it_holds_the_lock_holds_nobody_up(
    stage: Stage, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.journal.connection.SILENT_SECONDS", 0.5)
    stopped, goes_on = asyncio.Event(), asyncio.Event()

    async def project_and_stand_still(connection: Connection, facts: Sequence[Fact]) -> None:
        await project(connection, facts)
        stopped.set()
        await goes_on.wait()

    still = msgspec.structs.replace(service, project=project_and_stand_still)
    async with stage.writing(still) as one, stage.writing(service) as two:
        late = asyncio.create_task(one.submit("counter/a", add(), context("late")))
        await stopped.wait()
        first = await two.submit("counter/a", add(), context())
        assert isinstance(first, Accepted) and first.version == 1
        goes_on.set()
        answer = await late
        assert isinstance(answer, Accepted) and answer.version == 2
    assert await count(stage, service) == await count(stage, service, "entries") == 2


# No longer this process's journal


async def test_an_older_build_stops_writing(stage: Stage, service: Service, writer: Writer) -> None:
    await writer.submit("counter/a", add(), context())
    async with stage.sql(service.name) as sql:
        await sql.execute("UPDATE heads SET epoch = 2")
    for _ in range(2):
        with pytest.raises(Unavailable, match="epoch 2"):
            await writer.submit("counter/a", add(), context())
    newer = msgspec.structs.replace(service, epoch=2)
    async with stage.writing(newer) as successor:
        assert isinstance(await successor.submit("counter/a", add(), context()), Accepted)
    assert await count(stage, service) == 2


@pytest.mark.parametrize("written_since", [0, 1, 2], ids=["shorter", "as long", "longer"])
async def test_a_journal_restored_to_the_past_is_not_written_on_by_who_knew_it(stage: Stage, service: Service, written_since: int) -> None:
    async with stage.writing(service) as writer:
        await writer.submit("counter/a", add(times=2), context())
        async with stage.sql(service.name) as sql:
            await restore(sql, "counter/a", 1)
        if written_since:
            async with stage.writing(service) as other:
                await other.submit("counter/a", add(times=written_since), context())
        with pytest.raises(Unavailable, match="restored"):
            await writer.submit("counter/a", add(), context())
    assert await count(stage, service) == 1 + written_since


async def test_an_outcome_that_was_changed_never_gives_another_commands_answer(stage: Stage, service: Service, writer: Writer) -> None:
    await writer.submit("counter/a", add(times=2), context("one"))
    await writer.submit("counter/a", add(), context("two"))
    async with stage.sql(service.name) as sql:
        await sql.execute("UPDATE outcomes SET first_position = first_position + 1 WHERE command_id = $1", context("one").command_id)
    async with stage.writing(service) as another:
        with pytest.raises(CommandFailed, match="not what this command did"):
            await another.submit("counter/a", add(times=2), context("one"))
        assert isinstance(await another.submit("counter/a", add(), context("two")), Accepted)
    assert await count(stage, service) == 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("chain_hash = '\\x00' || substring(chain_hash FROM 2)", "is the hash there"),
        ("position = position - 1", "the last event is"),
        ("position = position + 1", "the last event is"),
    ],
)
async def test_nothing_is_written_after_a_head_that_was_changed(stage: Stage, service: Service, change: str, says: str) -> None:
    async with stage.serving(service) as running:
        assert await running.ready() == []
        added = await running.kernel.writer.submit("counter/a", add(times=2), context("one"))
        assert isinstance(added, Accepted)
    async with stage.sql(service.name) as sql:
        await sql.execute(f"UPDATE heads SET {change} WHERE shard = $1", added.shard)
    async with stage.serving(service) as running:
        assert Refusal.NOT_THIS_JOURNAL in running.kernel.writer.refusals
        [reason] = await running.ready()
        assert f"the head of {service.name}/{added.shard}" in reason and says in reason
        with pytest.raises(Unavailable, match="the head of"):
            await running.kernel.writer.submit("counter/a", add(), context("two"))
    assert await count(stage, service) == 2


async def restore(sql: Any, stream: str, version: int) -> None:
    """Takes a stream that has a shard to itself back, as a restored backup would."""
    async with sql.transaction():
        await sql.execute("SET LOCAL session_replication_role = replica")
        await sql.execute("DELETE FROM events WHERE stream = $1 AND version > $2", stream, version)
        await sql.execute("DELETE FROM entries WHERE right(place, 1)::int > $1", version)
        await sql.execute(
            """UPDATE heads SET position = events.position, chain_hash = events.chain_hash FROM events
               WHERE heads.shard = events.shard AND events.stream = $1 AND events.version = $2""",
            stream,
            version,
        )
