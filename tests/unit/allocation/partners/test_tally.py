"""Tallies: each day that has ended is told to each partner, once, and none is left out."""

from datetime import date, timedelta
from typing import Any

from services.allocation.domain.partners.tally import DECIDER, HeldInLog, TallyDays
from services.allocation.events.reach import LineTally, PartnerTallied
from tests.stories.given import Given

DAY, NEXT, THIRD = (date(2026, 1, 6) + timedelta(days=days) for days in range(3))
LINES = {"inventory/0": LineTally(last=12, chain="ab" * 32)}
SINCE: dict[Any, date] = {"JP": date(2025, 1, 1), "US": NEXT}


def ended(until: date) -> TallyDays:
    held = {partner: HeldInLog(since=since, size=70, lines=LINES if partner == "JP" else {}) for partner, since in SINCE.items()}
    return TallyDays(until=until, held=held)


def told(partner: Any, day: date = DAY) -> PartnerTallied:
    return PartnerTallied(partner=partner, day=day, size=70, lines=LINES if partner == "JP" else {})


def test_the_first_day_is_the_last_that_has_ended_and_who_was_no_partner_then_is_not_told():
    Given(DECIDER).when(ended(DAY)).then(told("JP"))


def test_each_partner_is_told_of_each_day_that_was_missed_also_one_without_events():
    missed = [told(partner, day) for day in (NEXT, THIRD) for partner in ("JP", "US")]
    Given(DECIDER, ended(DAY)).when(ended(THIRD)).then(*missed)


def test_a_day_is_tallied_once():
    given = Given(DECIDER, ended(NEXT))
    given.when(ended(NEXT)).then()
    given.when(ended(DAY)).then()
    given.when(ended(THIRD)).then(told("JP", THIRD), told("US", THIRD))
