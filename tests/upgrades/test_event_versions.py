"""An event's second version, while processes of the build before still write the first into the same journal."""

import asyncio
import itertools
from collections import Counter as Counted
from collections.abc import AsyncIterator
from hashlib import sha256

import httpx
import msgspec
import pytest

from services.ledger.main import SERVICE as LEDGER
from shared.delivery.lines import Stopped
from shared.journal.decider import Refused
from shared.journal.record import GENESIS, chain_hash, event_hash, hashed_bytes
from shared.process.rebuild import rebuild_and_compare
from shared.process.service import Service, subscription
from shared.writer.commands import Accepted, Unavailable
from shared.writer.writer import Writer
from tests.kernel.counter import Add, Take, counter_service
from tests.kernel.stage import Stage, context, until
from tests.kernel.tally import Mood, needs, reactions, take, tally_service
from tests.upgrades.newer_counter import NOT_SAID, UPCASTERS, AddedV2, Event, as_before, newer
from tests.waiting import HANGS_AFTER_S


class Builds(msgspec.Struct, frozen=True):
    """A process of each build, on one journal."""

    service: Service
    old: Writer
    new: Writer


@pytest.fixture
async def builds(stage: Stage) -> AsyncIterator[Builds]:
    service = counter_service(stage.name("counter"))
    async with stage.writing(service) as old, stage.writing(newer(service)) as new:
        yield Builds(service, old, new)


def names_of_one_shard(count: int) -> list[str]:
    """Counters that have a shard in common."""
    names = (f"c{number}" for number in itertools.count())
    return list(itertools.islice((name for name in names if sha256(f"counter/{name}".encode()).digest()[3] % 4 == 0), count))


async def added(writer: Writer, name: str, amount: int = 1, command_id: str | None = None) -> Accepted:
    answer = await writer.submit(f"counter/{name}", Add(counter=name, amount=amount), context(command_id))
    assert isinstance(answer, Accepted)
    return answer


async def types(stage: Stage, service: Service) -> Counted[str]:
    return Counted(record.type.removeprefix("counter.") for record in await stage.records(service))


async def test_the_newer_build_goes_on_from_what_the_older_one_wrote(stage: Stage, builds: Builds) -> None:
    first = await added(builds.old, "a", 3, "one")
    again = await added(builds.new, "a", 3, "one")
    assert (again.version, again.position) == (first.version, first.position)
    assert again.facts[0].record == first.facts[0].record, "what is stored stays as it is"
    assert again.facts[0].event == AddedV2(counter="a", amount=3, reason=NOT_SAID)
    await added(builds.new, "a", 2)
    refused = await builds.new.submit("counter/a", Take(counter="a", amount=6), context())
    assert isinstance(refused, Refused) and refused.accepted == "at most 5"
    assert await types(stage, builds.service) == {"added.v1": 1, "added.v2": 1}


async def test_the_older_build_leaves_alone_what_the_newer_one_went_on_with(stage: Stage, builds: Builds) -> None:
    await added(builds.old, "a", 3)
    await added(builds.new, "a", 2)
    for _ in range(2):
        with pytest.raises(Unavailable, match="counter/a has events that this build does not know"):
            await builds.old.submit("counter/a", Take(counter="a", amount=1), context("take"))
    with pytest.raises(Unavailable, match="does not know"):
        await builds.old.state("counter/a")
    answer = await builds.new.submit("counter/a", Take(counter="a", amount=4), context("take"))
    assert isinstance(answer, Accepted), "its caller tries the same again, and reaches the newer one"
    assert await types(stage, builds.service) == {"added.v1": 1, "added.v2": 1, "taken.v1": 1}


async def test_the_older_build_goes_on_with_all_others_of_the_shard(stage: Stage, builds: Builds) -> None:
    taken_over, own, new_one = names_of_one_shard(3)
    for name in (taken_over, own):
        await added(builds.old, name)
    await added(builds.new, taken_over)
    answers = await asyncio.gather(
        *(added(builds.old, name) for name in (own, taken_over, new_one, own, taken_over, own)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [Accepted, Unavailable, Accepted, Accepted, Unavailable, Accepted]
    assert {record.shard for record in await stage.records(builds.service)} == {answers[0].shard}  # type: ignore[union-attr]
    assert await types(stage, builds.service) == {"added.v1": 6, "added.v2": 1}


async def test_a_repeat_that_only_the_newer_build_can_answer_is_left_to_it(builds: Builds) -> None:
    first = await added(builds.new, "a", 1, "one")
    with pytest.raises(Unavailable):
        await added(builds.old, "a", 1, "one")
    assert await added(builds.new, "a", 1, "one") == first


async def test_many_clients_of_both_builds_lose_and_double_nothing(stage: Stage, builds: Builds) -> None:
    """A caller that is sent away tries again with the same key, until it reaches a build that knows the counter's events."""
    answers: dict[str, Accepted] = {}

    async def calls(number: int) -> None:
        name = f"n{number % 8}"
        for turn, first in enumerate([builds.old, builds.new] * 10):
            command_id = f"{number}-{turn}"
            for writer in (first, builds.new):
                try:
                    answers[command_id] = await added(writer, name, 1, command_id)
                    break
                except Unavailable:
                    assert writer is builds.old

    await asyncio.gather(*(calls(number) for number in range(16)))
    assert len(answers) == 320
    for command_id in answers:
        number, _, _ = command_id.partition("-")
        again = await added(builds.new, f"n{int(number) % 8}", 1, command_id)
        assert (again.position, again.facts[0].record) == (answers[command_id].position, answers[command_id].facts[0].record)
    records = await stage.records(builds.service)
    assert len({record.command_id for record in records}) == len(records) == 320
    assert {record.type for record in records} == {"counter.added.v1", "counter.added.v2"}
    chains = dict.fromkeys(range(4), GENESIS)
    for record in records:
        assert record.event_hash == event_hash(record.salt, hashed_bytes(record))
        chains[record.shard] = chain_hash(chains[record.shard], record.event_hash)
        assert record.chain_hash == chains[record.shard]
    assert [(await builds.new.state(f"counter/n{number}"))[0].total for number in range(8)] == [40] * 8
    compared = await rebuild_and_compare(newer(builds.service), stage.database_url)
    assert all(each.equal for each in compared), compared


async def test_a_reader_of_the_build_before_stops_there_and_the_next_one_goes_on(stage: Stage) -> None:
    """Consumers are upgraded first; one that is not stops at the event, and passes over nothing."""
    source, sink = stage.name("counter"), stage.name("tally")
    counting, tallying = counter_service(source), tally_service(sink, source)

    async def post(service: Service, amounts: list[int]) -> None:
        async with stage.serving(service) as running:
            for amount in amounts:
                assert (await running.post("/v1/counters", {"counter": "a", "amount": amount})).status_code == 201

    async def tallied(http: httpx.AsyncClient) -> list[int]:
        found: list[int] = (await http.get("/v1/tallies/a")).json()
        return found

    await post(counting, [1, 2])
    async with stage.serving(newer(counting)) as counter, stage.serving(tallying) as tally:
        await until(lambda: tallied(tally.http))
        assert (await counter.post("/v1/counters", {"counter": "a", "amount": 3})).status_code == 201
        tally.look_every(0.1)
        reasons = await until(tally.ready)
        assert "counter.added.v2, a version that this build does not know" in reasons[0]
        assert await tallied(tally.http) == [1, 2]
    stage.move(sink)
    async with stage.serving(newer(counting)), stage.serving(newer_tally(tallying)) as tally:

        async def all_taken() -> bool:
            return await tallied(tally.http) == [1, 2, 3]

        await until(all_taken)
        assert await tally.ready() == []


async def test_the_ledger_takes_any_event_but_no_version_that_it_would_post_wrongly(stage: Stage, builds: Builds) -> None:
    """It logs what it has never heard of. What it has, in a later version, may move grams in a way that it cannot read."""
    await added(builds.old, "a")
    [record] = await stage.records(builds.service)
    inventory = LEDGER.subscriptions[0]
    assert inventory.source == "inventory"
    unheard_of = msgspec.structs.replace(record, type="inventory.lot_blessed.v1")
    assert inventory.decode(unheard_of).event is None
    with pytest.raises(Stopped, match=r"inventory\.stock_drawn\.v2, a version that this build does not know"):
        inventory.decode(msgspec.structs.replace(record, type="inventory.stock_drawn.v2"))


def newer_tally(service: Service) -> Service:
    """It takes the second version, to which the first is brought."""
    [before] = service.subscriptions
    react = reactions(Mood())
    after = subscription(
        before.source,
        Event,
        {"counter.added.v2", "counter.noted.v1"},
        react=lambda fact, documents: react(msgspec.structs.replace(fact, event=as_before(fact.event)), documents),
        needs=needs,
        take=take,
        upcasters=UPCASTERS,
    )
    return msgspec.structs.replace(service, subscriptions=(after,))


# The epoch


async def test_a_newer_epoch_stops_the_older_build_at_its_next_batch_and_nothing_is_lost(stage: Stage) -> None:
    """As a migration raises it: under the heads' locks, while the older build is busy."""
    service = counter_service(stage.name("counter"))
    answers: dict[str, Accepted] = {}
    sent: list[str] = []
    async with stage.writing(service) as old, stage.sql(service.name) as owner, stage.sql() as looking:

        async def calls(number: int) -> None:
            for turn in itertools.count():
                sent.append(command_id := f"{number}-{turn}")
                answers[command_id] = await added(old, f"n{number}", 1, command_id)

        calling = [asyncio.create_task(calls(number)) for number in range(8)]
        await until(lambda: len(answers) > 100)
        async with owner.transaction():
            await owner.execute("UPDATE heads SET epoch = 2")
            written = await owner.fetchval("SELECT sum(position) FROM heads")
            waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = $1"
            await until(lambda: looking.fetchval(waits, f"reserve-{service.name}"))
        async with asyncio.timeout(HANGS_AFTER_S):
            ends = await asyncio.gather(*calling, return_exceptions=True)
        assert all(isinstance(end, Unavailable) and "epoch 2" in str(end) for end in ends), ends
        assert await owner.fetchval("SELECT sum(position) FROM heads") == written == len(answers)
    async with stage.writing(newer(service, epoch=2)) as new:
        for command_id in sent:
            again = await added(new, f"n{command_id.partition('-')[0]}", 1, command_id)
            if (first := answers.get(command_id)) is not None:
                assert (again.position, again.facts[0].record) == (first.position, first.facts[0].record)
    records = await stage.records(service)
    assert Counted(record.command_id for record in records) == Counted(context(command_id).command_id.hex() for command_id in sent)
    assert len(sent) == len(answers) + 8
