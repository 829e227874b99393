"""Commands together, and one client beside another, in a writer on the real PostgreSQL."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from shared.journal.decider import Refused
from shared.journal.protocol import Append, Head
from shared.process.service import Service
from shared.writer.commands import (
    Accepted,
    CommandFailed,
    Context,
    FingerprintMismatch,
    ItemKeyReused,
    Overloaded,
    TooManyWaiting,
    VersionMismatch,
)
from tests.kernel.breaking_proxy import breaking_proxy
from tests.kernel.counter import TOO_MUCH_FOR_THE_TABLE, Add, Break, Counter, Reason, Take, counter_service
from tests.kernel.stage import Stage, context, until
from tests.kernel.writing import add, blocked, count, two_shards

FLOOD = 2_000


@pytest.fixture
def service(stage: Stage) -> Service:
    return counter_service(stage.name("counter"))


def take(amount: int = 1) -> Take:
    return Take(counter="a", amount=amount)


def together(*commands: Any, of: str = "bulk", **changed: Any) -> list[tuple[Any, Context]]:
    return [(command, context(f"{of}/{number}", **changed)) for number, command in enumerate(commands)]


# One client beside another


async def test_a_client_beside_one_that_floods_is_answered_in_the_next_turns(stage: Stage, service: Service) -> None:
    async with stage.writing(service, batch_limit=8, queue_limit=10_000) as writer, stage.sql(service.name) as sql:
        async with sql.transaction():
            await sql.execute("SELECT * FROM heads FOR UPDATE")
            under_way = asyncio.create_task(writer.submit("counter/a", add(), context(client="flood")))
            await until(lambda: blocked(stage))
            flood = [asyncio.create_task(writer.submit("counter/a", add(), context(client="flood"))) for _ in range(FLOOD)]
            await asyncio.sleep(0)
            other = asyncio.create_task(writer.submit("counter/a", add(), context(client="other")))
            await asyncio.sleep(0)
        answers = [each for each in await asyncio.gather(under_way, *flood, other) if isinstance(each, Accepted)]
    *flooded, answered = (answer.version for answer in answers)
    assert answered <= 3, "it was decided after one that was under way and one turn of the flood"
    assert flooded == sorted(flooded) and len(answers) == FLOOD + 2


async def test_who_has_too_many_waiting_is_turned_away_before_others_are(stage: Stage, service: Service) -> None:
    async with stage.writing(service, queue_limit=8) as writer, stage.sql(service.name) as sql:
        async with sql.transaction():
            await sql.execute("SELECT * FROM heads FOR UPDATE")
            under_way = asyncio.create_task(writer.submit("counter/a", add(), context(client="flood")))
            await until(lambda: blocked(stage))
            flood = [asyncio.create_task(writer.submit("counter/a", add(), context(client="flood"))) for _ in range(10)]
            other = asyncio.create_task(writer.submit("counter/a", add(), context(client="other")))
            await asyncio.sleep(0)
        answers = await asyncio.gather(under_way, *flood, other, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Accepted] * 5 + [TooManyWaiting] * 6 + [Accepted]


# Each by itself


async def test_a_bulk_is_one_turn_however_many_commands_it_has(stage: Stage, service: Service) -> None:
    async with stage.writing(service, batch_limit=4) as writer:
        await writer.submit("counter/a", add(amount=5), context())
        answers = await writer.submit_all("counter/a", together(*[take()] * 500), context("bulk"))
        assert [type(answer) for answer in answers] == [Accepted] * 5 + [Refused] * 495
        async with stage.sql(service.name) as sql:
            assert await sql.fetchval("SELECT count(DISTINCT xmin::text) FROM outcomes WHERE stream = 'counter/a'") == 2
        assert await writer.submit_all("counter/a", together(*[take()] * 500), context("bulk")) == answers
    assert await count(stage, service) == 6


async def test_a_command_of_a_bulk_is_the_same_alone_and_in_another_bulk(stage: Stage, service: Service) -> None:
    async with stage.writing(service) as writer:
        first = await writer.submit("counter/a", add(), context("bulk/1"))
        answers = await writer.submit_all("counter/a", together(add(), add()), context("one"))
        assert answers[1] == first
        assert await writer.submit_all("counter/a", together(add(), add(), add()), context("another")) == [
            *answers,
            await writer.submit("counter/a", add(), context("bulk/2")),
        ]
    assert await count(stage, service) == 3


async def test_a_bulks_own_key_is_used_once_whatever_shard_the_other_goes_to(stage: Stage, service: Service) -> None:
    async with stage.writing(service) as writer:
        one, other = await two_shards(writer)
        await writer.submit_all(one, together(add()), context("bulk", fingerprint=b"this"))
        for stream in (one, other):
            with pytest.raises(FingerprintMismatch):
                await writer.submit_all(stream, together(add(), add(), of="new"), context("bulk", fingerprint=b"that"))
            with pytest.raises(FingerprintMismatch):
                await writer.submit_whole(stream, together(add(), add(), of="new"), context("bulk", fingerprint=b"that"))
        for number in range(5):
            key = f"both {number}"
            both = [
                writer.submit_all(stream, together(add(), add(), of=f"{stream} {number}"), context(key, fingerprint=stream.encode()))
                for stream in (one, other)
            ]
            answers = await asyncio.gather(*both, return_exceptions=True)
            assert sorted(type(answer).__name__ for answer in answers) == ["FingerprintMismatch", "list"]
    assert await count(stage, service) == 11


async def test_what_fails_in_a_bulk_fails_alone(stage: Stage, service: Service) -> None:
    commands = [add(), Break(), add(amount=TOO_MUCH_FOR_THE_TABLE), add(), take(1_000_000)]
    async with stage.writing(service) as writer:
        answers = await writer.submit_all("counter/a", together(*commands), context("bulk"))
        assert [type(answer) for answer in answers] == [Accepted, CommandFailed, CommandFailed, Accepted, Refused]
        assert (await writer.submit_all("counter/a", together(*commands), context("bulk")))[0] == answers[0]
    assert await count(stage, service) == 2


async def test_a_full_queue_turns_a_whole_bulk_away(stage: Stage, service: Service) -> None:
    async with stage.writing(service, queue_limit=8) as writer:
        for submit in (writer.submit_all, writer.submit_whole):
            with pytest.raises(Overloaded):
                await submit("counter/a", together(*[add()] * 9), context("bulk"))
    assert await count(stage, service, "outcomes") == 0


# All or nothing


async def test_all_of_it_is_done_and_each_is_known_by_its_own_key(stage: Stage, service: Service) -> None:
    async with stage.writing(service, batch_limit=2) as writer:
        commands = together(add(amount=3, times=2), take(6), add())
        answers = await writer.submit_whole("counter/a", commands, context("bulk"))
        assert isinstance(answers, tuple) and [answer.version for answer in answers] == [2, 3, 4]
        assert [len(answer.facts) for answer in answers] == [2, 1, 1]
        assert await writer.submit_whole("counter/a", commands, context("bulk")) == answers
        assert await writer.submit("counter/a", take(6), context("bulk/1")) == answers[1]
        assert await writer.submit_whole("counter/a", commands, context("another bulk")) == answers
    assert await count(stage, service) == 4


async def test_what_is_refused_refuses_all_of_it_and_leaves_their_keys_unused(stage: Stage, service: Service) -> None:
    async with stage.writing(service) as writer:
        await writer.submit("counter/a", add(amount=2), context())
        commands = together(take(), take(), take())
        refused = await writer.submit_whole("counter/a", commands, context("bulk"))
        assert isinstance(refused, Refused)
        assert (refused.code, refused.field, refused.accepted) == (Reason.TOO_LITTLE, "/items/2/amount", "at most 0")
        await writer.submit("counter/a", add(amount=2), context())
        assert await writer.submit_whole("counter/a", commands, context("bulk")) == refused, "though it would be accepted by now"
        assert await writer.state("counter/a") == (Counter(total=4), 2)
        assert isinstance(await writer.submit("counter/a", take(), context("bulk/2")), Accepted)
        assert isinstance(await writer.submit_whole("counter/a", commands, context("another bulk")), tuple)
        assert await writer.state("counter/a") == (Counter(total=1), 5)


async def test_what_was_decided_alone_before_counts_as_what_it_was(stage: Stage, service: Service) -> None:
    async with stage.writing(service) as writer:
        refused = await writer.submit("counter/a", take(), context("bulk/1"))
        assert isinstance(refused, Refused)
        await writer.submit("counter/a", add(amount=9), context("bulk/0"))
        answer = await writer.submit_whole("counter/a", together(add(amount=9), take(), add()), context("bulk"))
        assert isinstance(answer, Refused) and answer.field == "/items/1/amount"
        with pytest.raises(ItemKeyReused) as reused:
            await writer.submit_whole("counter/a", together(add(), add(), fingerprint=b"other"), context("other bulk"))
        assert reused.value.number == 0
        assert await writer.state("counter/a") == (Counter(total=9), 1)


@pytest.mark.parametrize("bad", [Break(), Add(counter="a", amount=TOO_MUCH_FOR_THE_TABLE)])
async def test_what_fails_fails_all_of_it_and_nothing_beside_it(stage: Stage, service: Service, bad: Any) -> None:
    async with stage.writing(service) as writer:
        whole = writer.submit_whole("counter/a", together(add(), bad), context("bulk"))
        beside = [writer.submit("counter/a", add(), context()) for _ in range(5)]
        failed, *answers = await asyncio.gather(whole, *beside, return_exceptions=True)
        assert isinstance(failed, CommandFailed) and all(isinstance(answer, Accepted) for answer in answers)
        assert await writer.state("counter/a") == (Counter(total=5), 5)
    assert await count(stage, service, "outcomes") == 5


async def test_all_of_it_expects_one_version(stage: Stage, service: Service) -> None:
    async with stage.writing(service) as writer:
        await writer.submit("counter/a", add(), context())
        with pytest.raises(VersionMismatch):
            await writer.submit_whole("counter/a", together(add(), add()), context(expected_version=0))
        assert isinstance(await writer.submit_whole("counter/a", together(add(), add()), context(expected_version=1)), tuple)


async def test_what_is_not_done_makes_its_shard_look_once(stage: Stage, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it was decided before; the batches after it believe again that nobody else has written."""
    async with stage.writing(service) as writer:
        looked: list[bool] = []
        append = writer.journal.append

        def noted(shard: int, ids: Sequence[bytes], *, believed: Head | None = None) -> AbstractAsyncContextManager[Append]:
            looked.append(believed is None)
            return append(shard, ids, believed=believed)

        monkeypatch.setattr(writer.journal, "append", noted)
        await writer.submit("counter/a", add(), context())
        for number in range(3):
            commands = together(take(), take(1_000_000), of=f"bulk {number}")
            assert isinstance(await writer.submit_whole("counter/a", commands, context(f"bulk {number}")), Refused)
            with pytest.raises(VersionMismatch):
                await writer.submit("counter/a", add(), context(expected_version=1_000))
            await writer.submit("counter/a", add(), context())
    assert looked == [True, *[False, True, False, True, False] * 3]


async def test_bulks_of_all_kinds_from_two_processes_count_once_and_in_order(stage: Stage, service: Service) -> None:
    async with stage.writing(service, batch_limit=4) as one, stage.writing(service, batch_limit=4) as other:
        sent: list[Any] = []
        for number in range(12):
            commands = together(add(), add(), add(), of=f"bulk {number}")
            for writer in (one, other):
                sent.append(writer.submit_all("counter/a", commands, context(f"all {number}")))
                sent.append(writer.submit_whole("counter/a", commands, context(f"whole {number}")))
                sent.append(writer.submit("counter/a", *commands[1]))
        answers = await asyncio.gather(*sent)
    for number in range(12):
        first, whole, alone, *others = answers[number * 6 : number * 6 + 6]
        assert [first, tuple(first), first[1]] == [list(whole), whole, alone] and [first, whole, alone] == others
    records = await stage.records(service)
    assert [record.version for record in records] == list(range(1, 37))
    assert await count(stage, service, "entries") == 36


async def test_a_commit_whose_answer_is_lost_is_settled_for_a_bulk_too(stage: Stage, service: Service) -> None:
    await stage.prepare(service)
    async with (
        breaking_proxy(stage.service_database_url(service.name)) as proxy,
        stage.writing(service, database_url=proxy.url) as writer,
    ):
        await writer.submit("counter/a", add(), context())
        for submit in (writer.submit_all, writer.submit_whole):
            commands = together(add(), add(), of=submit.__name__)
            proxy.swallow_next_commit()
            answers = await submit("counter/a", commands, context(submit.__name__))
            assert proxy.swallowed
            assert await submit("counter/a", commands, context(submit.__name__)) == answers
        assert await writer.state("counter/a") == (Counter(total=5), 5)
    assert await count(stage, service) == await count(stage, service, "entries") == 5
