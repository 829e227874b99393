"""Rights have a life: exercised with notice, delivered by a programme, in full, short, late or not at all, and ended."""

from datetime import date, timedelta
from typing import Any

import pytest

from services.inventory.domain.programme import AgreeProgramme, CloseTranches, PlannedTranche
from services.inventory.domain.reasons import Reason
from services.inventory.domain.rights import ExerciseRight, MatureRight, TerminateRight
from services.inventory.domain.state import free_rights_g, programme_of
from services.inventory.domain.stockpile import timers
from services.inventory.events import (
    AssignmentFailed,
    LotTakenIn,
    ProgrammeAgreed,
    RightExercised,
    RightId,
    RightMatured,
    RightTerminated,
    RightTerms,
    TrancheClosed,
    TrancheDelivered,
)
from shared.journal.decider import Timer
from tests.stories.given import Given
from tests.stories.stockpile import TODAY, UNIT_G, a_round, a_stockpile, award, draw, lot, right

RIGHT = RightId("rgt_1")
MARCH, APRIL, SEPTEMBER = date(2026, 3, 1), date(2026, 4, 30), date(2026, 9, 30)
TERMS = RightTerms(notice_days=60, tolerance="0.1", grace_days=14, force_majeure_days=90, failures_to_terminate=2)


def exercised(deliver_from: date = MARCH + timedelta(days=31), on: date = TODAY) -> ExerciseRight:
    return ExerciseRight(right=RIGHT, deliver_from=deliver_from, on=on)


def an_option(**changes: Any) -> Given:
    return a_stockpile(right(kind="option", terms=TERMS, **changes))


def planned(*tranches: tuple[date, date, int], on: date = TODAY) -> AgreeProgramme:
    each = [PlannedTranche(window_from=begins, window_to=ends, mass_g=units * UNIT_G) for begins, ends, units in tranches]
    return AgreeProgramme(right=RIGHT, tranches=tuple(each), on=on)


TWO = planned((MARCH, APRIL, 4), (date(2026, 5, 1), SEPTEMBER, 6))


def matured(units: int, settled: int, on: date) -> MatureRight:
    return MatureRight(right=RIGHT, settled_g=settled * UNIT_G, delivery=lot(f"lot_{on}", units=units, on=on))


def firm(*more: Any) -> Given:
    return a_stockpile(right(terms=TERMS), *more)


def test_an_option_is_offered_once_it_is_exercised_with_notice():
    option = an_option()
    assert free_rights_g(option.state, TODAY) == 0
    [event] = option.when(exercised(date(2026, 4, 1))).then(RightExercised).events
    assert (event.mass_g, event.notice_days, event.deliver_from) == (10 * UNIT_G, 60, date(2026, 4, 1))
    firm = option.given(exercised(date(2026, 4, 1)))
    assert free_rights_g(firm.state, TODAY) == 10 * UNIT_G
    firm.when(exercised()).refused(Reason.RIGHT_FIRM)
    due = SEPTEMBER + timedelta(days=15)
    assert timers(event) == [Timer("tranche/rgt_1/1", due, CloseTranches(right=RIGHT, on=due))]


def test_too_short_a_notice_is_refused_with_the_first_day_that_would_do():
    refused = an_option().when(exercised(TODAY + timedelta(days=59))).refused(Reason.NOTICE_TOO_SHORT, "/deliver_from")
    assert refused.accepted == f"{TODAY + timedelta(days=60)} or later"
    an_option().when(exercised(TODAY + timedelta(days=60))).then(RightExercised)
    outside = an_option().when(exercised(SEPTEMBER + timedelta(days=1))).refused(Reason.OUTSIDE_WINDOW)
    assert outside.accepted == f"{TODAY + timedelta(days=60)} to {SEPTEMBER}"


def test_after_its_last_day_of_notice_an_option_is_not_exercised():
    last = SEPTEMBER - timedelta(days=60)
    an_option().when(exercised(SEPTEMBER, on=last)).then(RightExercised)
    too_late = an_option().when(exercised(SEPTEMBER, on=last + timedelta(days=1))).refused(Reason.NOTICE_TOO_SHORT)
    assert (too_late.detail, too_late.accepted) == (f"the last day to give notice was {last}", None)


def test_a_programme_is_of_all_that_is_to_come_in_tranches_that_follow_each_other():
    [event] = firm().when(TWO).then(ProgrammeAgreed).events
    assert [(tranche.number, tranche.mass_g) for tranche in event.tranches] == [(2, 4 * UNIT_G), (3, 6 * UNIT_G)]  # 1: the whole
    less = firm().when(planned((MARCH, APRIL, 4))).refused(Reason.PROGRAMME_INCOMPLETE, "/tranches")
    assert less.accepted == f"{10 * UNIT_G} g in all"
    firm().when(planned((MARCH, APRIL, 4), (APRIL, SEPTEMBER, 6))).refused(Reason.PROGRAMME_INVALID, "/tranches/1")
    firm().when(planned((MARCH, SEPTEMBER + timedelta(days=1), 10))).refused(Reason.PROGRAMME_INVALID, "/tranches/0")
    firm().when(planned((APRIL, MARCH, 10))).refused(Reason.WINDOW_REVERSED, "/tranches/0/window_to")
    firm().when(planned()).refused(Reason.PROGRAMME_INVALID)
    an_option().when(TWO).refused(Reason.RIGHT_NOT_EXERCISED)


def test_a_programme_covers_what_partners_are_owed_too():
    owed = firm(a_round(award("a", "JP", 3)), draw(units=3))
    [event] = owed.when(TWO).then(ProgrammeAgreed).events
    assert sum(tranche.mass_g for tranche in event.tranches) == 10 * UNIT_G
    all_of_it = firm(a_round(award("a", "JP", 10)), draw(units=10))
    all_of_it.when(TWO).then(ProgrammeAgreed)


def test_a_delivery_counts_of_the_first_open_tranche_and_then_of_the_next():
    story = firm(TWO).when(matured(5, 5, MARCH))
    story.then(RightMatured, LotTakenIn, TrancheDelivered, TrancheDelivered)
    first, second = story.events[-2:]
    assert (first.tranche, first.mass_g, first.remaining_g, first.late_days) == (2, 4 * UNIT_G, 0, 0)
    assert (second.tranche, second.mass_g, second.remaining_g) == (3, UNIT_G, 5 * UNIT_G)


def test_a_late_delivery_says_by_how_many_days():
    [event] = [event for event in firm(TWO).when(matured(4, 4, APRIL + timedelta(days=3))).events if isinstance(event, TrancheDelivered)]
    assert event.late_days == 3


def test_a_tranche_is_closed_after_its_grace_short_within_the_tolerance_and_failed_beyond_it():
    last = APRIL + timedelta(days=14)
    story = firm(TWO)
    story.when(CloseTranches(right=RIGHT, on=last)).then()
    [failed] = story.when(CloseTranches(right=RIGHT, on=last + timedelta(days=1))).then(TrancheClosed).events
    assert (failed.tranche, failed.mass_g, failed.outcome) == (2, 4 * UNIT_G, "failed")
    whole = a_stockpile(right(terms=TERMS))
    nearly = whole.given(matured(9, 9, MARCH)).when(CloseTranches(right=RIGHT, on=date(2027, 1, 1)))
    assert (nearly.events[0].outcome, nearly.events[0].mass_g) == ("short", UNIT_G)
    less = whole.given(matured(8, 8, MARCH)).when(CloseTranches(right=RIGHT, on=date(2027, 1, 1)))
    assert less.events[0].outcome == "failed"
    nearly.when(CloseTranches(right=RIGHT, on=date(2027, 1, 1))).then()


def test_less_than_the_terms_tolerate_settles_less():
    firm(TWO).when(matured(9, 10, MARCH)).then(RightMatured, LotTakenIn, TrancheDelivered, TrancheDelivered)
    refused = firm(TWO).when(matured(8, 10, MARCH)).refused(Reason.DELIVERY_SHORT, "/settled_g")
    assert refused.accepted == f"at most {8 * UNIT_G}"
    a_stockpile(right()).when(matured(1, 10, MARCH)).then(RightMatured, LotTakenIn)  # of a right without terms, as it was


def test_a_right_is_terminated_once_as_much_has_failed_as_its_terms_say():
    story = firm(TWO, a_round(award("a", "JP", 3)), draw(units=3))
    ended = TerminateRight(right=RIGHT, cause="repeated_failure", on=TODAY)
    refused = story.when(ended).refused(Reason.FAILURES_TOO_FEW, "/cause")
    assert refused.accepted == "2 failed tranches, or agreed"
    twice = story.given(CloseTranches(right=RIGHT, on=date(2027, 1, 1)))
    assert programme_of(twice.state, RIGHT).failures == 2
    terminated, failed = twice.when(ended).then(RightTerminated, AssignmentFailed).events
    assert (terminated.mass_g, terminated.failures) == (7 * UNIT_G, 2)
    assert (failed.partner, failed.mass_g, failed.cause) == ("JP", 3 * UNIT_G, "terminated")
    gone = twice.given(ended).state
    assert (len(gone.rights), len(gone.assigned), len(gone.programmes)) == (0, 0, 0)


def test_a_right_is_terminated_by_agreement_but_not_from_under_a_release():
    agreed = TerminateRight(right=RIGHT, cause="agreed", on=TODAY)
    a_stockpile(right()).when(TerminateRight(right=RIGHT, cause="repeated_failure", on=TODAY)).refused(Reason.FAILURES_TOO_FEW)
    a_stockpile(right()).when(agreed).then(RightTerminated)
    a_stockpile(right(), a_round(award("a", "JP", 3))).when(agreed).refused(Reason.RIGHT_RELEASED)
    a_stockpile().when(agreed).refused(Reason.RIGHT_NOT_FOUND)


@pytest.mark.parametrize("units", [4, 10])
def test_what_is_agreed_of_a_right_leaves_the_state_with_it(units: int):
    story = firm(TWO, matured(units, units, MARCH))
    assert (len(story.state.programmes), len(story.state.rights)) == ((1, 1) if units == 4 else (0, 0))
