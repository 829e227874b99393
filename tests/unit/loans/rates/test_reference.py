"""A reference rate: what is published of it is entered by two people, once a day, and corrected where it was wrong."""

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from services.loans.domain.controls import CONTROLS, EVENTS
from services.loans.domain.rates.reference import (
    DECIDER,
    FollowReferenceRate,
    LeaveReferenceRate,
    PublishReferenceRate,
    RegisterReferenceRate,
)
from services.loans.events.loan import LoanId
from services.loans.events.rates import (
    Lent,
    Publication,
    RateCode,
    ReferenceRateFollowed,
    ReferenceRateLeft,
    ReferenceRatePublished,
    ReferenceRateRegistered,
)
from shared.terms.authority import Fault, Use, interest_in
from shared.terms.countersigning import ControlReason, countersigned
from tests.stories.countersigned import SIGNER, approve, propose
from tests.stories.given import Given
from tests.stories.powers import may

FRIDAY, SATURDAY, MONDAY = date(2026, 1, 9), date(2026, 1, 10), date(2026, 1, 12)
AONIA = RateCode("AONIA")
LOAN = LoanId("lon_1")
REGISTER = RegisterReferenceRate(rate=AONIA, name="overnight", administrator="Reserve Bank of Australia", calendar="weekends")
LENT = Lent(companies=("hillgrove-mines", "hillgrove"), currency="AUD", commitment_minor=120_000)
FOLLOW = FollowReferenceRate(rate=AONIA, loan=LOAN, lent=LENT, since=MONDAY)


def publish(day: date, pct: str, on: date = MONDAY) -> PublishReferenceRate:
    return PublishReferenceRate(day=day, pct=pct, source="RBA table F1", on=on)


def aonia(*happened: Any) -> Given:
    return Given(DECIDER, REGISTER, *happened)


def test_it_is_registered_once_with_a_calendar_that_somebody_keeps():
    aonia().when(REGISTER).refused("reference_rate_already_registered")
    nowhere = RegisterReferenceRate(rate=AONIA, name="x", administrator="x", calendar="XX")
    Given(DECIDER).when(nowhere).refused("reference_rate_calendar_invalid", "/calendar")
    Given(DECIDER).when(publish(FRIDAY, "4.35")).refused("reference_rate_not_found")


@pytest.mark.parametrize(
    ("day", "pct", "code", "field"),
    [
        (SATURDAY, "4.35", "reference_rate_no_business_day", "/day"),
        (date(2026, 1, 13), "4.35", "date_in_future", "/day"),
        (MONDAY, "5.36", "reference_rate_implausible", "/pct"),
        (MONDAY, "435", "reference_rate_invalid", "/pct"),
        (FRIDAY, "4.350", "reference_rate_already_published", "/pct"),
        (date(2026, 1, 8), "-10", "reference_rate_implausible", "/pct"),  # right before a day that has one
    ],
)
def test_what_cannot_have_been_published_is_refused(day: date, pct: str, code: str, field: str):
    aonia(publish(FRIDAY, "4.35")).when(publish(day, pct)).refused(code, field)


def test_what_was_entered_wrong_is_corrected_and_says_what_it_corrects():
    [first] = aonia().when(publish(FRIDAY, "4.53")).events
    [second] = aonia(publish(FRIDAY, "4.53")).when(publish(FRIDAY, "4.35")).events
    assert (first.corrects, second.corrects) == (None, "4.53")


def test_a_loan_that_follows_is_told_what_was_published_and_what_will_be_until_it_is_closed():
    story = aonia(publish(FRIDAY, "4.35"))
    [followed] = story.when(FOLLOW).then(ReferenceRateFollowed).events
    assert followed.publications == (Publication(day=FRIDAY, pct="4.35"),)
    story = story.given(FOLLOW)
    assert story.when(publish(MONDAY, "4.1")).events[0].followers == (LOAN,)
    story.when(FOLLOW).then()
    left = LeaveReferenceRate(rate=AONIA, loan=LOAN)
    story = story.when(left).then(ReferenceRateLeft)
    story.when(left).then()
    assert story.when(publish(MONDAY, "4.1")).events[0].followers == ()


def test_nobody_registers_or_publishes_alone():
    story = Given(countersigned(DECIDER, CONTROLS, EVENTS))
    story.when(REGISTER).refused(ControlReason.NEEDED)
    story = story.given(propose(REGISTER, MONDAY), approve(MONDAY))
    assert isinstance(story.events[1], ReferenceRateRegistered) or any(isinstance(each, ReferenceRateRegistered) for each in story.events)
    story.when(publish(MONDAY, "4.1")).refused(ControlReason.NEEDED)
    story = story.given(propose(publish(MONDAY, "4.1"), MONDAY), approve(MONDAY))
    assert any(isinstance(each, ReferenceRatePublished) for each in story.events)


def test_who_signs_a_publication_needs_power_over_all_that_is_lent_to_those_that_follow():
    story = Given(countersigned(DECIDER, CONTROLS, EVENTS), propose(REGISTER, MONDAY), approve(MONDAY))
    other = FollowReferenceRate(rate=AONIA, loan=LoanId("lon_2"), lent=replace(LENT, commitment_minor=30_000), since=MONDAY)
    story = story.given(FOLLOW, other, propose(publish(MONDAY, "4.1"), MONDAY))
    barred = may(SIGNER, MONDAY, conflicts=frozenset({interest_in("company", "hillgrove")}))
    story.when(approve(MONDAY, capacity=barred)).refused(Fault.CONFLICT)
    little = [replace(chain[0], limit_minor=149_999, currency="AUD") for chain in may(SIGNER, MONDAY).held]
    limited = replace(may(SIGNER, MONDAY), held=tuple((each,) for each in little))
    story.when(approve(MONDAY, capacity=limited)).refused(Fault.OVER_LIMIT)
    *_, cited = story.when(approve(MONDAY)).events
    assert (cited.cited.amount_minor, cited.cited.currency) == (150_000, "AUD")


def test_what_is_published_each_day_counts_once_towards_a_limit():
    story = Given(countersigned(DECIDER, CONTROLS, EVENTS), propose(REGISTER, MONDAY), approve(MONDAY), FOLLOW)
    story = story.given(propose(publish(MONDAY, "4.1"), MONDAY))
    used = Use(name="reference/AONIA", on=FRIDAY, amount_minor=120_000, currency="AUD")
    within = {"limit_minor": 120_000, "currency": "AUD", "window_days": 30}
    for uses, covers in (((used,), True), ((replace(used, name="reference/SOFR"),), False)):
        held = tuple((replace(chain[0], uses=uses, **within),) for chain in may(SIGNER, MONDAY).held)
        later = story.when(approve(MONDAY, capacity=replace(may(SIGNER, MONDAY), held=held)))
        assert later.events if covers else later.refused(Fault.OVER_LIMIT)
