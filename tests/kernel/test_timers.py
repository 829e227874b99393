"""Timers: commands that events have set for a later day."""

from datetime import date

import pytest

from shared.delivery.timers import Timers
from shared.journal.decider import Refused
from shared.process.service import Service
from shared.writer.commands import Accepted
from shared.writer.writer import Writer
from tests.kernel.counter import Add, Reason, SetClosing, Take, counter_service
from tests.kernel.stage import Day, Stage, context, until


@pytest.fixture
def service(stage: Stage) -> Service:
    return counter_service(stage.name("counter"))


def closing(on: date | None) -> SetClosing:
    return SetClosing(counter="a", on=on)


async def is_closed(writer: Writer) -> bool:
    return bool((await writer.state("counter/a"))[0].closed)


async def test_a_timer_fires_once_its_day_has_begun_where_the_reserve_is(stage: Stage, service: Service) -> None:
    clock = Day("2026-01-19T12:59:59+00:00")  # one second before midnight in Sydney
    async with stage.serving(service, clock) as counter:
        writer = counter.kernel.writer
        await writer.submit("counter/a", closing(date(2026, 1, 20)), context())
        assert await days(stage, service) == [date(2026, 1, 20)]
        assert not await is_closed(writer)
        clock.instant = Day("2026-01-19T13:00:00+00:00").instant
        await until(lambda: is_closed(writer))
        await until(lambda: nothing_due(stage, service))
    record = (await stage.records(service))[-1]
    assert (record.type, record.effective_on) == ("counter.closed.v1", "2026-01-20")
    assert record.actor == f"service:{service.name}"
    assert record.causation_id == "timer/counter/a/close/2026-01-20/1"


async def test_a_timer_of_an_instant_fires_once_it_has_passed(stage: Stage, service: Service) -> None:
    at = Day("2026-01-19T13:30:00+00:00").instant
    clock = Day("2026-01-19T13:29:59.999999+00:00")  # the day of the instant has begun in Sydney
    async with stage.serving(service, clock) as counter:
        writer = counter.kernel.writer
        await writer.submit("counter/b", closing(date(2026, 1, 20)), context())
        await writer.submit("counter/a", SetClosing(counter="a", at=at), context())
        await until(lambda: is_at_rest(stage, service, timers=1))  # the other has fired, and this one was looked at
        assert not await is_closed(writer)
        clock.instant = at
        await until(lambda: is_closed(writer))
        await until(lambda: nothing_due(stage, service))
    (record,) = [each for each in await stage.records(service) if each.stream == "counter/a" and each.type == "counter.closed.v1"]
    assert record.effective_on == "2026-01-20"
    assert record.causation_id == "timer/counter/a/close/2026-01-18/1"


@pytest.mark.parametrize("hours", [(9, 10), (9, 9)])
async def test_a_timer_that_has_fired_may_be_set_to_its_day_again(stage: Stage, service: Service, hours: tuple[int, int]) -> None:
    async with stage.writing(service) as writer:
        timers = Timers(writer.journal, writer, Day("2026-01-20T12:00:00+00:00"), stage.settings(service.name).zone)
        for hour in hours:
            at = Day(f"2026-01-20T{hour:02}:00:00+00:00").instant
            await writer.submit("counter/a", SetClosing(counter="a", at=at), context())
            async with writer.journal.lead("timers") as lead:
                assert lead is not None
                (timer,) = await lead.due(date(2026, 1, 20), timers.clock.now())
                await timers.fire(lead, timer)
        async with stage.sql(service.name) as sql:
            assert await sql.fetchval("SELECT count(*) FROM outcomes") == 4, "each of the two was decided"


async def test_a_timer_that_is_set_again_replaces_the_first_and_a_cancelled_one_never_fires(stage: Stage, service: Service) -> None:
    async with stage.writing(service) as writer:
        await writer.submit("counter/a", closing(date(2026, 1, 20)), context())
        await writer.submit("counter/a", closing(date(2026, 2, 20)), context())
        assert await days(stage, service) == [date(2026, 2, 20)]
        await writer.submit("counter/a", closing(None), context())
        assert await days(stage, service) == []


async def test_a_timer_that_fires_twice_counts_once(stage: Stage, service: Service) -> None:
    async with stage.writing(service) as writer:
        timers = Timers(writer.journal, writer, Day("2026-01-20T00:00:00+00:00"), stage.settings(service.name).zone)
        await writer.submit("counter/a", closing(date(2026, 1, 20)), context())
        async with writer.journal.lead("timers") as lead:
            assert lead is not None
            (timer,) = await lead.due(date(2026, 1, 20), timers.clock.now())
            await timers.fire(lead, timer)
            await timers.fire(lead, timer)  # as after a crash between the commit and the forgetting
            assert await lead.due(date(2026, 1, 20), timers.clock.now()) == []
    assert [record.type for record in await stage.records(service)] == ["counter.closing_set.v1", "counter.closed.v1"]


async def test_when_the_leader_is_gone_another_process_fires(stage: Stage, service: Service) -> None:
    clock = Day("2026-01-20T00:00:00+00:00")
    async with stage.serving(service, clock):
        stage.move(service.name)
        second = stage.serving(service, clock)
        follower = await second.__aenter__()
    try:  # the first, which led, has ended
        writer = follower.kernel.writer
        assert isinstance(await writer.submit("counter/a", closing(date(2026, 1, 20)), context()), Accepted)
        await until(lambda: is_closed(writer))
        assert isinstance(refused := await writer.submit("counter/a", Add(counter="a", amount=1), context()), Refused)
        assert refused.code == Reason.CLOSED
    finally:
        await second.__aexit__(None, None, None)


async def test_a_timer_of_a_command_that_this_build_does_not_know_waits_and_holds_no_other_up(stage: Stage, service: Service) -> None:
    async with stage.serving(service, Day("2026-01-20T00:00:00+00:00")) as counter:
        unknown = """INSERT INTO timers VALUES ('counter/b', 'close', '2026-01-19', '{"type": "Seal"}'),
                                               ('seal/c', 'close', '2026-01-19', '{"type": "Close", "counter": "c"}')"""
        async with stage.sql(service.name) as sql:
            await sql.execute(unknown)
            await counter.kernel.writer.submit("counter/a", closing(date(2026, 1, 20)), context())
            await until(lambda: is_closed(counter.kernel.writer))
            await until(lambda: sql.fetchval("SELECT array_agg(stream ORDER BY stream) = '{counter/b,seal/c}' FROM timers"))
        assert await counter.ready() == []


async def test_a_refusal_is_forgotten_after_90_days_and_an_acceptance_never(stage: Stage, service: Service) -> None:
    clock = Day("2026-01-06T00:00:00+00:00")
    async with stage.serving(service, clock) as counter:
        writer = counter.kernel.writer
        await writer.submit("counter/a", Add(counter="a", amount=1), context("accepted"))
        refused = await writer.submit("counter/a", Take(counter="a", amount=5), context("refused"))
        await writer.submit("counter/a", Add(counter="a", amount=9), context())
        clock.instant = Day("2026-04-05T00:00:00+00:00").instant  # 89 days later
        assert await writer.submit("counter/a", Take(counter="a", amount=5), context("refused")) == refused
        clock.instant = Day("2026-04-07T00:00:00+00:00").instant
        async with stage.sql(service.name) as sql:
            await until(lambda: sql.fetchval("SELECT count(*) = 2 FROM outcomes"))
        assert isinstance(await writer.submit("counter/a", Take(counter="a", amount=5), context("refused")), Accepted)
        await writer.submit("counter/a", Add(counter="a", amount=1), context("accepted"))
        assert (await writer.state("counter/a"))[1] == 3


async def days(stage: Stage, service: Service) -> list[date]:
    """For which timers are set."""
    async with stage.sql(service.name) as sql:
        return [row["due"] for row in await sql.fetch("SELECT due FROM timers ORDER BY due")]


async def is_at_rest(stage: Stage, service: Service, timers: int) -> bool:
    """Whether so many timers are left."""
    return len(await days(stage, service)) == timers


async def nothing_due(stage: Stage, service: Service) -> bool:
    return await days(stage, service) == []
