"""Screening in a book: hits bar a request until a person has cleared them; objections are answered, and stay."""

from datetime import timedelta

import pytest

from services.allocation.domain.book.requests import WithdrawRequest
from services.allocation.domain.book.rounds import CancelRound
from services.allocation.domain.book.screening import DecideHit
from services.allocation.domain.book.state import Reason
from services.allocation.events import (
    ApprovalsLapsed,
    Finding,
    HitId,
    ListName,
    ObjectionAnswered,
    ObjectionId,
    ObjectionRaised,
    PartiesScreened,
    RequestAccepted,
    RequestScreened,
    RoundId,
    ScreeningHitDecided,
)
from tests.stories.book import (
    ANOTHER,
    ANTIMONY,
    JP,
    OPERATOR,
    ROUND,
    UNIT_G,
    US,
    Story,
    a_book,
    a_proposal,
    accept,
    open_round,
    request_id,
    submit,
)
from tests.stories.screening import LISTS, PARTNER, UNTIL, answer, decide_hit, findings, hit, objection, screen


def test_a_request_without_hits_is_accepted_once_it_is_screened_by_the_lists_in_force():
    story = a_book(submit())
    story.when(accept(lists=LISTS)).refused(Reason.SCREENING_MISSING)
    story = story.when(screen()).then(PartiesScreened(request=request_id("jp"), product=ANTIMONY, lists=LISTS, hits=(), beyond=0))
    story.given(accept(lists=LISTS))


def test_an_open_hit_bars_a_request_until_it_is_cleared():
    story = a_book(submit(), screen(hit()))
    assert "hit_1" in story.when(accept(lists=LISTS)).refused(Reason.HIT_OPEN).detail
    story = story.when(decide_hit("cleared")).then(
        ScreeningHitDecided(
            request=request_id("jp"), product=ANTIMONY, hit=HitId("hit_1"), outcome="cleared", reason="looked at", decided_by=OPERATOR
        )
    )
    story.given(accept(lists=LISTS))


def test_a_confirmed_hit_bars_a_request_until_another_word():
    story = a_book(submit(), screen(hit()), decide_hit("confirmed"))
    story.when(accept(lists=LISTS)).refused(Reason.PARTY_BARRED)
    story = story.given(decide_hit("cleared"))
    story.given(accept(lists=LISTS))


def test_hits_that_an_event_has_no_room_for_bar_a_request():
    story = a_book(submit(), screen(hit(), beyond=1), decide_hit("cleared"))
    story.when(accept(lists=LISTS)).refused(Reason.PARTY_BARRED)


def test_a_hit_that_nobody_found_is_not_decided():
    story = a_book(submit(), screen(hit()))
    story.when(decide_hit("cleared", "2")).refused(Reason.HIT_NOT_FOUND)
    story.when(decide_hit("cleared", name="us")).refused(Reason.REQUEST_CLOSED)


def test_the_next_version_of_a_list_leaves_what_was_cleared_and_opens_what_is_new():
    later = {ListName("entity-list"): 2}
    story = a_book(submit(), screen(hit("1"), hit("2")), decide_hit("cleared", "1"))
    story = story.given(screen(hit("1"), hit("3"), lists=later))
    assert story.state.requests[request_id("jp")].screening.hits == {"hit_1": "cleared", "hit_3": "open"}
    story.when(accept(lists=LISTS)).refused(Reason.SCREENING_MISSING)


def test_a_list_that_goes_takes_its_hits_along():
    story = a_book(submit(), screen(hit()), decide_hit("confirmed"), screen(lists={}))
    story.given(accept())


def test_screening_again_with_the_same_says_nothing_new():
    story = a_book(submit(), screen(hit()))
    story.when(screen(hit())).then()
    story = story.given(WithdrawRequest(request=request_id("jp"), reason="met elsewhere"))
    story.when(screen(hit("2"))).then()
    Story().when(screen(hit())).then()


def test_a_request_with_a_hit_comes_into_no_round():
    story = a_book(submit(), accept(), screen(hit()))
    story.when(open_round("jp")).refused(Reason.HIT_OPEN, "/requests/0")


def test_a_decision_falls_when_a_party_of_its_round_is_hit_and_is_made_again_when_that_is_cleared():
    story = a_proposal(10, 10)
    story = story.given(story.approve())
    story = story.when(screen(hit()))
    lapsed = story.events[1]
    assert isinstance(lapsed, ApprovalsLapsed)
    assert (lapsed.cause, lapsed.decision_stands) == (f"request {request_id('jp')}", False)
    story.when(story.propose()).refused(Reason.HIT_OPEN)
    story = story.given(decide_hit("cleared"))
    story = story.given(story.propose())
    story = story.given(story.approve())
    story.given(story.certify())


def test_screening_that_finds_nothing_leaves_a_decision_standing():
    story = a_proposal(10, 10)
    story = story.given(story.approve())
    story = story.when(screen()).then(PartiesScreened)
    story.given(story.certify())


def test_what_was_found_stands_beside_an_acceptance():
    found = {"event": Finding(answer="met", finding="exports stopped"), "duration": Finding(answer="not_stated", finding="no end is named")}
    story = a_book(submit())
    accepted, screened = story.when(accept(screening=findings(findings=found, not_pre_cleared=("nominee",)))).events
    assert isinstance(accepted, RequestAccepted)
    assert screened == RequestScreened(
        request=request_id("jp"),
        product=ANTIMONY,
        partner=JP,
        findings=found,
        not_pre_cleared=("nominee",),
        screened_by=OPERATOR,
        objections_until=UNTIL,
    )


def test_a_partner_objects_until_the_day_and_not_after():
    story = a_book(submit(), accept(units=4, screening=findings()))
    story.when(objection(on=UNTIL + timedelta(days=1))).refused(Reason.OBJECTION_LATE)
    story.when(objection(reasons=())).refused(Reason.REASONS_MISSING)
    story = story.when(objection()).then(
        ObjectionRaised(
            objection=ObjectionId("obj_1"),
            request=request_id("jp"),
            product=ANTIMONY,
            partner=JP,
            accepted_g=4 * UNIT_G,
            reasons=("more is needed",),
            raised_by=PARTNER,
        )
    )
    story.when(objection("2")).refused(Reason.OBJECTION_OPEN)


def test_what_was_not_accepted_is_not_objected_to():
    story = a_book(submit())
    story.when(objection()).refused(Reason.REQUEST_NOT_ACCEPTED)
    story.when(objection(request=request_id("us"))).refused(Reason.REQUEST_CLOSED)
    story = story.given(accept())
    story.when(objection()).refused(Reason.OBJECTION_LATE)  # it was accepted before there were objections


def test_an_upheld_objection_brings_another_acceptance():
    story = a_book(submit(), accept(units=4, screening=findings()), objection())
    story.when(answer(True)).refused(Reason.OBJECTION_ACCEPTANCE)
    story.when(answer(False, 6)).refused(Reason.OBJECTION_ACCEPTANCE)
    story.when(answer(True, 11)).refused(Reason.ACCEPTED_INVALID)
    story.when(answer(True, 6, reasons=())).refused(Reason.REASONS_MISSING)
    story = story.when(answer(True, 6))
    answered, accepted = story.events
    assert answered == ObjectionAnswered(
        objection=ObjectionId("obj_1"),
        request=request_id("jp"),
        product=ANTIMONY,
        partner=JP,
        upheld=True,
        reasons=("looked at again",),
        answered_by=ANOTHER,
        independent=True,
    )
    assert isinstance(accepted, RequestAccepted)
    assert story.state.requests[request_id("jp")].accepted_g == 6 * UNIT_G
    story.when(answer(True, 6)).refused(Reason.OBJECTION_CLOSED)


def test_an_objection_that_is_not_upheld_leaves_the_acceptance():
    story = a_book(submit(), accept(units=4, screening=findings()), objection())
    story = story.when(answer(False)).then(ObjectionAnswered)
    assert story.state.requests[request_id("jp")].accepted_g == 4 * UNIT_G
    story.given(objection("2"))  # another may follow


def test_an_objection_stops_no_round_and_is_answered_after_it():
    story = a_book(submit(), accept(units=4, screening=findings()), objection(), open_round("jp"))
    story = story.given(story.propose(4))
    story = story.given(story.approve())
    story = story.given(story.certify())
    story.when(answer(True, 6)).refused(Reason.OBJECTION_ACCEPTANCE)  # the decision is final
    story = story.given(story.close())
    [answered] = story.when(answer(True)).events
    assert answered.round == ROUND  # whose decision is to be corrected


def decided() -> Story:
    """Four units were accepted of ten, and a round has given them."""
    story = a_book(submit(), accept(units=4, screening=findings()), open_round("jp"))
    story = story.given(story.propose(4))
    story = story.given(story.approve())
    return story.given(story.certify())


def test_the_day_for_objections_is_what_it_was_whatever_has_been_decided_since():
    certified = decided()
    for story in (certified, certified.given(certified.close())):
        objected = story.when(objection(on=UNTIL)).then(ObjectionRaised)
        assert (objected.events[0].accepted_g, objected.events[0].partner) == (4 * UNIT_G, JP)
        objected.when(objection("2")).refused(Reason.OBJECTION_OPEN)
        objected.when(answer(True, 6)).refused(Reason.OBJECTION_ACCEPTANCE)
        [answered] = objected.when(answer(True)).events
        assert answered.round == ROUND
        story.when(objection(on=UNTIL + timedelta(days=1))).refused(Reason.OBJECTION_LATE)


def test_what_can_be_objected_to_no_more_is_forgotten_and_an_open_objection_is_not():
    later = UNTIL + timedelta(days=1)
    for before, left in (((), 0), ((objection(),), 1)):
        certified = decided()
        story = certified.given(certified.close(), *before)
        story = story.given(submit("us", US), accept("us"), open_round("us", round=RoundId("rnd_2")))
        story = story.given(story.propose(4, round=RoundId("rnd_2")))
        story = story.given(story.approve(round=RoundId("rnd_2")))
        story = story.given(story.certify(round=RoundId("rnd_2"), on=later))
        assert len(story.state.objectable) == left


def test_nobody_answers_an_objection_to_what_they_did_themselves():
    story = a_book(submit(), accept(units=4, screening=findings()), objection())
    refused = story.when(answer(False, by=OPERATOR)).refused(Reason.ANSWERED_BY_ACTOR)
    assert refused.accepted == "an operator who had none in it"


def test_an_upheld_objection_has_a_decision_that_counted_on_the_acceptance_made_again():
    story = a_book(submit(), accept(units=4, screening=findings()), objection(), open_round("jp"))
    story = story.given(story.propose(4))
    story = story.when(answer(True, 6)).then(ObjectionAnswered, RequestAccepted, ApprovalsLapsed)
    story.given(CancelRound(round=ROUND, reason="superseded"))


@pytest.mark.parametrize("barring", [decide_hit("confirmed"), None], ids=["confirmed", "open"])
def test_no_objection_brings_in_a_barred_party(barring: DecideHit | None):
    story = a_book(submit(), accept(units=4, screening=findings()), objection(), screen(hit()))
    if barring is not None:
        story = story.given(barring)
    story.when(answer(True, 6, lists=LISTS)).refused(Reason.HIT_OPEN if barring is None else Reason.PARTY_BARRED)
