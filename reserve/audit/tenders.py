"""Tenders: each bid the one that was sealed and in time, each decision cleared again, each release an award of it.

Bids have streams of their own, in shards that the ledger takes one sooner than another: so most is looked at once all is seen.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from reserve.audit.approvers import Approvers, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from reserve.audit.tender_decisions import IN_FLIGHT, ToCheck, is_the_sealed_bid
from services.allocation.events import (
    AuthorityCited,
    BidCommitted,
    BidRevealed,
    BidVoided,
    TenderAwardGranted,
    TenderCertified,
    TenderOpened,
    TenderProposed,
    TenderReopened,
    TenderTerms,
    is_tender,
)
from services.inventory.events import RoundReleased, StockReleased

type _Decided = tuple[str, str]  # tender, decision


class _Bid(msgspec.Struct):
    """What is seen of one bid: its last seal, what was revealed of it, and where and when."""

    sealed: BidCommitted | None = None
    sealed_at: datetime | None = None
    revealed: BidRevealed | None = None
    revealed_at: datetime | None = None
    place: str = ""
    faults: list[str] = []
    settled: bool = False


class _Certified(msgspec.Struct, frozen=True):
    place: str
    event: TenderCertified
    at: datetime


class Tenders:
    """`to_check`, once all is seen: certified tenders whose decisions wait for their documents."""

    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._opened: dict[str, TenderOpened] = {}
        self._bids: dict[str, _Bid] = {}
        self._proposed: dict[_Decided, TenderProposed] = {}
        self._cited: set[tuple[str, str, tuple[Any, ...]]] = set()  # tender, by whom, and over what: see `authority.py` for the rest
        self._granted: dict[_Decided, dict[str, TenderAwardGranted]] = {}
        self._certified: dict[_Decided, _Certified] = {}
        self._released: dict[_Decided, list[tuple[str, StockReleased]]] = {}
        self._whole: dict[_Decided, tuple[str, RoundReleased]] = {}
        self.to_check: list[ToCheck] = []

    def see(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case TenderOpened():
                self._opened[event.tender] = event
            case BidCommitted() | BidRevealed() | BidVoided():
                self._see_bid(place, record, event)
            case TenderProposed():
                self._proposed[event.tender, event.decision] = event
            case AuthorityCited() if is_tender(event.matter):
                cited = event.cited
                self._cited.add((event.matter, cited.by, (cited.product, cited.mass_g, cited.amount_minor, cited.currency)))
            case TenderAwardGranted():
                self._granted.setdefault((event.tender, event.decision), {})[event.award] = event
            case TenderCertified():
                self._certified[event.tender, event.decision] = _Certified(place, event, instant(record))
            case TenderReopened():
                self._certified.pop((event.tender, event.decision), None)
                self._granted.pop((event.tender, event.decision), None)
            case StockReleased() if is_tender(event.round):
                self._released.setdefault((event.round, event.decision), []).append((place, event))
            case RoundReleased() if is_tender(event.round):
                self._whole[event.round, event.decision] = place, event
            case _:
                pass

    @property
    def unsettled(self) -> bool:
        """Whether something was seen whose ground was not: it may stand after the cut, in a journal that the ledger was slower to take."""
        known = all(self._approvers.know(approval) for each in self._certified.values() for approval in each.event.approvals)
        bids = all(bid.settled for bid in self._bids.values())
        return bool(self._certified) or bool(self._released) or not (known and bids)

    def finish(self) -> None:
        """All is seen that there is."""
        for name, bid in self._bids.items():
            if bid.revealed is not None or bid.faults:
                faults = [*bid.faults, *self._faults_of_bid(bid)]
                self._findings.look(Check.BIDS, not faults, bid.place, f"{name}: {'; '.join(faults)}")
        for decided, certified in self._certified.items():
            self._certify(decided, certified)
        for decided in self._released.keys() | self._whole.keys():
            self._settle(decided, self._released.get(decided, []))

    def _see_bid(self, place: str, record: Recorded, event: BidCommitted | BidRevealed | BidVoided) -> None:
        bid = self._bids.setdefault(event.bid, _Bid())
        bid.place = place
        if bid.settled:
            bid.faults.append("it was settled before")
        match event:
            case BidCommitted():
                bid.sealed, bid.sealed_at = event, instant(record)
            case BidRevealed():
                bid.revealed, bid.revealed_at, bid.settled = event, instant(record), True
            case BidVoided():
                bid.settled = True

    def _faults_of_bid(self, bid: _Bid) -> Iterator[str]:
        revealed, sealed = bid.revealed, bid.sealed
        if revealed is None:
            return
        opened = self._opened.get(revealed.tender)
        if sealed is None or not is_the_sealed_bid(sealed, revealed):
            yield "it is not the one that was sealed"
        if opened is None:
            yield f"{revealed.tender} was never opened"
            return
        terms = opened.terms
        if revealed.partner not in terms.bidders:
            yield f"{revealed.partner} may not bid in {revealed.tender}"
        if bid.sealed_at is not None and bid.sealed_at >= terms.commit_until + IN_FLIGHT:
            yield "it was sealed too late"
        if bid.revealed_at is not None and not terms.commit_until <= bid.revealed_at < terms.reveal_until + IN_FLIGHT:
            yield "it was revealed too early or too late"

    def _certify(self, decided: _Decided, certified: _Certified) -> None:
        opened, proposed = self._opened.get(decided[0]), self._proposed.get(decided)
        if opened is None or proposed is None:
            self._findings.look(Check.DECISIONS, False, certified.place, f"{decided[0]} is certified, and was never opened and proposed")
            return
        revealed = {
            name: bid.revealed for name, bid in self._bids.items() if bid.revealed is not None and bid.revealed.tender == decided[0]
        }
        self.to_check.append(
            ToCheck(
                place=certified.place,
                opened=opened,
                proposed=proposed,
                certified=certified.event,
                granted=self._granted.get(decided, {}),
                revealed=revealed,
            )
        )
        self._verify(certified, proposed, opened.terms)

    def _verify(self, certified: _Certified, proposed: TenderProposed, terms: TenderTerms) -> None:
        event, needed = certified.event, terms.approvals_needed
        mass_g, amount_minor = (sum(getattr(award, what) for award in proposed.awards) for what in ("mass_g", "amount_minor"))
        sold = (event.product, mass_g, amount_minor, terms.currency)
        faults = [
            fault
            for approval in event.approvals
            for fault in self._approvers.faults_of(
                approval, purpose="tender", document=event.decision, proposed_by=proposed.proposed_by, at=certified.at
            )
        ]
        approvers = {approval.subject for approval in event.approvals}
        persons = {self._approvers.person_of(subject, certified.at) for subject in approvers}
        if len(persons) < needed:
            faults.append(f"{len(persons)} approved, and {needed} were needed")
        faults += [
            f"{each} cited no authority over what is sold" for each in sorted(approvers) if (event.tender, each, sold) not in self._cited
        ]
        self._findings.look(Check.APPROVALS, not faults, certified.place, "; ".join(faults))

    def _settle(self, decided: _Decided, released: list[tuple[str, StockReleased]]) -> None:
        """At the end of a cut that divides a tender, what there is must fit."""
        look = self._findings.look
        certified, awards = self._certified.get(decided), dict(self._granted.get(decided, {}))
        for place, event in released:
            award = awards.pop(event.award, None)
            fine = (
                certified is not None
                and award is not None
                and (award.bid, award.partner, award.mass_g) == (event.request, event.partner, event.mass_g)
                and (str(event.product), event.expires_on) == (award.product, award.expires_on)
            )
            look(Check.RELEASES, fine, place, f"{event.release} is no award of {decided[0]} as it was certified")
        if (whole := self._whole.get(decided)) is not None:
            place, told = whole
            fine = not awards and (told.releases, told.mass_g) == (len(released), sum(event.mass_g for _, event in released))
            look(Check.RELEASES, fine, place, f"{decided[0]} was not released whole: {sorted(awards)} were awarded too")
