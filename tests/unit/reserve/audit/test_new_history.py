"""The audit of a deployment that was restored as a whole: a new history goes on from the old one, and says what of it is lost."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from reserve.audit.anchors import Anchor
from reserve.audit.evidence import LogOfHistory
from reserve.audit.history import audit
from reserve.audit.report import Report
from shared.proofs.checkpoint import open_checkpoint
from shared.proofs.fork import Consistency, prove_fork
from shared.proofs.history import Before, read_commitment
from tests.stories.audit import DAY_AFTER, Step, Told, changed, failures, shown_of, told
from tests.stories.restored import Restored, another_product, leaves_in
from tests.stories.vouching import GENEVA, POLICY, TOKYO


@pytest.fixture
def history(tmp_path: Path) -> Restored:
    return Restored(tmp_path)


def listed(report: Report) -> str:
    return "; ".join(each.what for result in report.checks for each in result.listed if result.check == "histories")


def why(report: Report) -> str:
    return "; ".join(failure.what for result in report.checks for failure in result.failures)


async def test_a_new_history_holds_and_the_audit_says_where_it_begins(history: Restored) -> None:
    history.begin_history(history.marked)
    history.go_on()
    assert history.places["new"].startswith("inventory~2/0/")
    report = await history.audited()
    assert failures(report) == {} and (report.ok, report.anchored) == (True, False)
    assert "all of which are in the next one" in listed(report)
    report = await history.audited(Anchor("state", history.early), history.of_receipt(history.early_receipt))
    assert failures(report) == {} and report.anchored


@pytest.mark.parametrize("tiles", [True, False])
async def test_what_had_been_signed_beyond_the_cut_is_counted_and_is_no_fork(history: Restored, tiles: bool) -> None:
    kept, known = leaves_in(history.early, history.old_key), leaves_in(history.late, history.old_key)
    history.begin_history(history.marked, known=history.late, tiles=tiles)
    history.go_on()
    report = await history.audited()
    assert failures(report) == {}
    assert f"it ended with {known} leaves, of which the next history has {kept}: {known - kept} that it had signed are lost" in listed(
        report
    )
    assert ("nothing shows the lost leaves" in listed(report)) == (not tiles)


@pytest.mark.parametrize("shown", [True, False])
async def test_who_has_seen_more_of_the_old_log_is_told_how_much_of_it_is_lost(history: Restored, shown: bool) -> None:
    """Whether or not the operator knows of it: it is neither passed over nor called a fork."""
    kept, middle = leaves_in(history.early, history.old_key), leaves_in(history.middle, history.old_key)
    history.begin_history(history.marked, known=history.late if shown else None)
    history.go_on()
    report = await history.audited(Anchor("state", history.middle))
    assert failures(report) == {"anchors": ["state"]}
    assert f"a new history begins after {kept} of its leaves: {middle - kept} that were signed when it was kept are lost" in why(report)
    assert report.fork is None
    report = await history.audited(history.of_receipt(history.late_receipt))
    assert failures(report) == {"anchors": ["receipt"]} and report.fork is None


async def test_who_pins_the_old_key_alone_is_told_of_the_new_one(history: Restored) -> None:
    history.begin_history(history.marked)
    history.go_on()
    new_key = str(history.log_key)
    report = await audit(history, [history.old_key])
    assert (not report.ok and f"under a key that is not pinned: {new_key}" in why(report)) or "histories" in failures(report)


async def test_the_old_logs_key_is_known_by_the_new_ones_commitment(history: Restored) -> None:
    history.begin_history(history.marked)
    history.go_on()
    history.old_key = history.log_key
    assert failures(await history.audited()) == {}


@pytest.mark.parametrize("what", ["more is kept", "another end of a line", "another old log", "a checkpoint of nobody's"])
async def test_a_commitment_to_something_else_is_found(history: Restored, what: str) -> None:
    kept = leaves_in(history.early, history.old_key)
    before = Before(history=1, key=str(history.old_key), kept=kept, kept_checkpoint=history.early, checkpoint=history.late)
    changes = {
        "more is kept": {"before": replace(before, kept=kept + 1)},
        "another end of a line": {"ends": {"inventory/0": 1}},
        "another old log": {"before": replace(before, key=str(history.old_key).replace("+", "0+", 1))},
        "a checkpoint of nobody's": {"before": replace(before, checkpoint=history.late.replace("ledger", "ledgers"))},
    }[what]
    history.begin_history(history.marked, known=history.late, **changes)
    history.go_on()
    report = await history.audited()
    assert (not report.ok and "histories" in failures(report)) or "leaves_have_events" in failures(report)


async def test_a_commitment_that_calls_the_history_before_it_by_another_number_is_found(history: Restored) -> None:
    kept = leaves_in(history.early, history.old_key)
    said = Before(history=7, key=str(history.old_key), kept=kept, kept_checkpoint=history.early, checkpoint=history.early)
    history.begin_history(history.marked, before=said)
    history.go_on()
    report = await history.audited()
    assert failures(report) == {"histories": ["history 2"]}
    assert f"it goes on from history 7 under {history.old_key}, and what is served before it is history 1 under" in why(report)


async def test_a_number_that_was_passed_over_is_listed(history: Restored) -> None:
    """Whoever began history 2, and was rid of it, begins history 3 from the same backup."""
    history.begin_history(history.marked, skips=1)
    history.go_on()
    report = await history.audited()
    assert report.ok and "it comes after history 1: what was signed of any between the two is lost" in listed(report)


async def test_who_is_shown_no_log_finds_so(history: Restored, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing in it, nothing is wrong with it."""

    async def none() -> list[LogOfHistory]:
        return []

    monkeypatch.setattr(history, "histories", none)
    report = await audit(history, [history.log_key])
    assert "the log" in failures(report)["histories"]


async def test_an_old_history_that_is_kept_back_is_missed(history: Restored) -> None:
    """What is left of it says that it begins with nothing, or goes on from what nobody is shown."""
    history.begin_history(history.marked)
    history.go_on()
    history.ended.clear()
    report = await history.audited()
    assert "what is served before it is no log" in why(report) and "its key is pinned, and it is not served" in why(report)


async def test_an_old_history_that_is_told_under_another_key_than_the_pinned_one_is_found(history: Restored, tmp_path: Path) -> None:
    """Whoever has kept nothing but the true key is shown a log of the same events under one of the operator's making."""
    retold = Restored(tmp_path / "retold")
    retold.begin_history(retold.marked)
    retold.go_on()
    report = await audit(retold, [retold.log_key, history.old_key])
    assert failures(report) == {"histories": [f"the log {history.old_key.name}"]}
    assert "its key is pinned, and it is not served: what was signed with" in why(report)


async def test_the_checkpoints_of_each_log_are_held_against_its_own_leaves(history: Restored) -> None:
    history.begin_history(history.marked)
    history.seal("new", another_product("bismuth"))
    history.sign("of another root", root=bytes(32))
    history.seal("newer", another_product("tellurium"))
    history.sign("covers too little", covers={"inventory/0": 1})
    history.seal("newest", another_product("indium"))
    history.seal("newest_signed", Step())
    found = {"roots": [history.places["of another root"]], "covered": [history.places["covers too little"]]}
    assert failures(await history.audited()) == found


async def test_witnesses_times_are_of_the_log_that_they_have_seen(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    first_moment = datetime(DAY_AFTER.year, DAY_AFTER.month, DAY_AFTER.day, tzinfo=UTC)
    history.witness("of the old log", TOKYO, GENEVA, at=int(first_moment.timestamp()) - 59)
    history.begin_history(history.mark())
    history.seal("new", another_product("bismuth"))
    history.seal("new_signed", Step())
    history.witness("of the new log, before there was any", TOKYO, GENEVA, at=int(first_moment.timestamp()) - 61)
    report = await history.audited(policies=[POLICY])
    assert failures(report) == {"witnessed_times": [history.places["new"]]}
    assert report.witnessed == len(history.tree)


async def test_nothing_of_a_new_history_is_dated_back_to_before_the_old_log_was_seen_last(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    first_moment = datetime(DAY_AFTER.year, DAY_AFTER.month, DAY_AFTER.day, tzinfo=UTC)
    history.witness("of the old log", TOKYO, GENEVA, at=int(first_moment.timestamp()) + 3600)
    history.begin_history(history.mark())
    history.seal("new", another_product("bismuth"))
    history.seal("new_signed", Step())
    history.witness("of the new log", TOKYO, GENEVA, at=int(first_moment.timestamp()) + 7200)
    [times] = [result for result in (await history.audited(policies=[POLICY])).checks if result.check == "witnessed_times"]
    story, new = times.listed
    assert ("before witnesses first saw" in story.what, new.place, "it came late" in new.what) == (True, history.places["new"], True)


async def test_another_first_leaf_than_the_deployment_says_is_found(history: Restored) -> None:
    """It tells the auditor of nothing that is lost; its log commits to what is."""
    history.begin_history(history.marked, known=history.late)
    history.go_on()
    assert history.commitment is not None
    signed = read_commitment(history.commitment.encode())
    nothing_lost = replace(signed.before, checkpoint=signed.before.kept_checkpoint)
    history.commitment = replace(signed, before=nothing_lost).leaf.decode()
    assert failures(await history.audited()) == {"histories": ["history 2"]}


async def test_an_event_of_the_old_history_where_the_new_one_goes_on_is_found(history: Restored) -> None:
    """Told as if it had been there before: its hash says its history."""
    history.begin_history(history.marked)
    history.go_on()
    history.change("new", history=1)
    found = failures(await history.audited())
    assert "event_hashes" in found and "histories" in found


async def test_an_old_history_that_is_told_otherwise_with_a_new_one_after_it_is_a_fork_under_the_old_key(
    history: Restored, tmp_path: Path
) -> None:
    """A new history is no way out of what was signed."""
    story = told()
    changed(story, "lot", origin="elsewhere")
    other = Restored(tmp_path, story)
    other.begin_history(other.marked)
    other.go_on()
    assert (await other.audited()).ok
    report = await other.audited(Anchor("state", history.early))
    assert failures(report) == {"anchors": ["state"]}
    assert report.fork is not None
    seen, served = prove_fork(report.fork, [history.old_key])
    assert seen.size == served.size and seen != served


@pytest.fixture
def rewritten(history: Restored, tmp_path: Path) -> Restored:
    """By who has the old log's key, below what a new history keeps; what it commits to is what others hold, and its tiles are gone."""
    story = told()
    changed(story, "lot", origin="elsewhere")
    other = Restored(tmp_path, story)
    other.begin_history(other.marked, known=history.late, tiles=False)
    other.go_on()
    return other


async def test_what_is_rewritten_below_what_is_kept_passes_for_a_loss_only_to_who_kept_nothing_of_before(
    history: Restored, rewritten: Restored
) -> None:
    """To them it is said that nothing shows more than that."""
    assert (await rewritten.audited()).ok
    report = await rewritten.audited(Anchor("late", history.late))
    assert failures(report) == {"anchors": ["late"]} and report.fork is None
    kept = leaves_in(rewritten.early, history.old_key)
    assert f"are lost, and nothing shows that the {kept} which are kept are those that it was signed over" in why(report)


async def test_what_is_rewritten_below_what_is_kept_is_a_fork_to_who_kept_every_checkpoint(history: Restored, rewritten: Restored) -> None:
    early = [Anchor(f"early {number}", signed.note) for number, signed in enumerate(history.signed[:-2])]
    report = await rewritten.audited(*early, Anchor("late", history.late))
    assert {early[-1].name, "late"} <= set(failures(report)["anchors"])
    assert report.fork is not None
    seen, served = prove_fork(report.fork, [history.old_key])
    assert seen in [open_checkpoint(each.note, [history.old_key]).head for each in early]
    assert served == open_checkpoint(rewritten.early, [history.old_key]).head


async def test_how_far_the_kept_leaves_are_as_they_were_seen_is_said_where_nothing_shows_the_lost_ones(history: Restored) -> None:
    """An honest operator, whose tiles are gone: less than all is lost, and no more is said than that."""
    first = leaves_in(history.signed[0].note, history.old_key)
    history.begin_history(history.marked, known=history.late, tiles=False)
    history.go_on()
    report = await history.audited(Anchor("first", history.signed[0].note), Anchor("late", history.late))
    assert failures(report) == {"anchors": ["late"]} and report.fork is None
    assert f"that it was signed over (the first {first} are as they were seen)" in why(report)


async def test_tiles_that_show_another_tree_than_was_seen_of_what_is_lost_prove_a_fork(history: Restored, tmp_path: Path) -> None:
    story = told()
    changed(story, "lot", origin="elsewhere")
    other = Restored(tmp_path, story)
    other.begin_history(other.marked, known=other.late)
    other.go_on()
    report = await other.audited(Anchor("late", history.late))
    assert failures(report) == {"anchors": ["late"]} and "what is shown of them is of another tree" in why(report)
    assert report.fork is not None
    assert prove_fork(report.fork, [history.old_key])[0] == open_checkpoint(history.late, [history.old_key]).head


async def test_tiles_that_show_what_was_seen_prove_that_the_kept_leaves_are_others(
    history: Restored, rewritten: Restored, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = list(history.tree)

    async def shown(old_size: int, size: int, history: int | None = None) -> Consistency | None:
        return shown_of(true, old_size, size)

    monkeypatch.setattr(rewritten, "consistency", shown)
    report = await rewritten.audited(Anchor("late", history.late))
    assert "which a new history has kept, are others" in why(report)
    assert report.fork is not None
    assert prove_fork(report.fork, [history.old_key])[0] == open_checkpoint(rewritten.early, [history.old_key]).head
