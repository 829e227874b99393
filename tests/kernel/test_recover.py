"""A journal restored to the past from a real backup, and recovered from what Kafka has: byte for byte, with all that derives from it."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from reserve.operate.recover import AnotherHistory, HeldByNobody
from shared.delivery.kafka_broker import KafkaBroker
from shared.journal.messages import topic_of
from shared.journal.protocol import Document
from shared.writer.commands import Accepted, FingerprintMismatch
from tests.kernel.counter import Add, SetClosing
from tests.kernel.recovering import Case
from tests.kernel.stage import Running, Stage, context, until

NOTE = "what the decision stands on"
DATA, CHAIN_HASH = 5, 16  # their columns in `events`


@pytest.fixture
def case(stage: Stage, tmp_path: Path) -> Case:
    return Case(stage, tmp_path / "backup")


async def add(counter: Running, amount: int, to: str = "a", **options: Any) -> Any:
    answer = await counter.post(f"/v1/counters/{to}/additions", {"amount": amount}, **options)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def much_happens(case: Case, counter: Running) -> None:
    """Events of all kinds, on streams old and new, with and without partners, timers and documents."""
    writer = counter.kernel.writer
    for name in "abcdefgh":
        await add(counter, 3, name)
        await counter.post(f"/v1/counters/{name}/takings", {"amount": 1})
        await writer.submit(f"counter/{name}", Add(counter=name, amount=2, times=5, partner="JP" if name < "e" else "US"), context())
    await writer.submit("counter/b", SetClosing(counter="b", on=date(2999, 1, 1)), context())
    await writer.submit("counter/c", SetClosing(counter="c", on=date(2999, 1, 1)), context())
    await writer.submit("counter/c", SetClosing(counter="c", on=None), context())
    await writer.submit("counter/e", SetClosing(counter="e", at=datetime(2999, 1, 1, 9, 30, tzinfo=UTC)), context())
    await writer.submit("counter/d", SetClosing(counter="d", on=date(2020, 1, 1)), context())
    await counter.post("/v1/counters/a/notes", {"text": NOTE})

    async def closed() -> bool:
        async with case.stage.sql(case.service.name) as sql:
            return bool(await sql.fetchval("SELECT closed FROM counters WHERE id = 'd'")) and not await sql.fetchval(
                "SELECT count(*) FROM timers WHERE stream = 'counter/d'"
            )

    await until(closed)


async def test_what_was_lost_is_there_again_byte_for_byte_with_all_that_derives_from_it(case: Case) -> None:
    async with case.serving() as counter:
        await add(counter, 1)
        await counter.post("/v1/counters/b/notes", {"text": "kept in the backup"})
        await case.back_up()
        await much_happens(case, counter)
        await case.carried()
        before = await case.tables()
    await case.restore()
    assert len((await case.tables())["events"]) == 2
    note = Document(NOTE.encode(), "text/plain")
    recovered = await case.recover({note.name: note})
    assert sum(recovered.events.values()) == len(before["events"]) - 2
    assert recovered.documents == 1
    after = await case.tables()
    fired = ("counter/d", "close")  # set again by its event; it fires again, finds its outcome, and is forgotten
    after["timers"] = [row for row in after["timers"] if row[:2] != fired]
    assert after == before
    async with case.serving() as counter:
        assert (await counter.http.get("/v1/counters/a/state")).json()["total"] == 1 + 3 - 1 + 10
        await add(counter, 1)

        async def all_timers_are_settled() -> bool:
            return (await case.tables())["timers"] == before["timers"]

        await until(all_timers_are_settled)


async def test_a_process_that_serves_meanwhile_goes_on(case: Case) -> None:
    async with case.serving() as counter:
        await add(counter, 1)
        await case.back_up()
        await add(counter, 2)
        await case.carried()
    await case.restore()
    async with case.serving() as counter:
        assert sum((await case.recover()).events.values()) == 1
        await add(counter, 4)
        assert (await counter.http.get("/v1/counters/a/state")).json() == {"total": 7, "version": 3}


async def test_a_command_that_was_recovered_gets_its_first_answer(case: Case) -> None:
    async with case.serving() as counter:
        await add(counter, 1)
        await case.back_up()
        first = await add(counter, 2, key="one-key")
        await case.carried()
    await case.restore()
    await case.recover()
    async with case.serving() as counter:
        assert await add(counter, 2, key="one-key") == first
        assert await add(counter, 5, key="one-key") == first, "what the caller had sent is not known any more"
        assert (await counter.http.get("/v1/counters/a/state")).json() == {"total": 3, "version": 2}


async def test_what_was_recovered_is_answered_to_no_other_partner(case: Case) -> None:
    """With its outcome no party is kept: its events say whose they are."""
    async with case.serving() as counter:
        await add(counter, 1)
        await case.back_up()
        told = {name: context(name, party=b"japan---", partner="JP") for name in ("its", "nobody-s")}
        its = await counter.kernel.writer.submit("counter/a", Add(counter="a", amount=2, partner="JP"), told["its"])
        await counter.kernel.writer.submit("counter/a", Add(counter="a", amount=3), told["nobody-s"])
        await case.carried()
    await case.restore()
    await case.recover()
    async with case.serving() as counter:
        writer, anew = counter.kernel.writer, Add(counter="a", amount=2, partner="US")
        with pytest.raises(FingerprintMismatch):
            await writer.submit("counter/a", anew, context("its", party=b"america-", partner="US"))
        assert await writer.submit("counter/a", anew, told["its"]) == its
        assert await writer.submit("counter/a", anew, context("its")) == its, "the Reserve's own sees all of it"
        assert isinstance(await writer.submit("counter/a", anew, context("nobody-s", party=b"america-", partner="US")), Accepted)
        assert (await counter.http.get("/v1/counters/a/state")).json() == {"total": 6, "version": 3}


async def test_what_nobody_holds_is_named_and_all_before_it_is_recovered(case: Case) -> None:
    async with case.serving() as counter:
        await add(counter, 1)
        await case.back_up()
        await add(counter, 2)
        await case.carried()
    await case.restore()
    name, shard = case.service.name, await case.shard()
    with pytest.raises(HeldByNobody, match=f"{name}/{shard}/3 to 5 are held by nobody: a reader had taken them"):
        await case.recover(taken=5)
    assert len((await case.tables())["events"]) == 2


async def test_a_gap_in_kafka_is_named(case: Case) -> None:
    async with case.serving() as counter:
        await add(counter, 1)
        await case.back_up()
        await case.carried()
    async with case.stage.sql(case.service.name) as sql:
        await sql.execute("SELECT pg_advisory_lock(hashtext($1))", f"relay/{case.service.name}")
        async with case.serving() as counter:
            for amount in (2, 3, 4):
                await add(counter, amount)
            await sql.execute("UPDATE relay_cursors SET position = 3 WHERE shard = (SELECT shard FROM streams LIMIT 1)")
            await sql.execute("SELECT pg_advisory_unlock_all()")
            await case.carried()
    await case.restore()
    name, shard = case.service.name, await case.shard()
    with pytest.raises(HeldByNobody, match=f"{name}/{shard}/2 to 3 are held by nobody: Kafka goes on at 4"):
        await case.recover()
    assert len((await case.tables())["events"]) == 1


async def test_a_document_that_nobody_holds_is_named_and_may_be_brought(case: Case) -> None:
    async with case.serving() as counter:
        await add(counter, 1)
        await case.back_up()
        await add(counter, 2)
        await counter.post("/v1/counters/a/notes", {"text": NOTE})
        await add(counter, 3)
        await case.carried()
    await case.restore()
    note = Document(NOTE.encode(), "text/plain")
    with pytest.raises(HeldByNobody, match=f"the document {note.name} of {case.service.name}/[0-3]/3 is held by nobody"):
        await case.recover({note.name: Document(b"another")})
    assert len((await case.tables())["events"]) == 2
    assert sum((await case.recover({note.name: note})).events.values()) == 2


async def test_of_two_histories_in_kafka_the_one_that_was_sent_first_counts_and_the_topic_ends_with_it(case: Case) -> None:
    async with case.serving() as counter:
        await add(counter, 1)
        await case.back_up()
        await add(counter, 2)
        await case.carried()
        before = await case.tables()
    await case.restore()
    async with case.serving() as counter:
        for amount in (7, 8, 9):
            await add(counter, amount)
        await case.carried()
    await case.restore()
    assert sum((await case.recover()).events.values()) == 1
    after = await case.tables()
    assert after == before
    broker = KafkaBroker(case.stage.servers.kafka)
    message = await broker.last((topic_of(case.service.name), await case.shard()))
    assert message is not None and message.value == after["events"][-1][DATA].encode()


async def test_a_journal_that_was_written_on_after_it_was_restored_is_not_merged(case: Case) -> None:
    async with case.serving() as counter:
        await add(counter, 1)
        await case.back_up()
        for amount in (2, 3, 4):
            await add(counter, amount)
        await case.carried()
        before = await case.tables()
    await case.restore()
    async with case.serving() as counter:
        for amount in (7, 8):
            await add(counter, amount)
        await case.carried()
        forked = await case.tables()
    name, shard = case.service.name, await case.shard()
    theirs, ours = before["events"][1][CHAIN_HASH].hex(), forked["events"][1][CHAIN_HASH].hex()
    with pytest.raises(AnotherHistory, match=f"{name}/{shard}/2 has the chain hash {ours}, and {theirs} was sent first"):
        await case.recover()
    assert await case.tables() == forked


async def test_who_lacks_nothing_is_left_alone(case: Case) -> None:
    async with case.serving() as counter:
        await add(counter, 1)
        await case.carried()
        before = await case.tables()
        assert sum((await case.recover()).events.values()) == 0
        assert await case.tables() == before
