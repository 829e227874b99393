"""What the services' own tables tell their APIs, in memory: so much as the simulated clients ask for; and the ledger's log."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec

from services.allocation import events as allocation
from services.allocation.domain.book.lapses import Surroundings, TermsRead
from services.allocation.domain.partners.agreement import year_from
from services.allocation.events.acting import changed, registered
from services.allocation.events.authority import InstrumentEndConfirmed, InstrumentRestored
from services.inventory import events as inventory
from services.ledger.accounts import Balance, Key, post
from services.ledger.events import CheckpointSigned
from services.ledger.postings import postings
from shared.journal.protocol import Document
from shared.journal.record import Fact, leaf_data
from shared.terms.acting import after
from shared.terms.authority import Authority, Chain, chain_of
from tests.simulation.people_tables import PeopleTables
from tests.simulation.stock_tables import StockTables

UNIT_G = 1000  # of every product
NOWHERE = "nowhere"  # a depot that the rules allow, and a constraint does not


class ReleaseRow(msgspec.Struct):
    product: str
    partner: str
    remaining_g: int
    unit_g: int
    expires_on: date
    status: str = "open"


class DrawRow(msgspec.Struct):
    product: str
    partner: str
    mass_g: int
    shard: int
    position: int
    status: str = "drawn"
    weighed: bool = False


class InventoryTables:
    def __init__(self) -> None:
        self.releases: dict[str, ReleaseRow] = {}
        self.draws: dict[str, DrawRow] = {}
        self.covered: dict[int, tuple[int, int]] = {}  # shard -> position, size of the log

    def project(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            match event := fact.event:
                case inventory.StockReleased():
                    unit_g = event.units[-1].nominal_unit_g if event.units else UNIT_G
                    row = ReleaseRow(event.product, event.partner, event.mass_g, unit_g, event.expires_on)
                    self.releases[event.release] = row
                case inventory.StockDrawn():
                    self.releases[event.release].remaining_g = event.remaining_g
                    if not event.remaining_g:
                        self.releases[event.release].status = "drawn"
                    place = fact.record.shard, fact.record.position
                    self.draws[event.draw] = DrawRow(event.product, event.partner, event.mass_g, *place)
                case inventory.RightAssigned():
                    self.releases[event.release].remaining_g = event.remaining_g
                    if not event.remaining_g:
                        self.releases[event.release].status = "drawn"
                case inventory.ReleaseExtended():
                    self.releases[event.release].expires_on = event.expires_on
                case inventory.ReleaseLapsed():
                    self.releases[event.release].status = "lapsed"
                case inventory.ReleaseCancelled():
                    self.releases[event.release].status = "cancelled"
                case inventory.DrawWeighed():
                    self.draws[event.draw].weighed = True
                case inventory.DrawDispatched():
                    self.draws[event.draw].status = "dispatched"
                case inventory.DrawDelivered():
                    self.draws[event.draw].status = "delivered"
                case inventory.DrawReturned():
                    self.draws[event.draw].status = "returned"
                case _:
                    pass

    def refuses(self, fact: Fact) -> bool:
        return isinstance(fact.event, inventory.LotTakenIn) and fact.event.depot == NOWHERE

    def take_checkpoints(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if isinstance(fact.event, CheckpointSigned):
                for line, position in fact.event.covers.items():
                    service, _, shard = line.partition("/")
                    if service == "inventory":
                        self.covered[int(shard)] = (position, fact.event.size)


class AllocationTables:
    def __init__(self) -> None:
        self.books: set[str] = set()
        self.terms: dict[str, tuple[allocation.AgreementSigned | allocation.AgreementAmended, date]] = {}  # by agreement
        self.versions: dict[str, int] = {}  # of each agreement
        self.suspended: set[str] = set()
        self.rounds: dict[str, tuple[str, str]] = {}  # round -> product, status
        self.instruments: dict[str, Authority] = {}
        self.disruptions: dict[str, int] = {}  # version of each
        self.disruption_of: dict[str, str | None] = {}  # round -> its disruption
        self.stock = StockTables()
        self.people = PeopleTables()

    def project(self, facts: Sequence[Fact]) -> None:
        self.people.project(facts)
        self.versions |= {fact.event.agreement: fact.record.version for fact in facts if isinstance(fact.event, allocation.AgreementEvent)}
        for fact in facts:
            match event := fact.event:
                case allocation.BookOpened():
                    self.books.add(event.product)
                case allocation.AgreementSigned():
                    self.terms[event.agreement] = (event, event.valid_from)
                case allocation.AgreementAmended():
                    self.terms[event.agreement] = (event, self.terms[event.agreement][1])
                case allocation.AgreementEnded():
                    del self.terms[event.agreement]
                case allocation.AgreementSuspended():
                    self.suspended.add(event.agreement)
                case allocation.AgreementResumed():
                    self.suspended.discard(event.agreement)
                case allocation.InstrumentRegistered():
                    self.instruments[event.instrument] = registered(event).authority
                case allocation.ActingOfficerNamed() | allocation.InstrumentEnded() | InstrumentEndConfirmed() | InstrumentRestored():
                    self.instruments[event.instrument] = after(self.instruments[event.instrument], changed(event))
                case allocation.DisruptionDeclared() | allocation.DisruptionRevised() | allocation.DisruptionEnded():
                    self.disruptions[event.disruption] = fact.record.version
                case allocation.RoundOpened():
                    self.disruption_of[event.round] = event.disruption
                    self.rounds[event.round] = (event.product, "open")
                case allocation.RoundProposed():
                    self.rounds[event.round] = (event.product, "proposed")
                case allocation.ApprovalsLapsed() if not event.decision_stands:
                    self.rounds[event.round] = (event.product, "open")
                case allocation.RoundCertified():
                    self.rounds[event.round] = (event.product, "certified")
                case allocation.RoundReopened():
                    self.rounds[event.round] = (event.product, "open")
                case allocation.RoundReleased():
                    self.rounds[event.round] = (event.product, "released")
                case allocation.RoundCancelled():
                    self.rounds[event.round] = (event.product, "cancelled")
                case _:
                    pass

    def take_stock(self, facts: Sequence[Fact]) -> None:
        self.stock.take(facts)

    def chains(self, instruments: Sequence[str]) -> dict[str, Chain]:
        found = {instrument: chain_of(self.instruments, instrument) for instrument in instruments}
        return {instrument: chain for instrument, chain in found.items() if chain is not None}

    def held_by(self, holder: str) -> tuple[Chain, ...]:
        """What is in force of it, and what they were named to act under for some days."""
        held = [
            each.id
            for each in self.instruments.values()
            if each.ended_on is None and (each.holder == holder or any(named.subject == holder for named in each.acting))
        ]
        return tuple(self.chains(sorted(held)).values())

    def surroundings(self, product: str, partners: Sequence[str], on: date, round: str | None = None) -> Surroundings:
        terms: dict[Any, TermsRead] = {}
        for agreement, (event, valid_from) in sorted(self.terms.items()):
            if agreement in self.suspended:
                continue
            for named in event.products:
                if event.partner in partners and named.product == product and valid_from <= on <= event.valid_until:
                    terms[event.partner] = TermsRead(
                        agreement=agreement,  # type: ignore[arg-type]
                        version=self.versions[agreement],
                        year_from=year_from(valid_from, on),
                        quota_g=named.yearly_quota_g,
                        priority_class=event.priority_class,
                    )
        return Surroundings(
            terms=terms,
            disruption_version=self.disruptions.get(self.disruption_of.get(round or "") or ""),
            lots_g=sum(unit_g * units for unit_g, units in self.stock.free_units(product).items()),
            rights_g=max(0, self.stock.rights_g[product]),
            protected_g=self.stock.protected_g[product],
            policy_stands=self.people.stands(round, on),
        )


class LoanTables:
    """None yet: whoever asks of a facility or a loan reads its state."""

    def project(self, facts: Sequence[Fact]) -> None:
        pass


class Entry(msgspec.Struct, frozen=True):
    place: str
    source: str
    shard: int
    position: int
    leaf: bytes
    event_hash: bytes
    correlation_id: str


class LedgerTables:
    """The log, its accounts and documents, as `services.ledger.projections` keeps them, and the checkpoints."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.balances: dict[Key, Balance] = {}
        self.checkpoints: list[CheckpointSigned] = []
        self.documents: set[str] = set()  # by SHA-256

    def take(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            record = fact.record
            leaf = leaf_data(record.salt, fact.place, record.event_hash)
            self.entries.append(
                Entry(fact.place, fact.source, record.shard, record.position, leaf, record.event_hash, record.correlation_id)
            )
            self.documents |= {Document(content).name for content in fact.documents.values()}
            post(self.balances, postings(fact.event))  # an assay that fails reserved stock overdraws, rightly

    def project(self, facts: Sequence[Fact]) -> None:
        self.checkpoints += [fact.event for fact in facts]
