"""Rounds: each release under a certified decision, each decision approved by others than its proposer."""

from datetime import datetime
from fractions import Fraction
from typing import Any

import msgspec

from reserve.audit.approvers import Approvers, instant
from reserve.audit.decisions import Asked, ToCheck
from reserve.audit.evidence import Recorded
from reserve.audit.given_back import GivenBack
from reserve.audit.report import Check, Findings
from services.allocation import events as allocation
from services.allocation.events import (
    AwardGranted,
    CarryExpired,
    DecisionGivenBack,
    RequestAccepted,
    RequestExpired,
    RequestId,
    RequestSubmitted,
    RequestWithdrawn,
    RoundCertified,
    RoundExtended,
    RoundOpened,
    RoundProposed,
    RoundReopened,
    is_tender,
)
from services.allocation.events.emergency import EmergencyDecided
from services.inventory.events import RoundReleased, StockReleased

type _Decided = tuple[str, str]  # round, decision


class _Releases(msgspec.Struct):
    """What inventory released of a round."""

    places: list[str] = []
    events: list[StockReleased] = []
    whole: RoundReleased | None = None


class _ToVerify(msgspec.Struct, frozen=True):
    place: str
    certified: RoundCertified
    proposed_by: str
    needed: int
    certified_at: datetime


class Rounds:
    """All books. `to_check`: certified rounds whose decisions wait for their documents."""

    def __init__(self, findings: Findings, approvers: Approvers, given_back: GivenBack) -> None:
        self._findings = findings
        self._given_back = given_back
        self._approvers = approvers
        self._asked: dict[str, Asked] = {}
        self._opened: dict[str, RoundOpened] = {}
        self._proposed: dict[str, RoundProposed] = {}
        self._carries: dict[str, dict[str, str]] = {}  # product -> agreement -> grams
        self._carries_before: dict[str, dict[str, str]] = {}  # round -> of its product, before it
        self._requests: dict[str, list[RequestId]] = {}  # by round
        self._granted: dict[_Decided, dict[str, AwardGranted]] = {}  # awards by id, until they are released
        self._given: dict[str, list[RequestId]] = {}  # by round, what it awards something
        self._certifying: dict[str, tuple[ToCheck, datetime]] = {}  # by book; since when
        self._certified: dict[_Decided, RoundCertified] = {}
        self._releases: dict[_Decided, _Releases] = {}
        self._approvals: list[_ToVerify] = []
        self.to_check: list[ToCheck] = []

    def see(self, place: str, record: Recorded, event: Any) -> None:
        if not isinstance(event, AwardGranted | EmergencyDecided):
            self._decide(record.stream)
        match event:
            case StockReleased() | RoundReleased() if is_tender(event.round):
                pass  # see `tenders.py`
            case StockReleased():
                releases = self._releases.setdefault((event.round, event.decision), _Releases())
                releases.places.append(place)
                releases.events.append(event)
            case RoundReleased():
                self._releases.setdefault((event.round, event.decision), _Releases()).whole = event
                self._settle((event.round, event.decision))
            case RequestSubmitted():
                self._asked[event.request] = Asked(
                    partner=event.partner,
                    product=event.product,
                    mass_g=event.mass_g,
                    minimum_g=event.minimum_g,
                    daily_consumption_g=event.daily_consumption_g,
                )
            case RequestAccepted():
                if (asked := self._asked.get(event.request)) is not None:
                    self._asked[event.request] = msgspec.structs.replace(asked, accepted_g=event.accepted_g)
            case RoundOpened():
                self._opened[event.round] = event
                self._requests[event.round] = list(event.requests)
            case RoundExtended():
                self._requests.setdefault(event.round, []).extend(event.requests)
            case AwardGranted():
                self._granted.setdefault((event.round, event.decision), {})[event.award] = event
            case RoundProposed():
                self._proposed[event.round] = event
            case RoundCertified():
                self._certify(place, record, event)
            case RoundReopened():
                self._reopen(event)
            case CarryExpired():
                self._carries.get(event.product, {}).pop(event.agreement, None)
            case DecisionGivenBack():
                carries = self._carries.get(event.product, {})
                back_g = self._given_back.carries_back_g(event)
                undone = {name: str(Fraction(carries.get(name, "0")) - carry_g) for name, carry_g in back_g.items()}
                self._carries[event.product] = carries | undone
            case allocation.RoundReleased():
                self._close(event)
            case RequestWithdrawn() | RequestExpired():
                self._asked.pop(event.request, None)
            case _:
                pass

    @property
    def unsettled(self) -> bool:
        """Whether something was seen whose ground was not: it may stand after the cut, in a journal that the ledger was slower to take."""
        known = all(self._approvers.know(approval) for each in self._approvals for approval in each.certified.approvals)
        return bool(self._releases) or bool(self._certifying) or not known

    def finish(self) -> None:
        """All is seen that there is."""
        for book in list(self._certifying):
            self._decide(book)
        for decided in list(self._releases):
            self._settle(decided, last=True)
        for each in self._approvals:
            self._verify(each)

    def _certify(self, place: str, record: Recorded, event: RoundCertified) -> None:
        opened, proposed = self._opened.get(event.round), self._proposed.get(event.round)
        if opened is None or proposed is None:
            self._findings.look(Check.DECISIONS, False, place, f"{event.round} is certified, and was never opened and proposed")
            self._certified[event.round, event.decision] = event
            self._settle((event.round, event.decision))
            return
        before = self._carries.get(event.product, {})
        agreements = _agreements(proposed)
        known = ToCheck(
            place=place,
            opened=opened,
            proposed=proposed,
            certified=event,
            granted=(),
            asked={request: self._asked[request] for request in self._requests[event.round] if request in self._asked},
            carries_g={partner: before[agreement] for partner, agreement in agreements.items() if agreement in before},
        )
        self._certifying[record.stream] = known, instant(record)
        self._carries_before[event.round] = before
        self._carries[event.product] = before | {agreements[partner]: carry for partner, carry in proposed.carries_g.items()}

    def _decide(self, book: str) -> None:
        """Nothing more is told of what the round gives that this book has certified: that is told beside it, before or after."""
        if book not in self._certifying:
            return
        known, certified_at = self._certifying.pop(book)
        event = known.certified
        decided = event.round, event.decision
        granted = tuple(self._granted.get(decided, {}).values())
        self.to_check.append(msgspec.structs.replace(known, granted=granted))
        self._given[event.round] = [award.request for award in granted]
        needed = _needed(known.opened, sum(award.mass_g for award in granted))
        self._approvals.append(_ToVerify(known.place, event, known.proposed.proposed_by, needed, certified_at))
        self._certified[decided] = event
        self._settle(decided)

    def _reopen(self, event: RoundReopened) -> None:
        """Inventory refused: carries are as before."""
        self._certified.pop((event.round, event.decision), None)
        self._granted.pop((event.round, event.decision), None)
        before = self._carries_before.pop(event.round, {})
        changed = set(_agreements(self._proposed[event.round]).values()) if event.round in self._proposed else set()
        carries = self._carries.get(event.product, {})
        self._carries[event.product] = {agreement: carry for agreement, carry in carries.items() if agreement not in changed} | {
            agreement: before[agreement] for agreement in changed if agreement in before
        }

    def _close(self, event: allocation.RoundReleased) -> None:
        """Nothing of it can change any more."""
        self._opened.pop(event.round, None)
        self._proposed.pop(event.round, None)
        self._carries_before.pop(event.round, None)
        self._requests.pop(event.round, None)
        for request in self._given.pop(event.round, ()):
            self._asked.pop(request, None)

    def _settle(self, decided: _Decided, *, last: bool = False) -> None:
        """Once both sides of a round are there. At the end of a cut that divides a round, what there is must fit."""
        certified, releases = self._certified.get(decided), self._releases.get(decided)
        if releases is None or not (last or (certified is not None and releases.whole is not None)):
            return
        del self._releases[decided]
        look = self._findings.look
        awards = dict(self._granted.get(decided, {})) if certified is not None else {}
        for place, event in zip(releases.places, releases.events, strict=True):
            if certified is None:
                look(Check.RELEASES, False, place, f"no certified decision {event.decision} of {event.round} releases {event.release}")
                continue
            award = awards.pop(event.award, None)
            fine = award is not None and (award.request, award.partner, award.mass_g) == (event.request, event.partner, event.mass_g)
            fine = fine and (str(event.product), event.expires_on) == (certified.product, certified.expires_on)
            look(Check.RELEASES, fine, place, f"{event.release} is not an award of the certified decision, or not as it was awarded")
        whole = releases.whole
        if whole is not None:
            self._certified.pop(decided, None)
            self._granted.pop(decided, None)
            fine = (whole.releases, whole.mass_g) == (len(releases.events), sum(event.mass_g for event in releases.events)) and not awards
            place = releases.places[-1] if releases.places else whole.round
            look(Check.RELEASES, fine, place, f"{whole.round} was not released whole: {sorted(awards)} were awarded too")

    def _verify(self, each: _ToVerify) -> None:
        decision, at = each.certified.decision, each.certified_at
        faults = [
            fault
            for approval in each.certified.approvals
            for fault in self._approvers.faults_of(approval, purpose="decision", document=decision, proposed_by=each.proposed_by, at=at)
        ]
        approvers = {self._approvers.person_of(approval.subject, at) for approval in each.certified.approvals}
        if len(approvers) < each.needed:
            faults.append(f"{len(approvers)} approved, and {each.needed} were needed")
        self._findings.look(Check.APPROVALS, not faults, each.place, "; ".join(faults))


def _agreements(proposed: RoundProposed) -> dict[str, str]:
    """The agreement that each partner's rounding is remembered under."""
    read = proposed.reads.agreements
    return {partner: read[partner].agreement if partner in read else partner for partner in proposed.carries_g}


def _needed(opened: RoundOpened, mass_g: int) -> int:
    """Approvals that a decision needs which awards so much; in an emergency one."""
    needed = 1
    if opened.emergency is not None:
        return needed
    for step in opened.quorum:
        if mass_g > step.above_g or step.above_g == 0:
            needed = max(needed, step.approvals)
    return needed
