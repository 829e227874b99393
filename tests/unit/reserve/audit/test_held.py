"""The audit of what is held: a release that lapses under a hold of the Reserve, or whose last day moves by other days, is found."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from reserve.audit.held import Held
from reserve.audit.report import CheckResult, Findings
from services.inventory.domain.holds import ConfirmPartnerHold, ExpireHold, FreePartner, FreeRound, HoldPartner, HoldRound
from services.inventory.domain.releases import LapseRelease
from services.inventory.events import HoldId, HoldPutOn, ReleaseExtended, ReleaseId, ReleaseLapsed
from tests.stories.powers import may
from tests.stories.stockpile import (
    DAY_AFTER,
    DECISION,
    LAST_DAY,
    TODAY,
    UNIT_G,
    a_round,
    a_stockpile,
    award,
    hold,
    lift,
    lot,
    move,
    pool,
    taking,
)

LATER = TODAY + timedelta(days=4)
LATER_STILL = LAST_DAY + timedelta(days=3)
LAPSE = LapseRelease(release=ReleaseId("rel_a"), on=date(2026, 3, 1))


def faults(told: Sequence[tuple[date, Any]]) -> list[str]:
    return [failure.what for result in audited(told) for failure in result.failures]


def listed(told: Sequence[tuple[date, Any]]) -> list[str]:
    return [failure.what for result in audited(told) for failure in result.listed]


def audited(told: Sequence[tuple[date, Any]]) -> Sequence[CheckResult]:
    findings = Findings()
    audit = Held(findings)
    for place, (on, event) in enumerate(told):
        audit.see(f"inventory/0/{place}", on.isoformat(), event)
    return findings.results()


def told(*steps: tuple[date, Any]) -> list[tuple[date, Any]]:
    """Japan's three units of lot_1 are released, then all this is done, each on its day."""
    pools = (pool("p1", "lot_1"),)
    before = (lot("lot_1"), a_round(taking(award("a", "JP", 3), ("p1", UNIT_G, 3)), pools=pools))
    story, events = a_stockpile(), list[tuple[date, Any]]()
    for on, command in (*((TODAY, each) for each in before), *steps):
        story = story.when(command)
        events += [(on, event) for event in story.events]
    return events


def off(on: date, name: str = "hld_1") -> tuple[date, Any]:
    return on, lift(name, may("operator-1", on))


def lapse(on: date = date(2026, 3, 1)) -> tuple[date, Any]:
    return on, replace(LAPSE, on=on)


@pytest.mark.parametrize("stop", [hold("all"), hold("product"), hold("partner", "JP"), hold("lot", "lot_1"), hold("depot", "Fremantle")])
def test_a_release_that_has_its_days_back_is_sound_and_one_that_has_not_is_found(stop):
    sound = told((TODAY, stop), off(LATER), lapse())
    assert faults(sound) == []
    moved = [
        (on, replace(event, days=9, expires_on=date(2026, 1, 29)) if isinstance(event, ReleaseExtended) else event) for on, event in sound
    ]
    assert faults(moved) == ["rel_a is said to end on 2026-01-29, and ends on 2026-01-24"]
    never = [(DAY_AFTER if isinstance(event, ReleaseLapsed) else on, event) for on, event in sound]
    assert faults(never) == ["rel_a lapsed on 2026-01-21, and ends on 2026-01-24"]


def test_a_release_that_lapses_under_a_hold_is_found():
    [*_, (_, lapsed)] = told(lapse(DAY_AFTER))
    held = [*told((TODAY, hold("partner", "JP"))), (DAY_AFTER, lapsed)]
    assert faults(held) == ["rel_a lapsed while the Reserve held it: ['partner/JP']"]
    before = [(on, replace(event, put_on_on=None) if isinstance(event, HoldPutOn) else event) for on, event in held]
    assert faults(before) == []  # by a build that knew no better


def test_holds_within_one_another_and_an_emergency_that_is_ratified_late_are_sound():
    held = HoldRound(round="rnd_1", decision=DECISION, reason="not ratified", on=TODAY)
    freed = FreeRound(round="rnd_1", decision=DECISION, reason="late", on=LAST_DAY)
    expire = ExpireHold(hold=HoldId("hld_1"), on=LATER)
    events = told(
        (TODAY, hold("product", expires_on=LATER - timedelta(days=1))),
        (TODAY + timedelta(days=1), replace(held, on=TODAY + timedelta(days=1))),
        (LATER, expire),
        (LAST_DAY, freed),
        lapse(),
    )
    assert [event.days for _, event in events if isinstance(event, ReleaseExtended)] == [1, 13]
    assert faults(events) == []


def test_a_hold_goes_on_with_a_lot_that_is_moved_as_it_stood_on_the_depot_or_it_is_found():
    after = LAST_DAY + timedelta(days=5)
    before = ((TODAY, hold("depot", "Fremantle")), (after, move(on=after)))
    [*_, (_, goes_on)] = told(*before)
    assert isinstance(goes_on, HoldPutOn) and goes_on.takes_on == "hld_1"
    sound = told(*before, off(after, goes_on.hold), off(after), lapse(after + timedelta(days=60)))
    assert faults(sound) == []

    def with_hold(changed: Any) -> list[tuple[date, Any]]:
        return [(on, changed if event == goes_on else event) for on, event in sound]

    for wrong in ({"put_on_on": after}, {"expires_on": after}, {"target": "lot_2"}, {"takes_on": "hld_2"}):
        assert f"{goes_on.hold} is not {wrong.get('takes_on', 'hld_1')}" in faults(with_hold(replace(goes_on, **wrong)))[0]
    behind = "lot_1 left depot/Fremantle, and what stopped it there did not go on: ['hld_1']"
    by_an_old_build = with_hold(replace(goes_on, put_on_on=after, takes_on=None))
    assert behind not in faults(by_an_old_build) and f"{behind} (before its rule was in force)" in listed(by_an_old_build)
    shown = [event for event in sound if event[1] == goes_on]
    assert behind in faults([*shown, *by_an_old_build])


SUSPENDED = HoldPartner(
    hold=HoldId("hld_s"),
    partner="JP",
    agreement="agr_1",
    reason="a tip",
    suspended_by="sub_ann",
    suspended_to=datetime(2026, 1, 23, 3, tzinfo=UTC),
    on=LAST_DAY,
)


def test_a_release_that_lapses_by_one_person_s_suspension_is_found_and_by_an_earlier_build_listed():
    resumed = (LATER_STILL, FreePartner(hold=HoldId("hld_s"), reason="lapsed", on=LATER_STILL))
    sound = told((LAST_DAY, SUSPENDED), resumed, lapse())
    assert (faults(sound), listed(sound)) == ([], [])
    [*_, (_, lapsed)] = told(lapse(DAY_AFTER))
    held = [*told((LAST_DAY, SUSPENDED)), (DAY_AFTER, lapsed)]
    assert faults(held) == ["rel_a lapsed while the Reserve held it: ['partner/JP']"]
    confirmed = told((LAST_DAY, SUSPENDED), (DAY_AFTER, ConfirmPartnerHold(hold=HoldId("hld_s"), confirmed_by="sub_bob", on=DAY_AFTER)))
    assert faults(confirmed) == [] and isinstance(confirmed[-1][1], ReleaseLapsed)
    before = [(on, replace(event, put_on_on=None) if isinstance(event, HoldPutOn) else event) for on, event in held]
    assert (faults(before), listed(before)) == ([], ["rel_a lapsed under a suspension, which may be one person's word"])
