"""Meaning: what each event means, through all checks of it, one after the other."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

from reserve.audit.agreements import Agreements
from reserve.audit.apart import Persons
from reserve.audit.approvers import Approvers
from reserve.audit.attestations import Attestations
from reserve.audit.authority import Authority
from reserve.audit.billing import Billing
from reserve.audit.books import Books
from reserve.audit.checkpoints import Checkpoints
from reserve.audit.consignees import Consignees
from reserve.audit.control import Control
from reserve.audit.dating import Dating
from reserve.audit.decisions import faults_of
from reserve.audit.deliveries import Deliveries
from reserve.audit.differences import Differences
from reserve.audit.emergencies import Emergencies
from reserve.audit.endorsements import Endorsements
from reserve.audit.evidence import Evidence, LedgerEntry, Recorded, Unreadable
from reserve.audit.facilities import Facilities
from reserve.audit.figures import Figured
from reserve.audit.given_back import GivenBack
from reserve.audit.held import Held
from reserve.audit.holdings import Holdings
from reserve.audit.interests import Interests
from reserve.audit.laboratories import Laboratories
from reserve.audit.listed import Listed
from reserve.audit.loans import Loans
from reserve.audit.logs import Logs
from reserve.audit.material import Material
from reserve.audit.moves import Moves
from reserve.audit.order import Order
from reserve.audit.owed import Owed
from reserve.audit.parked import ParkedMessages
from reserve.audit.performance import Performance
from reserve.audit.policies import Policies
from reserve.audit.protecting import Protecting
from reserve.audit.quorum import Quorums
from reserve.audit.release_orders import ReleaseOrders
from reserve.audit.release_orders import faults_of as faults_of_pins
from reserve.audit.report import Check, Findings
from reserve.audit.rounds import Rounds
from reserve.audit.screening import Screening
from reserve.audit.signatures import Signatures
from reserve.audit.stock import Stock
from reserve.audit.stopped import Stopped
from reserve.audit.tender_decisions import faults_of as faults_of_tender
from reserve.audit.tenders import Tenders
from reserve.audit.uses import Uses


class _Part(Protocol):
    def see(self, place: str, record: Recorded, event: Any) -> None: ...


class _OfADay(Protocol):
    """What needs no more of a record than the day that it counts for."""

    def see(self, place: str, effective_on: str, event: Any) -> None: ...


class OfAService(Protocol):
    """What must know whose event it is."""

    def see(self, service: str, place: str, record: Recorded, event: Any) -> None: ...


@runtime_checkable
class _Unsettled(Protocol):
    """What may have to see what was recorded after the cut, since it caused something before it."""

    @property
    def unsettled(self) -> bool: ...


@runtime_checkable
class _Finished(Protocol):
    """What looks at some of it only once all is seen."""

    def finish(self) -> None: ...


class Meaning:
    """Every check of what events mean, made once. `beside`: those that hold the events against what is known from elsewhere."""

    def __init__(self, findings: Findings, checkpoints: Checkpoints, logs: Logs, beside: Sequence[OfAService]) -> None:
        self._findings = findings
        self.books, self.order, self._tallies = Books(findings), Order(findings), checkpoints.tallies
        self._billing, self._facilities, self._deliveries = Billing(findings), Facilities(findings), Deliveries(findings)
        self._of_days: tuple[_OfADay, ...] = (
            *(Stock(findings, checkpoints), Stopped(findings), Figured(findings)),
            *(Held(findings), Owed(findings), Performance(findings)),
        )
        approvers = Approvers(findings, {key.name for key in logs.keys})
        given_back, interests = GivenBack(findings), Interests(findings)
        self._agreements, self._listed, self._release_orders = Agreements(findings), Listed(findings), ReleaseOrders()
        self._rounds, self._tenders = Rounds(findings, approvers, given_back), Tenders(findings, approvers)
        self._parts: tuple[_Part, ...] = (
            *(self._agreements, self.order, approvers, Endorsements(findings, approvers), Signatures(findings, approvers.origins)),
            *(self._rounds, Quorums(findings, approvers), Attestations(findings, approvers), Protecting(findings, approvers)),
            *(Differences(findings, approvers), Moves(findings, approvers), Persons(findings, approvers), given_back, interests),
            *(Emergencies(findings, approvers), Screening(findings), self._listed, Consignees(findings, self._listed)),
            *(Policies(findings, approvers), Loans(findings, approvers), Holdings(findings, approvers), Material(findings, approvers)),
            *(Laboratories(findings), self._tenders, self._release_orders),
        )
        self._of_services: tuple[OfAService, ...] = (
            *(Uses(findings), ParkedMessages(findings, approvers), Authority(findings, interests), Control(findings, approvers)),
            *(Dating(findings), *beside),
        )
        self._witnesses = checkpoints.witnesses
        of_events = (self._billing, self._facilities, self._deliveries)
        self._all: tuple[object, ...] = (
            *(*of_events, *self._of_days, *self._parts),
            *(*self._of_services, self._witnesses, self._tallies),
        )

    def see(self, service: str, place: str, record: Recorded, event: Any, entry: LedgerEntry | None) -> None:
        self.books.post(place, event, entry)
        self._tallies.see(place, record, event, entry)
        self._billing.see(place, event)
        self._facilities.see(place, event)
        self._deliveries.see(place, event)
        for of_days in self._of_days:
            of_days.see(place, record.effective_on, event)
        for part in self._parts:
            part.see(place, record, event)
        for of_service in self._of_services:
            of_service.see(service, place, record, event)
        self._witnesses.reach.see(service, place, record, event)

    @property
    def unsettled(self) -> bool:
        return any(part.unsettled for part in self._all if isinstance(part, _Unsettled))

    def finish(self) -> None:
        for part in self._all:
            try:
                if isinstance(part, _Finished):
                    part.finish()
            except Unreadable:
                raise
            except Exception as error:  # noqa: BLE001  what was changed may be anything, and no check is made for all of that
                what = f"{type(part).__name__.lower()} cannot be settled: {error!r}"
                self._findings.look(Check.SHAPES, False, "the end of the history", what)

    async def work_out(self, evidence: Evidence) -> None:
        """What stands on documents, once all is seen that it needs: each decision that was certified, and each that was looked up."""
        for round in self._rounds.to_check:
            published = await evidence.document("allocation", round.certified.decision)
            file = await evidence.document("allocation", round.proposed.file)
            named = round.certified.release_order
            order = None if named is None else await evidence.document("allocation", named)
            classes = self._agreements.classes_of(round.proposed.reads.agreements)
            faults = list(faults_of(msgspec.structs.replace(round, classes=classes), published, file, order))
            self._findings.look(Check.DECISIONS, not faults, round.place, "; ".join(faults))
        self._rounds.to_check.clear()
        for tender in self._tenders.to_check:
            names = (tender.certified.decision, tender.proposed.file, tender.certified.release_order)
            documents = [await evidence.document("allocation", name) for name in names]
            faults = list(faults_of_tender(tender, *documents))
            self._findings.look(Check.DECISIONS, not faults, tender.place, "; ".join(faults))
        self._tenders.to_check.clear()
        for released in self._release_orders.to_check:
            faults = list(faults_of_pins(released, await evidence.document("allocation", released.order)))
            self._findings.look(Check.RELEASES, not faults, released.place, "; ".join(faults))
        self._release_orders.to_check.clear()
        await self._listed.look_up_again(evidence)
