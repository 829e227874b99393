"""Underweight goods leave as a second person weighs them again; what they lack is in suspense until a third signs for it."""

from datetime import date

import msgspec

from services.inventory.domain.controls import CONTROLS, EVENTS
from services.inventory.domain.differences import MissDifference, SettleDifference, WeighAgain
from services.inventory.domain.dispatch import ReturnDraw
from services.inventory.domain.reasons import Reason
from services.inventory.domain.stockpile import DECIDER
from services.inventory.events import (
    AuthorityCited,
    AwardForwarded,
    CommandApproved,
    CommandWithdrawn,
    DifferenceOverdue,
    DifferenceSettled,
    DrawDispatched,
    DrawId,
    DrawReturned,
    DrawWeighed,
    DrawWeighedAgain,
)
from shared.journal.decider import CancelTimer, Timer
from shared.terms.authority import Fault
from shared.terms.countersigning import ControlReason, countersigned
from tests.stories.countersigned import PROPOSER, SIGNER, approve, by_two, propose
from tests.stories.given import Given
from tests.stories.powers import may
from tests.stories.stockpile import TODAY, UNIT_G, a_round, award, dispatch, draw, lot, register, weigh

CONTROLLED = countersigned(DECIDER, CONTROLS, EVENTS)
BOB = "sub_bob"
DRAW = DrawId("drw_1")
MASS_G = 2 * UNIT_G
LESS_G = MASS_G - 100_000  # 100 kg of 10 t are missing, and a scale may be 50 kg wrong
SIGN_BY = date(2026, 1, 8)
LOSS = SettleDifference(draw=DRAW, cause="loss")


def again(weighed_g: int = LESS_G, by: str = BOB, *accounts: str) -> WeighAgain:
    return WeighAgain(draw=DRAW, weighed_g=weighed_g, by=by, accounts=frozenset({by, *accounts}), duty="on_call", sign_by=SIGN_BY)


def drawn(*commands: object) -> Given:
    taken = [*by_two(CONTROLS, register(), TODAY), *by_two(CONTROLS, lot(units=10), TODAY)]
    return Given(CONTROLLED, *taken, a_round(award("a", "JP", 5)), draw(), *commands)


def found_light(weighed_g: int = LESS_G) -> Given:
    """One person has weighed it, and that waits for a signature."""
    return drawn(propose(weigh(weighed_g=weighed_g), TODAY))


def in_suspense(*commands: object) -> Given:
    return found_light().given(again(), *commands)


def test_a_second_person_weighs_again_and_it_leaves_as_weighed():
    story = found_light().when(again(LESS_G + 1000)).then(DrawWeighedAgain, AwardForwarded, CommandWithdrawn)
    [weighed, *_] = story.events
    assert (weighed.first_by, weighed.first_g, weighed.weighed_by, weighed.weighed_g) == (PROPOSER, LESS_G, BOB, LESS_G + 1000)
    assert not story.state.proposals
    [timer] = CONTROLLED.timers(weighed)
    assert isinstance(timer, Timer) and (timer.due, timer.command) == (date(2026, 1, 9), MissDifference(draw=DRAW, on=date(2026, 1, 9)))
    left = story.when(dispatch()).events[0]
    assert isinstance(left, DrawDispatched) and left.weighed_g == LESS_G + 1000


def test_nobody_weighs_again_what_they_have_weighed_themselves_by_whatever_account():
    found_light().when(again(LESS_G, PROPOSER)).refused(Reason.WEIGHED_BY_SAME)
    found_light().when(again(LESS_G, BOB, PROPOSER)).refused(Reason.WEIGHED_BY_SAME)


def test_nothing_is_weighed_again_that_nobody_has_found_light():
    drawn().when(again()).refused(Reason.NOT_WEIGHED_FIRST)
    found_light(MASS_G + 100_000).when(again()).refused(Reason.NOT_WEIGHED_FIRST)
    in_suspense(propose(weigh(weighed_g=LESS_G), TODAY)).when(again(by="sub_third")).refused(Reason.WEIGHED_AGAIN)
    drawn().when(msgspec.structs.replace(again(), draw=DrawId("drw_2"))).refused(Reason.DRAW_NOT_FOUND)


def test_what_is_within_a_scales_tolerance_or_more_than_was_drawn_is_no_second_weighing():
    found_light().when(again(MASS_G - MASS_G // 200)).refused(Reason.NOT_UNDERWEIGHT, "/weighed_g")
    found_light().when(again(MASS_G + 100_000)).refused(Reason.NOT_UNDERWEIGHT, "/weighed_g")
    found_light().when(again(0)).refused(Reason.QUANTITY_INVALID, "/weighed_g")


def test_two_weighings_that_differ_by_more_than_a_scale_may_settle_nothing():
    found_light().when(again(LESS_G - MASS_G // 200)).then(DrawWeighedAgain, AwardForwarded, CommandWithdrawn)
    refused = found_light().when(again(LESS_G - MASS_G // 200 - 1)).refused(Reason.WEIGHINGS_DIFFER, "/weighed_g")
    assert str(LESS_G) in refused.accepted


def test_what_became_of_it_is_signed_by_a_third_person_under_an_instrument():
    story = in_suspense(dispatch())
    story.when(LOSS).refused(ControlReason.NEEDED)
    waits = story.given(propose(LOSS, TODAY, by=BOB))
    waits.when(approve(TODAY, by=PROPOSER)).refused(Reason.SIGNED_BY_WEIGHER)
    second_account = msgspec.structs.replace(may(SIGNER, TODAY), others=frozenset({PROPOSER}))
    waits.when(approve(TODAY, capacity=second_account)).refused(Reason.SIGNED_BY_WEIGHER)
    waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, limit_g=99_999))).refused(Fault.OVER_LIMIT)
    signed = waits.when(approve(TODAY)).then(CommandApproved, DifferenceSettled, AuthorityCited)
    assert (signed.events[1].cause, signed.events[1].mass_g) == ("loss", 100_000)
    assert CONTROLLED.timers(signed.events[1]) == [CancelTimer("difference/drw_1")]
    signed.when(propose(LOSS, TODAY)).refused(Reason.DIFFERENCE_NOT_FOUND)


def test_what_nobody_signs_in_time_is_told_and_stays_in_suspense():
    story = in_suspense()
    assert story.when(MissDifference(draw=DRAW, on=SIGN_BY)).events == []
    late = story.when(MissDifference(draw=DRAW, on=date(2026, 1, 9))).then(DifferenceOverdue)
    assert late.events[0].mass_g == 100_000
    late.given(propose(LOSS, TODAY)).when(approve(TODAY)).then(CommandApproved, DifferenceSettled, AuthorityCited)


def test_what_two_have_weighed_one_alone_does_not_weigh_otherwise():
    story = in_suspense()
    story.when(weigh()).refused(ControlReason.NEEDED)
    signed = story.given(propose(weigh(), TODAY)).when(approve(TODAY))
    kinds = [type(event) for event in signed.events]
    assert kinds == [CommandApproved, DifferenceSettled, DrawWeighed, AwardForwarded, AuthorityCited]
    assert signed.events[2].difference_g == 100_000 and not signed.state.suspense


def test_a_first_weighing_counts_for_nothing_once_the_goods_were_weighed_otherwise():
    """Ann finds them light; they are weighed in full, and that is signed, or is within a scale's tolerance; then Bob finds them light."""
    found_light(LESS_G).given(weigh()).when(again()).refused(Reason.NOT_WEIGHED_FIRST)
    full = propose(weigh(weighed_g=MASS_G - 60_000), TODAY, proposal="prp_full", by="sub_third")
    light_again = propose(weigh(weighed_g=LESS_G), TODAY, proposal="prp_again", by="sub_fourth")
    signed = found_light().given(full).when(approve(TODAY, proposal="prp_full"))
    kinds = [type(event) for event in signed.events]
    assert kinds == [CommandApproved, DrawWeighed, AwardForwarded, CommandWithdrawn, AuthorityCited]
    assert signed.events[3].proposal == "prp_1" and not signed.state.proposals
    signed.when(again()).refused(Reason.NOT_WEIGHED_FIRST)
    anew = signed.given(light_again).when(again()).then(DrawWeighedAgain, AwardForwarded, CommandWithdrawn)
    assert (anew.events[0].first_proposal, anew.events[0].first_by) == ("prp_again", "sub_fourth")


def test_what_was_to_be_signed_of_a_suspense_is_not_signed_of_the_next():
    waits = in_suspense(propose(LOSS, TODAY, proposal="prp_loss"), propose(weigh(), TODAY))
    signed = waits.when(approve(TODAY))
    assert [event.proposal for event in signed.events if isinstance(event, CommandWithdrawn)] == ["prp_loss"]


def test_the_two_weighers_close_no_suspense_by_an_ordinary_weighing_or_a_return():
    """One of them finds nothing missing any more, or has the goods back in stock as a whole, and the other signs."""
    for closes in (weigh(), weigh(weighed_g=MASS_G - 10_000), ReturnDraw(draw=DRAW, reason="ship delayed")):
        waits = in_suspense(propose(closes, TODAY))
        waits.when(approve(TODAY, by=BOB)).refused(Reason.SIGNED_BY_WEIGHER)
        second_account = msgspec.structs.replace(may(SIGNER, TODAY), others=frozenset({BOB}))
        waits.when(approve(TODAY, capacity=second_account)).refused(Reason.SIGNED_BY_WEIGHER)
        [settled] = [event for event in waits.when(approve(TODAY)).events if isinstance(event, DifferenceSettled)]
        assert settled.signed_by == SIGNER


def test_goods_that_come_back_leave_nothing_in_suspense():
    back = ReturnDraw(draw=DRAW, reason="ship delayed")
    story = in_suspense(propose(back, TODAY)).when(approve(TODAY))
    kinds = [type(event) for event in story.events]
    assert kinds == [CommandApproved, DifferenceSettled, DrawReturned, AwardForwarded, AuthorityCited]
    assert story.events[1].cause == "returned" and not story.state.suspense
