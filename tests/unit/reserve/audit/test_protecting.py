"""The audit of what one person stops: a second one confirmed it, or it was off in time, and nobody renewed their own."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from reserve.audit.approvers import Approvers
from reserve.audit.evidence import Recorded
from reserve.audit.protecting import Protecting
from reserve.audit.report import Check, Findings
from services.allocation import events as allocation
from services.inventory import events as inventory
from services.inventory.events import HoldId
from services.loans.events.defaults import (
    AccelerationNotified,
    BreachConfirmed,
    BreachLapsed,
    DefaultConfirmed,
    DefaultCured,
    LoanDefaulted,
)
from services.loans.events.facility import FacilityId
from services.loans.events.laboratory import LaboratoryCode, LaboratoryEndConfirmed, LaboratoryEnded, LaboratoryEndLapsed
from services.loans.events.loan import LoanClosed, LoanId, LoanProposed, RatioReported
from services.loans.events.material import (
    ContainedChange,
    MaterialDefaultConfirmed,
    MaterialDefaultCured,
    MaterialDefaulted,
    MaterialReplaced,
)
from services.loans.events.payees import PayeeEndConfirmed, PayeeEnded, PayeeEndLapsed
from shared.terms.protecting import lapses_at

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
PRODUCT: Any = "antimony-metal"
LOAN, FACILITY, SGS = LoanId("lon_1"), FacilityId("cmf"), LaboratoryCode("sgs-perth")
RATIO: dict[str, Any] = {"kind": "dscr", "ratio": "1", "minimum": "1.3", "for_on": NOON.date()}
METAL: dict[str, Any] = {"loan": "mln_1", "partner": "JP"}
PAYEE: dict[str, Any] = {"borrower": "hillgrove-mines", "payee": "pye_1"}
HIT: dict[str, Any] = {"request": "req_1", "product": PRODUCT, "hit": "hit_1"}
NAMED: dict[str, Any] = {"consignee": "cns_1", "name": "Kyushu Warehouse", "hit": "hit_1"}
BOUGHT: dict[str, Any] = {
    **{"facility": FACILITY, "currency": "AUD", "element": "Sb", "source": ""},
    **dict.fromkeys(("bought_g", "principal_g", "premium_g", "cost_minor", "from_security_minor", "shortfall_minor", "owed_g"), 1),
}


class History:
    def __init__(self) -> None:
        self.findings = Findings()
        self._protecting = Protecting(self.findings, Approvers(self.findings, frozenset()))

    def stops(self, hours: int, hold: Any = "hld_1", by: str | None = "ann") -> "History":
        at = NOON + timedelta(hours=hours)
        told: dict[str, Any] = {"product": PRODUCT, "hold": hold, "scope": "partner", "target": "JP", "reason": "", "authority": ""}
        lapses = None if by is None else lapses_at(at)
        return self._see(f"stop {hold}", hours, inventory.HoldPutOn(**told, expires_on=None, put_on_by=by, lapses_at=lapses))

    def stops_what(
        self, hours: int, what: str, *, hold: Any, by: str = "ann", to: int | None = None, marked: bool = True, again: bool = False
    ) -> "History":
        """`to`: when it lapses, if it is not 72 hours later. `marked`: by a build in which scopes count once. `again`: by one in which
        nobody puts it on again that two have lifted, nor on another lot of the same draw."""
        scope, _, target = what.partition("/")
        lapses = lapses_at(NOON + timedelta(hours=hours)) if to is None else NOON + timedelta(hours=to)
        told: dict[str, Any] = {"product": PRODUCT, "hold": hold, "scope": scope, "target": target or None, "reason": "", "authority": ""}
        since = lapses - timedelta(hours=72) if marked else None
        put = inventory.HoldPutOn(
            **told, expires_on=None, put_on_by=by, lapses_at=lapses, alone_since=since, again_from=lapses if again else None
        )
        return self._see(f"stop {hold}", hours, put)

    def lies(self, lot: Any, depot: str, moved_to: str | None = None) -> "History":
        assay: Any = None
        told: dict[str, Any] = {"product": PRODUCT, "lot": lot, "units": 2}
        more: dict[str, Any] = {
            "nominal_unit_g": 1,
            "mass_g": 2,
            "status": "available",
            "serials": (),
            "origin": "",
            "expires_on": None,
            "right": None,
        }
        taken = inventory.LotTakenIn(**told, **more, depot=depot, custody_model="segregated", assay=assay)
        story = self._see("", 0, taken)
        if moved_to is None:
            return story
        moves: dict[str, Any] = {"move": "mov_1", "from_depot": depot, "to_depot": moved_to, "mass_g": 2, "cause": "fire", "moved_by": "x"}
        return story._see("", 0, inventory.LotMoved(**told, **moves, ratify_by=NOON))

    def released(self, partner: str, *lots: Any) -> "History":
        """Two units, of these lots if any are named."""
        release: Any = f"rel_{partner}"
        told: dict[str, Any] = {"round": "", "decision": "", "award": "", "request": "", "rights_g": 0, "mass_g": 2}
        units = (inventory.UnitCount(nominal_unit_g=1, units=2),)
        given: dict[str, Any] = {"product": PRODUCT, "release": release, "partner": partner}
        story = self._see("", 0, inventory.StockReleased(**given, **told, units=units, expires_on=NOON.date()))
        pins = tuple(inventory.PinnedUnits(lot=lot, nominal_unit_g=1, units=1) for lot in lots)
        return story._see("", 0, inventory.StockPinned(**given, lots=pins)) if lots else story

    def drawn(self, partner: str, *lots: Any) -> "History":
        """One unit of each, together."""
        parcels = tuple(inventory.Parcel(lot=lot, depot="", nominal_unit_g=1, units=1, mass_g=1) for lot in lots)
        told: dict[str, Any] = {"product": PRODUCT, "draw": "drw_1", "release": f"rel_{partner}", "partner": partner}
        return self._see("", 0, inventory.StockDrawn(**told, parcels=parcels, mass_g=2, remaining_g=0))

    def goes_on(self, hours: int, until: int | None, by: str | None = "ann") -> "History":
        """With a lot that is moved out of what `hld_1` stops."""
        told: dict[str, Any] = {"product": PRODUCT, "scope": "lot", "target": "lot_1", "reason": "", "authority": "move mov_1"}
        lapses = None if until is None else NOON + timedelta(hours=until)
        put = inventory.HoldPutOn(**told, hold=HoldId("hld_2"), expires_on=None, put_on_by=by, lapses_at=lapses, takes_on=HoldId("hld_1"))
        return self._see("goes on", hours, put)

    def confirms(self, hours: int, by: str, hold: Any = "hld_1") -> "History":
        return self._see("confirm", hours, inventory.HoldConfirmed(product=PRODUCT, hold=hold, confirmed_by=by))

    def off(self, hours: int, hold: Any = "hld_1", authority: str | None = None) -> "History":
        return self._see("off", hours, inventory.HoldLifted(product=PRODUCT, hold=hold, reason="", authority=authority))

    def suspends(self, hours: int, by: Any, *products: str, agreement: str = "agr_1", marked: bool = False) -> "History":
        """`marked`: by a build in which it counts with what else the same person stops."""
        told: dict[str, Any] = {"agreement": agreement, "partner": "JP", "hold": "hld_1", "reason": "", "suspended_by": by}
        told |= {"products": products, "alone_since": NOON if marked else None}
        return self._see("suspend", hours, allocation.AgreementSuspended(**told, lapses_at=lapses_at(NOON + timedelta(hours=hours))))

    def confirms_suspension(self, hours: int, by: Any) -> "History":
        told: dict[str, Any] = {"agreement": "agr_1", "partner": "JP", "hold": "hld_1", "confirmed_by": by}
        return self._see("confirm", hours, allocation.AgreementSuspensionConfirmed(**told))

    def resumed(self, hours: int) -> "History":
        told: dict[str, Any] = {"agreement": "agr_1", "partner": "JP", "products": (), "hold": "hld_1", "reason": ""}
        return self._see("resumed", hours, allocation.AgreementResumed(**told))

    def _see(self, place: str, hours: int, event: Any, stream: str = "one") -> "History":
        at = NOON + timedelta(hours=hours)
        record: dict[str, Any] = {"effective_on": str(at.date()), "recorded_at": at.isoformat(), "stream": stream}
        told = {name: record.get(name, 0 if name in ("shard", "position", "version") else "") for name in Recorded.__struct_fields__}
        self._protecting.see(place, Recorded(**told), event)
        return self

    def found(self, hours: int) -> list[str]:
        """After so many, when something else is recorded."""
        self._see("", hours, None)
        self._protecting.finish()
        [result] = [each for each in self.findings.results() if each.check == Check.CONTROL.name.lower()]
        return [each.place for each in result.failures]

    def listed(self) -> list[str]:
        [result] = [each for each in self.findings.results() if each.check == Check.CONTROL.name.lower()]
        return [each.place for each in result.listed]


def test_what_nobody_confirms_is_off_in_time():
    assert History().stops(0).found(72) == []
    assert History().stops(0).found(74) == ["stop hld_1"]
    assert History().stops(0).off(72).found(74) == []


def test_what_a_second_person_confirms_stands():
    assert History().stops(0).confirms(1, "bob").found(1000) == []
    assert History().stops(0).confirms(1, "ann").found(1000) == ["confirm"]


def test_who_renews_their_own_is_found():
    assert History().stops(0).off(72).stops(80, "hld_2").found(81) == ["stop hld_2"]
    assert History().stops(0).stops(71, "hld_2").off(72).found(73) == ["stop hld_2"]
    assert History().stops(0).off(72).stops(80, "hld_2", "bob").found(81) == []
    assert History().stops(0).off(72).stops(72 + 7 * 24, "hld_2").found(72 + 7 * 24) == []
    assert History().stops(0).off(10, authority="ins_1").stops(80, "hld_2").found(81) == []


def test_who_stops_again_what_two_have_lifted_is_found_and_before_listed():
    def again(*marked: bool) -> History:
        first, second = marked
        told = History().stops_what(0, "partner/JP", hold="hld_1", again=first).off(10, authority="ins_1")
        return told.stops_what(11, "all", hold="hld_2", again=second)

    assert again(True, True).found(12) == ["stop hld_2"]
    assert again(False, True).found(12) == again(False, False).found(12) == []
    before = again(False, True)
    assert (before.found(12), before.listed()) == ([], ["stop hld_2"])
    confirmed = History().stops_what(0, "all", hold="hld_1", again=True).confirms(1, "bob").off(10, authority="ins_1")
    assert confirmed.stops_what(11, "all", hold="hld_2", again=True).found(12) == []


def test_who_stops_one_lot_of_a_draw_after_the_other_is_found_and_before_listed():
    def lots(*marked: bool, drawn: bool = True) -> History:
        told = History().lies("lot_1", "Fremantle").lies("lot_2", "Kwinana").released("JP", "lot_1", "lot_2")
        told = told.drawn("JP", "lot_1", "lot_2") if drawn else told
        first = told.stops_what(0, "lot/lot_1", hold="hld_1", again=marked[0]).off(72)
        return first.stops_what(80, "depot/Kwinana", hold="hld_2", again=marked[1])

    assert lots(True, True).found(81) == ["stop hld_2"]
    assert lots(True, True, drawn=False).found(81) == []
    before = lots(False, True)
    assert (before.found(81), before.listed()) == ([], ["stop hld_2"])


def test_a_suspended_agreement_is_the_same():
    assert History().suspends(0, "ann").found(74) == ["suspend"]
    assert History().suspends(0, "ann").confirms_suspension(1, "bob").found(1000) == []
    assert History().suspends(0, "ann").confirms_suspension(1, "ann").found(2) == ["confirm"]


def test_what_an_earlier_build_stopped_stands_by_itself():
    assert History().stops(0, by=None).found(1000) == []


def test_what_goes_on_with_a_lot_that_is_moved_lapses_as_it_would_have_in_its_depot():
    story = History().stops(0).goes_on(60, 72).off(72).off(72, "hld_2")
    assert story.found(74) == []
    assert History().stops(0).goes_on(60, 72).off(72).found(74) == ["goes on"]
    assert History().stops(0).goes_on(60, 132).off(72).off(132, "hld_2").found(133) == ["goes on"]
    assert History().stops(0).goes_on(60, None, None).off(72).found(1000) == ["goes on"]
    assert History().stops(0).goes_on(60, 72, "bob").off(72).off(72, "hld_2").found(73) == ["goes on"]
    confirmed = History().stops(0).confirms(1, "bob")
    assert confirmed.goes_on(60, None, None).found(1000) == []
    assert History().stops(0).goes_on(1, 72).goes_on(2, 72).off(72).off(72, "hld_2").found(73) == []


def estate() -> History:
    """Lot 1 in Fremantle, lot 2 brought from there to Kwinana, lot 3 in Perth. Japan may have any, the United States lot 3."""
    goods = History().lies("lot_1", "Fremantle").lies("lot_2", "Fremantle", "Kwinana").lies("lot_3", "Perth")
    return goods.released("JP").released("US", "lot_3")


SAME = [
    ("partner/JP", "all"),
    ("product", "lot/lot_1"),
    ("partner/JP", "depot/Fremantle"),
    ("depot/Fremantle", "lot/lot_2"),
    ("depot/Fremantle", "depot/Kwinana"),
    ("lot/lot_3", "partner/US"),
]
OTHER = [("partner/JP", "partner/US"), ("lot/lot_1", "lot/lot_2"), ("depot/Perth", "depot/Kwinana"), ("partner/US", "lot/lot_1")]


@pytest.mark.parametrize(("one", "other"), [*SAME, *((other, one) for one, other in SAME)])
def test_another_scope_that_stops_any_of_the_same_renews_it(one: str, other: str):
    told = estate().stops_what(0, one, hold="hld_1").off(72)
    assert told.stops_what(80, other, hold="hld_2").found(81) == ["stop hld_2"]
    assert estate().stops_what(0, one, hold="hld_1").off(72).stops_what(80, other, hold="hld_2", by="bob").found(81) == []
    assert estate().stops_what(0, one, hold="hld_1").off(72).stops_what(72 + 7 * 24, other, hold="hld_2").found(73) == []
    with_it = estate().stops_what(0, one, hold="hld_1").stops_what(10, other, hold="hld_2", to=72)
    assert with_it.off(72).off(72, "hld_2").found(81) == []
    assert estate().stops_what(0, one, hold="hld_1").stops_what(10, other, hold="hld_2").off(72).off(82, "hld_2").found(83) == [
        "stop hld_2"
    ]


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_stops_nothing_of_the_same_renews_nothing(one: str, other: str):
    assert estate().stops_what(0, one, hold="hld_1").off(72).stops_what(80, other, hold="hld_2").found(81) == []


def test_what_an_earlier_build_let_pass_is_listed():
    told = estate().stops_what(0, "partner/JP", hold="hld_1", marked=False).off(72).stops_what(80, "all", hold="hld_2", marked=False)
    assert told.found(81) == [] and told.listed() == ["stop hld_2"]
    told = estate().stops_what(0, "all", hold="hld_1", marked=False).off(72).stops_what(80, "all", hold="hld_2", marked=False)
    assert told.found(81) == ["stop hld_2"]


def in_force() -> History:
    """A suspension counts with what else the same person stops: as another's says."""
    return History().suspends(-1, "bob", "tin", agreement="agr_9", marked=True).resumed(71)


def test_a_hold_goes_on_with_no_suspension_of_the_same_person_nor_the_other_way_round():
    assert History().suspends(0, "ann", PRODUCT).resumed(72).stops_what(80, "partner/JP", hold="hld_2").found(81) == ["stop hld_2"]
    assert History().suspends(0, "ann", PRODUCT).resumed(72).stops_what(80, "partner/US", hold="hld_2").found(81) == []
    assert History().suspends(0, "ann", "tin").resumed(72).stops_what(80, "partner/JP", hold="hld_2").found(81) == []
    for first, found in (("all", ["suspend"]), ("partner/JP", ["suspend"]), ("partner/US", []), ("lot/lot_9", [])):
        story = in_force().stops_what(0, first, hold="hld_9").off(72, "hld_9").suspends(80, "ann", PRODUCT, marked=True)
        assert story.found(81) == found
    twice = in_force().suspends(0, "ann", PRODUCT, marked=True).resumed(72)
    assert twice.suspends(80, "ann", PRODUCT, agreement="agr_2", marked=True).found(81) == ["suspend"]


def test_what_one_service_cannot_have_heard_of_another_or_an_earlier_build_let_pass_is_listed():
    at_once = in_force().stops_what(0, "all", hold="hld_9").suspends(20, "ann", PRODUCT, marked=True)
    assert (at_once.found(21), at_once.listed()) == ([], ["suspend"])
    assert in_force().stops_what(0, "all", hold="hld_9").suspends(30, "ann", PRODUCT, marked=True).found(31) == ["suspend"]
    held = History().suspends(0, "ann", PRODUCT).stops_what(20, "partner/JP", hold="hld_2")
    assert (held.found(21), held.listed()) == ([], ["stop hld_2"])
    before = History().stops_what(0, "all", hold="hld_9").off(72, "hld_9").suspends(80, "ann", PRODUCT, marked=True)
    assert (before.found(81), before.listed()) == ([], ["suspend"]), "the hold is from before the rule"


STOPS: dict[str, tuple[Any, Any, Any]] = {  # what one person says, how another confirms it, and how it lapses
    "default": (
        lambda by, at: LoanDefaulted(loan=LOAN, on=NOON.date(), reason="", declared_by=by, lapses_at=at),
        lambda by: DefaultConfirmed(loan=LOAN, confirmed_by=by),
        DefaultCured(loan=LOAN, on=NOON.date(), how="lapsed", facility=FACILITY),
    ),
    "breach": (
        lambda by, at: RatioReported(loan=LOAN, **RATIO, source="", standing="breached", reported_by=by, lapses_at=at),
        lambda by: BreachConfirmed(loan=LOAN, kind="dscr", for_on=NOON.date(), confirmed_by=by),
        BreachLapsed(loan=LOAN, kind="dscr", for_on=NOON.date()),
    ),
    "metal": (
        lambda by, at: MaterialDefaulted(**METAL, element="Sb", owed_g=1, on=NOON.date(), reason="", declared_by=by, lapses_at=at),
        lambda by: MaterialDefaultConfirmed(**METAL, confirmed_by=by),
        MaterialDefaultCured(**METAL, lapsed=True),
    ),
    "hit": (
        lambda by, at: allocation.ScreeningHitDecided(**HIT, outcome="confirmed", reason="", decided_by=by, lapses_at=at),
        lambda by: allocation.ScreeningHitDecided(**HIT, outcome="confirmed", reason="", decided_by=by),
        allocation.ScreeningHitLapsed(**HIT, status="open"),
    ),
    "consignee's hit": (
        lambda by, at: allocation.ConsigneeHitDecided(**NAMED, clear=False, outcome="confirmed", reason="", decided_by=by, lapses_at=at),
        lambda by: allocation.ConsigneeHitDecided(**NAMED, clear=False, outcome="confirmed", reason="", decided_by=by),
        allocation.ConsigneeHitLapsed(**NAMED, clear=False, status="open"),
    ),
    "payee": (
        lambda by, at: PayeeEnded(**PAYEE, ended_on=NOON.date(), reason="", ended_by=by, lapses_at=at),
        lambda by: PayeeEndConfirmed(**PAYEE, confirmed_by=by),
        PayeeEndLapsed(**PAYEE),
    ),
    "laboratory": (
        lambda by, at: LaboratoryEnded(laboratory=SGS, by=by, reason="", lapses_at=at),
        lambda by: LaboratoryEndConfirmed(laboratory=SGS, confirmed_by=by),
        LaboratoryEndLapsed(laboratory=SGS),
    ),
}


@pytest.mark.parametrize("kind", STOPS)
def test_what_one_person_says_of_a_loan_or_ends_is_the_same(kind: str):
    says, confirms, lapses = STOPS[kind]

    def said(hours: int = 0, by: str = "ann", history: History | None = None) -> History:
        return (history or History())._see(f"said {hours}", hours, says(by, lapses_at(NOON + timedelta(hours=hours))))

    assert said().found(72) == []
    assert said().found(74) == ["said 0"]
    assert said()._see("off", 72, lapses).found(74) == []
    assert said()._see("confirm", 1, confirms("bob")).found(1000) == []
    assert said()._see("confirm", 1, confirms("ann")).found(1000) == ["confirm"]
    assert said()._see("early", 10, lapses).found(74) == ["early"]
    assert History()._see("nothing", 10, lapses).found(74) == ["nothing"]
    assert said()._see("", 1, confirms("bob"))._see("off", 72, lapses).found(74) == ["off"]
    assert said(80, history=said()._see("off", 72, lapses)).found(81) == ["said 80"]
    assert said(80, "bob", said()._see("off", 72, lapses)).found(81) == []


@pytest.mark.parametrize("kind", sorted(STOPS.keys() - {"hit", "consignee's hit"}))
def test_who_confirms_what_nobody_has_stopped_alone_is_found(kind: str):
    says, confirms, _ = STOPS[kind]
    assert History()._see("confirm", 1, confirms("bob")).found(2) == ["confirm"]
    twice = History()._see("said", 0, says("ann", lapses_at(NOON)))._see("", 1, confirms("bob"))
    assert twice._see("again", 2, confirms("carol")).found(3) == ["again"]


def test_who_confirms_no_hold_is_found_and_one_of_an_earlier_build_needs_it_not():
    assert History().confirms(1, "bob").found(2) == ["confirm"]
    assert History().confirms_suspension(1, "bob").found(2) == ["confirm"]
    assert History().stops(0, by=None).confirms(1, "bob").found(2) == []


def test_a_breach_of_a_loan_that_is_closed_may_still_lapse():
    says, _, lapses = STOPS["breach"]
    closed = History()._see("said", 0, says("ann", lapses_at(NOON)))._see("", 1, LoanClosed(loan=LOAN, facility=FACILITY, reason=""))
    assert closed._see("off", 72, lapses).found(74) == []


def test_who_reports_a_breach_before_another_s_lapses_is_the_second_person():
    says, _, lapses = STOPS["breach"]

    def both(by: str) -> History:
        history = History()
        for hours, who in ((0, "ann"), (24, by)):
            history._see(f"said {hours}", hours, says(who, lapses_at(NOON + timedelta(hours=hours))))
        return history._see("off", 96, lapses)

    later = 24 * 90
    assert both("bob")._see("later", later, says("ann", lapses_at(NOON + timedelta(hours=later)))).found(later) == []
    assert "said 24" in both("ann").found(97), "one's own is no second word"


@pytest.mark.parametrize("kind", ["default", "metal"])
def test_what_cannot_be_taken_back_follows_from_no_default_that_is_one_person_s_word(kind: str):
    says, confirms, _ = STOPS[kind]
    bought = MaterialReplaced(**METAL, **BOUGHT, change=ContainedChange())
    follows = AccelerationNotified(loan=LOAN, falls_due_on=NOON.date()) if kind == "default" else bought
    said = History()._see("said", 0, says("ann", lapses_at(NOON)))
    assert said._see("follows", 1, follows).found(2) == ["follows"]
    assert History()._see("said", 0, says("ann", lapses_at(NOON)))._see("", 1, confirms("bob"))._see("follows", 1, follows).found(2) == []


TURNS: dict[str, tuple[Any, Any, Any]] = {  # one person stops a thing in one way, it lapses, and they stop it in another
    "a default, then a covenant": (
        lambda by, at, since: LoanDefaulted(loan=LOAN, on=NOON.date(), reason="", declared_by=by, lapses_at=at, alone_since=since),
        DefaultCured(loan=LOAN, on=NOON.date(), how="lapsed", facility=FACILITY),
        lambda by, at, since: RatioReported(
            loan=LOAN, **RATIO, source="", standing="breached", reported_by=by, lapses_at=at, alone_since=since
        ),
    ),
    "a covenant, then another": (
        lambda by, at, since: RatioReported(
            loan=LOAN, **RATIO, source="", standing="breached", reported_by=by, lapses_at=at, alone_since=since
        ),
        BreachLapsed(loan=LOAN, kind="dscr", for_on=NOON.date()),
        lambda by, at, since: RatioReported(
            loan=LOAN, **RATIO | {"kind": "llcr"}, source="", standing="breached", reported_by=by, lapses_at=at, alone_since=since
        ),
    ),
    "two hits": (
        lambda by, at, since: allocation.ScreeningHitDecided(
            **HIT, outcome="confirmed", reason="", decided_by=by, lapses_at=at, alone_since=since
        ),
        allocation.ScreeningHitLapsed(**HIT, status="open"),
        lambda by, at, since: allocation.ScreeningHitDecided(
            **HIT | {"hit": "hit_2"}, outcome="confirmed", reason="", decided_by=by, lapses_at=at, alone_since=since
        ),
    ),
    "two hits of a consignee": (
        lambda by, at, since: allocation.ConsigneeHitDecided(
            **NAMED, clear=False, outcome="confirmed", reason="", decided_by=by, lapses_at=at, alone_since=since
        ),
        allocation.ConsigneeHitLapsed(**NAMED, clear=False, status="open"),
        lambda by, at, since: allocation.ConsigneeHitDecided(
            **NAMED | {"hit": "hit_2"}, clear=False, outcome="confirmed", reason="", decided_by=by, lapses_at=at, alone_since=since
        ),
    ),
}


@pytest.mark.parametrize("kinds", TURNS)
def test_who_goes_on_by_turns_of_kind_is_found(kinds: str):
    begins, lapses, goes_on = TURNS[kinds]

    def both(after: int, by: str = "ann", to: int | None = None, known: bool = True, off: bool = True) -> History:
        at, since = NOON + timedelta(hours=after), NOON if known else None
        history = History()._see("first", 0, begins("ann", lapses_at(NOON), since))
        if off:
            history._see("off", 72, lapses)
        return history._see("second", after, goes_on(by, lapses_at(at) if to is None else NOON + timedelta(hours=to), since))

    assert both(80).found(81) == ["second"]
    assert both(80, by="bob").found(81) == []
    assert both(72 + 7 * 24).found(72 + 7 * 24) == []
    told = both(80, known=False)
    assert (told.found(81), told.listed()) == ([], ["second"]), "an earlier build let it pass"
    assert "second" in both(10, off=False).found(11), "before the first is over"
    assert both(10, to=72, off=False).found(11) == [], "over with the first"


def payees_and_a_loan() -> History:
    terms: Any = SimpleNamespace(borrower="hillgrove-mines")
    proposed = LoanProposed(loan=LOAN, terms=terms, document="", proposed_by="eve")
    return History()._see("", 0, proposed, "loan/lon_1")


def test_who_goes_on_from_a_loan_to_its_borrower_s_payee_is_found_and_the_other_way_round():
    declared = LoanDefaulted(loan=LOAN, on=NOON.date(), reason="", declared_by="ann", lapses_at=lapses_at(NOON), alone_since=NOON)
    cured = DefaultCured(loan=LOAN, on=NOON.date(), how="lapsed", facility=FACILITY)

    def ends(hours: int) -> PayeeEnded:
        at = NOON + timedelta(hours=hours)
        return PayeeEnded(**PAYEE, ended_on=at.date(), reason="", ended_by="ann", lapses_at=lapses_at(at), alone_since=at)

    def stopped(borrower: str) -> History:
        first = payees_and_a_loan()._see("declared", 0, declared, "loan/lon_1")._see("", 72, cured, "loan/lon_1")
        return first._see("ended", 80, ends(80), f"payees/{borrower}")

    assert stopped("hillgrove-mines").found(81) == ["ended"]
    assert stopped("another").found(81) == []
    ended = payees_and_a_loan()._see("ended", 0, ends(0), "payees/hillgrove-mines")
    ended._see("", 72, PayeeEndLapsed(**PAYEE), "payees/hillgrove-mines")
    later = replace(declared, lapses_at=lapses_at(NOON + timedelta(hours=80)))
    assert ended._see("declared", 80, later, "loan/lon_1").found(81) == ["declared"]
    at_once = payees_and_a_loan()._see("declared", 0, declared, "loan/lon_1")
    moment = replace(ends(0), lapses_at=lapses_at(NOON + timedelta(seconds=3)))
    assert at_once._see("ended", 0, moment, "payees/hillgrove-mines").found(1) == [], "two streams, in one moment"


def test_a_hit_that_is_none_any_more_or_of_a_request_that_is_closed_stops_nothing():
    says, _, _ = STOPS["hit"]

    def after(event: Any) -> list[str]:
        return History()._see("said", 0, says("ann", lapses_at(NOON)))._see("", 1, event).found(74)

    found: dict[str, Any] = {"request": "req_1", "product": PRODUCT, "lists": {}, "beyond": 0}
    gone = allocation.PartiesScreened(**found, hits=())
    left = allocation.Hit(hit="hit_1", role="nominee", list="l", entry="e", match="near")  # type: ignore[arg-type]
    assert after(gone) == []
    assert after(replace(gone, request="req_2")) == ["said"]
    assert after(replace(gone, hits=(left,))) == ["said"]
    withdrawn: Any = allocation.RequestWithdrawn(**{"request": "req_1", "product": PRODUCT, "partner": "JP", "reason": ""})
    assert after(withdrawn) == []
