"""A suspended agreement: by one person at once, for 72 hours; a second one makes it stand, and nobody renews their own."""

from datetime import date, timedelta
from typing import Any

from msgspec.structs import replace

from services.allocation.domain.partners.agreement import (
    DECIDER,
    ConfirmSuspension,
    LapseSuspension,
    Reason,
    ResumeAgreement,
    SignAgreement,
    SuspendAgreement,
    timers,
)
from services.allocation.events import (
    AgreementId,
    AgreementResumed,
    AgreementSuspended,
    AgreementSuspensionConfirmed,
    PartnerCode,
    ProductId,
    ProductTerms,
    SubjectId,
)
from shared.journal.decider import CancelTimer, Timer
from shared.terms.protecting import Word, lapses_at
from tests.stories.alone import AT, by_one
from tests.stories.given import Given

ANN, BOB = SubjectId("sub_ann"), SubjectId("sub_bob")
SIGNED = SignAgreement(
    agreement=AgreementId("agr_1"),
    partner=PartnerCode("JP"),
    products=(ProductTerms(product=ProductId("antimony-metal"), yearly_quota_g=1, share="1"),),
    priority_class=0,
    valid_from=date(2026, 1, 1),
    valid_until=date(2026, 12, 31),
    on=date(2026, 1, 1),
)
LAPSE = LapseSuspension(hold="hld_1")


def suspend(by: SubjectId = ANN, hold: str = "hld_1", days_later: int = 0, *others: str) -> SuspendAgreement:
    return SuspendAgreement(hold=hold, reason="a tip at night", by=by_one(by, days_later, *others))


def confirm(by: SubjectId = BOB, *others: str) -> ConfirmSuspension:
    return ConfirmSuspension(by=by, accounts=frozenset({by, *others}))


def suspended(*happened: Any) -> Given:
    return Given(DECIDER, SIGNED, suspend(), *happened)


def test_it_lapses_after_72_hours():
    [event] = Given(DECIDER, SIGNED).when(suspend()).events
    assert isinstance(event, AgreementSuspended) and event.suspended_by == ANN
    [timer] = timers(event)
    assert isinstance(timer, Timer) and (timer.at, timer.command) == (AT + timedelta(hours=72), LAPSE)
    [resumed] = suspended().when(LAPSE).events
    assert isinstance(resumed, AgreementResumed) and (resumed.hold, resumed.reason) == ("hld_1", "lapsed: nobody has confirmed it")


def test_a_second_person_makes_it_stand():
    story = suspended().when(confirm())
    [event] = story.events
    assert isinstance(event, AgreementSuspensionConfirmed) and (event.hold, event.confirmed_by) == ("hld_1", BOB)
    assert timers(event) == [CancelTimer("suspension")]
    story.when(LAPSE).then()
    story.when(confirm()).refused(Reason.CONFIRMED)


def test_nobody_confirms_their_own_by_whatever_account():
    suspended().when(confirm(ANN)).refused(Reason.OWN)
    suspended().when(confirm(BOB, ANN)).refused(Reason.OWN)
    Given(DECIDER, SIGNED).when(confirm()).refused(Reason.NOT_SUSPENDED)


def test_nobody_renews_their_own_for_a_week():
    lapsed = suspended(LAPSE)
    lapsed.when(suspend(ANN, "hld_2", 4)).refused(Reason.RENEWED)
    lapsed.when(suspend(SubjectId("sub_ann_2"), "hld_2", 9, ANN)).refused(Reason.RENEWED)
    assert lapsed.when(suspend(BOB, "hld_2", 4)).events
    assert lapsed.when(suspend(ANN, "hld_2", 10)).events
    confirmed = suspended(confirm(), ResumeAgreement(reason="cleared"))
    assert confirmed.when(suspend(ANN, "hld_2", 4)).events


def test_nobody_goes_on_with_one_from_a_hold_of_their_own_or_from_another_agreement():
    """Which is over with the first; and is none, once that has ended without another person's word."""

    def goes_on(days_later: int, what: str, by: SubjectId = ANN) -> Any:
        beside = (Word(by, lapses_at(AT), what),)
        return Given(DECIDER, SIGNED).when(replace(suspend(days_later=days_later), by=replace(by_one(ANN, days_later), beside=beside)))

    for what in ("hold", "another agreement"):
        [shorter] = goes_on(2, what).events
        assert (shorter.lapses_at, shorter.alone_since) == (lapses_at(AT), AT)
        goes_on(4, what).refused(Reason.RENEWED)
        [anew] = goes_on(10, what).events
        [another_s] = goes_on(2, what, BOB).events
        assert (anew.lapses_at, another_s.lapses_at) == (lapses_at(AT + timedelta(days=10)), lapses_at(AT + timedelta(days=2)))


def test_one_of_an_earlier_build_stands_by_itself():
    old = AgreementSuspended(agreement=AgreementId("agr_1"), partner=PartnerCode("JP"), products=(), hold="hld_1", reason="unpaid")
    story = Given(DECIDER, SIGNED, old).when(LAPSE).then()
    story.when(confirm()).refused(Reason.CONFIRMED)
    assert timers(old) == ()
