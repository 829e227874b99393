"""What was recorded while no witness saw the log: listed with how long that was, and exit code 3 until an audit's state has said so."""

from pathlib import Path

import pytest

from reserve.audit.anchors import Anchor
from tests.stories.late import Late
from tests.stories.vouching import POLICY

WEEK = 7 * 24 * 60


@pytest.fixture
def late(tmp_path: Path) -> Late:
    return Late(tmp_path)


async def unchecked(late: Late, *anchors: Anchor) -> int:
    report = await late.history.audited(*anchors, policies=[POLICY])
    return report.unchecked


async def test_what_is_dated_back_within_a_week_without_a_witnessed_checkpoint_is_listed_with_the_gap(late: Late) -> None:
    """Nothing is published for a week, or what was published is left out of the ledger's journal."""
    late.drawn("dated_back", 10)
    late.drawn("as_it_was", WEEK - 1.5, shard=0)
    late.witnessed(WEEK)
    late.witnessed(WEEK + 5)
    failed, [(place, what)] = await late.found()
    assert (failed, place, await unchecked(late)) == ([], late.history.places["dated_back"], 1)
    assert "no witness saw the log from 2026-02-01T12:00:00+00:00 to 2026-02-08T12:00:00+00:00: when 1 events" in what


async def test_a_gap_in_which_nothing_says_that_it_was_recorded_is_none(late: Late) -> None:
    """The machine was off."""
    late.drawn("as_it_was", WEEK - 1.5)
    late.witnessed(WEEK)
    assert (await late.found(), await unchecked(late)) == (([], []), 0)


async def test_the_longest_gap_is_listed_first_whatever_others_are_made_to_hide_it(late: Late) -> None:
    for number in range(120):
        late.drawn(f"short_{number}", 10 * number + 6)
        late.witnessed(10 * number + 10)
    late.drawn("dated_back", 1300)
    late.witnessed(WEEK)
    _, listed = await late.found()
    assert (listed[0][0], len(listed), await unchecked(late)) == (late.history.places["dated_back"], 100, 121)


async def test_what_a_service_said_of_its_being_cut_off_speaks_for_what_it_names_alone(late: Late) -> None:
    """The ledger was away for an hour: nothing was published, and the service said so."""
    late.drawn("before", 0.1)
    late.cut_off("cut_off", 1.6, since=1)
    after = {"0": late.head(0), "1": late.head(1)}
    late.drawn("first", 2)
    late.drawn("second", 30)
    late.reached("reached", 60, 1, after)
    late.witnessed(60.1)
    failed, listed = await late.found()
    assert (failed, [place for place, _ in listed]) == ([], [late.history.places["before"]])
    assert "of 3 their service says that it was cut off" in listed[0][1]  # that it said so is one of them
    assert await unchecked(late) == 1


async def test_an_audit_that_kept_what_it_saw_says_so_once(late: Late, tmp_path: Path) -> None:
    late.drawn("dated_back", 10)
    early = late.history.signed[-1].note
    late.witnessed(WEEK)
    kept, receipt = Anchor("state", late.history.signed[-1].note), late.history.receipt("dated_back")
    assert [await unchecked(late, Anchor("state", early)), await unchecked(late, kept)] == [1, 0]
    index = late.history.leaf_of("dated_back")
    of_receipt = Anchor("receipt", late.history.signed[-1].note, (index, late.history.tree[index]))
    assert await unchecked(late, of_receipt) == 1, f"whoever has {receipt} knows nothing of when"
