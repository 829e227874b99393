"""Screening: nobody is given anything while a party of its request is on a list, and nobody reviews what they had a part in, or answers an
objection to it: that from the first answer on which says so."""

from datetime import datetime
from typing import Any

import msgspec

from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events import (
    AwardGranted,
    ConflictDeclared,
    ObjectionAnswered,
    ObjectionRaised,
    PartiesScreened,
    RequestAccepted,
    RequestDeclineConfirmed,
    RequestDeclined,
    ReviewConcluded,
    ReviewLapsed,
    ReviewRequested,
    RoundApproved,
    RoundCertified,
    RoundExtended,
    RoundOpened,
    RoundProposed,
    ScreeningHitDecided,
    ScreeningHitLapsed,
)


class _Parties(msgspec.Struct):
    hits: dict[str, str] = {}  # hit -> "open", "cleared", "confirmed"
    beyond: int = 0

    @property
    def barred(self) -> bool:
        return self.beyond > 0 or any(status != "cleared" for status in self.hits.values())


class Screening:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._parties: dict[str, _Parties] = {}  # by request; one that was never hit is not there
        self._involved: dict[str, set[str]] = {}  # round or request -> who had a part in it
        self._requests: dict[str, list[str]] = {}  # by round
        self._reviewed: dict[str, str] = {}  # review -> round; until it is concluded
        self._of_interest: set[str] = set()  # reviews that one person's word about another has brought
        self._objections: set[str] = set()  # without an answer
        self._independent = False  # answers are

    def see(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case PartiesScreened():
                known = self._parties.get(event.request, _Parties()).hits
                found: dict[str, str] = {hit.hit: known.get(hit.hit, "open") for hit in event.hits}
                self._parties[event.request] = _Parties(found, event.beyond)
            case ScreeningHitDecided():
                hits = self._parties.get(event.request, _Parties()).hits
                if self._findings.look(Check.SCREENING, event.hit in hits, place, f"{event.request} has no hit {event.hit}"):
                    hits[event.hit] = event.outcome
                self._part(event.request, event.decided_by)
            case ScreeningHitLapsed():
                self._parties.get(event.request, _Parties()).hits[event.hit] = event.status
            case RequestAccepted():
                self._clear(place, event.request, "accepted")
                self._part(event.request, record.actor)
            case AwardGranted():
                self._clear(place, event.request, "awarded something")
            case RequestDeclined():
                self._part(event.request, record.actor)
            case RequestDeclineConfirmed():
                self._part(event.request, event.confirmed_by)
            case ObjectionRaised():
                self._objections.add(event.objection)
            case ObjectionAnswered():
                known_one = event.objection in self._objections
                self._findings.look(Check.SCREENING, known_one, place, f"{event.objection} was never raised, or has its answer")
                self._objections.discard(event.objection)
                self._answer(place, event)
                self._part(event.request, event.answered_by)
            case _:
                self._see_round(place, record, event)

    def _see_round(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case RoundOpened() | RoundExtended():
                self._requests.setdefault(event.round, []).extend(event.requests)
                self._part(event.round, record.actor)
            case RoundProposed():
                self._part(event.round, event.proposed_by)
            case RoundApproved():
                self._part(event.round, event.approval.subject)
            case RoundCertified():
                self._part(event.round, record.actor)
            case ReviewRequested():
                self._reviewed[event.review] = event.round
            case ReviewConcluded():
                self._conclude(place, record, event)
            case ConflictDeclared(lapses_at=datetime()):
                self._of_interest.update(each.review for each in event.tainted if each.review is not None)
            case ReviewLapsed():
                self._reviewed.pop(event.review, None)
                known = event.review in self._of_interest
                self._findings.look(Check.SCREENING, known, place, f"{event.review} was not asked for by a conflict that may lapse")
            case _:
                pass

    def _answer(self, place: str, event: ObjectionAnswered) -> None:
        self._independent = self._independent or event.independent
        matters = [event.request] if event.round is None else [event.request, event.round]
        involved = any(event.answered_by in self._involved.get(matter, ()) for matter in matters)
        fine = not self._independent or (event.independent and not involved)
        self._findings.look(Check.SCREENING, fine, place, f"{event.answered_by} had a part in what {event.objection} objects to")

    def _conclude(self, place: str, record: Recorded, event: ReviewConcluded) -> None:
        round = self._reviewed.pop(event.review, None)
        if not self._findings.look(Check.SCREENING, round is not None, place, f"{event.review} was not asked for, or is concluded"):
            return
        assert round is not None
        matters = [round, *self._requests.get(round, ())]
        involved = any(event.reviewer in self._involved.get(matter, ()) for matter in matters)
        fine = not involved and record.actor == event.reviewer
        self._findings.look(Check.SCREENING, fine, place, f"{event.reviewer} had a part in {round}, or another concluded for them")

    def _clear(self, place: str, request: str, what: str) -> None:
        parties = self._parties.get(request)
        fine = parties is None or not parties.barred
        self._findings.look(Check.SCREENING, fine, place, f"{request} is {what} while a party is on a list")

    def _part(self, matter: str, subject: str) -> None:
        self._involved.setdefault(matter, set()).add(subject)
