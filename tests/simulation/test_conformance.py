"""Both journals and both brokers keep what `shared.journal.protocol` and `shared.delivery.broker` promise: the same tests run on each."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta

import pytest

from shared.delivery.broker import Consumer, Message, Partition
from shared.journal.messages import Headed
from shared.journal.protocol import CommandDecidedElsewhere, Cursor, Document, Head, LostLead, Outcome, TimerRow, Unreachable
from shared.journal.record import GENESIS, Fact, Record
from tests.kernel.stage import Stage, until
from tests.simulation.engines_under_test import (
    RECORDED_AT,
    SOURCE,
    BrokerEngine,
    JournalEngine,
    RealBroker,
    RealJournal,
    SimulatedBroker,
    SimulatedJournal,
    append,
    changes,
    command,
)
from tests.waiting import HANGS_AFTER_S


@pytest.fixture(params=["simulated", "real"])
def real_stage(request: pytest.FixtureRequest) -> Stage | None:
    """None: on simulated engines."""
    if request.param == "simulated":
        return None
    stage: Stage = request.getfixturevalue("stage")
    return stage


@pytest.fixture
async def engine(real_stage: Stage | None) -> AsyncIterator[JournalEngine]:
    async with AsyncExitStack() as stack:
        yield SimulatedJournal() if real_stage is None else RealJournal(real_stage, stack)


@pytest.fixture
def brokers(real_stage: Stage | None) -> BrokerEngine:
    return SimulatedBroker() if real_stage is None else RealBroker(real_stage)


# Journal: reading and appending


async def test_a_new_journal_stands_at_its_genesis(engine: JournalEngine) -> None:
    journal = await engine.open()
    heads = await journal.heads()
    assert set(heads) == {0, 1, 2, 3}
    for head, partners in heads.values():
        assert (head.position, head.chain_hash, head.recorded_at, head.epoch, dict(partners)) == (0, GENESIS, None, 1, {})
    assert await journal.read(0, after=0, limit=10) == []
    assert await journal.shard_of("counter/none") is None
    assert [each async for each in journal.read_stream("counter/none")] == []


async def test_what_is_appended_is_read_to_the_byte_by_another_process(engine: JournalEngine) -> None:
    journal, other = await engine.open(), await engine.open()
    added = await append(engine, journal, 2, "counter/a", count=3, partner="JP")
    records = [fact.record for fact in added.facts]
    assert await other.read(2, after=0, limit=10) == records
    assert await other.read(2, after=1, limit=1) == records[1:2]
    assert await other.read(1, after=0, limit=10) == []
    head, partners = (await other.heads())[2]
    assert (head.position, head.chain_hash, head.recorded_at) == (3, records[-1].chain_hash, RECORDED_AT)
    assert dict(partners) == {"JP": 3}
    assert await other.shard_of("counter/a") == 2
    assert [each async for each in other.read_stream("counter/a", after=1)] == [(2, added.facts[1].event), (3, added.facts[2].event)]
    assert await engine.seen() == {fact.place for fact in added.facts}


async def test_what_two_processes_append_in_turn_both_read_alike(engine: JournalEngine) -> None:
    journal, other = await engine.open(), await engine.open()
    records = []
    for step, turn in enumerate((journal, journal, other, journal, other, other, journal)):
        added = await append(engine, turn, 2, f"counter/{step}", count=1 + step % 3)
        records += [fact.record for fact in added.facts]
        for after in range(len(records) + 1):
            for reading in (journal, other):
                read: list[Record] = []
                while found := await reading.read(2, after=after + len(read), limit=2):
                    assert len(found) <= 2
                    read += found
                assert read == records[after:]


async def test_an_append_knows_outcomes_of_every_shard(engine: JournalEngine) -> None:
    journal = await engine.open()
    added = await append(engine, journal, 1, "counter/a", count=2)
    name = command("counter/a/0")
    async with journal.append(3, [name, command("another")]) as appending:
        assert dict(appending.known) == {name: added.outcomes[0]}
        assert await appending.read(1, after=1, limit=5) == [added.facts[1].record]
        assert appending.head.position == 0


async def test_what_raises_in_an_append_leaves_nothing(engine: JournalEngine) -> None:
    journal = await engine.open()
    timer = TimerRow("counter/a", "close", date(2026, 1, 7), "{}")
    with pytest.raises(ZeroDivisionError):
        async with journal.append(0, []) as appending:
            await appending.save(changes(engine, 0, appending.head, "counter/a", timers=[timer], documents=[Document(b"{}")]))
            raise ZeroDivisionError
    async with journal.append(0, [command("counter/a/0")]) as appending:
        assert (appending.head.position, dict(appending.known)) == (0, {})
    async with journal.lead("timers") as lead:
        assert lead is not None
        assert await lead.due(date(2026, 1, 8), RECORDED_AT) == []
    assert await journal.shard_of("counter/a") is None
    assert await engine.seen() == set()


async def test_nothing_of_an_append_is_seen_before_its_end(engine: JournalEngine) -> None:
    journal, other = await engine.open(), await engine.open()
    async with journal.append(0, []) as appending:
        await appending.save(changes(engine, 0, appending.head, "counter/a"))
        assert await other.read(0, after=0, limit=10) == []
        assert (await other.heads())[0][0].position == 0
    assert len(await other.read(0, after=0, limit=10)) == 1


async def test_appends_to_a_shard_wait_for_each_other_and_see_what_came_before(engine: JournalEngine) -> None:
    journal, other = await engine.open(), await engine.open()
    order: list[str] = []

    async def second() -> None:
        async with other.append(0, [command("counter/a/0")]) as appending:
            order.append("second")
            assert appending.head.position == 2
            assert set(appending.known) == {command("counter/a/0")}

    async with journal.append(0, []) as appending:
        task = asyncio.create_task(second())
        await append(engine, other, 1, "counter/b")  # another shard does not wait
        await appending.save(changes(engine, 0, appending.head, "counter/a", count=2))
        order.append("first")
        assert not task.done()
    await task
    assert order == ["first", "second"]


async def test_a_command_is_decided_in_one_shard_only(engine: JournalEngine) -> None:
    journal, other = await engine.open(), await engine.open()
    outcomes = (await append(engine, journal, 0, "counter/a")).outcomes
    with pytest.raises(CommandDecidedElsewhere):
        async with other.append(1, []) as appending:
            await appending.save(changes(engine, 1, appending.head, "counter/b", outcomes=outcomes))
    assert (await journal.heads())[1][0].position == 0


async def test_of_two_at_once_the_command_of_the_first_to_commit_counts(engine: JournalEngine) -> None:
    journal, other = await engine.open(), await engine.open()

    async def second(outcomes: Sequence[Outcome]) -> None:
        async with other.append(1, []) as appending:
            await appending.save(changes(engine, 1, appending.head, "counter/b", outcomes=outcomes))

    async with journal.append(0, []) as appending:
        added = changes(engine, 0, appending.head, "counter/a")
        await appending.save(added)
        task = asyncio.create_task(second(added.outcomes))
    with pytest.raises(CommandDecidedElsewhere):
        await task


async def test_an_append_to_a_head_that_is_believed_counts_where_it_is_the_head(engine: JournalEngine) -> None:
    journal, other = await engine.open(), await engine.open()
    await append(engine, journal, 0, "counter/a", count=2)
    head, _ = (await journal.heads())[0]
    async with journal.append(0, [], believed=head) as appending:
        assert (appending.head, dict(appending.known)) == (head, {})
        added = changes(engine, 0, head, "counter/b")
        await appending.save(added)
        await append(engine, other, 1, "counter/c")
        async with other.append(0, []) as looking:  # nothing is locked yet
            assert looking.head == head
    assert [each.position for each in await other.read(0, after=2, limit=10)] == [3]
    assert (await other.heads())[0][0] == Head(3, added.facts[-1].record.chain_hash, RECORDED_AT, 1)
    assert await engine.seen() == {f"{journal.service}/{place}" for place in ("0/1", "0/2", "0/3", "1/1")}


async def test_an_append_to_a_head_that_was_moved_leaves_nothing(engine: JournalEngine) -> None:
    journal, other = await engine.open(), await engine.open()
    head, _ = (await journal.heads())[0]
    with pytest.raises(CommandDecidedElsewhere):
        async with journal.append(0, [], believed=head) as appending:
            await append(engine, other, 0, "counter/a", count=2)
            await appending.save(changes(engine, 0, head, "counter/b", count=3))
    assert [each.stream for each in await journal.read(0, after=0, limit=10)] == ["counter/a", "counter/a"]
    assert await journal.shard_of("counter/b") is None
    async with other.append(0, [command("counter/b/0")]) as looking:
        assert (looking.head.position, dict(looking.known)) == (2, {})


async def test_a_head_of_the_same_position_and_another_history_is_not_the_one_believed(engine: JournalEngine) -> None:
    journal, other = await engine.open(), await engine.open()
    await append(engine, other, 0, "counter/a")
    head, _ = (await journal.heads())[0]
    for wrong in (Head(1, GENESIS, head.recorded_at, 1), Head(1, head.chain_hash, head.recorded_at, 2)):
        with pytest.raises(CommandDecidedElsewhere):
            async with journal.append(0, [], believed=wrong) as appending:
                await appending.save(changes(engine, 0, wrong, "counter/b"))
    assert len(await journal.read(0, after=0, limit=10)) == 1


async def test_a_command_that_is_decided_is_not_decided_again_on_a_belief(engine: JournalEngine) -> None:
    journal, other = await engine.open(), await engine.open()
    outcomes = (await append(engine, other, 1, "counter/a")).outcomes
    head, _ = (await journal.heads())[0]
    with pytest.raises(CommandDecidedElsewhere):
        async with journal.append(0, [outcomes[0].command_id], believed=head) as appending:
            await appending.save(changes(engine, 0, head, "counter/b", outcomes=outcomes))
    assert (await journal.heads())[0][0] == head


async def test_an_append_without_events_keeps_its_outcome(engine: JournalEngine) -> None:
    journal = await engine.open()
    await append(engine, journal, 0, "counter/a", count=0)
    async with journal.append(0, [command("counter/a/0")]) as appending:
        assert appending.head.position == 0
        assert appending.known[command("counter/a/0")].first_position is None


async def test_an_append_whose_session_is_ended_is_unreachable_and_leaves_nothing(engine: JournalEngine) -> None:
    journal, other = await engine.open(), await engine.open()
    with pytest.raises(Unreachable):
        async with journal.append(0, []) as appending:
            await appending.save(changes(engine, 0, appending.head, "counter/a"))
            await engine.end_sessions()
    assert (await other.heads())[0][0].position == 0
    await append(engine, journal, 0, "counter/a")  # the lock is free, and the journal is reached again


# Journal: leads


@pytest.mark.parametrize("role", ["relay", "inbox", "timers"])
async def test_one_process_leads_a_role_until_it_leaves(engine: JournalEngine, role: str) -> None:
    journal, other = await engine.open(), await engine.open()
    async with journal.lead(role) as first:  # type: ignore[call-overload]
        assert first is not None
        async with other.lead(role) as second:  # type: ignore[call-overload]
            assert second is None
        async with other.lead("inbox" if role != "inbox" else "relay") as another_role:
            assert another_role is not None

    async def leads() -> bool:
        async with other.lead(role) as third:  # type: ignore[call-overload]
            return third is not None

    await until(leads)


async def test_a_lead_is_lost_with_its_session(engine: JournalEngine) -> None:
    journal, other = await engine.open(), await engine.open()
    with pytest.raises(Unreachable):
        async with journal.lead("relay") as lead:
            assert lead is not None
            await engine.end_sessions()

            async def leads() -> bool:
                async with other.lead("relay") as successor:
                    return successor is not None

            await until(leads)
            await lead.move(0, since=0, to=1)


async def test_the_relay_moves_its_cursor_from_where_it_left_it(engine: JournalEngine) -> None:
    journal = await engine.open()
    added = await append(engine, journal, 0, "counter/a", count=3)
    async with journal.lead("relay") as lead:
        assert lead is not None
        cursors = dict.fromkeys(range(4), Cursor(0, GENESIS))
        assert await lead.cursors() == cursors
        assert await lead.ahead(cursors) == [0]
        assert await lead.ahead(cursors | {0: Cursor(3, GENESIS)}) == []
        await lead.move(0, since=0, to=2)
        with pytest.raises(LostLead):
            await lead.move(0, since=0, to=3)
        assert (await lead.cursors())[0] == Cursor(2, added.facts[1].record.chain_hash)


async def test_the_relay_hears_of_what_any_process_appends(engine: JournalEngine) -> None:
    journal, other = await engine.open(), await engine.open()
    async with journal.lead("relay") as lead:
        assert lead is not None
        await lead.news(0.01)  # there is none
        waiting = asyncio.create_task(lead.news(2 * HANGS_AFTER_S))
        await asyncio.sleep(0)
        await append(engine, other, 0, "counter/a")
        await asyncio.wait_for(waiting, HANGS_AFTER_S)


async def test_the_inbox_moves_its_cursor_with_the_tables_or_not_at_all(engine: JournalEngine) -> None:
    journal = await engine.open()
    facts = _foreign(engine, 3)
    to = Cursor(2, facts[1].record.chain_hash, 17)
    async with journal.lead("inbox") as lead:
        assert lead is not None
        assert await lead.cursors() == {}
        await lead.move(SOURCE, 0, since=0, to=to, facts=facts[:2])
        assert await lead.cursors() == {(SOURCE, 0): (to, frozenset())}
        assert await engine.seen() == {f"{SOURCE}/0/1", f"{SOURCE}/0/2"}
        with pytest.raises(LostLead):
            await lead.move(SOURCE, 0, since=1, to=Cursor(3, facts[2].record.chain_hash, 18), facts=facts[2:])
        assert await engine.seen() == {f"{SOURCE}/0/1", f"{SOURCE}/0/2"}
        assert await lead.cursors() == {(SOURCE, 0): (to, frozenset())}


async def test_parked_events_wait_in_order_until_they_are_taken(engine: JournalEngine) -> None:
    journal = await engine.open()
    facts = _foreign(engine, 3)
    headed = [
        Headed(fact.record, previous) for fact, previous in zip(facts, [GENESIS, *(f.record.chain_hash for f in facts)], strict=False)
    ]
    to = Cursor(3, facts[2].record.chain_hash, 5)
    async with journal.lead("inbox") as lead:
        assert lead is not None
        await lead.move(SOURCE, 0, since=0, to=to, facts=facts[2:], parked={"a reason": headed[:2]})
        assert await lead.cursors() == {(SOURCE, 0): (to, frozenset({"counter/a"}))}
        assert await lead.parked(SOURCE, 0, "counter/a") == headed[:2]
        assert await lead.parked(SOURCE, 0, "counter/b") == []
        assert await engine.seen() == {f"{SOURCE}/0/3"}
        await lead.unpark(facts[0])
        assert await lead.parked(SOURCE, 0, "counter/a") == headed[1:2]
        with pytest.raises(LostLead):
            await lead.unpark(facts[0])
        assert await engine.seen() == {f"{SOURCE}/0/1", f"{SOURCE}/0/3"}


async def test_timers_are_due_in_order_and_the_last_word_on_each_counts(engine: JournalEngine) -> None:
    journal = await engine.open()
    day = date(2026, 1, 7)

    def row(name: str, due: date, version: int | None = None) -> TimerRow:
        return TimerRow("counter/a", name, due, '{"type":"Close"}', version=version)

    later = day + timedelta(days=1)
    await append(engine, journal, 0, "counter/a", timers=[row("x", later), row("y", day), row("z", day), ("counter/a", "z")])
    await append(engine, journal, 0, "counter/a", version=1, timers=[row("x", day), row("w", later)])
    async with journal.lead("timers") as lead:
        assert lead is not None
        assert await lead.due(day - timedelta(days=1), RECORDED_AT) == []
        assert await lead.due(day, RECORDED_AT) == [row("x", day), row("y", day)]
        await lead.forget(row("x", later))  # it was set to another day meanwhile
        await lead.forget(row("y", day))
        assert await lead.due(later, RECORDED_AT) == [row("x", day), row("w", later)]
        await append(engine, journal, 0, "counter/a", version=2, timers=[row("x", day, 3)])
        await append(engine, journal, 0, "counter/a", version=3, timers=[row("x", day, 4)])
        await lead.forget(row("x", day))
        await lead.forget(row("x", day, 3))  # it was set once more meanwhile
        assert await lead.due(day, RECORDED_AT) == [row("x", day, 4)]
        await lead.forget(row("x", day, 4))
        assert await lead.due(day, RECORDED_AT) == []


async def test_a_timer_of_an_instant_is_due_when_its_day_and_its_instant_have_come(engine: JournalEngine) -> None:
    journal = await engine.open()
    day, noon = date(2026, 1, 7), datetime(2026, 1, 7, 12, 0, 0, 1, tzinfo=UTC)

    def row(name: str, at: datetime | None) -> TimerRow:
        return TimerRow("counter/a", name, day, '{"type":"Close"}', at)

    before, minute = noon - timedelta(microseconds=1), timedelta(minutes=1)
    await append(engine, journal, 0, "counter/a", timers=[row("x", noon), row("y", noon - minute), row("z", None)])
    async with journal.lead("timers") as lead:
        assert lead is not None
        assert await lead.due(day - timedelta(days=1), noon) == []
        assert await lead.due(day, before) == [row("z", None), row("y", noon - minute)]
        assert await lead.due(day, noon) == [row("z", None), row("y", noon - minute), row("x", noon)]
        await append(engine, journal, 0, "counter/a", version=1, timers=[row("x", noon + minute), row("y", None)])
        await lead.forget(row("x", noon))  # it was set to another instant meanwhile
        await lead.forget(row("y", noon - minute))  # it was set to the beginning of its day
        await lead.forget(row("z", None))
        assert await lead.due(day, noon + minute) == [row("y", None), row("x", noon + minute)]


async def test_old_refusals_are_forgotten_and_what_was_accepted_never(engine: JournalEngine) -> None:
    journal = await engine.open()
    accepted, refused = command("counter/a/0"), command("counter/b/0")
    await append(engine, journal, 0, "counter/a")
    async with journal.append(0, []) as appending:
        outcome = Outcome(
            shard=0,
            command_id=refused,
            fingerprint=b"",
            first_position=None,
            events=0,
            stream="counter/b",
            version=0,
            refused='{"code":"counter_too_little"}',
        )
        await appending.save(changes(engine, 0, appending.head, "counter/b", count=0, outcomes=[outcome]))

    async def known() -> set[bytes]:
        async with journal.append(0, [accepted, refused]) as appending:
            return set(appending.known)

    async with journal.lead("timers") as lead:
        assert lead is not None
        await lead.forget_refusals(RECORDED_AT)
        assert await known() == {accepted, refused}
        await lead.forget_refusals(RECORDED_AT + timedelta(seconds=1))
        assert await known() == {accepted}


def _foreign(engine: JournalEngine, count: int) -> list[Fact]:
    """SOURCE's first events: of the stream counter/a, the last of counter/b."""
    made = changes(engine, 0, Head(0, GENESIS, None, 1), "counter/a", count=count).facts
    last = changes(engine, 0, Head(count - 1, made[-2].record.chain_hash, None, 1), "counter/b").facts
    return [Fact(SOURCE, fact.record, fact.event) for fact in (*made[:-1], *last)]


# Brokers


def _messages(*values: str) -> list[Message]:
    return [Message(b"a key", value.encode(), [("ce_id", value.encode()), ("empty", b"")]) for value in values]


async def _receive(consumer: Consumer, partitions: Sequence[Partition], count: int) -> dict[Partition, list[Message]]:
    received: dict[Partition, list[Message]] = {partition: [] for partition in partitions}

    async def enough() -> bool:
        for partition, batch in (await consumer.poll(partitions)).items():
            received[partition] += batch
        return sum(map(len, received.values())) >= count

    await until(enough)
    return received


def _values(messages: Sequence[Message]) -> list[str]:
    return [(message.value or b"").decode() for message in messages]


async def test_partitions_and_the_newest_message(brokers: BrokerEngine) -> None:
    broker = await brokers.open()
    one, _ = brokers.topics
    assert await broker.partitions(one) == [0, 1]
    assert await broker.last((one, 1)) is None
    async with broker.producer() as producer:
        await producer.send((one, 1), _messages("a", "b"))
    last = await broker.last((one, 1))
    assert last is not None
    assert (last.key, last.value, list(last.headers), last.offset) == (b"a key", b"b", [("ce_id", b"b"), ("empty", b"")], 1)
    assert await broker.last((one, 0)) is None


async def test_messages_arrive_in_the_order_they_were_sent_in(brokers: BrokerEngine) -> None:
    broker = await brokers.open()
    one, other = brokers.topics
    keys: list[Partition] = [(one, 0), (one, 1), (other, 0)]
    async with broker.producer() as producer, broker.consumer(dict.fromkeys(keys, -1)) as consumer:
        for number in range(3):
            await producer.send((one, 0), _messages(f"{number}x", f"{number}y"))
            await producer.send((other, 0), _messages(f"{number}z"))
        received = await _receive(consumer, keys, 9)
    assert _values(received[one, 0]) == ["0x", "0y", "1x", "1y", "2x", "2y"]
    assert [message.offset for message in received[one, 0]] == [0, 1, 2, 3, 4, 5]
    assert _values(received[other, 0]) == ["0z", "1z", "2z"]
    assert received[one, 1] == []


async def test_a_consumer_begins_where_it_is_told(brokers: BrokerEngine) -> None:
    """Beyond the end, since a tail may have been lost, it begins anew."""
    broker = await brokers.open()
    one, other = brokers.topics
    async with broker.producer() as producer:
        for key in ((one, 0), (one, 1), (other, 0)):
            await producer.send(key, _messages("a", "b", "c"))
    offsets: dict[Partition, int] = {(one, 0): 1, (one, 1): 7, (other, 0): 3}
    async with broker.consumer(offsets) as consumer:
        received = await _receive(consumer, list(offsets), 5)
        assert _values(received[one, 0]) == ["b", "c"]
        assert _values(received[one, 1]) == ["a", "b", "c"]
        assert received[other, 0] == []
        async with broker.producer() as producer:
            await producer.send((other, 0), _messages("d"))
        assert _values((await _receive(consumer, [(other, 0)], 1))[other, 0]) == ["d"]


async def test_what_is_not_polled_waits(brokers: BrokerEngine) -> None:
    broker = await brokers.open()
    one, _ = brokers.topics
    async with broker.producer() as producer, broker.consumer({(one, 0): 0, (one, 1): 0}) as consumer:
        await producer.send((one, 0), _messages("a"))
        await producer.send((one, 1), _messages("b"))
        assert _values((await _receive(consumer, [(one, 1)], 1))[one, 1]) == ["b"]
        assert _values((await _receive(consumer, [(one, 0)], 1))[one, 0]) == ["a"]
        assert await consumer.poll([(one, 0), (one, 1)]) == {}


async def test_each_consumer_gets_everything(brokers: BrokerEngine) -> None:
    broker, another = await brokers.open(), await brokers.open()
    one, _ = brokers.topics
    async with broker.producer() as producer, broker.consumer({(one, 0): 0}) as first, another.consumer({(one, 0): 0}) as second:
        await producer.send((one, 0), _messages("a", "b"))
        for consumer in (first, second):
            assert _values((await _receive(consumer, [(one, 0)], 2))[one, 0]) == ["a", "b"]
