"""Tallies: each day that has ended is told to each partner, once, and none is left out."""

from datetime import date, timedelta
from typing import Any

from services.allocation.domain.partners.tally import DECIDER, HeldInLog, TallyDay
from services.allocation.events.reach import LineTally, PartnerTallied
from tests.stories.given import Given

DAY = date(2026, 1, 6)
LINES = {"inventory/0": LineTally(last=12, chain="ab" * 32)}


def ended(day: date, *partners: Any) -> TallyDay:
    return TallyDay(day=day, counted={partner: HeldInLog(70, LINES if partner == "JP" else {}) for partner in partners})


def told(partner: Any, day: date = DAY) -> PartnerTallied:
    return PartnerTallied(partner=partner, day=day, size=70, lines=LINES if partner == "JP" else {})


def test_each_partner_is_told_also_one_without_events():
    Given(DECIDER).when(ended(DAY, "US", "JP")).then(told("JP"), told("US"))


def test_a_day_is_tallied_once_and_the_next_is_the_one_after_it():
    given = Given(DECIDER, ended(DAY, "JP"))
    given.when(ended(DAY, "JP")).then()
    given.when(ended(DAY - timedelta(days=1), "JP")).then()
    given.when(ended(DAY + timedelta(days=2), "JP")).then()
    given.when(ended(DAY + timedelta(days=1), "JP")).then(told("JP", DAY + timedelta(days=1)))
