"""A default of a material loan that one person declares: it lapses unless another confirms it, and nothing is bought before."""

from msgspec.structs import replace

from services.loans.domain.material.decider import timers
from services.loans.domain.material.defaults import ConfirmMaterialDefault, DeclareMaterialDefault, LapseMaterialDefault, RecordReplacement
from services.loans.domain.material.held import CheckCall, CheckDue, MarkSecurity
from services.loans.events.material import MaterialDefaultConfirmed, MaterialDefaultCured, MaterialDefaulted, MaterialReplaced
from shared.journal.decider import CancelTimer, Timer
from tests.stories.alone import LATER, ONE, TWO, by_one
from tests.stories.material import DUE, TERMS, days, lent

LATE = days(1, DUE)
DECLARE = DeclareMaterialDefault(reason="no news", on=LATE, by=by_one())
LAPSE = LapseMaterialDefault(lapses_at=LATER)
BUY = RecordReplacement(bought_g=1000, cost_minor=48_000, source="tender", on=LATE)


def confirm(by: str = TWO, *others: str) -> ConfirmMaterialDefault:
    return ConfirmMaterialDefault(by=by, accounts=frozenset({by, *others}))


def test_it_lapses_unless_a_second_person_confirms_it():
    overdue = lent().given(CheckDue(on=LATE))
    declared = overdue.when(DECLARE).then(MaterialDefaulted)
    assert timers(declared.events[0]) == [Timer.at_instant("default", LATER, LAPSE)]
    declared.when(confirm(ONE)).refused("default_confirmed_by_same_person")
    declared.when(confirm(TWO, ONE)).refused("default_confirmed_by_same_person")
    stands = declared.when(confirm()).then(MaterialDefaultConfirmed)
    assert timers(stands.events[0]) == [CancelTimer("default")]
    stands.when(LAPSE).then()
    stands.when(confirm()).refused("default_stands_already")
    [lapsed] = declared.when(LAPSE).events
    assert isinstance(lapsed, MaterialDefaultCured) and lapsed.lapsed
    overdue.when(confirm()).refused("material_loan_not_defaulted")


def test_nothing_is_bought_before_it_is_confirmed():
    declared = lent().given(CheckDue(on=LATE), DECLARE)
    declared.when(BUY).refused("default_unconfirmed")
    declared.given(confirm()).when(BUY).then(MaterialReplaced)


def test_nobody_renews_their_own():
    lapsed = lent().given(CheckDue(on=LATE), DECLARE, LAPSE)
    lapsed.when(DECLARE).refused("default_renewed_by_same_person")
    lapsed.when(replace(DECLARE, by=by_one(days=10))).then(MaterialDefaulted)
    lapsed.when(replace(DECLARE, by=by_one(TWO))).then(MaterialDefaulted)


def test_a_call_that_fails_meanwhile_needs_nobody():
    loan = lent(terms=replace(TERMS, security=replace(TERMS.security, call_days=3)))
    mark = MarkSecurity(price_minor="48", quoted_on=LATE, source="Fastmarkets", on=LATE)
    declared = loan.given(CheckDue(on=LATE), DECLARE, mark)
    failed = declared.when(CheckCall(on=days(5, LATE))).then(MaterialDefaulted)
    assert timers(failed.events[0]) == [CancelTimer("default")]
    failed.when(LAPSE).then()
    failed.when(BUY).then(MaterialReplaced)
