"""What moves value in loans, by what its events say; and that nobody has paid an advance that they asked for, or recorded evidence for."""

from collections import Counter, defaultdict
from datetime import datetime
from typing import Any

import msgspec

from reserve.audit.approvers import Approvers, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.loans.events import equity, loan, material, offtake
from services.loans.events.facility import FacilityOpened, GroupSet, Limit, LimitsSet, RateRecorded
from services.loans.events.laboratory import LaboratoryRegistered
from services.loans.events.payees import PayeeRegistered
from services.loans.events.project import ProjectFact, ProjectFactRecorded, ProjectFactWithdrawn
from services.loans.events.rates import ReferenceRatePublished, ReferenceRateRegistered
from shared.terms.apart import Apart

MOVES = (
    FacilityOpened,
    RateRecorded,
    GroupSet,
    ReferenceRateRegistered,
    ReferenceRatePublished,
    PayeeRegistered,
    LaboratoryRegistered,
    loan.LoanImported,
    loan.RateReset,
    loan.FeeCharged,
    loan.PaymentReversed,
    loan.RecoveryRecorded,
    offtake.OfftakeAgreed,
    offtake.OfftakeEnded,
    equity.SharesSubscribed,
    equity.SharesDivested,
    equity.HoldingValued,
    equity.DividendReversed,
    equity.UncalledCancelled,
    material.ReturnAssayed,
    material.ReturnTurnedBack,
    material.SecurityMarked,
    material.MaterialCashSettled,
    material.MaterialReplaced,
)


class LoanMoves:
    def __init__(self) -> None:
        self._limits: dict[str, dict[str, Limit]] = {}  # facility -> key -> limit
        self._books: defaultdict[str, Counter[str]] = defaultdict(Counter)  # loan -> account -> minor units

    def see(self, event: Any) -> bool:
        """Whether it moves value, so that two people must have done it."""
        if isinstance(change := getattr(event, "change", None), loan.BookChange):
            self._books[event.loan].update(msgspec.structs.asdict(change))
        match event:
            case FacilityOpened() | LimitsSet():
                before = self._limits.get(event.facility, {})
                self._limits[event.facility] = {limit.key: limit for limit in event.limits}
                return isinstance(event, FacilityOpened) or _widened(before, self._limits[event.facility])
            case loan.CommitmentCancelled():
                return event.cause == "cancelled"  # else its day has passed
            case loan.RatioReported():
                return event.standing == "cured"
            case loan.Regraded():
                return event.change_minor < 0
            case loan.LoanClosed():
                books = self._books.pop(event.loan, Counter())
                return books["credit_minor"] < 0 or books["written_off_minor"] > 0
            case _:
                return isinstance(event, MOVES)


class Wholes:
    """What is known of projects that shares are of: more of it may lower a share, and so unmeet a condition."""

    def __init__(self) -> None:
        self._known: defaultdict[str, dict[str, ProjectFact]] = defaultdict(dict)  # project -> fact

    def see(self, event: Any) -> bool:
        """Whether it adds to a quantity that is known of some of its days. What is sold only adds to a share."""
        match event:
            case ProjectFactRecorded(known=known):
                before = [*self._known[event.project].values()]
                self._known[event.project][known.fact] = known
                return known.kind != "offtake" and any(_adds_to(known, each) for each in before)
            case ProjectFactWithdrawn():
                self._known[event.project].pop(event.fact, None)
        return False


def _adds_to(known: ProjectFact, other: ProjectFact) -> bool:
    alike = (known.kind, known.binding is False) == (other.kind, other.binding is False)
    apart = (other.until is not None and other.until < known.since) or (known.until is not None and known.until < other.since)
    return other.quantity is not None and alike and not apart


def _widened(before: dict[str, Limit], after: dict[str, Limit]) -> bool:
    pairs = [(limit, after.get(key)) for key, limit in before.items()]
    return any(now is None or now.limit_minor > limit.limit_minor or now.parent != limit.parent for limit, now in pairs)


class _Request(msgspec.Struct, frozen=True):
    by: str
    asked_of: bool  # whether it was to be paid by another: builds before did not say who has asked


class _Paid(msgspec.Struct, frozen=True):
    place: str
    by: str
    at: datetime
    others: frozenset[str]  # than whom it was to be
    in_force: bool


class Advances:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._requests: dict[tuple[str, str], _Request] = {}  # (loan, advance) ->
        self._evidence: defaultdict[str, dict[str, str]] = defaultdict(dict)  # loan -> reference -> by whom
        self._paid: list[_Paid] = []

    def see(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case loan.ConditionsEvaluated():
                known = self._evidence[event.loan]
                for reference in event.forgotten:
                    known.pop(reference, None)
                known.update({each.reference: each.by for each in event.learnt})
            case loan.AdvanceRequested():
                self._requests[event.loan, event.advance] = _Request(record.actor, event.requested_by is not None)
            case loan.AdvancePaid():
                request = self._requests.pop((event.loan, event.advance), _Request("", False))
                others = frozenset({request.by, *self._evidence[event.loan].values()})
                self._paid.append(_Paid(place, record.actor, instant(record), others, request.asked_of))

    def finish(self) -> None:
        for paid in self._paid:
            if self._approvers.same(paid.by, paid.others, paid.at):
                self._findings.under_rule(Check.CONTROL, paid.in_force, paid.place, f"{paid.by} is one of those: {Apart.PAYS}")
            else:
                self._findings.look(Check.CONTROL, True, paid.place, "")
