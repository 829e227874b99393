"""What came late into the log: listed where its service has said that the log did not take it, and else a failure."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reserve.audit.report import Report
from services.inventory import events as inventory
from shared.clock import written
from shared.terms.reach import STREAM
from tests.stories.audit import Step, Told, draw, failures, stock, told
from tests.stories.vouching import GENEVA, POLICY, TOKYO

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)  # after the story


def at(minute: float) -> str:
    return written(NOON + timedelta(minutes=minute))


class Late:
    """A history that is witnessed at noon, and what comes after it. `reporting`: its inventory says from the first on what is reached."""

    def __init__(self, folder: Path, *, reporting: bool = True) -> None:
        self.history = Told(told(), folder)
        if reporting:
            self.says("begun", 0, reached=True)
        self.witnessed(0)

    def witnessed(self, minute: float) -> None:
        self.history.seal(f"signed at {minute}", Step())
        moment = NOON + timedelta(minutes=minute)
        self.history.witness(f"witnessed at {minute}", TOKYO, GENEVA, at=int(moment.timestamp()))

    def drawn(self, name: str, minute: float, shard: int = 1) -> None:
        step = stock(draw(10, 20, draw=f"drw_{name}"))
        self.history.seal(name, Step(event=step.event, stream=f"stockpile/{name}", shard=shard, at=at(minute)))

    def says(self, name: str, minute: float, **said: Any) -> None:
        self.history.seal(name, Step(event=inventory.LogReachReported(**said), stream=STREAM, at=at(minute)))

    def cut_off(self, name: str, minute: float, since: float) -> None:
        self.says(name, minute, reached=False, since=NOON + timedelta(minutes=since), after={"0": self.head(0), "1": self.head(1)})

    def reached(self, name: str, minute: float, since: float, after: dict[str, int]) -> None:
        until = {"0": self.head(0), "1": self.head(1)}
        self.says(name, minute, reached=True, since=NOON + timedelta(minutes=since), after=after, until=until)

    def head(self, shard: int) -> int:
        return len(self.history.journals["inventory", shard])

    async def found(self) -> tuple[list[str], list[tuple[str, str]]]:
        """The places that fail, and those that are listed, with what is said of them."""
        report: Report = await self.history.audited(policies=[POLICY])
        [times] = [result for result in report.checks if result.check == "witnessed_times"]
        assert times.failed == len(failures(report).get("witnessed_times", ()))
        return [each.place for each in times.failures], [(each.place, each.what) for each in times.listed]


@pytest.fixture
def late(tmp_path: Path) -> Late:
    return Late(tmp_path)


async def test_what_came_late_without_a_word_of_its_service_fails(late: Late) -> None:
    late.witnessed(10)
    late.drawn("silent", 5)
    late.witnessed(11)
    place = late.history.places["silent"]
    failed, [(listed, what)] = await late.found()
    assert (failed, listed) == ([], place) and "may be to come" in what  # as of now
    late.witnessed(13)
    assert await late.found() == ([place], [])


async def test_what_a_build_recorded_that_said_nothing_is_listed(tmp_path: Path) -> None:
    late = Late(tmp_path, reporting=False)
    late.witnessed(10)
    late.drawn("before", 5)
    late.says("begun", 10, reached=True)
    late.witnessed(11)
    late.witnessed(13)
    failed, [(place, _)] = await late.found()
    assert (failed, place) == ([], late.history.places["before"])


async def test_what_came_late_is_listed_with_what_its_service_said_once_the_log_took_it(late: Late) -> None:
    """All of the service was cut off: what it said while it was is late itself, and proves nothing."""
    after = {"0": late.head(0), "1": late.head(1)}
    late.witnessed(3)
    late.drawn("first", 1)
    late.cut_off("cut_off", 1.6, since=1)
    late.drawn("second", 9)
    late.witnessed(10)
    late.drawn("third", 8.5, shard=0)
    late.reached("reached", 10, 1, after)
    late.witnessed(10.5)
    late.drawn("later", 12)
    late.witnessed(13)
    failed, listed = await late.found()
    assert failed == []
    places = [late.history.places[name] for name in ("first", "cut_off", "third")]
    assert [place for place, _ in listed] == places
    assert all(late.history.places["reached"] in what for _, what in listed)


async def test_what_came_late_of_one_shard_is_listed_with_what_was_witnessed_while_it_lasted(late: Late) -> None:
    late.witnessed(1)
    late.cut_off("cut_off", 2, since=1.5)
    late.witnessed(2.1)
    late.witnessed(9)
    late.drawn("stuck", 3)
    late.witnessed(10)
    late.witnessed(12)
    failed, [(still_open, _), (place, what)] = await late.found()
    assert (failed, still_open) == ([], late.history.places["cut_off"])
    assert place == late.history.places["stuck"] and late.history.places["cut_off"] in what


async def test_an_incident_that_came_late_itself_speaks_for_nothing(late: Late) -> None:
    late.witnessed(10)
    late.cut_off("cut_off", 2, since=1)
    late.drawn("first", 3)
    late.witnessed(11)
    late.witnessed(13)
    assert (await late.found())[0] == [late.history.places[name] for name in ("cut_off", "first")]


async def test_nothing_is_dated_back_to_before_what_others_have_seen_of_its_service(late: Late) -> None:
    """Who holds every key dates a draw back by an hour, and has the service say that it was cut off: it was seen at work meanwhile."""
    late.witnessed(1)
    late.drawn("at_work", 58, shard=0)
    late.witnessed(58)
    after = {"0": late.head(0), "1": late.head(1)}
    late.drawn("dated_back", 2)
    late.cut_off("cut_off", 60, since=2)
    late.reached("reached", 60.1, 2, after)
    late.witnessed(60.2)
    late.witnessed(62)
    assert (await late.found())[0] == [late.history.places["dated_back"]]


async def test_an_incident_speaks_for_nothing_that_was_recorded_before_or_after_it(late: Late) -> None:
    late.witnessed(2)
    late.drawn("before", 0.1)
    late.witnessed(2.1)
    late.cut_off("cut_off", 3, since=2.5)
    late.reached("reached", 4, 2.5, {"0": late.head(0), "1": late.head(1)})
    late.witnessed(4.1)
    late.witnessed(10)
    late.drawn("after", 4.5)
    late.witnessed(11)
    late.witnessed(13)
    assert (await late.found())[0] == [late.history.places[name] for name in ("before", "after")]


async def test_an_incident_that_nobody_ends_is_listed_with_its_age_until_it_is_ended(late: Late) -> None:
    after = {"0": late.head(0), "1": late.head(1)}
    late.cut_off("cut_off", 2, since=1.5)
    late.witnessed(2.1)
    late.drawn("later", 91.5)
    late.witnessed(91.5)
    failed, listed = await late.found()
    since = (NOON + timedelta(minutes=1.5)).isoformat()
    what = f"the log does not take all of inventory since {since}, as it says, and nobody has ended that 5400 s later"
    assert (failed, listed) == ([], [(late.history.places["cut_off"], what)])
    [times] = [result for result in (await late.history.audited()).checks if result.check == "witnessed_times"]
    assert [each.place for each in times.listed] == [late.history.places["cut_off"]], "also where no witness is pinned"
    late.reached("reached", 92, 1.5, after)
    late.witnessed(92.1)
    assert await late.found() == ([], [])
