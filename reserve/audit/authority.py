"""Authority: that everything done under one cites it, and that what is cited covers it, by the instruments as their events tell of them.

Instruments, conflicts and what is done have streams of their own, in shards of their own: what was recorded in the same moment may stand
in either order. What was done before any instrument was registered could cite none.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import msgspec

from reserve.audit.approvers import AT_ONCE, Gone, instant
from reserve.audit.authority_loans import LoanAuthority
from reserve.audit.by_itself import of_service
from reserve.audit.evidence import Recorded
from reserve.audit.interests import Interests, interest
from reserve.audit.report import Check, Findings
from services.allocation.events import authority as told
from services.allocation.events.decisions import DecisionSuperseded
from services.allocation.events.emergency import DecisionRatified, EmergencyDecided
from services.allocation.events.policies import PolicyApproved
from services.allocation.events.requests import RequestSubmitted
from services.allocation.events.rounds import RoundApproved, RoundExtended, RoundOpened, RoundProposed, RoundReleased
from services.allocation.events.tenders import TenderApproved
from services.inventory.events import HoldLifted, ProtectedStockSet, ReleaseCancelled
from shared.terms.countersigning import CommandApproved

_LONGEST_CHAIN = 10


class _Officer(msgspec.Struct, frozen=True):
    subject: str
    first: date
    last: date
    named_at: datetime


class _Instrument(msgspec.Struct):
    says: told.InstrumentRegistered
    registered_at: datetime
    officers: list[_Officer] = []
    ended: list[tuple[date, Gone]] = []  # from that day on


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says was cited, as it reads here."""

    place: str
    cited: Any  # as the event holds it
    on: date
    at: datetime


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done, and the citation that it needs."""

    place: str
    line: str  # the shard of its journal
    acts: frozenset[str]  # one of them
    by: str | None  # who must have cited it; None: whoever sent the command
    product: str | None = None
    mass_g: int | None = None  # None: it is not compared
    amount_minor: int | None = None
    currency: str | None = None
    concerns: frozenset[str] = frozenset()
    at: datetime


class _Round(msgspec.Struct):
    product: str
    requests: list[str]
    emergency: bool
    mass_g: int = 0  # as proposed last


class Authority:
    def __init__(self, findings: Findings, interests: Interests) -> None:
        self._findings = findings
        self._interests = interests
        self._loans = LoanAuthority()
        self._instruments: dict[str, _Instrument] = {}
        self._first_at: datetime | None = None
        self._citations: dict[tuple[str, str], list[Citation]] = {}  # (service, command) ->
        self._signed_under: list[tuple[str, str, str, Any]] = []  # service, command, place, an approval that names its instrument
        self._due: list[tuple[str, str, Due]] = []  # service, command
        self._asked: dict[str, frozenset[str]] = {}  # request -> whom it concerns
        self._rounds: dict[str, _Round] = {}
        self._emergencies: dict[str, _Round] = {}  # certified, and to be ratified
        self._protected_g: dict[str, int] = {}
        self._last: dict[str, str] = {}  # line -> the place of its last event

    @property
    def unsettled(self) -> bool:
        """Whether something was cited that was not seen: it may stand after the cut, in a shard that the ledger was slower to take."""
        cited = (citation.cited for citations in self._citations.values() for citation in citations)
        return any(name not in self._instruments for each in cited for name in (each.authority, *(link.authority for link in each.under)))

    def see(self, service: str, place: str, record: Recorded, event: Any) -> None:
        self._last[f"{service}/{record.shard}"] = place
        self._see_authority(service, place, record, event)
        if (approval := getattr(event, "approval", None)) is not None and approval.authority is not None:
            self._signed_under.append((service, record.command_id, place, approval))
        self._see_round(service, place, record, event)
        match event:
            case ProtectedStockSet():
                before_g = self._protected_g.get(event.product, 0)
                self._protected_g[event.product] = event.mass_g
                if event.mass_g < before_g:
                    self._needs(service, place, record, "open_protected_stock", product=event.product, mass_g=before_g - event.mass_g)
            case DecisionSuperseded():
                self._needs(service, place, record, "cancel_release", by=event.superseded_by, product=event.product)
            case HoldLifted() if event.authority is not None:  # None: it expired
                self._needs(service, place, record, "lift_hold", product=event.product)
            case ReleaseCancelled() if not of_service(record):  # else a loan was called off
                concerns = frozenset({interest("partner", event.partner)})
                self._needs(service, place, record, "cancel_release", product=event.product, mass_g=event.mass_g, concerns=concerns)
            case CommandApproved():
                self._needs(service, place, record, event.act, by=event.approval.subject)
            case _:
                for need in self._loans.see(event):
                    self._needs(
                        service,
                        place,
                        record,
                        need.act,
                        by=need.by,
                        product=need.product,
                        mass_g=need.mass_g,
                        amount_minor=need.amount_minor,
                        currency=need.currency,
                        concerns=frozenset(interest(about, name) for about, name in need.concerns),
                    )

    def finish(self) -> None:
        """All is seen that there is."""
        for citations in self._citations.values():
            for citation in citations:
                faults = list(self._faults_of(citation))
                self._findings.look(Check.AUTHORITY, not faults, citation.place, "; ".join(faults))
        for service, command, place, approval in self._signed_under:
            cited = {each.cited.authority for each in self._citations.get((service, command), []) if each.cited.by == approval.subject}
            what = f"{approval.subject} signed under {approval.authority}, and cites {', '.join(sorted(cited)) or 'nothing'}"
            self._findings.look(Check.AUTHORITY, cited <= {approval.authority}, place, what)
        for service, command, due in self._due:
            if self._first_at is None or due.at <= self._first_at + AT_ONCE:
                continue
            if self._last[due.line] == due.place:  # the cut ends before what was recorded with it
                continue
            faults = list(self._lacks(due, self._citations.get((service, command), [])))
            self._findings.look(Check.AUTHORITY, not faults, due.place, "; ".join(faults))

    def _see_authority(self, service: str, place: str, record: Recorded, event: Any) -> None:
        at = instant(record)
        match event:
            case told.InstrumentRegistered():
                self._instruments[event.instrument] = _Instrument(event, at)
                self._first_at = at if self._first_at is None else min(at, self._first_at)
                parent = None if event.under is None else self._instruments.get(event.under)
                if parent is not None:  # it stands in a shard of its own, and may come later
                    wider = _wider(event, parent.says)
                    self._findings.look(Check.AUTHORITY, wider is None, place, f"it reaches beyond {event.under}: {wider}")
            case told.ActingOfficerNamed() if (found := self._instruments.get(event.instrument)) is not None:
                found.officers.append(_Officer(event.officer, event.valid_from, event.valid_until, at))
            case told.InstrumentEnded() if (found := self._instruments.get(event.instrument)) is not None:
                found.ended.append((event.ended_on, Gone(at)))
            case told.InstrumentRestored() if (found := self._instruments.get(event.instrument)) is not None and found.ended:
                found.ended[-1][1].until = at
            case _ if record.type.endswith(".authority_cited.v1"):
                self._cite(service, place, record, event.cited)
            case _:
                pass

    def _see_round(self, service: str, place: str, record: Recorded, event: Any) -> None:
        match event:
            case RequestSubmitted():
                companies = {interest("company", name) for name in (event.nominee, event.consignee, event.end_user) if name}
                self._asked[event.request] = frozenset({interest("partner", event.partner), *companies})
            case RoundOpened():
                self._rounds[event.round] = _Round(event.product, list(event.requests), event.emergency is not None)
            case RoundExtended() if (round := self._rounds.get(event.round)) is not None:
                round.requests += event.requests
            case RoundProposed() if (round := self._rounds.get(event.round)) is not None:
                round.mass_g = sum(event.awarded_g.values())
            case RoundApproved() if (round := self._rounds.get(event.round)) is not None:
                act = "emergency_release" if round.emergency else "approve_decision"
                self._signed(service, place, record, event, act, round)
            case EmergencyDecided() if (round := self._rounds.get(event.round)) is not None:
                self._emergencies[event.round] = round
            case DecisionRatified() if (round := self._emergencies.pop(event.round, None)) is not None:
                self._signed(service, place, record, event, "ratify", round)
            case RoundReleased() if (round := self._rounds.pop(event.round, None)) is not None and event.round not in self._emergencies:
                for request in round.requests:
                    self._asked.pop(request, None)
            case TenderApproved():
                self._needs(service, place, record, "tender", by=event.approval.subject)
            case PolicyApproved():
                self._needs(service, place, record, "approve_policy", by=event.approval.subject)
            case _:
                pass

    def _signed(self, service: str, place: str, record: Recorded, event: RoundApproved | DecisionRatified, act: str, round: _Round) -> None:
        concerns = {interest("product", round.product), interest("round", event.round)}
        for request in round.requests:
            concerns |= self._asked.get(request, frozenset())
        self._needs(
            service,
            place,
            record,
            act,
            by=event.approval.subject,
            product=round.product,
            mass_g=round.mass_g,
            concerns=frozenset(concerns),
        )

    def _needs(
        self,
        service: str,
        place: str,
        record: Recorded,
        *acts: str,
        by: str | None = None,
        product: str | None = None,
        mass_g: int | None = None,
        amount_minor: int | None = None,
        currency: str | None = None,
        concerns: frozenset[str] = frozenset(),
    ) -> None:
        due = Due(
            place=place,
            line=f"{service}/{record.shard}",
            acts=frozenset(acts),
            by=by or record.actor,
            product=product,
            mass_g=mass_g,
            amount_minor=amount_minor,
            currency=currency,
            concerns=concerns | ({interest("product", product)} if product is not None else set()),
            at=instant(record),
        )
        self._due.append((service, record.command_id, due))

    def _cite(self, service: str, place: str, record: Recorded, cited: Any) -> None:
        citation = Citation(place=place, cited=cited, on=date.fromisoformat(record.effective_on), at=instant(record))
        self._citations.setdefault((service, record.command_id), []).append(citation)

    def _lacks(self, due: Due, citations: list[Citation]) -> Iterator[str]:
        """What is missing of the citation that it needs."""
        fitting = [each.cited for each in citations if each.cited.act in due.acts]
        if not fitting:
            yield f"no authority for {' or '.join(sorted(due.acts))} is cited"
            return
        if not any(each.by == due.by for each in fitting):
            yield f"what is cited is not of {due.by}"
        if due.product is not None and not any(each.product == due.product for each in fitting):
            yield f"what is cited is not over {due.product}"
        if due.mass_g is not None and not any(each.mass_g == due.mass_g for each in fitting):
            yield f"what is cited is not of {due.mass_g} g"
        money = (due.amount_minor, due.currency)
        if due.amount_minor is not None and not any((each.amount_minor, each.currency) == money for each in fitting):
            yield f"what is cited is not of {due.amount_minor} {due.currency}"
        for concern in sorted(due.concerns):
            if self._interests.has(str(due.by), concern, due.at):
                yield f"{due.by} had declared a conflict of interest: {concern}"

    def _faults_of(self, citation: Citation) -> Iterator[str]:
        """What keeps the cited authority from covering what it is cited for."""
        cited = citation.cited
        chain: list[_Instrument] = []
        for name in (cited.authority, *(link.authority for link in cited.under)):
            if (found := self._instruments.get(name)) is None:
                yield f"there is no instrument {name}"
                return
            if chain and chain[-1].says.under != name:
                yield f"{chain[-1].says.instrument} does not stand under {name}"
            if chain and chain[-1].says.kind == "delegation" and not found.says.may_sub_delegate:
                yield f"{name} may not be delegated"
            chain.append(found)
        if chain[-1].says.under is not None or len(chain) > _LONGEST_CHAIN:
            yield f"the chain ends at {chain[-1].says.instrument}, which is no root"
        if not _may_act(chain[0], cited.by, citation):
            yield f"{cited.by} neither holds {cited.authority} nor acts under it on {citation.on}"
        for link in chain:
            yield from _link_faults(link, cited, citation)


def _may_act(own: _Instrument, by: str, citation: Citation) -> bool:
    acting = (each for each in own.officers if each.subject == by and each.named_at <= citation.at + AT_ONCE)
    return own.says.holder == by or any(each.first <= citation.on <= each.last for each in acting)


def _link_faults(link: _Instrument, cited: Any, citation: Citation) -> Iterator[str]:
    says = link.says
    name = says.instrument
    if cited.act not in says.acts:
        yield f"{name} is not for {cited.act}"
    if says.products and cited.product not in says.products:
        yield f"{name} is not over {cited.product or 'all products'}"
    if not says.valid_from <= citation.on <= says.valid_until or link.registered_at > citation.at + AT_ONCE:
        yield f"{name} is not in force on {citation.on}"
    if any(ended_on <= citation.on and gone.surely_at(citation.at) for ended_on, gone in link.ended):
        yield f"{name} had ended"
    if says.limit_g is not None and (cited.mass_g or 0) > says.limit_g:
        yield f"{cited.mass_g} g are over the limit of {name}"
    of_money = says.limit_minor is not None and cited.amount_minor is not None
    if of_money and (cited.currency != says.currency or cited.amount_minor > says.limit_minor):
        yield f"{cited.amount_minor} {cited.currency} are over the limit of {name}"


def _wider(child: told.InstrumentRegistered, parent: told.InstrumentRegistered) -> str | None:
    """In what a child reaches beyond its parent."""
    limits: dict[str, tuple[int | None, int | None]] = {
        "limit_g": (child.limit_g, parent.limit_g),
        "limit_minor": (child.limit_minor, parent.limit_minor),
    }
    for field, (own, above) in limits.items():
        if above is not None and (own is None or own > above):
            return field
    if parent.limit_minor is not None and child.currency != parent.currency:
        return "currency"
    if set(child.acts) - set(parent.acts):
        return "acts"
    if parent.products and (not child.products or set(child.products) - set(parent.products)):
        return "products"
    return "days" if child.valid_from < parent.valid_from or child.valid_until > parent.valid_until else None
