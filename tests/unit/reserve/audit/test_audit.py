"""The audit: a true history passes, and each way of tampering with it is found, named, and placed."""

from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from reserve.audit import hashes
from reserve.audit.report import KEPT_FAILURES, Check, Findings, Report
from services.allocation import events as allocation
from services.allocation.domain.decisions.decision import canonical_document, commitment
from services.allocation.domain.decisions.sealed import decision_hash, publish
from services.inventory import events as inventory
from shared.journal.record import canonical as canonical_event
from shared.terms.approval import key_id, public_key_hex
from tests.stories.audit import (
    ANTIMONY,
    APPROVER_KEY,
    DAY_AFTER,
    DECIDED,
    DECISION,
    LAST_DAY,
    ORDER,
    OTHER_KEY,
    TODAY,
    Step,
    Story,
    Told,
    approval,
    audited,
    before,
    book,
    changed,
    decided,
    dispatch,
    draw,
    failures,
    parcels,
    release,
    stock,
    told,
    unit,
)
from tests.stories.audit_material import told_with_material


def grants_first(story: Story) -> Story:
    """As earlier builds told it: what the round gives, and then that it is certified."""
    grants = {name: story.pop(name) for name in ("grant_jp", "grant_us")}
    return before(story, "certify", **grants)


def failed(report: Report) -> set[Check]:
    return {Check[result.check.upper()] for result in report.checks if result.failed}


# --- a true history


async def test_a_true_history_passes_and_every_check_has_looked_at_something(tmp_path: Path) -> None:
    report = await audited(tmp_path, told_with_material())
    assert failures(report) == {}
    assert report.ok
    assert [result.check for result in report.checks if not result.checked] == [
        "witnessed",
        "witnessed_times",
        "bids",
        "given_back",
        "policies",
        "consignees",
        "tallies",
        "anchors",
        "pinned_keys",
        "texts",
    ]  # they have files of their own


async def test_the_report_names_the_cut_that_was_audited(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    report = await history.audited()
    assert (report.cut.size, report.cut.root, report.cut.covers) == (len(history.tree), history.signed[-1].root, history.signed[-1].covers)
    assert report.events == len(history.tree) + len(history.signed)


async def test_where_nothing_has_happened_nothing_fails(tmp_path: Path) -> None:
    assert (await audited(tmp_path, {})).ok


async def test_events_and_no_checkpoint_at_all_is_a_failure(tmp_path: Path) -> None:
    story = {name: step for name, step in told().items() if name not in ("sign", "dispatch", "last_sign")}
    assert failures(await audited(tmp_path, story)) == {"covered": ["the served checkpoint"]}


async def test_a_system_that_moves_meanwhile_is_audited_as_of_its_last_checkpoint(tmp_path: Path) -> None:
    story = told() | {"late_draw": stock(draw(10, 20, draw="drw_3"))}
    report = await audited(tmp_path, story)
    assert failures(report) == {}
    assert report.cut.size == len(story) - 3  # two checkpoints are no leaves
    assert report.beyond == 1


async def test_a_round_that_gave_before_it_was_certified_as_in_earlier_builds_passes(tmp_path: Path) -> None:
    assert failures(await audited(tmp_path, grants_first(told()))) == {}


@pytest.mark.parametrize("later", [("certify", "grant_jp", "grant_us", "close"), ("grant_jp", "grant_us", "close"), ("certify", "close")])
@pytest.mark.parametrize("signed_last", [True, False])
async def test_a_release_of_which_the_ledger_had_not_taken_all_that_certified_it_is_looked_up(
    tmp_path: Path, later: tuple[str, ...], signed_last: bool
) -> None:
    story = told() if "grant_jp" in later else grants_first(told())
    taken_late = {name: story.pop(name) for name in later}
    sign = {"sign_late": Step()} if signed_last else {}
    assert failures(await audited(tmp_path, story | taken_late | sign)) == {}


async def test_a_cut_through_the_middle_of_a_rounds_releases_is_no_failure(tmp_path: Path) -> None:
    story = told()
    upto = list(story).index("release_us")
    assert failures(await audited(tmp_path, dict(list(story.items())[:upto]) | {"cut": Step()})) == {}


async def test_a_cut_through_the_middle_of_what_a_round_gives_is_no_failure(tmp_path: Path) -> None:
    story = before(told(), "grant_us", cut=Step())
    upto = list(story).index("release_jp")
    assert failures(await audited(tmp_path, dict(list(story.items())[:upto]))) == {}


async def test_a_balance_read_after_later_entries_passes_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    history = Told(told() | {"late_draw": stock(draw(10, 20, draw="drw_3"))}, tmp_path)
    assert (await history.audited()).ok
    key = next(key for key in history.accounts if key.account == "reserve/available")
    history.accounts[key] = replace(history.accounts[key], posted=history.accounts[key].posted - 1)
    assert failures(await history.audited()) == {"balances": ["title/antimony-metal/reserve/available"]}


# --- journals


async def test_a_changed_byte_is_found_by_its_hash(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    rows, index = history.rows_of("lot")
    history.change("lot", data=rows[index].data.replace(b"Fremantle", b"Fremantla"))
    report = await history.audited()
    assert failures(report)["event_hashes"] == [history.places["lot"]]


@pytest.mark.parametrize(
    "column", [{"actor": "sub_other"}, {"effective_on": "2026-01-05"}, {"causation_id": "x"}, {"command_id": "00"}, {"salt": "00" * 16}]
)
async def test_every_column_is_under_the_hash(tmp_path: Path, column: dict[str, str]) -> None:
    history = Told(told(), tmp_path)
    history.change("right", **column)
    assert failures(await history.audited())["event_hashes"] == [history.places["right"]]


async def test_hashes_that_are_not_hex_are_a_failure_not_a_crash(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    history.change("right", salt="zz", event_hash="zz", chain_hash="")
    assert {Check.EVENT_HASHES, Check.CHAINS, Check.EVENTS_IN_LOG} <= failed(await history.audited())


async def test_a_changed_event_with_its_hash_made_anew_breaks_the_chain_and_the_log(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    rows, index = history.rows_of("draw")
    history.change("draw", event_hash=sha256(rows[index].data).hexdigest())
    report = await history.audited()
    assert {*(Check.EVENT_HASHES, Check.CHAINS, Check.EVENTS_IN_LOG, Check.LEAVES_HAVE_EVENTS, Check.ENTRIES, Check.FORKS)} == failed(
        report
    )
    assert failures(report)["forks"] == [history.places["draw"]]
    assert failures(report)["leaves_have_events"] == [f"leaf {history.leaf_of('draw')}"]


async def test_a_missing_event_leaves_a_gap_and_a_leaf_without_event(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    rows, index = history.rows_of("right")
    del rows[index]
    found = failures(await history.audited())
    following = f"inventory/0/{index + 2}"
    assert found["positions"] == found["chains"] == found["streams"] == [following]
    assert found["leaves_have_events"] == [f"leaf {history.leaf_of('right')}"]


async def test_a_truncated_journal_does_not_reach_what_is_covered(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    rows, _ = history.rows_of("lapse")
    end = len(rows)
    del rows[-2:]
    found = failures(await history.audited())
    assert found["events_in_log"] == [f"inventory/0/{end}"]
    assert len(found["leaves_have_events"]) == 2
    assert found["forks"] == [f"inventory/0/{end - 1}"]


async def test_swapped_events_are_out_of_place(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    rows, index = history.rows_of("lot")
    rows[index], rows[index + 1] = rows[index + 1], rows[index]
    assert {Check.POSITIONS, Check.CHAINS, Check.STREAMS, Check.TIMES} <= failed(await history.audited())


async def test_a_partners_numbers_have_no_gap(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    history.change("draw", partner_seq=7)
    assert failures(await history.audited())["partner_sequences"][0] == history.places["draw"]


async def test_an_event_that_names_another_partner_than_its_record_is_found(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    history.change("draw", partner="US")
    assert failures(await history.audited())["shapes"] == [history.places["draw"]]


@pytest.mark.parametrize("data", [b"", b"{}", b"nonsense", b'{"type":"inventory.melted.v1"}'])
async def test_an_event_that_does_not_read_is_a_failure_not_a_crash(tmp_path: Path, data: bytes) -> None:
    history = Told(told(), tmp_path)
    history.change("draw", data=data)
    assert failures(await history.audited())["shapes"] == [history.places["draw"]]


@pytest.mark.parametrize("data", [b"[]", b"7", b"null", b'{"type":[]}', b'{"type":"inventory.lot_taken_in.v1"}'])
async def test_an_event_of_an_earlier_version_that_does_not_read_is_a_failure_not_a_crash(tmp_path: Path, data: bytes) -> None:
    history = Told(told(), tmp_path)
    history.change("lot", type="inventory.lot_taken_in.v1", data=data)
    assert failures(await history.audited())["shapes"] == [history.places["lot"]]


async def test_an_event_under_another_types_name_is_found(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    history.change("lot", type="inventory.right_added.v1")
    assert failures(await history.audited())["shapes"] == [history.places["lot"]]


# --- the log


async def test_a_journal_that_went_on_otherwise_after_it_was_restored_has_forked_where_it_did(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    rows, index = history.rows_of("weigh")
    for place in range(index, len(rows)):  # each with right hashes: the journal alone looks whole
        forged = replace(rows[place], salt="00" * 16)
        own = hashes.event_hash(forged)
        rows[place] = replace(forged, event_hash=own, chain_hash=hashes.chain_hash(rows[place - 1].chain_hash, own))
    found = failures(await history.audited())
    assert {"event_hashes", "chains"}.isdisjoint(found)
    assert found["forks"] == [history.places["weigh"]]


async def test_an_event_that_was_never_entered_has_no_leaf(tmp_path: Path) -> None:
    story = told()
    history = Told({name: story[name] for name in list(story)[:-1]}, tmp_path)
    del history.tree[-1], history.books[-1]
    history.sign("last_sign")  # the ledger left it out, and says that it covers it
    found = failures(await history.audited())
    assert found["events_in_log"] == [history.places["lapse"]]
    assert found["covered"] == [history.places["last_sign"]]


async def test_an_event_left_out_in_the_middle_has_no_leaf(tmp_path: Path) -> None:
    history = Told({name: step for name, step in told().items() if "sign" not in name and name != "dispatch"}, tmp_path)
    leaf = history.leaf_of("weigh")
    del history.tree[leaf], history.books[leaf]
    history.books[leaf:] = [replace(entry, leaf_index=entry.leaf_index - 1) for entry in history.books[leaf:]]
    history.sign("last_sign")
    found = failures(await history.audited())
    assert found["events_in_log"] == [history.places["weigh"]]
    assert "forks" not in found


async def test_an_extra_leaf_has_no_event(tmp_path: Path) -> None:
    history = Told({name: step for name, step in told().items() if name != "last_sign"}, tmp_path)
    history.tree.append(b"x" * 32)
    history.sign("last_sign")
    found = failures(await history.audited())
    assert found["leaves_have_events"] == found["entries"] == [f"leaf {len(history.tree) - 1}"]


async def test_a_log_cut_short_is_found(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    del history.tree[-1]
    assert {Check.LEAVES_HAVE_EVENTS, Check.EVENTS_IN_LOG} <= failed(await history.audited())


async def test_a_leaf_altered_after_it_was_signed_gives_another_root(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    leaf = history.leaf_of("lot")
    history.tree[leaf] = b"y" * 32
    found = failures(await history.audited())
    assert found["leaves_have_events"] == [f"leaf {leaf}"]
    assert history.places["sign"] in found["roots"]


async def test_a_wrong_root_is_found_also_in_an_old_checkpoint(tmp_path: Path) -> None:
    story = told()
    history = Told({name: story[name] for name in list(story)[:-2]}, tmp_path)
    history.seal("one more", stock(draw(10, 20, draw="drw_3")))
    history.sign("wrong", root=b"z" * 32)
    history.seal("and one more", stock(draw(10, 10, draw="drw_4")))
    history.sign("right")
    assert failures(await history.audited()) == {"roots": [history.places["wrong"]]}


async def test_two_entries_for_one_leaf_and_none_for_another_are_found(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    history.books[3] = replace(history.books[2])
    found = failures(await history.audited())
    assert found["entries"] == ["leaf 2", "leaf 3"]


async def test_a_checkpoint_that_another_key_signed_is_found(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    history = Told(told(), tmp_path)
    history.log_key = Told({}, tmp_path_factory.mktemp("other")).log_key
    report = await history.audited()
    assert len(failures(report)["signatures"]) == 3  # two events, and what is served


async def test_a_note_of_another_tree_than_its_event_says_is_found(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    history.seal("more", stock(draw(10, 20, draw="drw_3")))
    history.sign("mismatch", note=history.signed[-1].note)
    assert history.places["mismatch"] in failures(await history.audited())["signatures"]


async def test_a_served_checkpoint_that_was_never_recorded_is_found(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    history.journals["ledger", 0].pop()
    assert failures(await history.audited())["covered"][0] == "the served checkpoint"


async def test_a_checkpoint_that_says_it_covers_more_is_found(tmp_path: Path) -> None:
    history = Told({name: step for name, step in told().items() if name != "last_sign"}, tmp_path)
    history.sign("last_sign", covers={"inventory/0": 99, "allocation/1": 1})
    found = failures(await history.audited())
    assert found["covered"] == [history.places["last_sign"]]
    assert found["events_in_log"] == ["inventory/0/99"]


async def test_a_checkpoint_that_does_not_grow_is_found(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    history.sign("again")
    assert failures(await history.audited())["covered"] == [history.places["again"]]


# --- the books


async def test_an_entry_that_posts_something_else_is_found(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    entry = history.books[history.leaf_of("draw")]
    history.books[entry.leaf_index] = replace(entry, postings=entry.postings[:-1])
    assert failures(await history.audited()) == {"postings": [history.places["draw"]]}


async def test_a_balance_that_nobody_posted_is_found(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    some = next(iter(history.accounts))
    invented = replace(some, account="partner/XX")
    history.accounts[invented] = history.accounts[some]
    assert failures(await history.audited()) == {"balances": [invented.id]}


async def test_goods_that_were_never_there_overdraw_an_account(tmp_path: Path) -> None:
    story = told()
    changed(story, "lot", units=2, mass_g=20)
    assert failures(await audited(tmp_path, story))["overdrafts"]


async def test_an_event_whose_parts_are_not_its_whole_is_found(tmp_path: Path) -> None:
    story = told()
    changed(story, "draw", parcels=parcels(2))
    found = failures(await audited(tmp_path, story))
    assert "draws" in found


# --- releases


async def test_a_release_without_a_decision_is_found(tmp_path: Path) -> None:
    story = before(told(), "sign", rogue=stock(replace(release("us", "US", 10), release="rel_x", award="awd_x", decision="0" * 64)))
    history = Told(story, tmp_path)
    assert failures(await history.audited()) == {"releases": [history.places["rogue"]]}


async def test_a_release_of_a_round_that_was_only_proposed_is_found(tmp_path: Path) -> None:
    story = {name: step for name, step in told().items() if name not in ("certify", "approve")}
    assert len(failures(await audited(tmp_path, story))["releases"]) >= 2


@pytest.mark.parametrize("change", [{"partner": "EU"}, {"request": "req_x"}, {"award": "awd_x"}, {"expires_on": DAY_AFTER}])
async def test_a_release_that_is_not_as_it_was_awarded_is_found(tmp_path: Path, change: dict[str, Any]) -> None:
    story = told()
    changed(story, "release_us", **change)
    history = Told(story, tmp_path)
    assert failures(await history.audited())["releases"][0] == history.places["release_us"]


async def test_a_release_of_more_than_was_awarded_is_found(tmp_path: Path) -> None:
    story = told()
    changed(story, "release_us", units=unit(5), mass_g=50)
    history = Told(story, tmp_path)
    assert history.places["release_us"] in failures(await history.audited())["releases"]


async def test_an_award_that_was_not_released_with_its_round_is_found(tmp_path: Path) -> None:
    story = told()
    changed(story, "released", releases=1, mass_g=60)
    kept = {name: step for name, step in story.items() if name not in ("release_us", "assign", "lapse")}
    assert Check.RELEASES in failed(await audited(tmp_path, kept))


async def test_the_same_award_released_twice_is_found(tmp_path: Path) -> None:
    again = stock(replace(release("jp", "JP", 60), release="rel_again"))
    history = Told(before(told(), "released", again=again), tmp_path)
    assert history.places["again"] in failures(await history.audited())["releases"]


# --- draws


@pytest.mark.parametrize(
    ("drawn", "why"),
    [
        (draw(40, -10, draw="drw_3"), "40 g are drawn of the 30 g"),
        (draw(10, 10, draw="drw_3"), "20 g"),
        (draw(10, 20, draw="drw_3", partner="US"), "is JP's, not US's"),
        (draw(10, 20, draw="drw_3", release="rel_x"), "was never released"),
        (draw(10, 20, draw="drw_1"), "is drawn already"),
    ],
)
async def test_a_draw_that_its_release_does_not_allow_is_found(tmp_path: Path, drawn: inventory.StockDrawn, why: str) -> None:
    if drawn.remaining_g < 0:
        drawn = replace(drawn, remaining_g=0)
    history = Told(before(told(), "sign", bad=stock(drawn)), tmp_path)
    report = await history.audited()
    result = next(result for result in report.checks if result.check == "draws")
    assert [failure.place for failure in result.failures][:1] == [history.places["bad"]]
    assert why in result.failures[0].what


async def test_a_draw_of_another_product_than_its_release_is_found(tmp_path: Path) -> None:
    other = Step(event=replace(draw(10, 20, draw="drw_3"), product="gallium-4n"), stream="stockpile/gallium-4n")
    assert Check.DRAWS in failed(await audited(tmp_path, before(told(), "sign", bad=other)))


async def test_a_draw_after_its_release_lapsed_is_found(tmp_path: Path) -> None:
    late = stock(draw(10, 0, draw="drw_3", release="rel_us", partner="US"), DAY_AFTER)
    history = Told(before(told(), "last_sign", late=late), tmp_path)
    assert failures(await history.audited())["lapses"] == [history.places["late"]]


async def test_a_draw_after_the_last_day_is_found_though_no_timer_has_fired(tmp_path: Path) -> None:
    late = stock(draw(10, 20, draw="drw_3"), DAY_AFTER)
    history = Told(before(told(), "last_sign", late=late), tmp_path)
    assert failures(await history.audited()) == {"lapses": [history.places["late"]]}


async def test_a_lapse_before_its_day_or_of_another_mass_is_found(tmp_path: Path) -> None:
    story = told()
    step = story["lapse"]
    assert isinstance(step, Step)
    early = story | {"lapse": replace(step, on=LAST_DAY)}
    assert Check.DRAWS in failed(await audited(tmp_path, early))
    changed(story, "lapse", mass_g=10)
    assert Check.DRAWS in failed(await audited(tmp_path, story))


# --- dispatch


@pytest.mark.parametrize(
    "evidence",
    [
        lambda sealed: (),
        lambda sealed: ("trust me",),
        lambda sealed: (f"{sealed.places['draw']} is among the first 9 leaves, with root {'ab' * 32}",),
        lambda sealed: (f"{sealed.places['lot']} is among the first 9 leaves, with root {sealed.signed[0].root}",),
    ],
    ids=["none", "no root", "a root that was never signed", "of another event"],
)
async def test_a_dispatch_without_a_receipt_is_found(tmp_path: Path, evidence: Callable[[Told], tuple[str, ...]]) -> None:
    history = Told(told() | {"dispatch": lambda sealed: stock(dispatch(*evidence(sealed)))}, tmp_path)
    assert failures(await history.audited()) == {"dispatches": [history.places["dispatch"]]}


async def test_a_dispatch_on_a_checkpoint_from_before_the_draw_is_found(tmp_path: Path) -> None:
    story = {name: step for name, step in told().items() if name != "sign"}
    history = Told(before(story, "draw", sign=Step()), tmp_path)
    assert failures(await history.audited()) == {"dispatches": [history.places["dispatch"]]}


async def test_a_dispatch_of_what_was_never_drawn_is_found(tmp_path: Path) -> None:
    again = lambda sealed: stock(dispatch(sealed.receipt_evidence("draw")), DAY_AFTER)  # noqa: E731
    history = Told(before(told(), "last_sign", again=again), tmp_path)
    assert history.places["again"] in failures(await history.audited())["dispatches"]


# --- decisions and approvals


def with_decision(file: Any, **proposal: Any) -> tuple[Story, dict[str, bytes]]:
    """The story with another decision in it, and that decision's documents."""
    story = told()
    name: Any = decision_hash(file)
    documents = {sha256(data).hexdigest(): data for data in (canonical_document(file), canonical_document(publish(file)))}
    signed = (approval(decision=name),)
    changed(story, "propose", decision=name, file=sha256(canonical_document(file)).hexdigest(), **proposal)
    changed(story, "approve", decision=name, approval=signed[0])
    changed(story, "certify", decision=name, approvals=signed)
    for step in ("grant_jp", "grant_us", "release_jp", "release_us", "released", "close"):
        changed(story, step, decision=name)
    return story, documents


async def audited_with(folder: Path, story: Story, documents: dict[str, bytes]) -> Report:
    history = Told(story, folder)
    history.documents |= documents
    return await history.audited()


def relined(**fields: Any) -> Any:
    """The decision with its first line otherwise, and committed to as such."""
    first, *others = DECIDED.lines
    lines = (replace(first, content=replace(first.content, **fields)), *others)
    decision = replace(DECIDED.decision, lines=tuple(sorted(commitment(line) for line in lines)))
    return replace(DECIDED, decision=decision, lines=lines)


async def test_a_decision_whose_documents_are_gone_is_found(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    del history.documents[DECISION]
    assert failures(await history.audited()) == {"decisions": [history.places["certify"]]}


async def test_a_document_with_other_bytes_than_its_name_is_found(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    history.documents[DECISION] += b" "
    assert failures(await history.audited()) == {"decisions": [history.places["certify"]]}


async def test_an_award_that_the_rule_does_not_give_is_found_though_all_hashes_fit(tmp_path: Path) -> None:
    story, documents = with_decision(relined(award_g=70))
    report = await audited_with(tmp_path, story, documents)
    what = next(result for result in report.checks if result.check == "decisions").failures[0].what
    assert "award_g of req_jp is 70, worked out again 60" in what
    assert "its lines are not the awards that were certified" in what


async def test_a_carry_that_the_rule_does_not_give_is_found(tmp_path: Path) -> None:
    assert failed(await audited_with(tmp_path, *with_decision(relined(carry_out_g=DECIDED.lines[1].content.carry_out_g + 1)))) == {
        Check.DECISIONS
    }


async def test_a_carry_that_no_earlier_round_left_is_found(tmp_path: Path) -> None:
    report = await audited_with(tmp_path, *with_decision(decided(carry_in_g=Fraction(1, 3))))
    what = next(result for result in report.checks if result.check == "decisions").failures[0].what
    assert "JP comes in with a carry of 1/3 g" in what


async def test_a_decision_on_more_than_was_asked_or_accepted_is_found(tmp_path: Path) -> None:
    story = told()
    changed(story, "accept_jp", accepted_g=50)
    history = Told(story, tmp_path)
    assert failures(await history.audited()) == {"decisions": [history.places["certify"]]}
    other = told()
    changed(other, "ask_us", mass_g=70)
    assert failed(await audited(tmp_path, other)) == {Check.DECISIONS}


async def test_a_decision_by_another_rule_than_the_rounds_is_found(tmp_path: Path) -> None:
    story = told()
    changed(story, "open", method=allocation.RoundMethod(rule="priority"))
    assert failed(await audited(tmp_path, story)) == {Check.DECISIONS}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda order: replace(order, awards=tuple(replace(award, takes=()) for award in order.awards)),
            "its release order takes of other pools than the decision says",
        ),
        (lambda order: replace(order, pools=order.pools[1:]), "its release order has other pools than the decision"),
        (
            lambda order: replace(order, pools=tuple(replace(pool, lots=("lot_other",)) for pool in order.pools)),
            "of other lots than the decision does",
        ),
    ],
    ids=["takes", "pools", "lots"],
)
async def test_a_release_order_of_other_lots_than_the_decision_is_found(
    tmp_path: Path, change: Callable[[allocation.ReleaseOrder], allocation.ReleaseOrder], why: str
) -> None:
    content = canonical_event(change(ORDER))
    story, name = told(), sha256(content).hexdigest()
    changed(story, "propose", release_order=name)
    changed(story, "certify", release_order=name)
    history = Told(story, tmp_path)
    history.documents[name] = content
    what = next(result for result in (await history.audited()).checks if result.check == "decisions").failures[0].what
    assert why in what


@pytest.mark.parametrize("order", [lambda story: story, grants_first])
async def test_what_is_certified_otherwise_than_proposed_is_found(tmp_path: Path, order: Callable[[Story], Story]) -> None:
    story = order(told())
    del story["grant_us"]
    assert {Check.DECISIONS, Check.RELEASES} <= failed(await audited(tmp_path, story))


async def test_an_approval_by_the_proposer_is_found(tmp_path: Path) -> None:
    story = told()
    changed(story, "propose", proposed_by="sub_approver")
    history = Told(story, tmp_path)
    assert failures(await history.audited()) == {"approvals": [history.places["certify"]]}


@pytest.mark.parametrize(
    "approvals",
    [
        (),
        (approval(key=OTHER_KEY),),
        (approval(subject="sub_other"),),
        (approval(decision="0" * 64),),
        (replace(approval(), signature="nonsense"),),
    ],
    ids=["none", "by a key that is not enrolled", "by another's key", "of another decision", "no signature"],
)
async def test_an_approval_that_does_not_count_is_found(tmp_path: Path, approvals: tuple[allocation.Approval, ...]) -> None:
    story = told()
    changed(story, "certify", approvals=approvals)
    history = Told(story, tmp_path)
    assert failures(await history.audited()) == {"approvals": [history.places["certify"]]}


async def test_an_approval_by_a_key_that_was_revoked_long_before_is_found(tmp_path: Path) -> None:
    key: Any = key_id(public_key_hex(APPROVER_KEY))
    subject: Any = "sub_approver"
    revoked = allocation.ApproverKeyRevoked(subject=subject, key=key, products=(), reason="lost")
    story = told()
    step = story["key"]
    assert isinstance(step, Step)
    story["key"] = replace(step, on=TODAY - timedelta(days=3))
    rest = before(story, "ask_jp", revoke=Step(event=revoked, stream="approver/sub_approver", shard=1, on=TODAY - timedelta(days=2)))
    history = Told(rest, tmp_path)
    assert failures(await history.audited()) == {"approvals": [history.places["certify"]]}


async def test_an_approval_by_a_key_that_is_back_counts(tmp_path: Path) -> None:
    key: Any = {"subject": "sub_approver", "key": key_id(public_key_hex(APPROVER_KEY))}
    story = told()
    step = story["key"]
    assert isinstance(step, Step)
    story["key"] = replace(step, on=TODAY - timedelta(days=9))
    stream: dict[str, Any] = {"stream": "approver/sub_approver", "shard": 1}
    revoked = allocation.ApproverKeyRevoked(**key, products=(), reason="lost")
    revoke = Step(event=revoked, **stream, on=TODAY - timedelta(days=8))
    restore = Step(event=allocation.ApproverKeyRestored(**key), **stream, on=TODAY - timedelta(days=5))
    found = failures(await audited(tmp_path, before(story, "ask_jp", revoke=revoke, restore=restore)))
    assert "approvals" not in found


async def test_a_round_that_came_back_takes_its_carries_back(tmp_path: Path) -> None:
    reopened = allocation.RoundReopened(round="rnd_1", product=ANTIMONY, decision=DECISION, reason="stock_short")  # type: ignore[arg-type]
    story = told()
    again = {
        "reopen": book(reopened),
        "again": story["propose"],
        "approve_again": story["approve"],
    }
    again |= {"certify_again": story["certify"], "grant_jp_again": story["grant_jp"], "grant_us_again": story["grant_us"]}
    assert failures(await audited(tmp_path, before(story, "release_jp", **again))) == {}


# --- the report


def test_a_report_keeps_the_first_failures_and_counts_them_all() -> None:
    findings = Findings()
    for number in range(KEPT_FAILURES + 5):
        findings.look(Check.CHAINS, False, f"inventory/0/{number}", "broken")
    result = next(result for result in findings.results() if result.check == "chains")
    assert (result.checked, result.failed, len(result.failures)) == (KEPT_FAILURES + 5, KEPT_FAILURES + 5, KEPT_FAILURES)
    assert msgspec.json.decode(msgspec.json.encode(result))["failures"][0] == {"place": "inventory/0/0", "what": "broken"}


@pytest.mark.parametrize(
    ("purpose", "by", "places"), [("attestation", "sub_operator", 0), ("decision", "sub_operator", 1), ("attestation", "sub_approver", 1)]
)
async def test_an_attestation_that_was_not_signed_as_one_or_not_by_who_certified_is_found(
    tmp_path: Path, purpose: str, by: str, places: int
) -> None:
    public_key = public_key_hex(OTHER_KEY)
    enrolled: Any = {"subject": "sub_operator", "key": key_id(public_key), "public_key": public_key}
    story = before(
        told(), "ask_jp", operators=Step(event=allocation.ApproverKeyEnrolled(**enrolled), stream="approver/sub_operator", shard=1)
    )
    key = OTHER_KEY if by == "sub_operator" else APPROVER_KEY
    changed(story, "certify", attestation=approval(by, key, purpose=purpose))
    history = Told(story, tmp_path)
    assert failures(await history.audited()) == ({"approvals": [history.places["certify"]]} if places else {})
