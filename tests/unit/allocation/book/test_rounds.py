"""Rounds: opened, proposed, certified, cancelled, released or refused by inventory."""

from datetime import date, timedelta
from fractions import Fraction

import msgspec

from services.allocation.domain.book.decider import DECIDER, OpenBook
from services.allocation.domain.book.opening import MAX_PARTNERS, MAX_REQUESTS
from services.allocation.domain.book.requests import ExpireRequest, WithdrawRequest
from services.allocation.domain.book.rounds import CancelRound, CloseRound, ProposeRound, ReopenRound
from services.allocation.domain.book.state import Reason, proposal_of
from services.allocation.domain.decisions.check import recompute
from services.allocation.domain.decisions.decision import read_file
from services.allocation.domain.decisions.eligibility import Asked
from services.allocation.domain.decisions.supply import offer_from
from services.allocation.events import (
    AgreementRead,
    ApprovalsLapsed,
    AwardGranted,
    AwardId,
    AwardWithdrawn,
    CarrySet,
    DecisionHash,
    RequestExpired,
    RoundCancelled,
    RoundCertified,
    RoundId,
    RoundOpened,
    RoundProposed,
    RoundReleased,
    RoundReopened,
)
from shared.journal.record import MAX_DATA_BYTES, canonical
from tests.stories.book import (
    ANTIMONY,
    APPROVER,
    EU,
    JP,
    OPERATOR,
    ROUND,
    TODAY,
    TOO_LATE,
    UNIT_G,
    US,
    Story,
    a_book,
    a_certified_round,
    a_proposal,
    a_round,
    accept,
    open_round,
    request_id,
    stock_around,
    submit,
    surroundings,
    terms,
)

SECOND = RoundId("rnd_2")
CANCEL = CancelRound(round=ROUND, reason="superseded")


def awarded(story: Story, round: RoundId = ROUND) -> dict[str, int]:
    """Partner -> units."""
    return {partner: mass_g // UNIT_G for partner, mass_g in proposal_of(story.state.rounds[round]).awarded_g.items()}


# Opening


def test_a_round_opens_over_accepted_requests():
    story = a_book(submit("jp", JP), accept("jp"), submit("us", US), accept("us"))
    [event] = story.when(open_round("jp", "us")).events
    assert isinstance(event, RoundOpened)
    assert event.requests == (request_id("jp"), request_id("us"))
    assert (event.method.rule, event.policy, event.policy_version, event.quorum[0].approvals) == ("pro_rata", "standing", 1, 1)


def test_a_round_without_requests_is_refused():
    a_book().when(open_round()).refused(Reason.ROUND_EMPTY)


def test_a_round_with_more_requests_than_an_event_holds_is_refused():
    story = a_book()
    story.when(open_round(*(str(place) for place in range(MAX_REQUESTS + 1)))).refused(Reason.ROUND_TOO_LARGE)


def test_a_request_named_twice_is_refused():
    a_book(submit(), accept()).when(open_round("jp", "jp")).refused(Reason.REQUEST_TWICE)


def test_an_unknown_request_is_refused():
    a_book(submit(), accept()).when(open_round("jp", "never")).refused(Reason.REQUEST_CLOSED, "/requests/1")


def test_a_request_that_nobody_has_accepted_is_refused():
    a_book(submit()).when(open_round("jp")).refused(Reason.REQUEST_NOT_ACCEPTED)


def test_a_request_of_another_round_is_refused():
    a_round(10).when(open_round("jp", round=SECOND)).refused(Reason.REQUEST_IN_ROUND)


def test_a_request_whose_day_has_passed_is_refused():
    a_book(submit(), accept()).when(open_round("jp", on=TOO_LATE)).refused(Reason.REQUEST_EXPIRED)


def test_an_unknown_rule_is_refused():
    refused = a_book(submit(), accept()).when(open_round("jp", rule="lottery")).refused(Reason.RULE_UNKNOWN)
    assert refused.accepted == "equal_awards, equal_losses, iep, priority, pro_rata, quota_capped, talmud"


def test_a_round_that_needs_no_approval_is_refused():
    story = a_book(submit(), accept())
    story.when(open_round("jp", approvals_needed=0)).refused(Reason.APPROVALS_INVALID)
    story.when(open_round("jp", approvals_needed=11)).refused(Reason.APPROVALS_INVALID)


def test_a_round_whose_releases_could_never_be_drawn_is_refused():
    story = a_book(submit(), accept())
    story.when(open_round("jp", release_days=0)).refused(Reason.RELEASE_DAYS_INVALID)
    story.when(open_round("jp", release_days=367)).refused(Reason.RELEASE_DAYS_INVALID)


# Proposing


def test_a_proposal_shares_the_supply_and_says_what_it_was_made_from():
    story = a_round(10, 30)
    story = story.when(story.propose(20))
    [event] = story.events
    assert isinstance(event, RoundProposed)
    assert [(award.award, award.partner, award.mass_g) for award in story.orders[event.release_order].awards] == [
        ("awd_jp", JP, 5 * UNIT_G),
        ("awd_us", US, 15 * UNIT_G),
    ]
    assert (event.supply_g, event.left_g, event.proposed_by) == (20 * UNIT_G, 0, OPERATOR)
    assert (event.awards, event.awarded_g) == (2, {JP: 5 * UNIT_G, US: 15 * UNIT_G})
    assert event.reads.agreements[JP] == AgreementRead(
        agreement=terms(JP).agreement, version=1, year_from=date(2026, 1, 1), quota_g=1000 * UNIT_G, used_g=0
    )


def test_a_decision_is_named_by_its_published_part_and_recomputes():
    story = a_round(10, 30)
    prepared = story.prepared(21)
    file = read_file(prepared.file)
    assert recompute(file) == []
    [event] = story.when(
        ProposeRound(round=ROUND, supply_g=21 * UNIT_G, by=OPERATOR, on=TODAY, surroundings=surroundings(), proposed=prepared.proposed)
    ).events
    assert isinstance(event, RoundProposed)
    assert event.decision == prepared.proposed.decision


def test_the_priority_rule_serves_the_first_class_first():
    around = surroundings(terms={JP: terms(JP, priority_class=1), US: terms(US, priority_class=0)})
    story = a_round(10, 10, rule="priority")
    story = story.given(story.propose(12, around))
    assert awarded(story) == {"US": 10, "JP": 2}


def test_a_partner_never_gets_more_than_its_quota_allows():
    around = surroundings(terms={JP: terms(JP, quota_units=3), US: terms(US)})
    story = a_round(10, 10)
    story = story.given(story.propose(20, around))
    assert awarded(story) == {"JP": 3, "US": 10}


def test_a_quota_goes_to_the_requests_of_a_partner_in_turn():
    around = surroundings(terms={JP: terms(JP, quota_units=12)})
    story = a_book(submit("a", JP), accept("a"), submit("b", JP), accept("b"), open_round("a", "b"))
    story = story.given(story.propose(20, around))
    assert [award.mass_g // UNIT_G for award in story.order().awards] == [10, 2]


def test_a_minimum_that_is_not_reached_is_given_to_the_others():
    story = a_book(submit("jp", JP, 10), accept("jp"), submit("us", US, 10, minimum_g=8 * UNIT_G), accept("us"), open_round("jp", "us"))
    story = story.given(story.propose(10))
    assert awarded(story) == {"JP": 10}


def test_more_than_is_available_cannot_be_offered():
    story = a_round(10)
    refused = story.when(story.propose(11, surroundings(lots=10))).refused(Reason.SUPPLY_BEYOND_STOCK)
    assert refused.accepted == f"up to {10 * UNIT_G} g"


def test_protected_stock_cannot_be_offered():
    story = a_round(10)
    around = surroundings(lots=10, protected=4)
    story.when(story.propose(7, around)).refused(Reason.SUPPLY_BEYOND_STOCK)
    story.given(story.propose(6, around))


def test_firm_rights_can_be_offered_though_all_lots_are_protected():
    story = a_round(10)
    around = surroundings(lots=10, protected=20, rights=5)
    story = story.given(story.propose(5, around))
    assert awarded(story) == {"JP": 5}
    story.when(story.propose(6, around)).refused(Reason.SUPPLY_BEYOND_STOCK)


def test_an_offer_is_of_whole_units_the_largest_first():
    around = surroundings(lots_g=12 * UNIT_G, rights_g=2 * UNIT_G)
    lots = {UNIT_G: 2, 5 * UNIT_G: 2}
    anything = Asked(request=request_id("a"), partner=JP, needed_by=TODAY)

    def offered(supply_g):
        return {
            pool.pool: [(units.unit_g // UNIT_G, units.units) for units in pool.offered]
            for pool in offer_from(stock_around(around, lots), [anything], supply_g, TODAY).pools
        }

    assert offered(14 * UNIT_G + 1) == {"lots": [(5, 2), (1, 2)], "rights": [(1, 2)]}
    assert offered(4 * UNIT_G) == {"lots": [(1, 2)], "rights": [(1, 2)]}
    assert offered(UNIT_G - 1) == {"rights": [(1, 0)]}


def test_an_offer_of_nothing_is_refused():
    story = a_round(10)
    story.when(msgspec.structs.replace(story.propose(), supply_g=0)).refused(Reason.QUANTITY_INVALID)


def test_a_round_whose_partner_has_no_valid_agreement_is_not_proposed():
    around = surroundings(terms={JP: terms(JP)})
    story = a_round(10, 10)
    command = ProposeRound(round=ROUND, supply_g=UNIT_G, by=OPERATOR, on=TODAY, surroundings=around, proposed=None)
    assert "US" in story.when(command).refused(Reason.AGREEMENT_MISSING).detail


def test_a_round_that_lost_its_requests_is_not_proposed():
    story = a_round(10)
    command = story.propose()
    story = story.given(WithdrawRequest(request=request_id("jp"), reason="met elsewhere"))
    story.when(command).refused(Reason.ROUND_EMPTY)


def test_a_round_with_a_request_whose_day_has_passed_is_not_proposed():
    story = a_round(10)
    story.when(story.propose(on=TOO_LATE)).refused(Reason.REQUEST_EXPIRED)


def test_a_decision_made_from_an_older_book_is_refused():
    story = a_round(10, 10)
    command = story.propose()
    story = story.given(accept("jp", 5))
    story.when(command).refused(Reason.DECISION_STALE)


def test_a_decision_that_could_not_be_worked_out_is_refused():
    story = a_round(10)
    story.when(msgspec.structs.replace(story.propose(), proposed=None)).refused(Reason.DECISION_STALE)


def test_a_decision_that_awards_nothing_is_refused():
    around = surroundings(terms={JP: terms(JP, quota_units=0)})
    story = a_round(10)
    story.when(story.propose(10, around)).refused(Reason.NOTHING_AWARDED)


def test_a_decision_that_no_rule_could_make_is_refused():
    story = a_round(10, 10)
    command = story.propose(10)
    assert command.proposed is not None
    first_g, second_g = command.proposed.awards_g[JP], command.proposed.awards_g[US]
    more_g = dict.fromkeys(first_g, 11 * UNIT_G)
    stranger_g = {request_id("eu"): 5 * UNIT_G}
    story = story.given(submit("eu", EU))
    unsound = (
        {JP: first_g},
        {JP: more_g, US: second_g},
        {JP: first_g, EU: stranger_g},
        {JP: first_g | second_g},
        {JP: first_g, US: first_g},
    )
    for awards_g in unsound:
        left_g = 10 * UNIT_G - sum(mass_g for each in awards_g.values() for mass_g in each.values())
        proposed = msgspec.structs.replace(command.proposed, awards_g=awards_g, left_g=0 if awards_g == {JP: first_g} else left_g)
        story.when(msgspec.structs.replace(command, proposed=proposed)).refused(Reason.DECISION_UNSOUND)


def test_a_decision_beyond_a_quota_is_refused():
    story = a_round(10)
    command = story.propose(10)
    assert command.proposed is not None
    tight = surroundings(terms={JP: terms(JP, quota_units=9)})
    reads = story.prepared(10, tight).proposed.reads
    proposed = msgspec.structs.replace(command.proposed, reads=reads)
    story.when(msgspec.structs.replace(command, surroundings=tight, proposed=proposed)).refused(Reason.DECISION_UNSOUND)


def test_another_proposal_replaces_the_first():
    story = a_proposal(10, supply=5)
    before = story.decision()
    story = story.when(story.propose(6))
    lapsed, proposed = story.events
    assert isinstance(lapsed, ApprovalsLapsed)
    assert (lapsed.decision, lapsed.keys, lapsed.decision_stands, lapsed.cause) == (before, (), False, "another decision")
    assert isinstance(proposed, RoundProposed)


def test_nobody_undoes_an_approval_by_proposing_again_unless_something_has_changed():
    story = a_proposal(10, supply=5)
    story = story.given(story.approve())
    story.when(story.propose(6)).refused(Reason.DECISION_APPROVED)
    story.when(story.propose(5)).refused(Reason.DECISION_APPROVED)
    changed = story.when(story.propose(6, around=surroundings(terms={JP: terms(JP, version=2)})))
    lapsed, proposed = changed.events
    assert isinstance(lapsed, ApprovalsLapsed) and len(lapsed.keys) == 1
    assert isinstance(proposed, RoundProposed) and not proposal_of(changed.state.rounds[ROUND]).approvals
    assert any(isinstance(each, RoundCertified) for each in story.when(story.certify()).events)


# Certifying


def test_a_certified_round_grants_each_award_and_shows_the_days_of_cover_it_buys():
    story = a_proposal(10, 30, supply=10)
    story = story.given(story.approve())
    decision = story.decision()
    story = story.when(story.certify())
    *carries, certified, jp, us = story.events
    assert [(carry.partner, carry.carry_g) for carry in carries if isinstance(carry, CarrySet)] == [(JP, "2500000"), (US, "-2500000")]
    assert isinstance(jp, AwardGranted)
    assert isinstance(us, AwardGranted)
    assert (jp.partner, jp.mass_g, jp.days_of_cover) == (JP, 2 * UNIT_G, "10.0")
    assert (us.partner, us.mass_g, us.days_of_cover) == (US, 8 * UNIT_G, "40.0")  # of 2.5 and 7.5 units: a tie, and the larger claim's
    assert isinstance(certified, RoundCertified)
    assert certified.decision == decision
    assert certified.expires_on == TODAY + timedelta(days=30)
    assert (certified.awards, certified.release_order) == ((), proposal_of(story.state.rounds[ROUND]).release_order)
    assert [award.mass_g for award in story.order().awards] == [jp.mass_g, us.mass_g]
    assert [approval.subject for approval in certified.approvals] == [APPROVER]


def test_a_round_without_its_approvals_is_not_certified():
    story = a_proposal(10, supply=5)
    story.when(story.certify()).refused(Reason.APPROVALS_MISSING)


def test_a_round_is_certified_on_the_attestation_of_who_certifies_it_and_never_without():
    story = a_proposal(10, supply=5)
    story = story.given(story.approve())
    refused = story.when(story.certify(attestation=None)).refused(Reason.ATTESTATION_MISSING)
    assert (refused.field, story.decision() in (refused.accepted or "")) == ("/attestation", True)
    [certified] = [event for event in story.when(story.certify()).events if isinstance(event, RoundCertified)]
    assert certified.attestation is not None
    assert (certified.attestation.subject, certified.attestation_required) == (OPERATOR, True)


def test_a_round_without_a_decision_is_not_certified():
    story = a_round(10)
    story.when(story.certify()).refused(Reason.ROUND_NOT_PROPOSED)


def test_a_round_is_certified_once():
    story = a_certified_round(10)
    story.when(story.certify()).refused(Reason.ROUND_CERTIFIED)
    story.when(story.propose()).refused(Reason.ROUND_CERTIFIED)
    story.when(CANCEL).refused(Reason.ROUND_CERTIFIED)


def test_a_round_with_a_request_whose_day_has_passed_is_not_certified():
    story = a_proposal(10, supply=5)
    story = story.given(story.approve())
    story.when(story.certify(on=TOO_LATE)).refused(Reason.REQUEST_EXPIRED)


def test_what_changed_around_the_book_by_now_forbids_to_certify():
    story = a_proposal(10, supply=5)
    story = story.given(story.approve())
    story.when(story.certify(surroundings(terms={JP: terms(JP, version=2)}))).refused(Reason.DECISION_STALE)
    story.when(story.certify(surroundings(terms={}))).refused(Reason.DECISION_STALE)
    story.when(story.certify(surroundings(protected=1))).refused(Reason.DECISION_STALE)
    story.when(story.certify(surroundings(terms={JP: terms(JP, year_from=date(2026, 1, 6))}))).refused(Reason.DECISION_STALE)


def test_stock_that_moved_is_information_and_does_not_forbid_to_certify():
    story = a_proposal(10, supply=5)
    story = story.given(story.approve())
    story.given(story.certify(surroundings(lots=0)))


def test_while_a_round_awaits_its_release_no_other_is_certified():
    story = a_certified_round(10, supply=5)
    story = story.given(submit("us", US), accept("us"), open_round("us", round=SECOND))
    story = story.given(story.propose(5, round=SECOND))
    story = story.given(story.approve(round=SECOND))
    story.when(story.certify(round=SECOND)).refused(Reason.AWAITING_RELEASE)
    story = story.given(story.close())
    story.given(story.certify(round=SECOND))


def test_what_a_round_awards_counts_against_the_quota_of_the_next():
    around = surroundings(terms={JP: terms(JP, quota_units=8)})
    story = a_round(10)
    story = story.given(story.propose(5, around))
    story = story.given(story.approve())
    story = story.given(story.certify(around))
    story = story.given(story.close(), submit("again", JP), accept("again"), open_round("again", round=SECOND))
    story = story.given(story.propose(10, around, SECOND))
    assert awarded(story, SECOND) == {"JP": 3}


def test_another_year_of_the_agreement_has_a_quota_of_its_own():
    story = a_round(10)
    first = surroundings(terms={JP: terms(JP, quota_units=5)})
    story = story.given(story.propose(5, first))
    story = story.given(story.approve())
    story = story.given(story.certify(first))
    story = story.given(story.close(), submit("again", JP), accept("again"), open_round("again", round=SECOND))
    next_year = surroundings(terms={JP: terms(JP, quota_units=5, year_from=date(2027, 1, 1))})
    story = story.given(story.propose(5, next_year, SECOND))
    assert awarded(story, SECOND) == {"JP": 5}


def test_what_rounding_took_is_carried_to_the_next_round():
    story = a_certified_round(10, 10, supply=1)
    assert {carry.partner: Fraction(carry.carry_g) for carry in story.state.carries.values()} == {
        JP: -Fraction(UNIT_G, 2),
        US: Fraction(UNIT_G, 2),
    }
    story = story.given(story.close())  # US was given nothing: its request still waits
    story = story.given(submit("again", JP), accept("again"), open_round("again", "us", round=SECOND))
    story = story.given(story.propose(1, round=SECOND))
    assert awarded(story, SECOND) == {"US": 1}


# Cancelling, and what inventory answers


def test_a_cancelled_round_gives_its_requests_back():
    story = a_proposal(10, supply=5)
    story = story.when(CANCEL).then(RoundCancelled(round=ROUND, product=ANTIMONY, reason="superseded"))
    story.when(CANCEL).refused(Reason.ROUND_CLOSED)
    story.given(open_round("jp", round=SECOND))


def test_a_released_round_closes_the_requests_that_it_gave_something():
    story = a_certified_round(10, 10, supply=1)
    decision = story.decision()
    story = story.when(story.close()).then(RoundReleased(round=ROUND, product=ANTIMONY, decision=decision))
    assert set(story.state.requests) == {request_id("us")}
    assert story.state.rounds.get(ROUND) is None


def test_a_request_that_was_given_nothing_and_is_late_expires_once_its_round_is_released():
    story = a_certified_round(10, 10, supply=1)
    story = story.when(ExpireRequest(request=request_id("us"), on=TOO_LATE))
    [postponed] = story.events
    story = story.given(story.close())
    [again] = DECIDER.timers(postponed)
    [expired] = story.when(again.command).events
    assert isinstance(expired, RequestExpired)
    assert expired.request == request_id("us")


def test_a_round_that_inventory_refuses_is_open_again_as_if_never_certified():
    story = a_round(10, 10)
    before = story.state
    story = story.given(story.propose(1))
    story = story.given(story.approve())
    story = story.given(story.certify())
    decision = story.decision()
    story = story.when(story.reopen())
    withdrawn, *carries, reopened = story.events
    assert [carry.carry_g for carry in carries if isinstance(carry, CarrySet)] == ["0", "0"]
    assert withdrawn == AwardWithdrawn(
        award=AwardId("awd_jp"), round=ROUND, request=request_id("jp"), product=ANTIMONY, partner=JP, reason="stock_short"
    )
    assert reopened == RoundReopened(round=ROUND, product=ANTIMONY, decision=decision, reason="stock_short")
    assert story.state.rounds[ROUND] == msgspec.structs.replace(before.rounds[ROUND], signed=True)
    assert story.state.carries == before.carries
    assert story.state.used_g(terms(JP).agreement, date(2026, 1, 1)) == 0
    story = story.given(story.propose(2))
    story = story.given(story.approve())
    story.given(story.certify())


def test_a_reopened_round_is_left_by_requests_whose_day_has_passed():
    story = a_certified_round(10, supply=5)
    story = story.when(ExpireRequest(request=request_id("jp"), on=TOO_LATE))
    [postponed] = story.events
    story = story.given(story.reopen())
    [again] = DECIDER.timers(postponed)
    story = story.when(again.command)
    [expired] = story.events
    assert isinstance(expired, RequestExpired)
    assert story.state.rounds[ROUND].requests == frozenset()


def test_an_answer_of_inventory_that_nobody_waits_for_is_nothing():
    other = DecisionHash("ab" * 32)
    for story in (Story(), a_book(), a_round(10), a_proposal(10, supply=5), a_certified_round(10, supply=5)):
        story.when(CloseRound(round=ROUND, decision=other)).then()
        story.when(ReopenRound(round=ROUND, decision=other, reason="stock_short")).then()


def test_the_largest_round_fits_in_events():
    """As many partners as can be, and ten times as many requests."""
    story = a_book()
    names = [f"01jh{place:022}" for place in range(10 * MAX_PARTNERS)]
    partners = [f"P{place % MAX_PARTNERS:02}" for place in range(10 * MAX_PARTNERS)]
    for name, partner in zip(names, partners, strict=True):
        story = story.given(submit(name, partner, 99_991, agreement="agr_1"), accept(name, 99_991))
    around = surroundings(
        lots=10**6,
        terms={
            partner: terms(partner, quota_units=10**8, agreement=f"agr_01jh{place:022}")
            for place, partner in enumerate(partners[:MAX_PARTNERS])
        },
    )
    story = story.given(open_round(*names))
    largest = 0
    for supply in (999_983, 999_979):
        story = story.when(story.propose(supply, around))
        [*_, proposed] = story.events
        largest = max(largest, len(canonical(proposed)))
        story = story.given(story.approve())
        story = story.when(story.certify(around))
        events = story.events
        largest = max(largest, *(len(canonical(event)) for event in events))
        story = story.given(story.reopen())
    assert largest < MAX_DATA_BYTES


def test_a_book_that_is_not_open_refuses_rounds():
    story = Story()
    story.when(open_round("jp")).refused(Reason.PRODUCT_NOT_FOUND)
    story.given(OpenBook(product=ANTIMONY)).when(CANCEL).refused(Reason.ROUND_CLOSED)
