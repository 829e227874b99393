"""The audit of tallies: of each day each partner is told of all of its events, and a tally that lies, or is left out, is found."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from reserve.audit.evidence import Recorded
from reserve.audit.report import Check
from services.allocation.events import PartnerRegistered
from services.allocation.events.reach import LineTally
from tests.stories.audit import DAY_BEFORE, TODAY, Step, Story, Told, told
from tests.stories.tallies import held_of, tallied

TOMORROW, NEXT, LAST = (TODAY + timedelta(days=days) for days in (1, 2, 16))
NOBODYS = "AU"  # a partner without an event but its registration


def joins(code: Any, on: date) -> Step:
    return Step(event=PartnerRegistered(partner=code, name=code), stream=f"partner/{code}", shard=1, on=on)


class History(Told):
    """The story with its partners registered before it; each day after it is tallied at noon of the next one."""

    def __init__(self, folder: Path) -> None:
        given = told()
        codes: list[Any] = ["JP", "US", NOBODYS]
        joined: Story = {f"join_{code}": joins(code, DAY_BEFORE) for code in codes}
        end = {name: given.pop(name) for name in ("lapse", "last_sign")}
        self.now = TODAY
        super().__init__(joined | given, folder)
        self.sign("signed_on_the_day")
        self.end = end

    def tally(self, partner: str, day: date = TODAY, at: date | None = None, **changes: Any) -> None:
        self.now = at or day + timedelta(days=1)
        step = tallied(self, partner, day, self.now, **changes)
        self.seal(f"tally_{partner}_{day}", step)

    def day(self, day: date, but: str = "", at: date | None = None, lies: Mapping[str, Mapping[str, Any]] = {}) -> None:
        """Tallied for all partners `but` one. `lies`: what the tally of one says otherwise."""
        for partner in ("AU", "JP", "US"):
            if partner != but:
                self.tally(partner, day, at, **lies.get(partner, {}))
        self.sign(f"signed_{day}")

    def _record(self, service: str, step: Step) -> tuple[Recorded, bytes, bytes]:
        """What is signed is recorded on the day of what it covers."""
        if service == "ledger":
            step = replace(step, at=f"{self.now}T12:30:00.{len(self.signed):06}Z")
        return super()._record(service, step)

    async def failures(self, *, ended: bool = False) -> list[str]:
        if ended:
            for name, step in self.end.items():
                self.seal(name, step)
        report = await self.audited()
        [result] = [each for each in report.checks if each.check == Check.TALLIES.name.lower()]
        assert {each.check for each in report.checks if each.failed} <= {result.check}, "nothing else is wrong"
        assert result.checked
        return [f"{failure.place}: {failure.what}" for failure in result.failures]


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


async def test_each_day_of_each_partner_is_worked_out_again_also_one_without_events(history: History):
    history.day(TODAY)
    history.day(TOMORROW)
    assert await history.failures(ended=True) == []


async def test_days_that_were_made_up_for_are_fine(history: History):
    history.day(TODAY)
    history.day(TOMORROW, at=NEXT + timedelta(days=1))
    history.day(NEXT)
    assert await history.failures() == []


async def test_a_tally_that_lies_is_found_at_its_place(history: History):
    """One short, without a shard, of other events, another partner's; and one of an older log, or of leaves that are yet to come."""
    lines = held_of(history, "JP")
    goods = lines["inventory/0"]
    short = LineTally(last=goods.last - 1, chain=goods.chain)
    other = LineTally(last=goods.last, chain="ab" * 32)
    lies: list[tuple[str, dict[str, Any], str]] = [
        ("JP", {"lines": lines | {"inventory/0": short}}, f"inventory/0: {short.last} said, {goods.last} there"),
        ("JP", {"lines": lines | {"inventory/0": other}}, "other events of JP"),
        ("JP", {"lines": {line: said for line, said in lines.items() if line != "inventory/0"}}, "inventory/0: 0 said"),
        ("JP", {"lines": held_of(history, "US")}, "other events of JP"),
        ("US", {"size": len(history.tree) - 1}, f"it counts among {len(history.tree) - 1} leaves"),
        ("US", {"size": 1000}, "it counts among 1000 leaves"),
    ]
    places = []
    for number, (partner, lie, _) in enumerate(lies):
        day = TODAY + timedelta(days=number)
        history.day(day, lies={partner: lie})
        places.append(history.places[f"tally_{partner}_{day}"])
    found = await history.failures()
    for place, (_, _, what) in zip(places, lies, strict=True):
        assert any(each.startswith(f"{place}:") and what in each for each in found), found
    assert {each.partition(":")[0] for each in found} == set(places)


async def test_a_day_that_is_left_out_for_one_partner_or_for_all_is_found(history: History):
    history.day(TODAY)
    history.day(TOMORROW, but="JP")
    history.day(NEXT + timedelta(days=1))
    found = await history.failures()
    assert found == [f"JP on {TOMORROW}: it was not tallied", *(f"{each} on {NEXT}: it was not tallied" for each in ("JP", "US", "AU"))]


async def test_a_day_that_had_not_ended_is_found(history: History):
    history.day(TODAY)
    history.tally("JP", TOMORROW, TOMORROW)
    history.sign("signed")
    assert any("when it had not ended" in each for each in await history.failures())


async def test_a_day_that_is_tallied_twice_is_found(history: History):
    history.day(TODAY)
    history.tally("JP", TODAY)
    history.sign("signed")
    assert any("was tallied for JP before" in each for each in await history.failures())


async def test_who_tallies_no_more_is_found_once_something_is_recorded_on_some_days(history: History):
    """Not at once: after an outage, something else may be recorded before the days are made up for."""
    history.day(TODAY)
    days = [LAST + timedelta(days=days) for days in range(3)]
    for number, day in enumerate(days):
        history.seal(f"{number}", joins(f"X{number}", day))
        history.sign(f"signed_{number}")
        if number:
            assert bool(await history.failures()) == (day == days[-1])
