"""Who has every key of the reserve, the log's among them, and tells another history: found by what was kept from before."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from reserve.audit.anchors import Anchor
from reserve.audit.history import audit
from services.ledger.receipt import verify_receipt
from shared.proofs.checkpoint import open_checkpoint
from shared.proofs.fork import ForkProof, NoFork, consistency, prove_fork
from shared.proofs.merkle import hash_leaf, root_of
from tests.stories.audit import Step, Story, Told, changed, draw, failures, stock, told


def kept(history: Told, place: int = -1) -> Anchor:
    """A checkpoint that an auditor has from it."""
    return Anchor("state", history.signed[place].note)


def retold(story: Story) -> Story:
    """With another origin of a lot, long ago. Every hash, proof and signature of it is made anew."""
    changed(story, "lot", origin="elsewhere")
    return story


@pytest.fixture
def true(tmp_path: Path) -> Told:
    return Told(told(), tmp_path)


async def test_what_goes_on_from_what_was_seen_holds_and_is_anchored(true: Told) -> None:
    report = await true.audited(kept(true, 0), kept(true))
    assert failures(report) == {}
    assert (report.ok, report.anchored, report.fork) == (True, True, None)


async def test_without_anything_from_before_it_holds_and_says_that_nobody_has_seen_it(true: Told) -> None:
    report = await true.audited()
    assert (report.ok, report.anchored) == (True, False)


async def test_a_history_that_is_rewritten_and_signed_again_is_found_by_what_was_kept_alone(true: Told, tmp_path: Path) -> None:
    other = Told(retold(told()), tmp_path)  # by the same key
    assert (await other.audited()).ok
    report = await other.audited(kept(true))
    assert failures(report) == {"anchors": ["state"]}
    assert report.fork is not None


async def test_a_fork_that_was_found_proves_itself_to_who_has_nothing_but_the_logs_key(true: Told, tmp_path: Path) -> None:
    other = Told(retold(told() | {"later": stock(draw(10, 20, draw="drw_3")), "signed_later": Step()}), tmp_path)
    fork = (await other.audited(kept(true))).fork
    assert fork is not None
    file = msgspec.json.encode(fork)
    seen, served = prove_fork(msgspec.json.decode(file, type=ForkProof), [true.log_key])
    assert (seen, served) == tuple(open_checkpoint(each.note, [true.log_key]).head for each in (true.signed[-1], other.signed[-1]))
    assert seen.size < served.size


async def test_nobody_proves_a_fork_of_a_log_that_goes_on(true: Told, tmp_path: Path) -> None:
    goes_on = Told(told() | {"later": stock(draw(10, 20, draw="drw_3")), "signed_later": Step()}, tmp_path)
    size = len(goes_on.tree)
    shown = await goes_on.consistency(len(true.tree), size)
    assert shown is not None
    with pytest.raises(NoFork, match="goes on from"):
        prove_fork(ForkProof(true.signed[-1].note, goes_on.signed[-1].note, shown), [true.log_key])
    other = open_checkpoint(true.signed[0].note, [true.log_key]).head
    made_up = consistency(msgspec.structs.replace(other, size=len(true.tree)), size, ())
    with pytest.raises(NoFork, match="not shown"):
        prove_fork(ForkProof(true.signed[-1].note, goes_on.signed[-1].note, made_up), [true.log_key])


async def test_a_log_whose_tail_was_dropped_is_smaller_than_what_was_seen(tmp_path: Path) -> None:
    seen = Told(told() | {"later": stock(draw(10, 20, draw="drw_3")), "signed_later": Step()}, tmp_path)
    rolled_back = Told(told(), tmp_path)
    assert (await rolled_back.audited()).ok
    report = await rolled_back.audited(kept(seen))
    assert failures(report) == {"anchors": ["state"]}
    assert not report.anchored


async def test_another_log_is_not_the_one_that_was_seen(true: Told, tmp_path: Path) -> None:
    another = Told(told(), tmp_path / "another")
    report = await another.audited(kept(true))
    assert failures(report) == {"anchors": ["state"]}


async def test_nor_is_one_that_begins_anew_where_the_key_of_the_old_one_is_pinned_too(true: Told, tmp_path: Path) -> None:
    """A new history would begin with what it knows of the old one."""
    another = Told(told(), tmp_path / "another")
    report = await audit(another, [another.log_key, true.log_key], [kept(true)])
    assert failures(report) == {"histories": [f"the log {true.log_key.name}"], "anchors": ["state"]}
    [_, what] = [failure.what for result in report.checks for failure in result.failures]
    assert what == f"{true.log_key.name} had {len(true.tree)} leaves, and no such log is served"


def receipts(history: Told, *steps: str) -> Sequence[Anchor]:
    return [_anchor(history, step, history.receipt(step)) for step in steps]


def _anchor(history: Told, step: str, text: str) -> Anchor:
    receipt = verify_receipt(text, [history.log_key])
    return Anchor(step, receipt.note, (receipt.index, receipt.opening.leaf))


async def test_partners_receipts_stand_in_the_log_that_they_are_of(true: Told) -> None:
    report = await true.audited(*receipts(true, "draw", "release_jp"))
    assert (report.ok, report.anchored) == (True, True)


async def test_a_receipt_of_an_event_that_was_never_logged_is_found(true: Told, tmp_path: Path) -> None:
    """The key signed a tree of its own for the partner: their receipt verifies, and stands in no log."""
    story = told() | {"never": stock(draw(10, 20, draw="drw_3")), "signed_later": Step()}
    for_the_partner = Told(story, tmp_path)
    goes_on = Told(told() | {"other": stock(draw(11, 20, draw="drw_4")), "signed_later": Step()}, tmp_path)
    report = await goes_on.audited(*receipts(for_the_partner, "never"))
    assert failures(report)["anchors"] == ["never", "never"]  # its leaf is another event, and its tree another tree
    assert report.fork is not None


async def test_a_receipt_of_a_place_that_is_left_out_is_found(true: Told, tmp_path: Path) -> None:
    without = told()
    del without["dispatch"]
    other = Told(without, tmp_path)
    assert root_of(map(hash_leaf, other.tree)) != root_of(map(hash_leaf, true.tree))
    assert "anchors" in failures(await other.audited(*receipts(true, "dispatch")))
