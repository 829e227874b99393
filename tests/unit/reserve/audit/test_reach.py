"""What came late into the log: listed where its service has said that the log did not take it, and else a failure."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.stories.late import NOON, Late


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
