"""What happens to a stockpile, as a projection is told of it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from services.inventory.domain.dispatch import DeliverDraw, ReturnDraw
from services.inventory.domain.lots import AdjustStock, RecordAssay
from services.inventory.domain.releases import LapseRelease
from services.inventory.domain.rights import MatureRight
from services.inventory.domain.state import Stockpile
from services.inventory.domain.stockpile import DECIDER
from services.inventory.events import DrawId, Event, LotId, ReleaseId, RightId
from shared.journal.record import Fact, Record
from tests.stories.given import Given
from tests.stories.stockpile import (
    ANTIMONY,
    FAILED,
    TODAY,
    UNIT_G,
    a_round,
    award,
    dispatch,
    draw,
    hold,
    lift,
    lot,
    move,
    pool,
    protect,
    register,
    right,
    take_back,
    taking,
    weigh,
)

LATER = TODAY + timedelta(days=40)
A_LIFE = (
    register(),
    lot("lot_1", 10),
    lot("lot_2", 4, depot="Darwin"),
    right("rgt_1", 8),
    protect(),
    hold("depot", "Darwin", expires_on=TODAY),
    lift(),
    a_round(award("a", "JP", 5), award("b", "US", 8), award("c", "EU", 2), award("d", "AU", 1)),
    draw("drw_1", "rel_a", 2),
    draw("drw_2", "rel_a", 1),
    draw("drw_3", "rel_b", 8, partner="US", assign_rights=True),
    weigh("drw_1", 2 * UNIT_G - 700),
    dispatch("drw_1"),
    DeliverDraw(draw=DrawId("drw_1"), partner="JP", delivered_on=TODAY, received_by="Kobe warehouse", evidence="CMR 4711", on=TODAY),
    ReturnDraw(draw=DrawId("drw_2"), reason="late"),
    RecordAssay(lot=LotId("lot_1"), assay=FAILED),
    draw("drw_4", "rel_c", 2, partner="EU", assign_rights=True),
    take_back("rel_d"),
    LapseRelease(release=ReleaseId("rel_a"), on=LATER),
    AdjustStock(lot=LotId("lot_2"), change_units=1, cause="stock_take", reason="count"),
    MatureRight(right=RightId("rgt_1"), settled_g=UNIT_G, delivery=lot("lot_3", 1)),
    lot("lot_4", 3),
    move(lot=LotId("lot_2"), own_depots=("Fremantle", "Darwin", "Kwinana")),
    a_round(taking(award("e", "JP", 3), ("p1", UNIT_G, 3)), pools=(pool("p1", "lot_4"),)),
    draw("drw_5", "rel_e", 1),
    RecordAssay(lot=LotId("lot_4"), assay=FAILED),
    draw("drw_6", "rel_e", 1, assign_rights=True),
)


def facts_of(story: Sequence[Any]) -> tuple[list[Fact], Stockpile]:
    told, events = Given(DECIDER), list[Event]()
    for command in story:
        told = told.when(command)
        events += told.events
    return [fact(event, number) for number, event in enumerate(events, start=1)], told.state


def fact(event: Any, position: int = 1, source: str = "inventory") -> Fact:
    record = Record(
        shard=2,
        position=position,
        stream=f"stockpile/{ANTIMONY}",
        version=position,
        type=event.__struct_config__.tag,
        data=msgspec.Raw(msgspec.json.encode(event)),
        partner=None,
        partner_seq=None,
        effective_on=TODAY.isoformat(),
        recorded_at="2026-01-06T00:00:00.000000Z",
        command_id="00",
        actor="operator-1",
        correlation_id="0" * 32,
        causation_id="test",
        salt=b"",
        event_hash=b"",
        chain_hash=b"",
    )
    return Fact(source, record, event)
