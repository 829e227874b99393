"""What witnesses vouch for is looked at with the pinned policy: the log cannot say it for them."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from reserve.audit.anchors import Anchor
from reserve.audit.report import Report
from services.inventory import events as inventory
from shared.proofs.policy import parse_policy
from tests.stories.audit import ANTIMONY, TODAY, Step, Told, before, changed, failures, stock, told
from tests.stories.vouching import GENEVA, NOBODY, POLICY, TOKYO


@pytest.fixture
def true(tmp_path: Path) -> Told:
    return Told(told(), tmp_path)


def verdict(report: Report) -> tuple[dict[str, list[str]], bool, int]:
    return failures(report), report.anchored, report.witnessed


async def test_what_pinned_witnesses_vouch_for_is_anchored_for_who_has_kept_nothing(true: Told) -> None:
    true.witness("witnessed", TOKYO, GENEVA)
    true.witness("a minute later", TOKYO, GENEVA, at=1_790_000_060)
    report = await true.audited(policies=[POLICY])
    assert verdict(report) == ({}, True, len(true.tree))
    assert report.witnessed_at == datetime.fromtimestamp(1_790_000_060, UTC)
    assert verdict(await true.audited()) == ({}, False, 0)


async def test_too_few_or_others_vouch_for_nothing(true: Told) -> None:
    true.witness("by_one", TOKYO)
    true.witness("by_a_stranger", TOKYO, NOBODY)
    places = [true.places["by_one"], true.places["by_a_stranger"]]
    assert verdict(await true.audited(policies=[POLICY])) == ({"witnessed": places}, False, 0)


async def test_a_history_that_nobody_has_witnessed_is_not_anchored(true: Told) -> None:
    assert verdict(await true.audited(policies=[POLICY])) == ({}, False, 0)


async def test_a_history_that_is_rewritten_and_signed_again_has_no_witnesses(true: Told, tmp_path: Path) -> None:
    """By who has the log's key, and shows what was cosigned of the true one."""
    true.witness("witnessed", TOKYO, GENEVA)
    story = told()
    changed(story, "lot", origin="elsewhere")
    other = Told(story, tmp_path)
    other.signed.append(true.signed[-1])
    other.witness("witnessed", TOKYO, GENEVA)
    other.signed.pop()
    assert verdict(await other.audited(policies=[POLICY]))[0] == {"witnessed": [other.places["witnessed"]]}


async def test_what_is_witnessed_is_what_the_event_says_and_never_less_than_before(true: Told) -> None:
    true.witness("of_another_root", TOKYO, GENEVA, root="00" * 32)
    true.witness("of_more", TOKYO, GENEVA, covers={"inventory/0": 99})
    true.witness("witnessed", TOKYO, GENEVA)
    true.signed.append(true.signed[0])
    true.witness("of_less", TOKYO, GENEVA)
    places = [true.places[name] for name in ("of_another_root", "of_more", "of_less")]
    assert failures(await true.audited(policies=[POLICY])) == {"witnessed": places}


async def test_no_checkpoint_was_witnessed_before_one_that_came_before_it(true: Told) -> None:
    """A second by which clocks differ is nothing: the witnesses that are enough are not always the same."""
    true.witness("first", TOKYO, GENEVA)
    true.witness("by another clock", TOKYO, GENEVA, at=1_790_000_000 - 60)
    true.witness("goes back", TOKYO, GENEVA, at=1_790_000_000 - 61)
    assert failures(await true.audited(policies=[POLICY])) == {"witnessed": [true.places["goes back"]]}


async def test_a_checkpoint_with_lines_that_no_log_of_ours_writes_is_found_wherever_it_is(true: Told, tmp_path: Path) -> None:
    """So the log's key tells one that it shows to JP from one that it shows to US."""
    true.seal("more", stock(needs_witnesses().event, TODAY))
    true.sign("signed", further=("for JP alone",))
    true.witness("witnessed", TOKYO, GENEVA)
    kept = Anchor("state", true.signed[-1].note)
    found = failures(await true.audited(kept, policies=[POLICY]))
    signed = [true.places["signed"], "the served checkpoint"]
    assert (sorted(found["signatures"]), found["witnessed"], found["anchors"]) == (sorted(signed), [true.places["witnessed"]], ["state"])


async def test_witnesses_of_what_lies_beyond_the_served_checkpoint_vouch_for_nothing_before_it(tmp_path: Path) -> None:
    """An auditor is shown a log of their own, with the checkpoints of the true one after its end."""
    true, story = Told(told(), tmp_path), told()
    changed(story, "lot", origin="elsewhere")
    other = Told(story, tmp_path)
    true.seal("more", stock(needs_witnesses().event, TODAY))
    true.seal("more_signed", Step())
    other.has_signed("of the true log", true.signed[-1])
    other.witness("witnessed", TOKYO, GENEVA)
    other.signed.pop()  # what is served is the one before
    report = await other.audited(policies=[POLICY])
    assert verdict(report) == ({}, False, 0)
    [listed] = [each.what for result in report.checks for each in result.listed if result.check == "witnessed"]
    assert f"{len(true.tree)} leaves were witnessed" in listed and f"{len(other.tree)} are looked at" in listed


def needs_witnesses() -> Step:
    return stock(inventory.ReceiptGradeSet(product=ANTIMONY, grade="witnessed", reason="of what neighbours watch"))


async def test_goods_that_left_on_a_signed_receipt_where_a_witnessed_one_is_needed_are_found(tmp_path: Path) -> None:
    history = Told(before(told(), "dispatch", needs=needs_witnesses()), tmp_path)
    assert failures(await history.audited())["dispatches"] == [history.places["dispatch"]]


def second(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


async def test_what_was_recorded_later_than_it_was_witnessed_is_found(true: Told) -> None:
    """Somebody has put a time of their choice into an event, and everything else is right."""
    true.witness("witnessed", TOKYO, GENEVA, at=second(TODAY) - 61)
    late = failures(await true.audited(policies=[POLICY]))
    assert list(late) == ["witnessed_times"]
    assert true.places["draw"] in late["witnessed_times"] and true.places["instrument"] not in late["witnessed_times"]
    assert failures(await true.audited()) == {}


async def test_of_several_policies_any_is_enough_since_witnesses_come_and_go(true: Told) -> None:
    true.witness("of_before", NOBODY)
    true.witness("of_now", TOKYO, GENEVA)
    before_that = parse_policy(f"witness nobody {NOBODY.key}\nquorum nobody\n")
    assert verdict(await true.audited(policies=[before_that, POLICY])) == ({}, True, len(true.tree))
    assert failures(await true.audited(policies=[POLICY])) == {"witnessed": [true.places["of_before"]]}
