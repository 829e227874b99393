"""Payees: two people register one, neither of whom pays on it, and one that takes the place of another waits."""

from datetime import date, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.loans.domain.controls import CONTROLS, EVENTS
from services.loans.domain.payees.payees import DECIDER, ConfirmPayeeEnd, EndPayee, LapsePayeeEnd, RegisterPayee, timers
from services.loans.events.authority import AuthorityCited
from services.loans.events.controls import CommandApproved
from services.loans.events.payees import PayeeEndConfirmed, PayeeEnded, PayeeEndLapsed, PayeeId, PayeeRegistered
from services.loans.events.terms import BorrowerCode
from shared.journal.decider import CancelTimer, Timer
from shared.journal.texts import TypedText
from shared.terms.acting import ApprovalReason
from shared.terms.authority import Fault, interest_in
from shared.terms.countersigning import ControlReason, countersigned
from shared.terms.protecting import Word
from tests.stories.alone import LATER, ONE, TWO, by_one
from tests.stories.countersigned import PROPOSER, SIGNER, approve, propose
from tests.stories.given import Given
from tests.stories.loan import SHOWN as ALL_SHOWN
from tests.stories.loan import committed, learn, pay_out, payee, request
from tests.stories.powers import may

FRIDAY, NEXT_WEDNESDAY = date(2026, 1, 9), date(2026, 1, 14)
PAYEES = countersigned(DECIDER, CONTROLS, EVENTS)


def register(name: str = "1", on: date = FRIDAY, **changes: Any) -> RegisterPayee:
    given: dict[str, Any] = {
        "payee": PayeeId(f"pye_{name}"),
        "borrower": BorrowerCode("hillgrove-mines"),
        "currency": "AUD",
        "by": PROPOSER,
        "on": on,
        **{part: TypedText(part) for part in ("holder", "bank", "account", "masked")},
    }
    return RegisterPayee(**given | changes)


def registered(*commands: RegisterPayee) -> Given:
    signed = [(propose(each, each.on, proposal=f"prp_{each.payee}"), approve(each.on, proposal=f"prp_{each.payee}")) for each in commands]
    return Given(PAYEES, *(step for pair in signed for step in pair))


def end(name: str = "1", on: date = FRIDAY) -> EndPayee:
    return EndPayee(payee=PayeeId(f"pye_{name}"), reason=TypedText("it was not theirs"), on=on, by=by_one())


def test_nobody_registers_a_payee_alone():
    Given(PAYEES).when(register()).refused(ControlReason.NEEDED)
    proposed = Given(PAYEES, propose(register(), FRIDAY))
    proposed.when(approve(FRIDAY, by=PROPOSER)).refused(ApprovalReason.BY_PROPOSER)
    barred = may(SIGNER, FRIDAY, conflicts=frozenset({interest_in("company", "hillgrove-mines")}))
    proposed.when(approve(FRIDAY, capacity=barred)).refused(Fault.CONFLICT)
    approved, made, cited = proposed.when(approve(FRIDAY)).events
    assert [type(each) for each in (approved, made, cited)] == [CommandApproved, PayeeRegistered, AuthorityCited]
    assert (made.registered_by, made.pays_from, cited.cited.act) == ((PROPOSER, SIGNER), FRIDAY, "register_payee")


def test_one_that_takes_the_place_of_another_waits_for_three_business_days_also_where_that_has_ended():
    stands = registered(register())
    for before in (stands, stands.given(end())):
        again = before.given(propose(register("2"), FRIDAY), approve(FRIDAY))
        [made] = [each for each in again.events if isinstance(each, PayeeRegistered)]
        assert made.pays_from == NEXT_WEDNESDAY
    other = stands.given(propose(register("3", currency="USD"), FRIDAY), approve(FRIDAY))
    assert next(each for each in other.events if isinstance(each, PayeeRegistered)).pays_from == FRIDAY


def test_one_person_ends_it_once_and_it_is_never_changed():
    stands = registered(register())
    ended = stands.when(end())
    assert [type(each) for each in ended.events] == [PayeeEnded]
    ended.when(end()).refused("payee_already_ended", "path:payee")
    stands.when(end("2")).refused("payee_not_found", "path:payee")
    stands.when(propose(register(account=TypedText("another")), FRIDAY)).refused("payee_already_registered")


def test_its_end_lapses_unless_a_second_person_confirms_it_and_nobody_ends_it_again():
    payee = PayeeId("pye_1")
    ended = registered(register()).when(end())
    lapse = LapsePayeeEnd(payee=payee, lapses_at=LATER)
    assert timers(ended.events[0]) == [Timer.at_instant("ended/pye_1", LATER, lapse)]
    confirm = ConfirmPayeeEnd(payee=payee, by=TWO, accounts=frozenset({TWO}))
    ended.when(ConfirmPayeeEnd(payee=payee, by=TWO, accounts=frozenset({TWO, ONE}))).refused("ending_confirmed_by_same_person")
    confirmed = ended.when(confirm).then(PayeeEndConfirmed)
    assert timers(confirmed.events[0]) == [CancelTimer("ended/pye_1")]
    confirmed.when(lapse).then()
    confirmed.when(confirm).refused("ending_stands_already", "path:payee")
    back = ended.when(lapse).then(PayeeEndLapsed)
    assert back.state.payees[payee].ended_on is None
    back.when(confirm).refused("ending_not_found", "path:payee")
    back.when(replace(end(), by=by_one(days=4))).refused("ending_renewed_by_same_person")
    back.when(replace(end(), by=by_one(TWO, days=4))).then(PayeeEnded)
    back.when(replace(end(), by=by_one(days=10))).then(PayeeEnded)


def test_nobody_goes_on_by_turns_of_payees_nor_after_what_they_stopped_of_a_loan():
    both = registered(register(), register("2"))
    first = both.given(end())
    [second] = first.when(replace(end("2"), by=by_one(days=2))).events
    assert (second.lapses_at, second.alone_since) == (LATER, LATER - timedelta(hours=72)), "with the first"
    lapsed = first.given(LapsePayeeEnd(payee=PayeeId("pye_1"), lapses_at=LATER))
    lapsed.when(replace(end("2"), by=by_one(days=4))).refused("ending_renewed_by_same_person")
    lapsed.when(replace(end("2"), by=by_one(TWO, days=4))).then(PayeeEnded)
    lapsed.when(replace(end("2"), by=by_one(days=10))).then(PayeeEnded)
    declared = replace(by_one(days=4), beside=(Word(ONE, LATER, "default"),))
    both.when(replace(end(), by=declared)).refused("ending_renewed_by_same_person")
    both.when(replace(end(), by=replace(declared, beside=(Word(TWO, LATER, "default"),)))).then(PayeeEnded)


def test_one_that_an_earlier_build_ended_stays_so():
    old = PayeeEnded(borrower=BorrowerCode("hillgrove-mines"), payee=PayeeId("pye_1"), ended_on=FRIDAY, reason=TypedText("x"))
    ended = registered(register()).given(old)
    assert timers(old) == ()
    ended.when(LapsePayeeEnd(payee=PayeeId("pye_1"), lapses_at=LATER)).then()
    ended.when(ConfirmPayeeEnd(payee=PayeeId("pye_1"), by=TWO, accounts=frozenset({TWO}))).refused("ending_stands_already")


LOAN = committed(learn(*ALL_SHOWN), request())
DAY = date(2026, 1, 20)


@pytest.mark.parametrize(
    ("payee", "code"),
    [
        (payee(borrower="nolans-mines"), "payee_of_another"),
        (payee(currency="USD"), "payee_of_another"),
        (payee(pays_from=date(2026, 1, 21)), "payee_not_in_force"),
        (payee(ended_on=DAY), "payee_not_in_force"),
    ],
)
def test_an_advance_is_paid_on_a_payee_of_its_borrower_and_currency_that_is_in_force(payee: Any, code: str):
    LOAN.when(pay_out(paid_on=DAY, payee=payee)).refused(code, "/payee")


@pytest.mark.parametrize("who", ["sub_operator", "sub_approver"])
def test_who_proposed_or_signed_a_payee_pays_nothing_on_it(who: str):
    asked_by_another = committed(learn(*ALL_SHOWN), request(by="sub_asker"))
    asked_by_another.when(pay_out(by=frozenset({"another account", who}))).refused("advance_by_one_person")
    paid, *_ = asked_by_another.when(pay_out()).events
    assert paid.payee == "pye_1"


def test_no_payment_is_dated_back_to_before_its_payee_ended():
    LOAN.when(pay_out(paid_on=date(2026, 1, 19), on=DAY, payee=payee(ended_on=DAY))).refused("payee_not_in_force", "/payee")
