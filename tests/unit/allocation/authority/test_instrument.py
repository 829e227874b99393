"""Instruments: registered as parts of what is above them, held by an office, stood in for, ended."""

from datetime import date
from typing import Any

import msgspec
import pytest

from reserve.operate.migrate import ROOT
from services.allocation.domain.authority.counting import BY_SERVICE, counted_by
from services.allocation.domain.authority.endorsement import Endorsing
from services.allocation.domain.authority.endorsement import Reason as EndorsementReason
from services.allocation.domain.authority.instrument import (
    DECIDER,
    Command,
    EndInstrument,
    NameActingOfficer,
    Reason,
    RegisterInstrument,
)
from services.allocation.events import ActingOfficerNamed, InstrumentEnded, InstrumentId, InstrumentRegistered, ProductId, SubjectId
from services.allocation.events.authority import Power
from services.allocation.events.papers import paper_of
from services.registry import JOURNALED, service
from shared.terms.acting import ApprovalReason
from shared.terms.authority import Acting, Authority, Kind
from shared.terms.countersigning import Countersigned
from shared.terms.protecting import lapses_at
from tests.stories.barring import AT, barring
from tests.stories.endorsing import ADMIN, CEREMONY, ENDORSER, UNENDORSED, endorsing
from tests.stories.given import Given
from tests.stories.instruments import ACT, LAST, TODAY, register

DELEGATION = InstrumentId("ins_delegation")
OFFICER = SubjectId("sub_officer")


def name(officer: SubjectId, until: date, given: Endorsing = CEREMONY) -> NameActingOfficer:
    return NameActingOfficer(officer=officer, valid_from=TODAY, valid_until=until, endorsing=given)


def delegate(**changes: Any) -> RegisterInstrument:
    told: dict[str, Any] = {
        "instrument": DELEGATION,
        "kind": Kind.DELEGATION,
        "under": ACT,
        "above": (authority(register()),),
        "holder": "sub_secretary",
        "acts": ("approve_decision",),
        "products": (ProductId("antimony-metal"),),
        "limit_g": 1000,
        "may_sub_delegate": False,
    }
    return register(**(told | changes))


def authority(*commands: Command) -> Authority:
    found = Given(DECIDER, *commands).state.authority
    assert found is not None
    return found


def test_a_delegation_is_registered_under_its_act():
    [event] = Given(DECIDER).when(delegate()).events
    assert isinstance(event, InstrumentRegistered)
    assert (event.instrument, event.under, event.acts, event.limit_g) == (DELEGATION, ACT, ("approve_decision",), 1000)
    assert (event.window_days, authority(register()).window_days) == (30, None), "without a limit there is nothing to sum"
    found = authority(delegate())
    assert (found.id, found.version, found.holder, found.acts) == (DELEGATION, 1, "sub_secretary", frozenset({"approve_decision"}))


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"acts": ()}, Reason.NO_ACTS, "/acts"),
        ({"acts": ("ratify", "ratify")}, Reason.NAMED_TWICE, "/acts"),
        ({"products": (ProductId("a"), ProductId("a"))}, Reason.NAMED_TWICE, "/products"),
        ({"valid_until": date(2025, 12, 31)}, Reason.DATES_REVERSED, "/valid_until"),
        ({"limit_minor": 5}, Reason.LIMIT_INVALID, "/currency"),
        ({"limit_g": 5, "window_days": 0}, Reason.LIMIT_INVALID, "/window_days"),
        ({"limit_g": 5, "window_days": 367}, Reason.LIMIT_INVALID, "/window_days"),
        ({"currency": "AUD"}, Reason.LIMIT_INVALID, "/currency"),
        ({"under": DELEGATION}, Reason.ROOT_INVALID, "/under"),
        ({"kind": Kind.DELEGATION}, Reason.ROOT_INVALID, "/under"),
    ],
    ids=str,
)
def test_an_instrument_that_says_nothing_sound_is_refused(change: dict[str, Any], reason: Reason, field: str):
    Given(DECIDER).when(register(**change)).refused(reason, field)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"acts": ("approve_decision", "write_off")}, "/acts"),
        ({"valid_from": date(2025, 12, 31)}, "/valid_from"),
        ({"valid_until": date(2027, 1, 1)}, "/valid_until"),
    ],
    ids=str,
)
def test_a_delegation_wider_than_what_it_stands_under_is_refused(change: dict[str, Any], field: str):
    Given(DECIDER).when(delegate(**change)).refused(Reason.WIDER, field)


def test_a_limit_is_never_above_the_one_of_the_parent():
    above = (authority(delegate(may_sub_delegate=True)), authority(register()))
    below: dict[str, Any] = {"instrument": InstrumentId("ins_below"), "under": DELEGATION, "above": above}
    Given(DECIDER).given(delegate(**below))
    for limit_g in (None, 1001):
        Given(DECIDER).when(delegate(**below, limit_g=limit_g)).refused(Reason.WIDER, "/limit_g")
    Given(DECIDER).when(delegate(**below, products=())).refused(Reason.WIDER, "/products")


def test_what_may_not_be_delegated_or_has_ended_or_is_not_there_has_nothing_under_it():
    Given(DECIDER).when(delegate(above=())).refused(Reason.NOT_FOUND, "/under")
    Given(DECIDER).when(delegate(above=(authority(register(may_sub_delegate=False)),))).refused(Reason.NOT_DELEGABLE)
    ended = authority(register(), EndInstrument(products=(), reason="repealed", on=TODAY, barring=barring()))
    Given(DECIDER).when(delegate(above=(ended,))).refused(Reason.ENDED)


def test_an_acting_officer_has_the_power_on_the_named_days():
    naming = name(OFFICER, LAST)
    Given(DECIDER, register()).when(naming).then(ActingOfficerNamed(instrument=ACT, officer=OFFICER, valid_from=TODAY, valid_until=LAST))
    found = authority(register(), naming)
    assert (found.version, found.acting) == (2, (Acting(subject=OFFICER, valid_from=TODAY, valid_until=LAST),))
    late = name(OFFICER, date(2027, 1, 1))
    holder = name(SubjectId("sub_minister"), LAST)
    for each in (late, holder):
        Given(DECIDER, register()).when(each).refused(Reason.ACTING_INVALID)


def test_an_instrument_ends_once_and_names_the_books_that_cite_it():
    end = EndInstrument(products=(ProductId("antimony-metal"),), reason="repealed", on=TODAY, barring=barring())
    Given(DECIDER, register()).when(end).then(
        InstrumentEnded(
            instrument=ACT,
            ended_on=TODAY,
            products=(ProductId("antimony-metal"),),
            reason="repealed",
            ended_by=ADMIN,
            lapses_at=lapses_at(AT),
        )
    )
    ended = Given(DECIDER, register(), end)
    ended.when(end).refused(Reason.ENDED)
    ended.when(name(OFFICER, LAST)).refused(Reason.ENDED)
    ended.when(register()).refused(Reason.ALREADY_REGISTERED)
    Given(DECIDER).when(end).refused(Reason.NOT_FOUND)


def test_after_the_first_instrument_another_approver_signs_each():
    wanted = delegate(endorsing=UNENDORSED)
    Given(DECIDER).when(wanted).refused(EndorsementReason.MISSING, "/endorsement")
    [event] = Given(DECIDER).when(delegate()).events
    assert isinstance(event, InstrumentRegistered)
    paper = paper_of(event)
    for party in (ADMIN, wanted.holder):
        Given(DECIDER).when(delegate(endorsing=endorsing(paper, by=party))).refused(EndorsementReason.BY_PARTY)
    wider = endorsing(paper_of(msgspec.structs.replace(event, limit_g=2000)))
    Given(DECIDER).when(delegate(endorsing=wider)).refused(ApprovalReason.ANOTHER_DOCUMENT)
    [event] = Given(DECIDER).when(delegate(endorsing=endorsing(paper))).events
    assert event.endorsement.subject == ENDORSER


def test_another_approver_signs_whom_somebody_acts_for():
    registered = Given(DECIDER, register())
    registered.when(name(OFFICER, LAST, UNENDORSED)).refused(EndorsementReason.MISSING, "/endorsement")
    paper = paper_of(ActingOfficerNamed(instrument=ACT, officer=OFFICER, valid_from=TODAY, valid_until=LAST))
    for party in (OFFICER, "sub_minister", ADMIN):
        registered.when(name(OFFICER, LAST, endorsing(paper, by=party))).refused(EndorsementReason.BY_PARTY)
    [event] = registered.when(name(OFFICER, LAST, endorsing(paper))).events
    assert event.endorsement.subject == ENDORSER


def test_an_instrument_names_no_power_that_nothing_asks_for():
    rules = [path for name in JOURNALED for path in (ROOT / "services" / name / "domain").rglob("*.py")]
    said = "".join(path.read_text() for path in (*rules, *(ROOT / "shared" / "terms").glob("*.py")))
    assert [power for power in Power if f'"{power}"' not in said and f"Power.{power.name}" not in said] == []


def test_one_of_an_earlier_build_that_names_another_power_is_read():
    assert authority(register(acts=("approve_decision", "waive_gate"))).acts == {"approve_decision", "waive_gate"}


@pytest.mark.parametrize("limit", [{"limit_g": 5}, {"limit_minor": 5, "currency": "AUD"}])
@pytest.mark.parametrize("acts", [("adjust_stock", "lend_material"), ("approve_decision", "commit_loan"), ("cancel_release",)])
def test_a_limit_is_of_what_one_service_counts(acts: tuple[str, ...], limit: dict[str, Any]):
    Given(DECIDER).when(register(acts=acts, **limit)).refused(Reason.LIMIT_SPLIT, "/acts")
    assert Given(DECIDER).when(register(acts=acts)).events, "without one it may be for all"
    assert Given(DECIDER).when(register(acts=("lend_material", "commit_loan", "erase_text"), **limit)).events


def test_it_is_known_of_every_act_which_service_counts_it():
    for name, known in BY_SERVICE.items():
        acts = {str(each.act) for each in service(name).controls.values() if isinstance(each, Countersigned)}
        assert acts - {"erase_text"} <= {str(act) for act in known}, name
    assert frozenset().union(*BY_SERVICE.values()) | {Power.ERASE_TEXT} == set(Power)
    both = [act for act in Power if len(counted_by([act])) > 1]
    assert both == [Power.CANCEL_RELEASE]
