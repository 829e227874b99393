"""Given events, when a command, then events: how the tests of a stockpile are told. A product of 5 t units, in January 2026."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec

from services.inventory.domain.consignees import CONSIGNEE_CLEARED, CONSIGNEE_NAMED
from services.inventory.domain.dispatch import LEDGER_RECEIPT, WITNESSED_RECEIPT, DispatchDraw, WeighDraw
from services.inventory.domain.draws import DrawStock
from services.inventory.domain.holds import LiftHold, PutOnHold
from services.inventory.domain.loans import LOAN_COMMITTED, AnnounceLoan, OpenLoanGate
from services.inventory.domain.lots import TakeInLot
from services.inventory.domain.moves import MoveLot
from services.inventory.domain.pinning import ReleasePool, Take
from services.inventory.domain.products import RegisterProduct, SetProtectedStock
from services.inventory.domain.releases import AwardedRelease, CancelRelease, ReleaseRound
from services.inventory.domain.rights import AddRight
from services.inventory.domain.state import Stockpile
from services.inventory.domain.stockpile import DECIDER
from services.inventory.events import (
    Assay,
    DrawId,
    GateEvidence,
    HoldId,
    LotId,
    MoveId,
    ProductId,
    ReleaseId,
    RightId,
)
from shared.terms.authority import Capacity
from tests.stories.given import Given
from tests.stories.powers import may

TONNE = 1_000_000
UNIT_G = 5 * TONNE
TODAY = date(2026, 1, 6)
MAY = may("operator-1", TODAY)
LAST_DAY = date(2026, 1, 20)
DAY_AFTER = date(2026, 1, 21)
ANTIMONY = ProductId("antimony-metal")
PASSED = Assay(report="A-1", laboratory="AmLab", assayed_on=date(2026, 1, 2), contents={"Sb": "0.9965"}, in_specification=True)
FAILED = Assay(report="A-2", laboratory="AmLab", assayed_on=date(2026, 1, 5), contents={"Sb": "0.98"}, in_specification=False)
RECEIPT = GateEvidence(gate=LEDGER_RECEIPT, evidence="log 7", by="inventory")
WITNESSED = GateEvidence(gate=WITNESSED_RECEIPT, evidence="log 7", by="inventory")
NAMED = GateEvidence(gate=CONSIGNEE_NAMED, evidence="allocation/0/7 names Sojitz for req_a", by="allocation")
CLEARED = GateEvidence(gate=CONSIGNEE_CLEARED, evidence="allocation/0/8 clears Sojitz by entity-list 3", by="allocation")
GATES = (RECEIPT, NAMED, CLEARED)
GATE = GateEvidence(gate=LOAN_COMMITTED, evidence="loans/0/9", by="loans")
DECISION = "ab" * 32  # of `a_round`


def register() -> RegisterProduct:
    return RegisterProduct(
        product=ANTIMONY,
        name="Antimony metal 99.65%",
        contents={"Sb": "0.9965"},
        form="metal",
        unit="lot of ingots",
        nominal_unit_g=UNIT_G,
        specification="min 99.65% Sb",
    )


def lot(name: str = "lot_1", units: int = 10, **changes: Any) -> TakeInLot:
    told: dict[str, Any] = {
        "lot": LotId(name),
        "depot": "Fremantle",
        "units": units,
        "nominal_unit_g": UNIT_G,
        "origin": "AU",
        "custody_model": "segregated",
        "assay": PASSED,
        "on": TODAY,
    }
    return TakeInLot(**(told | changes))


def right(name: str = "rgt_1", units: int = 10, **changes: Any) -> AddRight:
    told: dict[str, Any] = {
        "right": RightId(name),
        "project": "Hillgrove",
        "kind": "firm_offtake",
        "mass_g": units * UNIT_G,
        "window_from": date(2026, 3, 1),
        "window_to": date(2026, 9, 30),
        "on": TODAY,
    }
    return AddRight(**(told | changes))


def award(name: str, partner: str, units: int) -> AwardedRelease:
    return AwardedRelease(
        release=ReleaseId(f"rel_{name}"), award=f"awd_{name}", request=f"req_{name}", partner=partner, mass_g=units * UNIT_G
    )


def a_round(*awards: AwardedRelease, pools: tuple[ReleasePool, ...] = (), on: date = TODAY, expires_on: date = LAST_DAY) -> ReleaseRound:
    return ReleaseRound(product=ANTIMONY, round="rnd_1", decision=DECISION, awards=awards, pools=pools, expires_on=expires_on, on=on)


def pool(name: str, *lots: str) -> ReleasePool:
    """Of these lots; of rights, if it names none."""
    return ReleasePool(pool=name, source="lots" if lots else "rights", lots=tuple(LotId(lot) for lot in lots))


def taking(awarded: AwardedRelease, *takes: tuple[str, int, int]) -> AwardedRelease:
    """(pool, unit_g, units) each."""
    return msgspec.structs.replace(awarded, takes=tuple(Take(pool=name, unit_g=unit_g, units=units) for name, unit_g, units in takes))


def draw(name: str = "drw_1", release: str = "rel_a", units: int = 2, **changes: Any) -> DrawStock:
    told: dict[str, Any] = {
        "draw": DrawId(name),
        "release": ReleaseId(release),
        "partner": "JP",
        "mass_g": units * UNIT_G,
        "on": TODAY,
    }
    return DrawStock(**(told | changes))


def weigh(name: str = "drw_1", weighed_g: int = 2 * UNIT_G, by: str | None = None) -> WeighDraw:
    return WeighDraw(draw=DrawId(name), weighed_g=weighed_g, by=by)


def dispatch(
    name: str = "drw_1",
    *,
    gates: tuple[GateEvidence, ...] = GATES,
    by: str = "sub_depot",
    **changes: Any,
) -> DispatchDraw:
    told: dict[str, Any] = {"carrier": "Linfox", "consignee": "Sojitz", "gates": gates, "by": by, "accounts": frozenset({by}), "on": TODAY}
    return DispatchDraw(draw=DrawId(name), **(told | changes))


def move(**changes: Any) -> MoveLot:
    """At three in the morning."""
    told: dict[str, Any] = {
        "move": MoveId("mov_1"),
        "lot": LotId("lot_1"),
        "to_depot": "Kwinana",
        "cause": "fire",
        "own_depots": ("Fremantle", "Kwinana"),
        "by": "sub_ann",
        "on": TODAY,
        "at": datetime(2026, 1, 6, 3, 0, 0, 250, tzinfo=UTC),
    }
    return MoveLot(**(told | changes))


def hold(scope: Any, target: str | None = None, *, name: str = "hld_1", expires_on: date | None = None) -> PutOnHold:
    return PutOnHold(
        hold=HoldId(name), scope=scope, target=target, reason="court order", authority="Minister", expires_on=expires_on, on=TODAY
    )


def protect(units: int = 1, capacity: Capacity | None = MAY) -> SetProtectedStock:
    return SetProtectedStock(mass_g=units * UNIT_G, authority="Minister", reason="floor", capacity=capacity)


def lift(name: str = "hld_1", capacity: Capacity | None = MAY) -> LiftHold:
    return LiftHold(hold=HoldId(name), reason="order withdrawn", capacity=capacity)


def take_back(release: str = "rel_a", capacity: Capacity | None = MAY) -> CancelRelease:
    return CancelRelease(release=ReleaseId(release), reason="withdrawn", capacity=capacity)


def announce(name: str = "a", decision: str = DECISION) -> AnnounceLoan:
    return AnnounceLoan(
        product=ANTIMONY,
        release=ReleaseId(f"rel_{name}"),
        award=f"awd_{name}",
        decision=decision,
        partner="JP",
        return_on=DAY_AFTER,
    )


def open_gate(name: str = "a", decision: str = DECISION) -> OpenLoanGate:
    return OpenLoanGate(product=ANTIMONY, release=ReleaseId(f"rel_{name}"), decision=decision, partner="JP", gate=GATE)


def a_stockpile(*happened: Any) -> Given:
    """Antimony is registered, then all this happened."""
    return Given(DECIDER, register(), *happened)


def reserved_g(state: Stockpile) -> int:
    """Grams that open releases reserve of lots."""
    return sum(shelf.reserved_units * unit_g for unit_g, shelf in state.shelves.items())
