"""Laboratories: registered with whose they are, by two; what settles a return is neither party's."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.loans.domain.controls import CONTROLS, EVENTS
from services.loans.domain.material.laboratories import (
    DECIDER,
    INDEPENDENT,
    RESERVE,
    ConfirmLaboratoryEnd,
    EndLaboratory,
    LapseLaboratoryEnd,
    RegisterLaboratory,
    timers,
)
from services.loans.events.laboratory import LaboratoryEndConfirmed, LaboratoryEnded, LaboratoryEndLapsed, LaboratoryRegistered, Owner
from services.loans.events.material import ReturnAssayed
from shared.journal.decider import CancelTimer, Timer
from shared.terms.countersigning import Class, ControlReason, countersigned
from tests.stories.alone import LATER as LAPSES_AT
from tests.stories.alone import ONE, TWO, by_one
from tests.stories.given import Given
from tests.stories.material import DUE, INDEPENDENTS, TODAY, UMPIRES, assay, bring, check, days, lent, registered

LATER = days(45)
REGISTER = RegisterLaboratory(laboratory=INDEPENDENTS, name="SGS", owner=INDEPENDENT, accredited_until=DUE, on=TODAY)
END = EndLaboratory(by=by_one(), reason="its accreditation is suspended", on=TODAY)


def test_it_is_registered_in_full_changed_ended_and_registered_again():
    story = Given(DECIDER).when(REGISTER).then(LaboratoryRegistered)
    story.when(REGISTER).refused("laboratory_registered_already", "/laboratory")
    story.when(replace(REGISTER, owner=Owner("partner/JP"))).then(LaboratoryRegistered)
    ended = story.when(END).then(LaboratoryEnded)
    ended.when(END).refused("laboratory_ended", "path:laboratory")
    ended.when(REGISTER).then(LaboratoryRegistered)


def test_its_end_lapses_unless_a_second_person_confirms_it():
    ended = Given(DECIDER, REGISTER).when(END).then(LaboratoryEnded)
    lapse = LapseLaboratoryEnd(lapses_at=LAPSES_AT)
    assert timers(ended.events[0]) == [Timer.at_instant("ended", LAPSES_AT, lapse)]
    ended.when(ConfirmLaboratoryEnd(by=ONE, accounts=frozenset({ONE}))).refused("ending_confirmed_by_same_person")
    confirmed = ended.when(ConfirmLaboratoryEnd(by=TWO, accounts=frozenset({TWO}))).then(LaboratoryEndConfirmed)
    assert timers(confirmed.events[0]) == [CancelTimer("ended")]
    confirmed.when(lapse).then()
    back = ended.when(lapse).then(LaboratoryEndLapsed)
    back.when(END).refused("ending_renewed_by_same_person")
    back.when(replace(END, by=by_one(TWO))).then(LaboratoryEnded)
    ended.given(REGISTER).when(lapse).then()


def test_one_whose_accreditation_has_run_out_is_not_registered_nor_is_one_ended_that_is_not_there():
    Given(DECIDER).when(replace(REGISTER, on=DUE + timedelta(days=1))).refused("laboratory_accreditation_over", "/accredited_until")
    Given(DECIDER).when(END).refused("laboratory_not_found", "path:laboratory")


def test_nobody_registers_one_alone_and_one_person_ends_it():
    Given(countersigned(DECIDER, CONTROLS, EVENTS)).when(REGISTER).refused(str(ControlReason.NEEDED))
    assert CONTROLS[EndLaboratory] is Class.PROTECTS


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"owner": RESERVE}, "laboratory_of_a_party"),
        ({"owner": Owner("partner/JP")}, "laboratory_of_a_party"),
        ({"owner": Owner("borrower/mitsui"), "connected": ("borrower/mitsui",)}, "laboratory_of_a_party"),
        ({"accredited_until": days(-1)}, "laboratory_not_accredited"),
        ({"name": " ahk "}, "laboratory_asked_before"),
        ({"laboratory": UMPIRES}, "laboratory_not_registered"),
    ],
)
@pytest.mark.parametrize("by", ["independent", "umpire"])
def test_what_settles_a_return_is_neither_partys(by: str, changes: dict[str, Any], code: str):
    loan = lent().given(bring(5, LATER, content="0.9950"))
    if by == "umpire":
        loan = loan.given(check("0.9990", LATER))
    wanted = check("0.9970", LATER, by=by)
    named = registered(UMPIRES if by == "umpire" else INDEPENDENTS)
    if changes == {"laboratory": UMPIRES} and by == "umpire":
        changes = {"laboratory": INDEPENDENTS}
    assert isinstance(loan.when(wanted).events[0], ReturnAssayed)
    loan.when(replace(wanted, registered=replace(named, **changes))).refused(code, "/laboratory")
    loan.when(replace(wanted, registered=None)).refused("laboratory_not_registered", "/laboratory")


def test_one_of_somebody_else_is_independent_of_both():
    loan = lent().given(bring(5, LATER))
    other = registered(owner=Owner("partner/US"), connected=("borrower/mitsui",))
    assert isinstance(loan.when(replace(check("0.9970", LATER), registered=other)).events[0], ReturnAssayed)


def test_an_umpire_is_not_the_laboratory_that_it_decides_about():
    split = lent().given(bring(5, LATER, content="0.9950"), check("0.9990", LATER))
    same = replace(check("0.9970", LATER, by="umpire"), assay=assay("0.9970", laboratory=INDEPENDENTS), registered=registered())
    split.when(same).refused("laboratory_asked_before", "/laboratory")
