"""Conditions: when evidence meets them, when it does not, and when one cannot tell."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.terms.conditions import (
    AllShown,
    Condition,
    Evaluation,
    Evidence,
    ShareAtLeast,
    Shown,
    SumAtLeast,
    evaluate,
    fault_of,
    passes,
    waive,
)

TODAY = date(2026, 3, 1)
DAY = timedelta(days=1)

PERMIT = Shown(kind="permit")
LENDERS = AllShown(kind="closed", subjects=("EFA", "NAB"))
SOLD = SumAtLeast(kind="sold", quantity=1_000, unit="g")
SHARE = ShareAtLeast(part="sold", whole="made", share="4/5")


def shown(kind: str, subject: str | None = None, **known: Any) -> Evidence:
    return Evidence(**({"kind": kind, "subject": subject, "reference": f"{kind}-{subject}", "by": "us"} | known))


def grams(kind: str, quantity: int, **known: Any) -> Evidence:
    return shown(kind, quantity=quantity, unit="g", **known)


def status(condition: Condition, *evidence: Evidence, on: date = TODAY) -> str:
    return evaluate(condition, evidence, on).status


def test_what_is_shown_is_met_and_says_by_what():
    assert evaluate(PERMIT, [shown("permit", "mine"), shown("closed", "EFA")], TODAY) == Evaluation(
        status="met", found="permit: 1", needed="permit: at least 1", evidence=("permit-mine",)
    )
    assert status(PERMIT) == status(PERMIT, shown("closed")) == "open"


def test_a_subject_that_is_named_is_the_one_that_counts():
    water = Shown(kind="permit", subject="water")
    assert status(water, shown("permit", "mine"), shown("permit")) == "open"
    assert status(water, shown("permit", "mine"), shown("permit", "water")) == "met"


def test_each_of_several_subjects_is_shown():
    half = evaluate(LENDERS, [shown("closed", "EFA"), shown("closed", "KfW")], TODAY)
    assert (half.status, half.found, half.evidence) == ("open", "closed: not of NAB", ("closed-EFA",))
    assert status(LENDERS, shown("closed", "NAB"), shown("closed", "EFA")) == "met"


def test_a_sum_is_reached_to_the_unit():
    assert status(SOLD, grams("sold", 400), grams("sold", 599)) == "open"
    reached = evaluate(SOLD, [grams("sold", 400), grams("sold", 600)], TODAY)
    assert (reached.status, reached.found, reached.needed) == ("met", "sold: 1000 g", "sold: at least 1000 g")


def test_a_share_is_compared_exactly():
    made = grams("made", 3 * 10**15)
    third = ShareAtLeast(part="sold", whole="made", share="1/3")
    assert status(third, made, grams("sold", 10**15)) == "met"
    assert status(third, made, grams("sold", 10**15 - 1)) == "open"
    found = evaluate(SHARE, [grams("made", 1_600), grams("sold", 1_300)], TODAY)
    assert (found.status, found.found, found.needed) == ("met", "sold / made: 1300 g / 1600 g = 13/16", "sold / made: at least 4/5")
    assert found.evidence == ("sold-None", "made-None")


def test_a_share_may_be_written_as_a_decimal_and_be_above_one():
    cover = ShareAtLeast(part="sold", whole="made", share="1.25")
    assert status(cover, grams("made", 4), grams("sold", 5)) == "met"
    assert status(cover, grams("made", 4), grams("sold", 4)) == "open"


def test_a_share_of_what_is_not_known_is_not_evaluated():
    assert status(SHARE, grams("sold", 1_000)) == "not_evaluated"
    assert status(SHARE, grams("sold", 1_000), grams("made", 0)) == "not_evaluated"
    assert status(SHARE, grams("sold", 1_000), grams("made", 1_000), shown("made", "second mine")) == "not_evaluated"
    assert status(SHARE, grams("sold", 1_000), grams("made", 1_000), shown("made", quantity=1, unit="t")) == "not_evaluated"
    assert status(SHARE, grams("made", 1_000)) == "open"  # nothing sold is an answer


def test_a_share_in_a_named_unit_is_of_what_is_in_that_unit():
    oxide = ShareAtLeast(part="sold", whole="made", share="4/5", unit="g of oxide")
    made = (grams("made", 1), shown("made", quantity=1_000, unit="g of oxide"))
    assert status(oxide, *made, grams("sold", 800)) == "open"
    assert status(oxide, *made, shown("sold", quantity=800, unit="g of oxide")) == "met"
    assert status(oxide, shown("made", quantity=1), shown("sold", quantity=1)) == "not_evaluated"
    assert status(oxide, *made, shown("made"), shown("sold", quantity=800, unit="g of oxide")) == "not_evaluated"
    assert evaluate(oxide, made, TODAY).needed == "sold / made: at least 4/5, in g of oxide"


def test_what_cannot_be_counted_leaves_open_only_what_it_could_decide():
    unknown = (shown("sold"), shown("sold", quantity=5, unit="t"))
    for each in unknown:
        assert status(SOLD, grams("sold", 999), each) == "not_evaluated"
        assert status(SOLD, grams("sold", 1_000), each) == "met"
        assert status(SHARE, grams("made", 1_000), grams("sold", 799), each) == "not_evaluated"
        assert status(SHARE, grams("made", 1_000), grams("sold", 800), each) == "met"


def test_evidence_counts_from_its_first_day_through_its_last():
    permit = shown("permit", since=TODAY, until=TODAY + 9 * DAY)
    assert [status(PERMIT, permit, on=TODAY + days * DAY) for days in (-1, 0, 9, 10)] == ["open", "met", "met", "open"]


def test_what_does_not_count_is_said():
    over = shown("permit", "old", until=TODAY - DAY)
    older = shown("permit", "older", until=TODAY - 9 * DAY)
    next_one = shown("permit", "next", since=TODAY + DAY)
    assert evaluate(PERMIT, [over, older, next_one], TODAY).found == (
        "permit: 0; 2 expired, the last on 2026-02-28; 1 not yet valid, the first from 2026-03-02"
    )


def test_a_met_condition_says_how_long_it_stays_so():
    this, following = shown("permit", "a", until=TODAY + 9 * DAY), shown("permit", "b", since=TODAY + 10 * DAY)
    assert evaluate(PERMIT, [this], TODAY).until == TODAY + 9 * DAY
    assert evaluate(PERMIT, [this, following], TODAY).until is None
    more_made = grams("made", 1, since=TODAY + 5 * DAY)
    assert evaluate(SHARE, [grams("made", 1_000), grams("sold", 800), more_made], TODAY).until == TODAY + 4 * DAY
    assert evaluate(PERMIT, [shown("permit", until=date.max)], TODAY).until is None


def test_a_waiver_keeps_what_was_seen():
    unseen = evaluate(SHARE, [], TODAY)
    assert waive(unseen) == msgspec.structs.replace(unseen, status="waived")
    met = evaluate(PERMIT, [shown("permit")], TODAY)
    assert waive(met) == met


def test_all_pass_that_are_met_or_waived():
    met, unseen, lacking = evaluate(PERMIT, [shown("permit")], TODAY), evaluate(SHARE, [], TODAY), evaluate(PERMIT, [], TODAY)
    assert passes([met, waive(unseen), waive(lacking)])
    assert not passes([met, unseen])
    assert not passes([met, lacking])


@pytest.mark.parametrize(
    "faulty",
    [
        AllShown(kind="closed", subjects=()),
        AllShown(kind="closed", subjects=("EFA", "EFA")),
        SumAtLeast(kind="sold", quantity=0, unit="g"),
        ShareAtLeast(part="sold", whole="sold", share="4/5"),
        *(ShareAtLeast(part="sold", whole="made", share=share) for share in ("", "0", "0.0", "4/0", "-1", "1e9", " 1", "1_0", "80%", "٤")),
    ],
)
def test_a_condition_with_a_fault_is_never_met(faulty: Condition):
    assert fault_of(faulty) is not None
    evidence = [grams("made", 1), grams("sold", 1), shown("closed", "EFA")]
    assert status(faulty, *evidence) == "not_evaluated"
    assert not passes([evaluate(faulty, evidence, TODAY)])


def test_conditions_survive_being_stored():
    for each in (PERMIT, LENDERS, SOLD, SHARE):
        assert fault_of(each) is None
        assert msgspec.json.decode(msgspec.json.encode(each), type=Condition) == each


KINDS = ("permit", "closed", "sold", "made")
DAYS = st.none() | st.dates(TODAY - 9 * DAY, TODAY + 9 * DAY)
EVIDENCE = st.builds(
    Evidence,
    kind=st.sampled_from(KINDS),
    subject=st.sampled_from((None, "EFA", "NAB")),
    quantity=st.none() | st.integers(0, 1_500),
    unit=st.sampled_from(("g", "g", "g", "t", None)),
    reference=st.uuids().map(str),
    by=st.just("us"),
    since=DAYS,
    until=DAYS,
)
IN_GRAMS = msgspec.structs.replace(SHARE, unit="g")
CONDITIONS = st.sampled_from((PERMIT, LENDERS, SOLD, SHARE, IN_GRAMS, Shown(kind="closed", subject="NAB")))
ALL_EVIDENCE = st.lists(EVIDENCE, max_size=12)


@given(CONDITIONS, ALL_EVIDENCE, EVIDENCE)
def test_more_evidence_never_ends_what_is_met(condition: Condition, evidence: Sequence[Evidence], more: Evidence):
    if more.kind != "made" and status(condition, *evidence) == "met":  # a larger whole does make a share smaller
        assert status(condition, *evidence, more) == "met"


@given(CONDITIONS, ALL_EVIDENCE, st.randoms())
def test_the_order_of_evidence_does_not_matter(condition: Condition, evidence: list[Evidence], random: Any):
    shuffled = list(evidence)
    random.shuffle(shuffled)
    one, other = evaluate(condition, evidence, TODAY), evaluate(condition, shuffled, TODAY)
    assert (one.status, sorted(one.evidence), one.until) == (other.status, sorted(other.evidence), other.until)


@given(CONDITIONS, ALL_EVIDENCE)
def test_what_does_not_count_that_day_changes_nothing_that_day(condition: Condition, evidence: Sequence[Evidence]):
    counting = [each for each in evidence if (each.since or TODAY) <= TODAY <= (each.until or TODAY)]
    assert status(condition, *evidence) == status(condition, *counting)


@given(CONDITIONS, ALL_EVIDENCE)
def test_a_met_condition_is_met_through_its_last_day_and_not_on_the_next(condition: Condition, evidence: Sequence[Evidence]):
    today = evaluate(condition, evidence, TODAY)
    if today.status != "met":
        assert today.until is None
        return
    last = today.until or TODAY + 30 * DAY
    assert all(status(condition, *evidence, on=TODAY + days * DAY) == "met" for days in range((last - TODAY).days + 1))
    assert today.until is None or status(condition, *evidence, on=last + DAY) != "met"


@given(CONDITIONS, ALL_EVIDENCE)
def test_met_means_that_valid_evidence_shows_it(condition: Condition, evidence: Sequence[Evidence]):
    seen = evaluate(condition, evidence, TODAY)
    used = [each for each in evidence if each.reference in seen.evidence]
    assert all((each.since or TODAY) <= TODAY <= (each.until or TODAY) for each in used)
    assert seen.status != "met" or status(condition, *used) == "met"
