"""Requests for a loan: what is awarded comes back."""

from datetime import timedelta

from services.allocation.domain.book.state import Reason
from services.allocation.events import AwardGranted, AwardWithdrawn, LoanAwarded, LoanRequested, RequestSubmitted, RoundCertified
from tests.stories.book import JP, NEEDED_BY, Story, a_book, accept, open_round, request_id, submit

RETURN_ON = NEEDED_BY + timedelta(days=180)


def proposed() -> Story:
    """A loan for JP beside a sale to US."""
    story = a_book(submit(return_on=RETURN_ON), submit("us", units=10, partner=type(JP)("US")), accept(), accept("us"))
    story = story.given(open_round("jp", "us"))
    return story.given(story.propose(units=20))


def test_a_request_for_a_loan_names_the_day_on_which_it_comes_back():
    submitted, requested = a_book().when(submit(return_on=RETURN_ON)).events
    assert isinstance(submitted, RequestSubmitted)
    assert requested == LoanRequested(request=request_id("jp"), product=submitted.product, partner=JP, return_on=RETURN_ON)


def test_a_loan_comes_back_after_it_was_needed():
    a_book().when(submit(return_on=NEEDED_BY)).refused(Reason.RETURN_INVALID, "/return_on")


def test_an_award_on_it_is_a_loan_and_that_is_said_before_the_round_is_certified():
    story = proposed()
    events = story.given(story.approve()).when(story.certify()).events
    assert [type(event) for event in events if not isinstance(event, AwardGranted)] == [LoanAwarded, RoundCertified]
    [lent] = [event for event in events if isinstance(event, LoanAwarded)]
    granted = next(event for event in events if isinstance(event, AwardGranted) and event.partner == JP)
    assert (lent.award, lent.mass_g, lent.return_on, lent.decision) == (granted.award, granted.mass_g, RETURN_ON, granted.decision)


def test_a_loan_counts_against_the_quota_and_goes_with_its_round():
    story = proposed()
    story = story.given(story.approve(), story.certify())
    used_g = {used.mass_g for used in story.state.quota_used.values()}
    assert used_g == set(story.state.rounds[next(iter(story.state.rounds))].proposal.awarded_g.values())  # type: ignore[union-attr]
    story = story.when(story.reopen())
    events = story.events
    assert sum(isinstance(event, AwardWithdrawn) for event in events) == 2
    assert story.state.requests[request_id("jp")].return_on == RETURN_ON, "it is a loan in the next round too"
