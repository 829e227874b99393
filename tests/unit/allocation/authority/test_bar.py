"""A bar is one person's word: it lapses after 72 hours unless a second person confirms it, who has a key; nobody begins another soon."""

from datetime import datetime, timedelta
from typing import Any, Protocol

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.allocation.domain.authority import approver, instrument, official
from services.allocation.domain.authority.approver import ConfirmRevocation, RestoreKey, RevokeKey
from services.allocation.domain.authority.bar import Barring, Confirming, Reason
from services.allocation.domain.authority.instrument import ConfirmEnd, EndInstrument, RestoreInstrument
from services.allocation.domain.authority.official import ConfirmConflict, DeclareConflict, LapseConflict
from services.allocation.events import ApproverKeyRestored, ApproverKeyRevocationConfirmed, SubjectId
from services.allocation.events.authority import ConflictConfirmed, ConflictLapsed, InstrumentEndConfirmed, InstrumentRestored
from shared.journal.decider import CancelTimer, Timer
from shared.terms.authority import interest_in
from tests.stories.barring import AT, barring, confirming
from tests.stories.endorsing import ADMIN, enrolment, paper_of
from tests.stories.given import Given
from tests.stories.instruments import TODAY, register

WHO = SubjectId("sub_1")
KEY = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))
THREE_DAYS = timedelta(hours=72)


class Barred(Protocol):
    """Somebody's conflict, key or instrument."""

    begins: Given  # before anybody bars
    confirmed: type
    lapsed: type

    def bar(self, by: Barring) -> Any: ...
    def confirm(self, by: Confirming) -> Any: ...
    def lapse(self, at: datetime) -> Any: ...
    def stands(self, story: Given) -> bool: ...
    def timers(self, event: Any) -> Any: ...


class AConflict:
    begins = Given(official.DECIDER)
    confirmed, lapsed = ConflictConfirmed, ConflictLapsed
    timers = staticmethod(official.timers)

    def bar(self, by: Barring) -> Any:
        return DeclareConflict(official=WHO, about="partner", name="JP", reason="shares", barring=by)

    def confirm(self, by: Confirming) -> Any:
        return ConfirmConflict(official=WHO, about="partner", name="jp", confirming=by)

    def lapse(self, at: datetime) -> Any:
        return LapseConflict(official=WHO, about="partner", name="JP", lapses_at=at)

    def stands(self, story: Given) -> bool:
        return interest_in("partner", "JP") in story.state.conflicts


class AKey:
    begins = Given(approver.DECIDER, enrolment(WHO, KEY))
    confirmed, lapsed = ApproverKeyRevocationConfirmed, ApproverKeyRestored
    timers = staticmethod(approver.timers)
    _key = paper_of(WHO, KEY).key

    def bar(self, by: Barring) -> Any:
        return RevokeKey(subject=WHO, key=self._key, products=(), reason="lost", barring=by)

    def confirm(self, by: Confirming) -> Any:
        return ConfirmRevocation(subject=WHO, key=self._key, confirming=by)

    def lapse(self, at: datetime) -> Any:
        return RestoreKey(subject=WHO, key=self._key, lapses_at=at)

    def stands(self, story: Given) -> bool:
        return bool(story.state.keys[self._key].revoked)


class AnInstrument:
    begins = Given(instrument.DECIDER, register(holder=WHO))
    confirmed, lapsed = InstrumentEndConfirmed, InstrumentRestored
    timers = staticmethod(instrument.timers)

    def bar(self, by: Barring) -> Any:
        return EndInstrument(products=(), reason="repealed", on=TODAY, barring=by)

    def confirm(self, by: Confirming) -> Any:
        return ConfirmEnd(confirming=by)

    def lapse(self, at: datetime) -> Any:
        return RestoreInstrument(lapses_at=at)

    def stands(self, story: Given) -> bool:
        return story.state.authority.ended_on is not None


EACH = pytest.mark.parametrize("barred", [AConflict(), AKey(), AnInstrument()], ids=lambda each: type(each).__name__)
OF_ONE_PERSON = pytest.mark.parametrize("barred", [AConflict(), AKey()], ids=lambda each: type(each).__name__)


def begun(barred: Barred) -> Given:
    return barred.begins.given(barred.bar(barring(ADMIN)))


@EACH
def test_one_persons_word_counts_at_once_and_lapses_after_72_hours(barred: Barred):
    story = barred.begins.when(barred.bar(barring(ADMIN)))
    assert barred.stands(story)
    [event] = story.events
    assert event.lapses_at == AT + THREE_DAYS
    [timer] = barred.timers(event)
    assert isinstance(timer, Timer) and (timer.at, timer.command) == (AT + THREE_DAYS, barred.lapse(AT + THREE_DAYS))
    lapsed = story.when(timer.command).then(barred.lapsed)
    assert not barred.stands(lapsed)
    lapsed.when(timer.command).then()
    assert barred.stands(lapsed.when(barred.bar(barring("sub_other"))))


@EACH
def test_the_timer_of_one_that_is_over_ends_no_later_one(barred: Barred):
    at = AT + timedelta(days=20)
    again = begun(barred).given(barred.lapse(AT + THREE_DAYS), barred.bar(barring(ADMIN, at=at)))
    again.when(barred.lapse(AT + THREE_DAYS)).then()
    assert barred.stands(again)
    again.when(barred.lapse(at + THREE_DAYS)).then(barred.lapsed)


@EACH
def test_what_another_confirms_stands_for_good(barred: Barred):
    story = begun(barred).when(barred.confirm(confirming("sub_other"))).then(barred.confirmed)
    [event] = story.events
    assert event.confirmed_by == "sub_other"
    [cancelled] = barred.timers(event)
    assert isinstance(cancelled, CancelTimer)
    story.when(barred.lapse(AT + THREE_DAYS)).then()
    assert barred.stands(story)
    story.when(barred.confirm(confirming("sub_third"))).refused(Reason.CONFIRMED)


@EACH
def test_neither_who_began_it_nor_a_second_account_without_a_key_confirms_it(barred: Barred):
    story = begun(barred)
    story.when(barred.confirm(confirming(ADMIN))).refused(Reason.OWN)
    story.when(barred.confirm(confirming("sub_other", ADMIN))).refused(Reason.OWN)
    story.when(barred.confirm(confirming("sub_other", has_key=False))).refused(Reason.WITHOUT_KEY)


@EACH
def test_whoevers_word_lapsed_bars_nobody_for_seven_days(barred: Barred):
    lapsed_at = AT - timedelta(days=7)
    story, soon = barred.begins, barring(ADMIN, lapsed_at=lapsed_at + timedelta(seconds=30))
    refusal = story.when(barred.bar(soon)).refused(Reason.RENEWED)
    assert "2026-01-06 03:00 UTC" in str(refusal.accepted)
    assert barred.stands(story.when(barred.bar(barring(ADMIN, lapsed_at=lapsed_at))))


@OF_ONE_PERSON
def test_what_somebody_says_of_themselves_stands_for_good(barred: Barred):
    for own in (barring(WHO), barring("sub_desk", WHO), barring(WHO, lapsed_at=AT)):
        story = barred.begins.when(barred.bar(own))
        [event] = story.events
        assert event.lapses_at is None
        assert barred.timers(event) == ()
        story.when(barred.confirm(confirming("sub_other"))).refused(Reason.CONFIRMED)


@OF_ONE_PERSON
def test_whom_it_bars_confirms_it_without_a_key(barred: Barred):
    begun(barred).when(barred.confirm(confirming(WHO, has_key=False))).then(barred.confirmed)
    begun(barred).when(barred.confirm(confirming("sub_desk", WHO, has_key=False))).then(barred.confirmed)


def test_who_holds_an_instrument_ends_it_for_a_while_since_others_act_under_it():
    [event] = AnInstrument.begins.when(AnInstrument().bar(barring(WHO))).events
    assert event.lapses_at == AT + THREE_DAYS
    AnInstrument.begins.given(event).when(AnInstrument().confirm(confirming(WHO))).refused(Reason.OWN)


def test_an_instrument_that_is_back_has_its_officers_and_the_version_of_its_stream():
    story = begun(AnInstrument()).given(AnInstrument().lapse(AT + THREE_DAYS))
    assert (story.state.authority.ended_on, story.state.authority.version) == (None, 3)
    confirmed = begun(AnInstrument()).given(AnInstrument().confirm(confirming("sub_other")))
    assert (confirmed.state.authority.ended_on, confirmed.state.authority.version) == (TODAY, 3)


def test_what_bars_nobody_is_not_confirmed():
    AConflict.begins.when(AConflict().confirm(confirming("sub_other"))).refused(official.Reason.NOT_FOUND)
    AKey.begins.when(AKey().confirm(confirming("sub_other"))).refused(approver.Reason.NOT_REVOKED)
    AnInstrument.begins.when(AnInstrument().confirm(confirming("sub_other"))).refused(instrument.Reason.NOT_ENDED)
    Given(approver.DECIDER).when(AKey().confirm(confirming("sub_other"))).refused(approver.Reason.NOT_FOUND)
    Given(instrument.DECIDER).when(AnInstrument().confirm(confirming("sub_other"))).refused(instrument.Reason.NOT_FOUND)


@EACH
def test_what_is_begun_already_is_confirmed_and_not_begun_again(barred: Barred):
    for again in (begun(barred), begun(barred).given(barred.confirm(confirming("sub_other")))):
        refused = again.when(barred.bar(barring("sub_third"))).answer
        assert refused.code in (official.Reason.ALREADY_DECLARED, approver.Reason.ALREADY_REVOKED, instrument.Reason.ENDED)
