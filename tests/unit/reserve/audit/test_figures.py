"""The audit of figures that follow from what was said before: clocks, carries, arrears, covenants, provisions, what is lent of a lot."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace

from reserve.audit.billing import Billing
from reserve.audit.figures import Figured
from reserve.audit.report import Check, Findings
from reserve.audit.stopped import Stopped
from services.allocation.events.carries import CarryExpired, CarrySet
from services.allocation.events.clocks import (
    ClockBreached,
    ClockEnded,
    ClockPaused,
    ClockResumed,
    ClockSet,
    ClockStarted,
    ClockWarned,
    Standing,
)
from services.inventory import events as inventory
from services.loans.events.books import BookChange
from services.loans.events.loan import ArrearsChanged, FeeCharged, LoanImported, LoanProposed, PeriodClosed, RatioReported, Regraded
from services.loans.events.terms import Covenant, Restructure, WaiveCovenant
from shared.journal.texts import TypedText
from tests.stories.audit_loans import TERMS, WAIVER, act_approved, figures

OF: dict[str, Any] = {"request": "req_1", "product": "antimony-metal", "partner": "JP"}
NOW = Standing(next=None, limit_on=None, breached=False, check_on=None)


def day(number: int) -> date:
    return date(2026, 1, number)


def failures(*events: Any, on: date = day(6)) -> list[int]:
    """Which of them are found."""
    findings = Findings()
    figured, stopped, billing = Figured(findings), Stopped(findings), Billing(findings)
    for number, event in enumerate(events):
        figured.see(str(number), on.isoformat(), event)
        stopped.see(str(number), on.isoformat(), event)
        billing.see(str(number), event)
    figured.finish()
    return [int(each.place) for result in findings.results((Check.FIGURES, Check.STOPPED)) for each in result.failures]


# --- clocks

SET = ClockSet(**OF, clock="standard", submitted_on=day(1), limits_days={"screened": 2, "decided": 5}, warn_days=1, loan=False)
STARTED = ClockStarted(
    **OF,
    now=NOW,
    clock="standard",
    submitted_on=day(1),
    screened_on=day(2),
    limits={"screened": day(3), "decided": day(6)},
    warn_days=1,
    loan=False,
)


def warned(limit_on: int = 6, on: int = 5) -> ClockWarned:
    return ClockWarned(**OF, now=NOW, milestone="decided", limit_on=day(limit_on), on=day(on))


def breached(limit_on: int = 6, on: int = 7) -> ClockBreached:
    return ClockBreached(**OF, now=NOW, milestone="decided", limit_on=day(limit_on), on=day(on))


def resumed(days: int = 3, decided: int = 9) -> ClockResumed:
    return ClockResumed(**OF, now=NOW, on=day(8), days=days, limits={"decided": day(decided)})


ENDED = ClockEnded(**OF, now=NOW, cause="declined")
PAUSED = ClockPaused(**OF, now=NOW, reason="a permit", on=day(5))  # type: ignore[arg-type]


def test_a_clock_that_goes_as_it_was_set_is_fine() -> None:
    assert failures(SET, STARTED, warned(), PAUSED, resumed(), warned(9, 8), breached(9, 10)) == []


@pytest.mark.parametrize(
    "started", [{"limits": {"screened": day(3), "decided": day(8)}}, {"warn_days": 2}, {"clock": "emergency"}], ids=str
)
def test_a_clock_that_starts_otherwise_than_it_was_set_is_found(started: dict[str, Any]) -> None:
    assert failures(SET, replace(STARTED, **started)) == [1]


SOON = replace(SET, clock="emergency", limits_days={"screened": 1, "decided": 3})
STARTED_SOON = replace(STARTED, clock="emergency", limits={"screened": day(2), "decided": day(4)})


@pytest.mark.parametrize(
    "events",
    [
        (SET, SOON, STARTED, STARTED_SOON),
        (STARTED, STARTED_SOON, SET, SOON),
        (SET, STARTED, STARTED_SOON, SOON),
        (SET, SOON, STARTED, STARTED_SOON, STARTED, SET),
        (SET, SET, STARTED),
    ],
    ids=lambda events: "-".join(f"{type(each).__name__}_{each.clock}" for each in events),
)
def test_a_request_that_was_accepted_twice_may_be_read_in_any_order_of_its_two_streams(events: tuple[Any, ...]) -> None:
    assert failures(*events) == []


def test_a_clock_that_starts_as_none_of_its_acceptances_has_set_it_is_found() -> None:
    assert failures(SET, SOON, replace(STARTED, warn_days=2)) == [2]
    assert failures(replace(STARTED, warn_days=2), SOON, SET) == [0]
    assert failures(SET, replace(STARTED, warn_days=2), ENDED) == [1]
    assert failures(STARTED) == [], "of a build that set none, nothing is known"


def test_a_clock_whose_set_is_yet_to_come_is_waited_for() -> None:
    figured = Figured(Findings())
    for events, waits in (((SET, STARTED), False), ((STARTED_SOON,), True), ((SOON,), False)):
        for event in events:
            figured.see("", day(6).isoformat(), event)
        assert figured.unsettled == waits


@pytest.mark.parametrize("told", [warned(7), warned(on=4), warned(on=7), breached(5, 7), breached(on=6)], ids=str)
def test_a_warning_or_a_breach_on_another_day_than_its_own_is_found(told: Any) -> None:
    assert failures(SET, STARTED, told) == [2]


def test_what_a_paused_clock_says_and_a_pause_that_counts_otherwise_is_found() -> None:
    assert failures(SET, STARTED, PAUSED, breached(on=8)) == [3]
    assert failures(SET, STARTED, PAUSED, resumed(days=4)) == [3]
    assert failures(SET, STARTED, PAUSED, resumed(decided=12)) == [3]


def started_again(paused_days: int, **other: Any) -> ClockStarted:
    """Accepted again, under the other clock or back under the first: its limits are as much later as it was paused before."""
    days = {"screened": 1 + paused_days, "decided": 3 + paused_days} if other else {"screened": 2 + paused_days, "decided": 5 + paused_days}
    return replace(STARTED, limits={name: day(1 + each) for name, each in days.items()}, **other)  # type: ignore[misc]


def test_a_clock_that_is_paused_counts_on_over_an_acceptance_under_another() -> None:
    again, back = started_again(0, clock="emergency"), started_again(3)
    begun = (SET, SOON, STARTED, PAUSED, again)
    assert failures(*begun, resumed(3, 7), back, warned(9, 8), breached(9, 10)) == []
    assert failures(*begun, resumed(3, 7), started_again(0), warned(9, 8)) == [7, 6], "the start once all is seen"
    assert failures(*begun, resumed(4, 7)) == [5], "its days are known"
    assert failures(*begun, breached(5, 7)) == [5], "it is paused"
    assert failures(*begun, resumed(3, 7), warned(7, 6), breached(8, 9)) == [7], "what its resumption says is known"


# --- carries


def carry(before_g: str, carry_g: str) -> CarrySet:
    about: Any = {"product": "antimony-metal", "agreement": "agr_1", "partner": "JP", "cause": "rnd_1"}
    return CarrySet(**about, before_g=before_g, carry_g=carry_g, remembered_until=None, expires_on=None)


def test_a_carry_that_was_another_before_is_found() -> None:
    expired: Any = {"product": "antimony-metal", "agreement": "agr_1", "partner": "JP", "cause": "time"}
    assert failures(carry("0", "1/3"), carry("1/3", "2/3"), CarryExpired(**expired, carry_g="2/3"), carry("0", "1")) == []
    assert failures(carry("0", "1/3"), carry("1/2", "2/3")) == [1]
    assert failures(carry("0", "1/3"), CarryExpired(**expired, carry_g="1/2")) == [1]
    assert failures(carry("5", "1/3")) == [], "of a build that set none, nothing is known"


# --- loans

LOAN: Any = {"loan": "lon_1"}


def regraded(provision_minor: int, change_minor: int) -> Regraded:
    told: Any = {"grade": "B", "stage": 2, "currency": "AUD", "reason": "late"}
    return Regraded(**LOAN, **told, provision_minor=provision_minor, change_minor=change_minor)


def test_a_provision_that_does_not_change_as_is_said_is_found() -> None:
    assert failures(regraded(10, 10), regraded(4, -6)) == []
    assert failures(regraded(10, 10), regraded(4, 4)) == [1]


@pytest.mark.parametrize(
    ("ratio", "standing", "fine"), [("1.3", "kept", True), ("1.29", "kept", False), ("1.2", "breached", True), ("2", "waived", False)]
)
def test_a_covenant_that_is_kept_or_not_as_its_ratio_says(ratio: str, standing: Any, fine: bool) -> None:
    told: Any = {"kind": "dscr", "minimum": "1.30", "for_on": day(1), "source": "accounts"}
    assert (failures(RatioReported(**LOAN, **told, ratio=ratio, standing=standing)) == []) is fine


PROPOSED = LoanProposed(**LOAN, terms=replace(TERMS, covenants=(Covenant(kind="dscr", minimum="1.30"),)), document="", proposed_by="")


def test_a_covenant_is_as_its_loans_terms_and_waivers_have_it() -> None:
    reported = RatioReported(**LOAN, kind="dscr", minimum="1.30", for_on=day(3), source=TypedText(""), ratio="1.2", standing="breached")
    waived = replace(act_approved("act_1", WaiveCovenant(kind="dscr", until=day(4)), WAIVER), loan=LOAN["loan"])
    assert failures(PROPOSED, reported, waived, replace(reported, standing="waived")) == []
    assert failures(PROPOSED, replace(reported, minimum="1.10", standing="kept")) == [1]
    assert failures(PROPOSED, replace(reported, standing="waived")) == [1]
    assert failures(PROPOSED, waived, replace(reported, standing="waived", for_on=day(5))) == [2]


def closed(on: date = day(6), **after: Any) -> PeriodClosed:
    """A day that goes by, of a loan; `after`: how it stands then."""
    change = BookChange(**{name: after.pop(name) for name in ("interest_income_minor", "fee_income_minor") if name in after})
    since = {"overdue_since": after.pop("overdue_since", None)}
    return PeriodClosed(**LOAN, due=on, currency="AUD", change=change, after=replace(figures(**after), on=on, **since))


def test_arrears_are_what_is_booked_as_overdue() -> None:
    owed = closed(overdue_minor=5, overdue_since=day(2))
    said = ArrearsChanged(**LOAN, bucket="1-30", overdue_minor=5, overdue_since=day(2))
    assert failures(PROPOSED, owed, said) == []
    for lie in ({"overdue_minor": 4}, {"overdue_since": day(3)}, {"overdue_minor": 0, "overdue_since": None, "bucket": "current"}):
        assert failures(PROPOSED, owed, replace(said, **lie)) == [2], lie  # type: ignore[arg-type]
    assert failures(PROPOSED, closed(), said) == [2]


# --- what a loan bears

IMPORTED = LoanImported(
    **LOAN, terms=TERMS, document="", reference="7", as_of=day(1), advanced_minor=40, repaid_minor=10, imported_by="", keys=()
)


@pytest.mark.parametrize("first", [PROPOSED, IMPORTED], ids=["proposed", "imported"])
@pytest.mark.parametrize("kind", ["interest_income_minor", "fee_income_minor"])
def test_no_loan_bears_more_interest_or_fees_than_its_terms_and_what_was_charged_allow(first: Any, kind: str) -> None:
    fine, beyond = (closed(principal_minor=40, **{kind: minor}) for minor in (-1, -30_000))
    assert failures(first, fine) == []
    assert failures(first, beyond) == [1]
    charged = FeeCharged(
        **LOAN, fee="fee_1", text=TypedText(""), currency="AUD", amount_minor=30_000, due_on=day(6), change=BookChange(), after=figures()
    )
    assert failures(first, charged, beyond) == ([] if kind == "fee_income_minor" else [2])


def test_a_restructured_loan_bears_what_it_was_restructured_to_and_no_margin_beside_it() -> None:
    schedule = replace(TERMS.schedule, start=day(1))
    changed = Restructure(schedule=schedule, rate_pct="600", capitalise_overdue=False)
    act = replace(act_approved("act_1", changed, WAIVER, principal_minor=40), loan=LOAN["loan"])
    most = int(40 * Fraction(602, 100) * Fraction(31 + (day(6) - TERMS.schedule.start).days, 360))
    assert failures(IMPORTED, act, closed(principal_minor=40, interest_income_minor=-most)) == []
    assert failures(IMPORTED, act, closed(principal_minor=40, interest_income_minor=-most - 6)) == [2]


@pytest.mark.parametrize(
    ("bucket", "overdue_minor", "since", "fine"),
    [
        ("1-30", 5, date(2026, 1, 5), True),
        ("31-60", 5, date(2026, 1, 5), False),
        ("31-60", 5, date(2025, 12, 6), True),
        ("over 90", 5, date(2025, 10, 7), True),
        ("current", 0, None, True),
        ("1-30", 5, None, False),
        ("current", 5, None, False),
    ],
)
def test_arrears_are_as_long_as_what_is_due_since(bucket: str, overdue_minor: int, since: date | None, fine: bool) -> None:
    event = ArrearsChanged(**LOAN, bucket=bucket, overdue_minor=overdue_minor, overdue_since=since)
    assert (failures(event) == []) is fine


# --- lots


def test_what_is_lent_contains_what_its_lots_assay_says() -> None:
    assay = inventory.Assay(report="", laboratory="", assayed_on=day(1), contents={"Sb": "0.9965"}, in_specification=True)
    lot: Any = {"product": "antimony-metal", "lot": "lot_1", "depot": "Fremantle", "units": 1, "nominal_unit_g": 1000, "mass_g": 1000}
    more: Any = {"status": "available", "serials": (), "origin": "AU", "custody_model": "segregated", "expires_on": None, "right": None}
    of: Any = {"product": "antimony-metal", "draw": "drw_1", "release": "rel_1", "award": "awd_1", "partner": "JP", "remaining_g": 0}

    def lent(of_lot: int, of_all: int) -> inventory.MaterialLent:
        parcel: Any = {"lot": "lot_1", "mass_g": 1000, "contained_g": {"Sb": of_lot}}
        return inventory.MaterialLent(**of, parcels=(inventory.LentParcel(**parcel),), mass_g=1000, contained_g={"Sb": of_all})

    taken_in = inventory.LotTakenIn(**lot, **more, assay=assay)
    assert failures(taken_in, lent(996, 996)) == []
    assert failures(taken_in, lent(500, 996)) == [1]
    adjusted: Any = {
        "product": "antimony-metal",
        "lot": "lot_1",
        "depot": "Fremantle",
        "status": "available",
        "cause": "count",
        "reason": "",
    }
    assert failures(taken_in, inventory.StockAdjusted(**adjusted, nominal_unit_g=1000, change_units=-1, change_g=-1000)) == []
    assert failures(taken_in, inventory.StockAdjusted(**adjusted, nominal_unit_g=10, change_units=-1, change_g=-10)) == [1]
    assert failures(taken_in, lent(996, 500)) == [1]
    assert failures(taken_in, replace(lent(996, 996), mass_g=900)) == [1]
