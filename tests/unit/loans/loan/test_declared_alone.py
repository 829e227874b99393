"""What one person says of a loan: a default, or a breach, counts at once, and lapses after 72 hours unless another confirms it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.loans.domain.facility.headroom import TellDefault
from services.loans.domain.loan.advances import EndAvailability, LearnEvidence
from services.loans.domain.loan.covenants import ConfirmBreach, LapseBreach, ReportRatio
from services.loans.domain.loan.decider import timers
from services.loans.domain.loan.defaults import ConfirmDefault, DeclareDefault, LapseDefault, NoteCrossDefault
from services.loans.domain.loan.payments import RecordRecovery
from services.loans.domain.loan.servicing import CloseLoan, ClosePeriod, LookAtArrears
from services.loans.domain.loan.state import broken_covenants
from services.loans.domain.standing.standing import figures_on
from services.loans.events.defaults import BreachConfirmed, BreachLapsed, DefaultConfirmed, DefaultCured, LoanDefaulted
from services.loans.events.facility import CommitmentId
from services.loans.events.loan import CommitmentCancelled, LoanId, PaymentId, RatioReported
from services.loans.events.terms import Accelerate, Covenant, CovenantKind, WriteOff
from services.loans.reactions import OWN_TYPES, react_to_own
from shared.journal.codec import type_of
from shared.journal.decider import CancelTimer, Timer
from shared.terms.protecting import Word
from tests.stories.alone import LATER, ONE, TWO, by_one
from tests.stories.given import Given
from tests.stories.loan import SHOWN, START, act, committed, day_after, learn, lent, months, names, payment, reconcile, request, sign_act
from tests.stories.stockpile_facts import fact as stock_fact

LAPSE = LapseDefault(lapses_at=LATER, on=LATER.date())
COVENANTS: tuple[CovenantKind, ...] = ("dscr", "llcr")
MARGIN = {"default_margin_pct": "3", "acceleration_notice_days": 0}


def declare(by: str = ONE, days: int = 0, cause: Any = "other", on: date = START) -> DeclareDefault:
    return DeclareDefault(reason="I say so", on=on, cause=cause, by=by_one(by, days))


def confirm(by: str = TWO, *others: str, **looked_up: Any) -> ConfirmDefault:
    return ConfirmDefault(by=by, accounts=frozenset({by, *others}), on=START, **looked_up)


def report(ratio: str, for_on: date = START, by: str = ONE, days: int = 0, *others: str, kind: CovenantKind = "dscr") -> ReportRatio:
    return ReportRatio(kind=kind, ratio=ratio, for_on=for_on, source="accounts", on=months(6), by=by_one(by, days, *others))


def confirm_breach(by: str = TWO, *others: str) -> ConfirmBreach:
    return ConfirmBreach(kind="dscr", by=by, accounts=frozenset({by, *others}))


def breach_lapses(days: int = 0) -> LapseBreach:
    return LapseBreach(kind="dscr", lapses_at=by_one(ONE, days).lapses_at)


def test_a_sound_loan_that_one_person_declares_in_default_is_sound_again_after_72_hours():
    sound = lent(**MARGIN)
    declared = sound.given(declare())
    assert (declared.state.status, declared.events[0].lapses_at) == ("defaulted", LATER)
    assert timers(declared.events[0]) == [Timer.at_instant("default", LATER, LAPSE)]
    evening = msgspec.structs.replace(declared.events[0], lapses_at=LATER.replace(hour=20))
    [lapse] = [each.command for each in timers(evening) if isinstance(each, Timer)]
    assert lapse.on == day_after(LATER.date()), "by the Reserve's calendar, where it is the next day already"
    back = declared.when(LAPSE).then(DefaultCured)
    assert (back.events[0].how, back.state.status) == ("lapsed", "committed")
    assert figures_on(back.state.account, months(4)) == figures_on(sound.state.account, months(4))
    back.when(LAPSE).then()


def test_a_second_person_confirms_it_by_none_of_the_first_one_s_accounts():
    declared = lent(declare(), **MARGIN)
    declared.when(confirm(ONE)).refused("default_confirmed_by_same_person")
    declared.when(confirm(TWO, ONE)).refused("default_confirmed_by_same_person")
    stands = declared.when(confirm()).then(DefaultConfirmed)
    assert timers(stands.events[0]) == [CancelTimer("default")]
    stands.when(LAPSE).then()
    stands.when(confirm()).refused("default_stands_already")
    lent().when(confirm()).refused("loan_status")
    Given(declared.decider).when(confirm()).refused("loan_not_found", "path:loan")


def test_nobody_declares_again_what_they_declared_and_nobody_confirmed():
    lapsed = lent(declare(), LAPSE, **MARGIN)
    lapsed.when(declare(days=4)).refused("default_renewed_by_same_person")
    lapsed.when(declare(TWO, 4)).then(LoanDefaulted)
    lapsed.when(declare(days=10)).then(LoanDefaulted)


def test_nobody_goes_on_by_turns_of_kind():
    """A default, a covenant, another covenant, a default again: for some days each."""
    covenants = tuple(Covenant(kind=kind, minimum="1.3") for kind in COVENANTS)
    lapsed = lent(declare(), LAPSE, **MARGIN, covenants=covenants)
    for turn in (report("1.0", days=4), report("1.0", days=4, kind="llcr"), report("1.0", months(1), TWO, 4, ONE)):
        lapsed.when(turn).refused("breach_renewed_by_same_person")
    lapsed.when(report("1.0", days=4, by=TWO)).then(RatioReported)
    lapsed.when(report("1.0", days=10)).then(RatioReported)
    broken = committed(report("1.0"), breach_lapses(), **MARGIN)
    broken.when(declare(days=4)).refused("default_renewed_by_same_person")
    between = broken.given(declare(TWO, 4), LapseDefault(lapses_at=by_one(TWO, 4).lapses_at, on=START))
    between.when(declare(days=8)).refused("default_renewed_by_same_person")
    between.when(declare(days=10)).then(LoanDefaulted)


def test_what_one_person_stops_of_a_loan_is_over_with_the_first_of_it():
    first = lent(report("1.0"), **MARGIN)
    [second] = first.when(declare(days=2)).events
    assert (second.lapses_at, second.alone_since) == (LATER, LATER - timedelta(hours=72))
    assert first.when(declare(TWO, 2)).events[0].lapses_at == by_one(TWO, 2).lapses_at
    assert first.given(confirm_breach()).when(declare(days=2)).events[0].lapses_at == by_one(ONE, 2).lapses_at, "it is two persons' word"


def test_who_ends_a_payee_of_the_borrower_goes_on_with_no_loan_of_its():
    elsewhere = Word(ONE, LATER, "payee pye_1")
    by = by_one(ONE, 4)
    lent(**MARGIN).when(msgspec.structs.replace(declare(), by=msgspec.structs.replace(by, beside=(elsewhere,)))).refused(
        "default_renewed_by_same_person"
    )
    in_time = msgspec.structs.replace(by_one(ONE, 2), beside=(elsewhere,))
    assert lent(**MARGIN).when(msgspec.structs.replace(declare(), by=in_time)).events[0].lapses_at == LATER


@pytest.mark.parametrize("content", [Accelerate(on=START), WriteOff(amount_minor=1, on=START)], ids=["accelerate", "write off"])
def test_what_cannot_be_taken_back_waits_for_the_confirmation(content: Any):
    declared = lent(declare(), **MARGIN)
    declared.when(act(content)).refused("default_unconfirmed")
    proposed = declared.given(confirm()).given(act(content))
    again = msgspec.structs.replace(proposed.state, declared=declared.state.declared)
    assert proposed.decider.decide(sign_act(), again).code == "default_unconfirmed", "nor is it signed"
    assert proposed.given(sign_act()).events


def test_nothing_is_recovered_under_a_default_that_is_one_person_s_word():
    came = RecordRecovery(payment=PaymentId("pay_1"), reference="bank/1", amount_minor=1, received_on=START, on=START)
    declared = lent(declare(), **MARGIN)
    declared.when(came).refused("default_unconfirmed")
    assert declared.given(confirm(), came).events


def is_over(loan: Given) -> Given:
    """What comes due as its default ends, one after the other."""
    (ended,) = (event for event in loan.events if isinstance(event, DefaultCured))
    set = [each for each in timers(ended) if isinstance(each, Timer)]
    assert [(each.name, each.due) for each in set] == [(f"back/{name}", ended.on) for name in ("sunset", "availability", "evidence")]
    return loan.given(*(each.command for each in set))


@pytest.mark.parametrize("cause", ["sunset", "availability"])
def test_no_commitment_outlives_its_last_day_by_what_one_person_declares(cause: Any):
    last = date(2026, 6, 30) if cause == "sunset" else date(2026, 12, 31)
    shown = () if cause == "sunset" else SHOWN
    declared = committed(*((learn(*shown),) if shown else ())).given(declare(on=last))
    declared.when(EndAvailability(cause=cause, on=day_after(last))).then()
    at = by_one(ONE, 0).lapses_at
    back = declared.given(LapseDefault(lapses_at=at, on=last + timedelta(days=3)))
    assert back.state.status == "committed"
    ended = is_over(back)
    assert (ended.state.undrawn_minor, [each.cause for each in ended.events if isinstance(each, CommitmentCancelled)]) == (0, [cause])
    early = is_over(committed().given(declare(), LAPSE))
    assert early.state.undrawn_minor == early.state.terms.commitment_minor, "nor before"


def test_nor_by_a_breach_that_lapses_on_that_day():
    """Its last day is 30 June, and the Reserve's calendar is ahead of UTC's."""

    def undrawn_minor(hour: int) -> int:
        began = msgspec.structs.replace(by_one(), at=datetime(2026, 6, 27, hour, tzinfo=UTC))
        breached = committed(msgspec.structs.replace(report("1.0"), by=began)).given(declare(TWO, cause="covenant"))
        back = breached.given(LapseBreach(kind="dscr", lapses_at=began.lapses_at))
        assert names(back.events) == ["BreachLapsed", "DefaultCured"]
        return is_over(back).state.undrawn_minor

    assert undrawn_minor(20) == 0, "1 July has begun"
    assert undrawn_minor(3) > 0


def test_what_is_learnt_of_the_project_during_a_default_is_kept():
    declared = committed(request(), declare())
    learnt = declared.given(learn(*SHOWN))
    assert names(learnt.events) == ["ConditionsEvaluated"], "and clears nothing"
    back = learnt.given(LAPSE)
    assert names(is_over(back).events)[-1] == "AdvanceCleared"
    withdrawn = learnt.given(LearnEvidence(learnt=(), forgotten=tuple(learnt.state.evidence), on=START), LAPSE)
    assert not withdrawn.state.evidence
    assert not any(each.cleared for each in is_over(withdrawn).state.advances.values())


def test_what_was_paid_in_full_meanwhile_is_repaid_once_the_default_lapses():
    loan = lent(declare(), **MARGIN)
    owed = figures_on(loan.state.account, START).principal_minor
    paid = loan.given(payment("all", owed, START, prepays="instalment"), reconcile("all"))
    assert paid.state.status == "defaulted"
    assert names(paid.given(LAPSE).events) == ["DefaultCured", "LoanRepaid"]


def test_one_of_a_build_before_stands_by_itself():
    old = LoanDefaulted(loan=LoanId("lon_1"), on=START, reason="unpaid")
    loan = lent(old, **MARGIN)
    assert timers(old) == ()
    loan.when(LAPSE).then()
    loan.when(confirm()).refused("default_stands_already")
    assert loan.given(act(Accelerate(on=START))).events


def test_one_that_is_cured_before_does_not_lapse_any_more():
    overdue = (ClosePeriod(on=months(1)), LookAtArrears(on=day_after(months(1))))
    loan = lent(*overdue, declare(cause="payment", on=day_after(months(1))), **MARGIN)
    due = figures_on(loan.state.account, day_after(months(1))).due_minor
    paid = loan.given(payment("a", due, day_after(months(1))), reconcile("a", on=day_after(months(1))))
    assert CancelTimer("default") in timers(paid.events[-1])
    paid.when(LAPSE).then()


def test_a_default_for_another_loan_s_is_confirmed_once_that_one_is():
    by = LoanId("lon_2")
    loan = lent(NoteCrossDefault(by=by, ended=False, on=START), declare(cause="cross_default"), cross_default=True, **MARGIN)
    loan.when(confirm(unconfirmed=frozenset({by}))).refused("default_unconfirmed")
    loan.when(confirm()).then(DefaultConfirmed)


def test_the_borrower_s_other_loans_are_told_of_a_default_once_it_is_nobody_s_word_alone():
    """Else one person stops all of them, by turns across them."""

    def told(event: Any) -> list[TellDefault]:
        return [each.command for each in react_to_own(stock_fact(event, source="loans"), {})]

    declared = lent(**MARGIN).given(declare())
    confirmed = declared.given(confirm())
    tells = TellDefault(commitment=CommitmentId("lon_1"), ended=False)
    assert told(declared.events[0]) == []
    assert told(confirmed.events[0]) == [tells]
    assert told(msgspec.structs.replace(declared.events[0], declared_by=None, lapses_at=None)) == [tells], "a loan has found it itself"
    assert told(DefaultConfirmed(loan=LoanId("lon_1"), confirmed_by=TWO)) == [], "a build before told of it when it was declared"
    assert told(declared.given(LAPSE).events[0]) == [msgspec.structs.replace(tells, ended=True)]
    assert {type_of(LoanDefaulted), type_of(DefaultConfirmed), type_of(DefaultCured)} <= OWN_TYPES


def test_a_breach_that_one_person_reports_stops_advances_for_72_hours():
    loan = committed(learn(*SHOWN))
    breached = loan.when(report("1.0")).then(RatioReported)
    assert timers(breached.events[0]) == [Timer.at_instant("breach/dscr", LATER, breach_lapses())]
    breached.when(request(amount_minor=1)).refused("covenant_breached")
    assert broken_covenants(breached.state, START) == ["dscr"]
    assert broken_covenants(breached.state, START, confirmed=True) == []
    lapsed = breached.when(breach_lapses()).then(BreachLapsed)
    assert broken_covenants(lapsed.state, START) == []
    lapsed.when(breach_lapses()).then()


def test_a_second_person_confirms_a_breach_and_nobody_renews_their_own():
    breached = committed(report("1.0"))
    breached.when(confirm_breach(ONE)).refused("breach_confirmed_by_same_person")
    breached.when(confirm_breach(TWO, ONE)).refused("breach_confirmed_by_same_person")
    breached.when(report("1.1", for_on=months(1), days=1)).refused("breach_renewed_by_same_person")
    stands = breached.when(confirm_breach()).then(BreachConfirmed)
    assert timers(stands.events[0]) == [CancelTimer("breach/dscr")]
    stands.when(breach_lapses()).then()
    stands.when(confirm_breach()).refused("breach_stands_already", "path:kind")
    [further] = stands.when(report("1.1", for_on=months(1), days=1)).events
    assert further.lapses_at is None, "it is breached already, by two"
    lapsed = breached.given(breach_lapses())
    lapsed.when(report("1.1", days=4)).refused("breach_renewed_by_same_person")
    assert lapsed.when(report("1.1", days=4, by=TWO)).events
    committed().when(confirm_breach()).refused("breach_not_found", "path:kind")
    committed().when(ConfirmBreach(kind="icr", by=TWO, accounts=frozenset())).refused("covenant_not_found", "path:kind")


def test_a_figure_that_keeps_the_covenant_needs_nobody_and_hides_no_breach_that_is_reported_after_it():
    """Who wants an advance reports today's figure before anybody reports that of the month before."""
    loan = committed(learn(*SHOWN))
    [kept] = loan.when(report("1.5", for_on=months(1))).events
    assert (kept.reported_by, kept.lapses_at) == (None, None)
    hidden = loan.given(report("1.5", for_on=months(1)))
    breached = hidden.when(report("1.0", by=TWO)).then(RatioReported)
    assert (breached.events[0].reported_by, breached.events[0].lapses_at) == (TWO, LATER)
    breached.when(request(amount_minor=1)).refused("covenant_breached")
    [again] = breached.when(report("1.5", for_on=months(1))).events
    assert again.standing == "cured", "which two sign"
    assert broken_covenants(breached.given(report("1.5", for_on=months(1))).state, START) == []
    [old] = breached.given(report("1.5", for_on=months(1))).when(report("1.1", by="sub_cas", days=1)).events
    assert old.lapses_at is None, "two have said so of a later day"
    hidden.given(msgspec.structs.replace(breached.events[0], reported_by=None, lapses_at=None)).when(request(amount_minor=1)).then(
        *(type(each) for each in loan.when(request(amount_minor=1)).events)
    )  # as an earlier build recorded it


def test_no_older_figure_ends_a_default_for_a_breach():
    breached = lent(report("1.0", for_on=months(1)), declare(TWO, cause="covenant"), **MARGIN)
    older = breached.when(report("1.5", for_on=START)).then(RatioReported)
    assert (older.events[0].standing, older.state.status) == ("kept", "defaulted")
    assert names(breached.given(report("1.5", for_on=months(1))).events) == ["RatioReported", "DefaultCured"]


def test_a_default_for_a_breach_ends_with_it_and_is_confirmed_after_it():
    breached = lent(report("1.0"), declare(TWO, cause="covenant"), **MARGIN)
    breached.when(confirm("sub_cas")).refused("breach_unconfirmed")
    assert breached.given(confirm_breach(), confirm("sub_cas")).state.declared is None
    assert names(breached.given(breach_lapses()).events) == ["BreachLapsed", "DefaultCured"]
    assert breached.given(breach_lapses()).events[-1].how == "covenant_lapsed"


def test_who_reports_a_breach_that_is_another_s_word_confirms_it():
    first = committed(report("1.0", for_on=months(1)))
    first.when(report("1.1", months(2), ONE, 1)).refused("breach_renewed_by_same_person")
    earlier = first.when(report("1.1", START, TWO, 1)).then(RatioReported, BreachConfirmed)
    assert earlier.state.covenants["dscr"].breached_for == months(1)
    both = first.when(report("1.1", months(2), TWO, 1)).then(RatioReported, BreachConfirmed)
    reported, confirmed = both.events
    assert (reported.lapses_at, confirmed.for_on, confirmed.confirmed_by) == (None, months(1), TWO)
    assert timers(confirmed) == [CancelTimer("breach/dscr")]
    both.when(breach_lapses()).then()
    assert broken_covenants(both.state, START, confirmed=True) == ["dscr"]


def test_a_loan_that_is_closed_changes_no_more():
    breached = lent(report("1.0"), **MARGIN)
    owed = figures_on(breached.state.account, START).principal_minor
    repaid = breached.given(payment("all", owed, START, prepays="instalment"), reconcile("all"))
    closed = repaid.given(CloseLoan(reason="repaid", on=START))
    assert names(closed.events)[-1] == "LoanClosed"
    assert {CancelTimer("breach/dscr"), CancelTimer("breach/llcr")} <= set(timers(closed.events[-1]))
    closed.when(breach_lapses()).then()
    repaid.when(breach_lapses()).then(BreachLapsed)


def test_two_who_reported_the_same_breach_under_an_earlier_build_leave_what_was_known_before_when_both_lapse():
    first = committed(report("1.5", for_on=START), report("1.0", for_on=months(1)))
    [alone] = committed().when(report("1.1", months(2), TWO, 1)).events
    both = first.given(alone)
    both.when(breach_lapses()).then()
    gone = both.given(breach_lapses(days=1))
    assert not gone.state.covenants["dscr"].breached
