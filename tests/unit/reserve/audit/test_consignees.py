"""The audit of consignees: goods that left for one whom nobody named, or nobody cleared, are found; what left before the rule is listed."""

from datetime import date
from typing import Any

import pytest

from reserve.audit.consignees import Consignees
from reserve.audit.evidence import Recorded
from reserve.audit.listed import Listed
from reserve.audit.report import Check, Findings
from services.allocation.events import (
    AwardId,
    ChangeId,
    ConsigneeChangeApproved,
    ConsigneeHit,
    ConsigneeHitDecided,
    ConsigneeId,
    ConsigneeScreened,
    HitId,
    ListName,
    RequestAccepted,
    ScreeningListPutInForce,
    SubjectId,
)
from services.inventory.events import DrawDelivered, DrawDispatched, DrawId, GateEvidence, ProductId, ReleaseId, StockDrawn, StockReleased

PRODUCT: Any = ProductId("antimony-metal")
GOOD, OTHER = "Toyo Logistics", "Front Company"


class Audited:
    """Events as they come, each a second after the one before; each at the place of its number."""

    def __init__(self) -> None:
        self.findings = Findings()
        self.listed_names = Listed(self.findings)
        self.consignees = Consignees(self.findings, self.listed_names)
        self.seconds = 0

    def see(self, service: str, event: Any, by: str = "sub_depot") -> str:
        self.seconds += 1
        place = f"{service}/0/{self.seconds}"
        told: dict[str, Any] = dict.fromkeys(Recorded.__struct_fields__, "") | {"actor": by, "effective_on": "2026-01-06"}
        at = f"2026-01-06T00:{self.seconds // 60:02}:{self.seconds % 60:02}.000000Z"
        for part in (self.listed_names, self.consignees):
            part.see(place, Recorded(**(told | {"recorded_at": at})), event)
        return place

    def drawn(self, draw: str = "drw_1") -> None:
        shared: dict[str, Any] = {"product": PRODUCT, "release": ReleaseId("rel_1"), "partner": "JP"}
        told: dict[str, Any] = {"round": "rnd_1", "decision": "ab", "award": "awd_1", "request": "req_1", "units": (), "rights_g": 0}
        self.see("inventory", StockReleased(**shared, **told, mass_g=10, expires_on=date(2026, 3, 1)))
        self.see("inventory", StockDrawn(**shared, draw=DrawId(draw), parcels=(), mass_g=10, remaining_g=0))

    def accepted(self, name: str = GOOD) -> str:
        event = RequestAccepted(request="req_1", product=PRODUCT, partner="JP", accepted_g=10, reasons=("x",), consignee=name)  # type: ignore[arg-type]
        return self.see("allocation", event)

    def screened(self, name: str = GOOD, clear: bool = True, **lists: int) -> str:
        known: Any = lists
        hit = ConsigneeHit(hit=HitId("hit_1"), list=ListName("entity"), entry="E-1", match="near")
        told: dict[str, Any] = {"consignee": ConsigneeId("cns_1"), "name": name, "lists": known, "beyond": 0, "clear": clear}
        return self.see("allocation", ConsigneeScreened(**told, hits=() if clear else (hit,)))

    def approved(self, name: str, by: str = "sub_approver") -> str:
        event = ConsigneeChangeApproved(
            change=ChangeId("chg_1"),
            award=AwardId("awd_1"),
            request="req_1",
            product=PRODUCT,
            partner="JP",  # type: ignore[arg-type]
            consignee=ConsigneeId("cns_2"),
            name=name,
            reason="known",
            approved_by=SubjectId(by),
        )
        return self.see("allocation", event)

    def listed(self, version: int) -> None:
        put = ScreeningListPutInForce(
            list=ListName("entity"), version=version, document="ab", entries=1, reason="x", put_by=SubjectId("sub_o")
        )
        self.see("allocation", put)

    def left(
        self, name: str = GOOD, named: str | None = None, cleared: str | None = None, draw: str = "drw_1", by: str = "sub_depot"
    ) -> str:
        shown = (("consignee_named", named), ("consignee_cleared", cleared))
        gates = tuple(GateEvidence(gate=gate, evidence=f"{place} says so", by="allocation") for gate, place in shown if place)
        told: dict[str, Any] = {"product": PRODUCT, "draw": draw, "partner": "JP", "parcels": (), "mass_g": 10, "weighed_g": 10}
        return self.see("inventory", DrawDispatched(**told, carrier="a ship", consignee=name, gates=gates), by)

    def failures(self) -> list[str]:
        self.consignees.finish()
        [result] = [each for each in self.findings.results() if each.check == Check.CONSIGNEES.name.lower()]
        assert result.failed == len(result.failures)
        self.was_listed = [each.place for each in result.listed]
        return [each.place for each in result.failures]


def ready() -> tuple[Audited, str, str]:
    audited = Audited()
    audited.drawn()
    return audited, audited.accepted(), audited.screened()


def test_goods_that_left_for_the_consignee_of_their_request_are_fine():
    audited, named, cleared = ready()
    audited.left(GOOD, named, cleared)
    assert audited.failures() == [] and audited.was_listed == []


def test_any_text_as_consignee_is_listed_before_the_rule_and_fails_after_it():
    audited, named, cleared = ready()
    before = audited.left(OTHER)
    audited.left(GOOD, named, cleared, "drw_1")
    after = audited.left(OTHER)
    assert audited.failures() == [after] and audited.was_listed == [before]


@pytest.mark.parametrize("wrong", ["of another name", "of another request", "no such place", "not clear", "cleared is another"])
def test_evidence_that_does_not_say_so_is_found(wrong: str):
    audited, named, cleared = ready()
    match wrong:
        case "of another name":
            named = audited.accepted(OTHER)
        case "of another request":
            event = RequestAccepted(request="req_2", product=PRODUCT, partner="JP", accepted_g=1, reasons=("x",), consignee=GOOD)  # type: ignore[arg-type]
            named = audited.see("allocation", event)
        case "no such place":
            named = "allocation/0/999"
        case "not clear":
            cleared = audited.screened(GOOD, clear=False)
        case _:
            cleared = audited.screened(OTHER)
    place = audited.left(GOOD, named, cleared)
    assert audited.failures() == [place]


def test_an_approved_change_names_one_and_its_approver_does_not_dispatch_to_it():
    audited, _, _ = ready()
    named, cleared = audited.approved(OTHER), audited.screened(OTHER)
    audited.left(OTHER, named, cleared)
    own = audited.left(OTHER, named, cleared, by="sub_approver")
    assert audited.failures() == [own]


def test_a_list_that_came_into_force_since_must_have_been_looked_up():
    audited, named, cleared = ready()
    audited.listed(1)
    audited.left(GOOD, named, cleared)  # a moment later: inventory may not have heard of it
    audited.seconds += 90
    late = audited.left(GOOD, named, cleared)
    again = audited.screened(GOOD, entity=1)
    audited.left(GOOD, named, again)
    assert audited.failures() == [late]


def test_a_hit_that_is_confirmed_bars_and_one_that_is_cleared_does_not():
    audited, named, _ = ready()
    audited.screened(GOOD, clear=False)
    told: dict[str, Any] = {"consignee": ConsigneeId("cns_1"), "name": GOOD, "hit": HitId("hit_1"), "reason": "x"}
    decided = lambda outcome, clear: audited.see(  # noqa: E731
        "allocation", ConsigneeHitDecided(**told, outcome=outcome, clear=clear, decided_by=SubjectId("sub_o"))
    )
    audited.left(GOOD, named, decided("cleared", True))
    barred = audited.left(GOOD, named, decided("confirmed", False))
    assert audited.failures() == [barred]


def test_a_consignee_that_is_said_to_be_clear_with_an_open_hit_is_found():
    audited, _, _ = ready()
    audited.screened(GOOD, clear=False)
    told: dict[str, Any] = {"consignee": ConsigneeId("cns_1"), "name": GOOD, "hit": HitId("hit_1"), "reason": "x"}
    said = audited.see("allocation", ConsigneeHitDecided(**told, outcome="confirmed", clear=True, decided_by=SubjectId("sub_o")))
    assert audited.failures() == [said]


def test_what_is_delivered_before_it_was_drawn_is_found():
    audited, named, cleared = ready()
    audited.left(GOOD, named, cleared)
    told: dict[str, Any] = {"product": PRODUCT, "draw": "drw_1", "release": "rel_1", "partner": "JP", "mass_g": 10, "weighed_g": 10}
    said = {"carrier": "a ship", "consignee": GOOD, "received_by": "a warehouse", "evidence": "CMR 1"}
    early = audited.see("inventory", DrawDelivered(**told, **said, delivered_on=date(2026, 1, 5)))
    assert audited.failures() == [early]


def test_what_the_ledger_was_slower_to_take_is_waited_for():
    audited, named, _ = ready()
    audited.left(GOOD, named, "allocation/0/9")
    assert audited.consignees.unsettled
