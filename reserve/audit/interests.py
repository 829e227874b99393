"""Interests: whoever has declared one in what a round or a loan is about neither opens, proposes, approves, certifies, answers nor pays it.
The rule is in force from the first approval whose statement names its log, but for approvals, which `authority` looks at."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from reserve.audit.approvers import AT_ONCE, instant
from reserve.audit.evidence import Recorded
from reserve.audit.groups import Groups, named, parties_to
from reserve.audit.report import Check, Findings
from services.allocation.events.authority import ConflictDeclared, ConflictLapsed, ConflictWithdrawn, PersonNamed
from services.allocation.events.requests import RequestSubmitted
from services.allocation.events.rounds import RoundCertified, RoundExtended, RoundOpened, RoundProposed, RoundReleased
from services.allocation.events.screening import ObjectionAnswered
from services.loans.events.loan import AdvancePaid, LoanImported, LoanProposed


class _Interest(msgspec.Struct):
    declared_at: datetime
    withdrawn_at: datetime | None = None


class _Did(msgspec.Struct, frozen=True):
    place: str
    official: str
    what: str
    concerns: frozenset[str]
    at: datetime


class Interests:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._declared: dict[tuple[str, str], list[_Interest]] = {}  # (official, what) -> each time that it was
        self._persons: dict[str, tuple[str, datetime]] = {}  # account -> whose it is, and since when that is known
        self._asked: dict[str, frozenset[str]] = {}  # request -> whom it concerns
        self._rounds: dict[str, frozenset[str]] = {}  # round -> whom and what it concerns
        self._loans: dict[str, tuple[str, ...]] = {}  # stream -> its parties
        self._groups = Groups()
        self._paid: list[tuple[_Did, str, tuple[str, ...]]] = []  # with the facility, and the parties to the loan
        self._did: list[_Did] = []
        self._since: datetime | None = None

    def see(self, place: str, record: Recorded, event: Any) -> None:
        at = instant(record)
        self._groups.see(record, event)
        approval = getattr(event, "approval", None)
        if approval is not None and approval.origin is not None and (self._since is None or at < self._since):
            self._since = at
        match event:
            case ConflictDeclared():
                self._declared.setdefault((event.official, interest(event.about, event.name)), []).append(_Interest(at))
            case ConflictWithdrawn() | ConflictLapsed():
                for each in self._declared.get((event.official, interest(event.about, event.name)), []):
                    each.withdrawn_at = each.withdrawn_at or at
            case PersonNamed():
                self._persons[event.official] = (event.person, at)
            case LoanProposed() | LoanImported():
                self._loans[record.stream] = parties_to(event.terms)
            case AdvancePaid():
                parties = self._loans.get(record.stream, ())
                self._paid.append((_Did(place, record.actor, "paid an advance", frozenset(), at), event.facility, parties))
            case _:
                self._see_round(place, record, event)

    def finish(self) -> None:
        """All is seen that there is."""
        for did in [*self._did, *self._payments()]:
            for concern in sorted(did.concerns):
                if self.has(did.official, concern, did.at):
                    in_force = self._since is not None and self._since <= did.at
                    what = f"{did.official} had declared a conflict of interest, {concern}, and {did.what}"
                    self._findings.under_rule(Check.AUTHORITY, in_force, did.place, what)

    def _payments(self) -> Iterator[_Did]:
        """With all whom they concern: who is connected with a party to the loan is one, too."""
        for paid, facility, parties in self._paid:
            concerned = {*parties, *self._groups.connected(facility, parties, paid.at)}
            yield msgspec.structs.replace(paid, concerns=frozenset(interest(about, name) for about, name in named(concerned)))

    def has(self, official: str, concern: str, at: datetime) -> bool:
        """Whether it was declared before and not withdrawn, by this account or another that was known to be the same person's."""
        person, known_at = self._persons.get(official, ("", at))
        accounts = {official} | {
            account for account, (owner, since) in self._persons.items() if owner == person and max(known_at, since) + AT_ONCE < at
        }
        return any(
            each.declared_at + AT_ONCE < at and (each.withdrawn_at is None or each.withdrawn_at > at)
            for account in accounts
            for each in self._declared.get((account, concern), [])
        )

    def _see_round(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case RequestSubmitted():
                companies = {interest("company", name) for name in (event.nominee, event.consignee, event.end_user) if name}
                self._asked[event.request] = frozenset({interest("partner", event.partner), *companies})
            case RoundOpened():
                about = {interest("product", event.product), interest("round", event.round)}
                self._rounds[event.round] = self._of(event.requests) | about
                self._do(place, record, record.actor, "opened the round", self._rounds[event.round])
            case RoundExtended() if (concerns := self._rounds.get(event.round)) is not None:
                self._rounds[event.round] = concerns | self._of(event.requests)
            case RoundProposed() if (concerns := self._rounds.get(event.round)) is not None:
                self._do(place, record, event.proposed_by, "proposed the decision", concerns)
            case RoundCertified() if (concerns := self._rounds.get(event.round)) is not None:
                self._do(place, record, record.actor, "certified the decision", concerns)
                for approval in event.approvals:
                    self._do(place, record, approval.subject, "approved what was certified after", concerns)
            case RoundReleased():
                self._rounds.pop(event.round, None)
            case ObjectionAnswered():
                concerns = self._of([event.request]) | {interest("product", event.product)}
                self._do(place, record, record.actor, "answered an objection", concerns)
            case _:
                pass

    def _of(self, requests: Iterable[str]) -> frozenset[str]:
        return frozenset().union(*(self._asked.get(request, frozenset()) for request in requests))

    def _do(self, place: str, record: Recorded, official: str, what: str, concerns: frozenset[str]) -> None:
        self._did.append(_Did(place, official, what, concerns, instant(record)))


def interest(about: str, name: str) -> str:
    """A name is the same however it is spaced or capitalised."""
    return f"{about}/{' '.join(name.split()).casefold()}"
