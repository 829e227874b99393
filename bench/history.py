"""True histories of any length: what the inventory's own deciders make of a storm of draws, hashed and chained as the writer does it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from itertools import batched, count
from typing import Any

import msgspec

from services.inventory.domain.consignees import CONSIGNEE_CLEARED, CONSIGNEE_NAMED
from services.inventory.domain.dispatch import LEDGER_RECEIPT, DeliverDraw, DispatchDraw, WeighDraw
from services.inventory.domain.draws import DrawStock
from services.inventory.domain.lots import TakeInLot
from services.inventory.domain.products import RegisterProduct
from services.inventory.domain.releases import AwardedRelease, ReleaseRound
from services.inventory.domain.state import Stockpile
from services.inventory.domain.stockpile import DECIDER, Command
from services.inventory.events import Assay, DrawId, Event, GateEvidence, LotId, ProductId, ReleaseId
from shared.clock import written
from shared.journal.codec import type_of
from shared.journal.decider import Refused
from shared.journal.record import Record, canonical, chain_hash, event_hash, hashed_bytes

UNIT_G = 1_000
TODAY, LAST_DAY = date(2026, 1, 6), date(2099, 12, 31)
PARTNERS = ("AU", "US", "JP", "KR", "EU", "GB", "CA", "IN", "FR", "DE", "IT", "NL")
RELEASED_UNITS = 1_000_000  # of each release
RELEASES_A_ROUND = 1_000
CAN_NOT_END = 1_000_000_000  # units of a lot
RECEIPT = GateEvidence(gate=LEDGER_RECEIPT, evidence=f"log 1842, root {'9f' * 32}, inventory/0/123", by="service:inventory")
GATES = (
    RECEIPT,
    GateEvidence(gate=CONSIGNEE_NAMED, evidence="allocation/0/7 names Sojitz for req_a", by="allocation"),
    GateEvidence(gate=CONSIGNEE_CLEARED, evidence="allocation/0/8 clears Sojitz by entity-list 3", by="allocation"),
)
ASSAY = Assay(report="B-1", laboratory="none", assayed_on=TODAY, contents={"Dy": "0.87"}, in_specification=True)


def name_of(kind: str, product: str, number: int) -> str:
    """An id of the usual length. It is scattered, as the ids are that derive from command ids."""
    return f"{kind}_{sha256(f'{product}/{number}'.encode()).hexdigest()[:26]}"


def release_of(product: str, number: int) -> ReleaseId:
    return ReleaseId(name_of("rel", product, number))


def draw(product: str, number: int, releases: int) -> DrawStock:
    """The draw of this number: one unit of one of the releases, by turns."""
    release = release_of(product, number % releases)
    return DrawStock(draw=DrawId(name_of("drw", product, number)), release=release, partner=None, mass_g=UNIT_G, on=TODAY)


def stocked(product: str, releases: int) -> Iterator[Command]:
    """A product with so many open releases, none of which ends."""
    yield RegisterProduct(
        product=ProductId(product),
        name="An oxide for measuring",
        contents={"Dy": "0.87"},
        form="oxide",
        unit="1 kg can",
        nominal_unit_g=UNIT_G,
        specification="none",
    )
    for number in range(-(-releases * RELEASED_UNITS // CAN_NOT_END) + 1):
        yield TakeInLot(
            lot=LotId(name_of("lot", product, number)),
            depot="Port Selby SA",
            units=CAN_NOT_END,
            nominal_unit_g=UNIT_G,
            origin="AU",
            custody_model="mass_balance",
            assay=ASSAY,
            on=TODAY,
        )
    for number, some in enumerate(batched(range(releases), RELEASES_A_ROUND)):
        yield ReleaseRound(
            product=ProductId(product),
            round=name_of("rnd", product, number),
            decision="ab" * 32,
            awards=tuple(_award(product, each) for each in some),
            expires_on=LAST_DAY,
            on=TODAY,
        )


def _award(product: str, number: int) -> AwardedRelease:
    return AwardedRelease(
        release=release_of(product, number),
        award=name_of("awd", product, number),
        request=name_of("req", product, number),
        partner=PARTNERS[number % len(PARTNERS)],
        mass_g=RELEASED_UNITS * UNIT_G,
    )


def draws(product: str, releases: int) -> Iterator[Command]:
    """Draws without end, each weighed, dispatched and delivered at once: nothing that is over stays in the state."""
    for number in count():
        drawn = draw(product, number, releases)
        yield drawn
        yield WeighDraw(draw=drawn.draw, weighed_g=UNIT_G)
        yield DispatchDraw(draw=drawn.draw, carrier="Linfox", consignee="Sojitz", gates=GATES, on=TODAY)
        yield DeliverDraw(draw=drawn.draw, partner=None, delivered_on=TODAY, received_by="Sojitz", evidence="CMR 4711", on=TODAY)


def events_of(commands: Iterator[Command], state: Stockpile = DECIDER.initial) -> Iterator[Event]:
    """What the commands come to, without end if they are. Raises RuntimeError for one that is refused: the figures would mean nothing."""
    for command in commands:
        decided: Sequence[Event] | Refused[Any] = DECIDER.decide(command, state)
        if isinstance(decided, Refused):
            raise RuntimeError(f"{command} was refused: {decided}")
        for event in decided:
            state = DECIDER.evolve(state, event)
            yield event


class Chain:
    """Records of a shard, one after the other, as the writer makes them."""

    def __init__(self, shard: int, position: int, chain: bytes, partner_seq: dict[str, int]) -> None:
        self.shard, self.position, self.chain, self.partner_seq = shard, position, chain, dict(partner_seq)
        self.recorded_at = datetime(2026, 1, 6, tzinfo=UTC)
        self._written = written(self.recorded_at)
        self._versions: dict[str, int] = {}

    def record(self, stream: str, event: Any) -> Record:
        self.position += 1
        self._versions[stream] = version = self._versions.get(stream, 0) + 1
        partner: str | None = getattr(event, "partner", None)
        if partner is not None:
            self.partner_seq[partner] = self.partner_seq.get(partner, 0) + 1
        cause = sha256(f"{self.shard}/{self.position}".encode()).digest()
        record = Record(
            shard=self.shard,
            position=self.position,
            stream=stream,
            version=version,
            type=type_of(type(event)),
            data=msgspec.Raw(canonical(event)),
            partner=partner,
            partner_seq=None if partner is None else self.partner_seq[partner],
            effective_on=TODAY.isoformat(),
            recorded_at=self._written,
            command_id=cause.hex(),
            actor="0f4f0d6f6a8e4f6c8f4b3b1d",
            correlation_id=cause[:16].hex(),
            causation_id=f"request:{cause[:16].hex()}",
            salt=cause[16:],
            event_hash=b"",
            chain_hash=b"",
        )
        own = event_hash(record.salt, hashed_bytes(record))
        self.chain = chain_hash(self.chain, own)
        return msgspec.structs.replace(record, event_hash=own, chain_hash=self.chain)
