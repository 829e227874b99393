"""The audit of what releases are pinned to: true pins pass, and those outside the pools that the decision named are found."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from reserve.audit.release_orders import ReleaseOrders, faults_of
from services.allocation.events import Award, AwardTake, PoolStock, ReleaseOrder, RoundCertified
from services.inventory.domain.pinning import ReleasePool
from services.inventory.domain.releases import AwardedRelease
from services.inventory.events import Event, LotId, PinnedUnits, ReleaseId, StockPinned
from shared.journal.record import canonical
from tests.stories.audit import RECORD, Told, stock, told
from tests.stories.stockpile import LAST_DAY, UNIT_G, a_round, a_stockpile, award, lot, pool, right, taking

POOLS = (pool("named", "lot_1", "lot_2"), ReleasePool(pool="others", source="lots"), pool("rights"))
AWARDS = (
    taking(award("a", "JP", 4), ("named", UNIT_G, 4)),
    taking(award("b", "US", 3), ("named", UNIT_G, 1), ("others", UNIT_G, 2)),
    taking(award("c", "EU", 2), ("rights", UNIT_G, 2)),
)


def order_of(awards: Sequence[AwardedRelease], pools: Sequence[ReleasePool]) -> bytes:
    """The document that this round is released by."""
    told: Any = ReleaseOrder(
        round="rnd_1",
        product="antimony-metal",  # type: ignore[arg-type]
        awards=tuple(
            Award(
                award=each.award,  # type: ignore[arg-type]
                request=each.request,  # type: ignore[arg-type]
                partner=each.partner,  # type: ignore[arg-type]
                mass_g=each.mass_g,
                takes=tuple(AwardTake(pool=take.pool, unit_g=take.unit_g, units=take.units) for take in each.takes),
            )
            for each in awards
        ),
        pools=tuple(PoolStock(pool=each.pool, kind=each.source, lots=each.lots) for each in pools),
    )
    return canonical(told)


def released(awards: Sequence[AwardedRelease] = AWARDS, pools: Sequence[ReleasePool] = POOLS) -> list[Event]:
    stockpile = a_stockpile(lot("lot_1", 3), lot("lot_2", 4), lot("lot_3", 5), right(units=5))
    return list(stockpile.when(a_round(*awards, pools=tuple(pools))).events)


def found(events: Sequence[Event], order: bytes = order_of(AWARDS, POOLS), *, certified_first: bool = True, cut: bool = False) -> list[str]:
    certified = RoundCertified(
        round="rnd_1",  # type: ignore[arg-type]
        product="antimony-metal",  # type: ignore[arg-type]
        decision="ab" * 32,  # type: ignore[arg-type]
        release_order=sha256(order).hexdigest(),
        awards=(),
        expires_on=LAST_DAY,
        approvals=(),
    )
    orders = ReleaseOrders()
    if certified_first:
        orders.see("allocation/0/1", RECORD, certified)
    for position, event in enumerate(events, 1):
        orders.see(f"inventory/0/{position}", replace(RECORD, command_id="released"), event)
    if not cut:
        other = lot("lot_9", 1)
        [taken_in] = a_stockpile().when(other).events
        orders.see("inventory/0/99", replace(RECORD, command_id="another"), taken_in)
    if not certified_first:
        orders.see("allocation/0/1", RECORD, certified)
    orders.finish()
    return [fault for each in orders.to_check for fault in faults_of(each, order)]


def pinned_to(events: Sequence[Event], release: str, *lots: tuple[str, int]) -> list[Event]:
    """With other pins of that release."""
    pins = tuple(PinnedUnits(lot=LotId(name), nominal_unit_g=UNIT_G, units=units) for name, units in lots)
    return [replace(event, lots=pins) if isinstance(event, StockPinned) and event.release == release else event for event in events]


@pytest.mark.parametrize("certified_first", [True, False])
def test_pins_within_the_pools_that_the_decision_named_are_sound(certified_first: bool):
    assert found(released(), certified_first=certified_first) == []


def test_where_the_decision_names_no_lots_nothing_is_pinned():
    pools, awards = (ReleasePool(pool="all", source="lots"),), (taking(award("a", "JP", 4), ("all", UNIT_G, 4)),)
    assert found(released(awards, pools), order_of(awards, pools)) == []
    forged = StockPinned(
        product="antimony-metal",  # type: ignore[arg-type]
        release=ReleaseId("rel_a"),
        partner="JP",
        lots=(PinnedUnits(lot=LotId("lot_1"), nominal_unit_g=UNIT_G, units=4),),
    )
    first, *rest = released(awards, pools)
    assert len(found([first, forged, *rest], order_of(awards, pools))) == 1


@pytest.mark.parametrize("certified_first", [True, False])
@pytest.mark.parametrize(
    ("release", "lots"),
    [
        ("rel_a", (("lot_3", 4),)),  # of no pool of its own
        ("rel_a", (("lot_1", 3), ("lot_3", 1))),
        ("rel_a", (("lot_1", 3),)),  # less than it takes
        ("rel_b", (("lot_1", 3),)),  # of lots that the decision had given to others
        ("rel_b", (("lot_2", 2), ("lot_3", 1))),  # of both pools, and too much of one
    ],
)
def test_a_forged_pin_is_found(release: str, lots: tuple[tuple[str, int], ...], certified_first: bool):
    faults = found(pinned_to(released(), release, *lots), certified_first=certified_first)
    assert faults == [f"{release.replace('rel_', 'awd_')} is pinned to other lots than those of the pools that it takes from"]


def test_a_release_that_is_pinned_to_nothing_is_found_and_one_whose_pins_may_follow_is_not():
    unpinned = [event for event in released() if not isinstance(event, StockPinned)]
    assert len(found(unpinned)) == 2
    assert found(unpinned, cut=True) == []


async def test_the_audit_tells_of_it(tmp_path: Path):
    forged = StockPinned(
        product="antimony-metal",  # type: ignore[arg-type]
        release=ReleaseId("rel_jp"),
        partner="JP",
        lots=(PinnedUnits(lot=LotId("lot_9"), nominal_unit_g=10, units=6),),
    )
    story: dict[str, Any] = {}
    for name, step in told().items():
        story[name] = step
        if name == "release_jp":
            story["forged"] = stock(forged)
    history = Told(story, tmp_path)
    report = await history.audited()
    [failure] = next(result.failures for result in report.checks if result.check == "releases")
    assert (failure.place, "awd_jp is pinned to other lots" in failure.what) == (history.places["release_jp"], True)
