"""The audit of reference rates: each loan that follows bears what was published, from its day on, and none was left out."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

import pytest
from msgspec.structs import replace

from reserve.audit.evidence import Recorded
from reserve.audit.reference_rates import ReferenceRates
from reserve.audit.report import Check, Findings
from services.loans.events import loan
from services.loans.events.authority import AuthorityCited
from services.loans.events.books import BookChange, LoanId
from services.loans.events.rates import (
    Lent,
    Publication,
    RateCode,
    ReferenceRateFollowed,
    ReferenceRateLeft,
    ReferenceRatePublished,
    ReferenceRateRegistered,
)
from services.loans.events.terms import RateFollowed, Restructure
from shared.terms.authority import Cited
from tests.stories.audit_loans import TERMS, act_approved, figures

AONIA = RateCode("AONIA")
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
COMMITTED_ON = date(2026, 1, 6)  # a Tuesday, on which the periods of the terms begin, a month each
MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (date(2026, 1, 5) + timedelta(days=day) for day in range(4))
LON_7, LON_8 = LoanId("lon_7"), LoanId("lon_8")
LENT = Lent(companies=("hillgrove-mines", "hillgrove"), currency="AUD", commitment_minor=50)
COMPOUNDED = RateFollowed(rate=AONIA, lookback_days=1, floor_pct="1", compounded=True)
BY_PERIOD = RateFollowed(rate=AONIA, lookback_days=1)


class History:
    """A rate that loan 7 follows; each event an hour after the one before."""

    def __init__(self, follows: RateFollowed = COMPOUNDED) -> None:
        self.findings = Findings()
        self._rates = ReferenceRates(self.findings)
        self._at = NOON
        self._count = 0
        registered = ReferenceRateRegistered(rate=AONIA, name="overnight", administrator="the RBA", calendar="weekends")
        self.rate("register", registered)
        self.lent(LON_7, follows)

    def lent(self, id: LoanId, follows: RateFollowed) -> Self:
        terms: Any = replace(TERMS, reference_rate=follows)
        self.loan("propose", id, loan.LoanProposed(loan=id, terms=terms, document="", proposed_by="sub_operator"))
        about: Any = {"facility": TERMS.facility, "project": TERMS.project, "borrower": TERMS.borrower, "currency": "AUD"}
        days: Any = {"on": COMMITTED_ON, "sunset_on": COMMITTED_ON, "available_until": COMMITTED_ON}
        return self.loan("commit", id, loan.LoanCommitted(loan=id, commitment_minor=50, **about, **days))

    def follows(self, place: str = "follow", id: LoanId = LON_7, **changes: Any) -> Self:
        about: Any = {"rate": AONIA, "loan": id, "calendar": "weekends", "publications": (), "lent": LENT} | changes
        return self.rate(place, ReferenceRateFollowed(**about))

    def published(self, place: str, day: date, pct: str, *followers: LoanId) -> Self:
        said: Any = {"source": "table F1", "corrects": None, "calendar": "weekends", "followers": followers}
        return self.rate(place, ReferenceRatePublished(rate=AONIA, publication=Publication(day=day, pct=pct), **said))

    def took(self, place: str, day: date, pct: str, from_on: date, base_pct: str | None = None) -> Self:
        publication = Publication(day=day, pct=pct)
        money: Any = {"currency": "AUD", "change": BookChange(), "after": figures(), "source": "AONIA"}
        bears: Any = {"base_pct": base_pct or pct, "from_on": from_on, "published": publication}
        return self.loan(place, LON_7, loan.RateReset(loan=LON_7, reset=0, **bears, **money))

    def cites(self, place: str, amount_minor: int | None) -> Self:
        about: Any = {"version": 1, "under": (), "by": "sub_approver", "product": None, "mass_g": None}
        cited = Cited(authority="ins_1", act="reset_rate", amount_minor=amount_minor, currency="AUD", **about)
        return self.rate(place, AuthorityCited(matter=AONIA, cited=cited))

    def rate(self, place: str, event: Any) -> Self:
        return self._see(place, f"reference/{AONIA}", event)

    def loan(self, place: str, id: LoanId, event: Any) -> Self:
        return self._see(place, f"loan/{id}", event)

    def days_pass(self) -> Self:
        self._at += timedelta(days=2)
        return self.rate("much later", ReferenceRateLeft(rate=AONIA, loan=LON_8))

    def _see(self, place: str, stream: str, event: Any) -> Self:
        self._at += timedelta(hours=1)
        known: dict[str, Any] = {"stream": stream, "recorded_at": self._at.isoformat(), "actor": "service:loans"}
        told = {name: known.get(name, 0 if name in ("shard", "position", "version") else "") for name in Recorded.__struct_fields__}
        self._rates.see(place, Recorded(**told), event)
        return self

    def found(self, check: Check = Check.CONTROL) -> list[str]:
        self._rates.finish()
        [result] = [each for each in self.findings.results() if each.check == check.name.lower()]
        return [each.place for each in result.failures]

    def listed(self) -> list[str]:
        return [each.place for result in self.findings.results() for each in result.listed]


def test_what_is_published_for_a_day_is_borne_so_many_business_days_later():
    history = History().follows().published("first", TUESDAY, "4.35", LON_7).took("take", TUESDAY, "4.35", WEDNESDAY)
    history.published("low", WEDNESDAY, "0.5", LON_7).took("floor", WEDNESDAY, "0.5", THURSDAY, base_pct="1")
    assert history.days_pass().found() == []


def test_what_counts_from_before_the_loan_counts_from_its_first_day():
    friday = MONDAY - timedelta(days=3)  # borne on Monday, the day before the loan
    history = History().published("too early", friday, "4.35").published("before", MONDAY, "4.4").follows()
    assert history.took("take", MONDAY, "4.4", COMMITTED_ON).days_pass().found() == []


@pytest.mark.parametrize(
    ("day", "pct", "from_on", "base_pct"),
    [
        (TUESDAY, "4.35", TUESDAY, None),
        (TUESDAY, "4.35", THURSDAY, None),
        (TUESDAY, "4.36", WEDNESDAY, None),
        (TUESDAY, "4.35", WEDNESDAY, "4"),
        (WEDNESDAY, "4.35", THURSDAY, None),
    ],
    ids=["a day early", "a day late", "another rate", "another base", "of another day"],
)
def test_a_reset_that_is_not_what_was_published_is_found(day: date, pct: str, from_on: date, base_pct: str | None):
    history = History().follows().published("first", TUESDAY, "4.35", LON_7).took("take", TUESDAY, "4.35", WEDNESDAY)
    assert history.took("again", day, pct, from_on, base_pct).days_pass().found() == ["again"]


def test_by_period_it_is_borne_from_a_period_s_start_on_and_other_days_by_nobody():
    history = History(BY_PERIOD).follows().published("first", MONDAY, "4.35", LON_7).took("take", MONDAY, "4.35", COMMITTED_ON)
    assert history.published("between", WEDNESDAY, "4.4", LON_7).days_pass().found() == []
    wrong = History(BY_PERIOD).follows().published("between", WEDNESDAY, "4.4", LON_7).took("take", WEDNESDAY, "4.4", THURSDAY)
    assert wrong.days_pass().found() == ["take"]


def test_a_loan_that_was_not_told_of_a_publication_is_found_and_listed_while_it_may_still_be():
    for history in (
        History().follows().published("publish", TUESDAY, "4.35", LON_7),
        History().published("p", MONDAY, "4.3").follows("publish"),
    ):
        assert history.found() == []
        assert history.listed() == ["publish"]
    assert History().follows().published("publish", TUESDAY, "4.35", LON_7).days_pass().found() == ["publish"]
    assert History(BY_PERIOD).published("p", MONDAY, "4.3").follows().days_pass().found() == ["follow"]


def test_who_follows_and_is_not_named_in_a_publication_is_found():
    history = History().follows().published("publish", TUESDAY, "4.35").took("take", TUESDAY, "4.35", WEDNESDAY)
    assert history.days_pass().found() == ["publish"]


def test_a_loan_that_is_closed_or_bears_a_rate_that_was_agreed_takes_nothing():
    closed = loan.LoanClosed(loan=LON_7, facility=TERMS.facility, reason="repaid")  # type: ignore[arg-type]
    history = History().follows().published("publish", TUESDAY, "4.35", LON_7).loan("close", LON_7, closed)
    assert history.days_pass().found() == []
    agreed = Restructure(schedule=replace(TERMS.schedule, start=WEDNESDAY), rate_pct="7", capitalise_overdue=False)
    history = History().follows().loan("act", LON_7, act_approved("act_1", agreed, "d1" * 32))
    assert history.published("publish", TUESDAY, "4.35", LON_7).days_pass().found() == []


@pytest.mark.parametrize(("amount_minor", "found"), [(100, []), (99, ["cite"]), (None, ["cite"])])
def test_who_signs_a_publication_cites_all_that_is_lent_to_those_that_follow(amount_minor: int | None, found: list[str]):
    history = History().lent(LON_8, COMPOUNDED).follows().follows("second", LON_8).cites("cite", amount_minor)
    assert history.found(Check.AUTHORITY) == found
