"""The audit of moves in an emergency: between depots of the Reserve, ratified by another within a day, or nothing went on."""

from datetime import UTC, datetime, timedelta
from typing import Any

from reserve.audit.approvers import Approvers
from reserve.audit.evidence import Recorded
from reserve.audit.moves import Moves
from reserve.audit.report import Check, Findings
from services.inventory import events as inventory

NIGHT = datetime(2026, 1, 6, 3, tzinfo=UTC)
OF: dict[str, Any] = {"product": "antimony-metal"}
PARCEL = inventory.Parcel(lot=inventory.LotId("lot_1"), depot="Kwinana", nominal_unit_g=1, units=1, mass_g=1)


class History:
    def __init__(self) -> None:
        self.findings = Findings()
        self._moves = Moves(self.findings, Approvers(self.findings, frozenset()))
        self.takes_in("lot_1", "Fremantle").takes_in("lot_2", "Kwinana")

    def takes_in(self, lot: str, depot: str) -> "History":
        assay = inventory.Assay(report="", laboratory="", assayed_on=NIGHT.date(), contents={}, in_specification=True)
        told: dict[str, Any] = {"lot": lot, "depot": depot, "units": 1, "nominal_unit_g": 1, "mass_g": 1, "status": "available"}
        more: dict[str, Any] = {"serials": (), "origin": "AU", "custody_model": "segregated", "expires_on": None, "right": None}
        return self._see("in", -1, inventory.LotTakenIn(**OF, **told, **more, assay=assay))

    def moves(self, to: str = "Kwinana", hours: int = 24, by: str = "ann", source: str = "Fremantle") -> "History":
        told: dict[str, Any] = {"move": "mov_1", "lot": "lot_1", "units": 1, "mass_g": 1, "cause": "fire", "moved_by": "ann"}
        ratify_by = NIGHT + timedelta(hours=hours)
        return self._see("moved", 0, inventory.LotMoved(**OF, **told, from_depot=source, to_depot=to, ratify_by=ratify_by), by)

    def ratifies(self, hours: int, by: str = "bob") -> "History":
        told: dict[str, Any] = {"move": "mov_1", "lot": "lot_1", "ratified_by": by, "late": hours > 24}
        return self._see("ratified", hours, inventory.MoveRatified(**OF, **told))

    def is_held(self, hours: int = 24) -> "History":
        told: dict[str, Any] = {"hold": "hld_1", "scope": "lot", "target": "lot_1", "reason": "", "authority": "move mov_1"}
        return self._see("held", hours, inventory.HoldPutOn(**OF, **told, expires_on=None))

    def lifts(self, hours: int) -> "History":
        told: dict[str, Any] = {"hold": "hld_1", "reason": "", "authority": "ins_1"}
        return self._see("lifted", hours, inventory.HoldLifted(**OF, **told))

    def leaves(self, hours: int) -> "History":
        told: dict[str, Any] = {"draw": "drw_1", "partner": "JP", "mass_g": 1, "weighed_g": 1, "carrier": "", "consignee": "", "gates": ()}
        return self._see("left", hours, inventory.DrawDispatched(**OF, **told, parcels=(PARCEL,)))

    def _see(self, place: str, hours: int, event: Any, actor: str = "") -> "History":
        at = NIGHT + timedelta(hours=hours)
        record: dict[str, Any] = {"effective_on": str(at.date()), "recorded_at": at.isoformat(), "stream": "one", "actor": actor}
        told = {name: record.get(name, 0 if name in ("shard", "position", "version") else "") for name in Recorded.__struct_fields__}
        self._moves.see(place, Recorded(**told), event)
        return self

    def found(self, hours: int) -> list[str]:
        self._see("", hours, None)
        self._moves.finish()
        return [each.place for each in self._result().failures]

    def listed(self) -> list[str]:
        return [each.place for each in self._result().listed]

    def _result(self) -> Any:
        [result] = [each for each in self.findings.results() if each.check == Check.CONTROL.name.lower()]
        return result


def test_what_another_ratifies_within_a_day_is_fine():
    assert History().moves().found(24) == []
    story = History().moves().ratifies(23).leaves(30)
    assert story.found(1000) == [] and story.listed() == []


def test_what_nobody_ratifies_is_found_on_hold_or_not_and_listed_once_somebody_has():
    assert History().moves().found(26) == ["moved"]
    assert History().moves().is_held().found(26) == ["moved"]
    late = History().moves().is_held().ratifies(30)
    assert late.found(31) == [] and late.listed() == ["ratified"]


def test_who_moved_it_does_not_ratify_it():
    assert History().moves().ratifies(1, "ann").found(2) == ["ratified"]
    assert History().moves().ratifies(1).ratifies(2).found(3) == ["ratified"]


def test_goods_that_go_on_while_nobody_has_ratified_are_found_but_for_what_two_people_have_lifted():
    assert History().moves().leaves(20).ratifies(21).found(22) == []
    assert History().moves().leaves(30).ratifies(31).found(32) == ["left"]
    assert History().moves().is_held().lifts(28).leaves(30).found(31) == []


def test_goods_go_from_where_they_are_to_a_depot_of_the_reserve_for_a_day_at_most():
    assert History().moves(to="My Shed").found(1) == ["moved"]
    assert History().moves(source="Darwin").found(1) == ["moved"]
    assert History().moves(hours=25).found(1) == ["moved"]
    assert History().moves(by="eve").found(1) == ["moved"]
