"""Control: that nothing which moves value was done by one person.

Each such event stands in a command that one person proposed and another signed. In each service the rule is in force from the first event
on that shows it: what one person did before, in an older build, is listed and fails nothing. That narrower limits, a larger provision,
more protected stock, evidence withdrawn and evidence that may lower a share take two is a rule of each of these, which the first that two
have signed shows.
"""

from datetime import date, datetime
from typing import Any

import msgspec

from reserve.audit.approvers import Approvers, instant
from reserve.audit.by_itself import fault_of, of_service
from reserve.audit.control_loans import Advances, LoanMoves, Wholes
from reserve.audit.covenants import Covenants
from reserve.audit.evidence import Recorded
from reserve.audit.payees import Payees
from reserve.audit.proposed_again import ProposedAgain
from reserve.audit.reconciling import Reconciling
from reserve.audit.reference_rates import ReferenceRates
from reserve.audit.report import Check, Findings
from reserve.audit.tolerances import Tolerances
from reserve.audit.withdrawing import Withdrawing
from services.allocation import events as allocation
from services.allocation.events.policies import PolicyActivated, PolicyApproved, PolicyWithdrawn
from services.inventory import events as inventory
from services.loans.events import material
from services.loans.events.facility import LimitsSet
from services.loans.events.loan import RateReset, Regraded
from services.loans.events.project import ProjectFactRecorded, ProjectFactWithdrawn
from shared.journal.record import name_of
from shared.journal.texts import TextErased
from shared.terms.countersigning import CommandApproved, CommandPaper, CommandProposed

GRANTS = (
    allocation.ConflictWithdrawn,
    allocation.DecisionSuperseded,
    allocation.AgreementSigned,
    allocation.AgreementAmended,
    allocation.AgreementEnded,
    allocation.AgreementResumed,
    allocation.DisruptionDeclared,
    allocation.DisruptionRevised,
    allocation.DisruptionEnded,
)
MOVES = (
    inventory.ProductRegistered,
    inventory.LotTakenIn,
    inventory.AssayRecorded,
    inventory.StockAdjusted,
    inventory.RightAdded,
    inventory.RightMatured,
    inventory.DrawReturned,
    inventory.DifferenceSettled,
    inventory.ReleaseCancelled,
    inventory.DeliveryPostponed,
    inventory.RightExercised,
    inventory.RightTerminated,
    inventory.ProgrammeAgreed,
    inventory.AssignmentSubstituted,
    inventory.AssignmentGivenBack,
    inventory.ReceiptGradeSet,
    inventory.WeighingToleranceSet,
)
BY_THEMSELVES = (  # services may do these, by what `orders.py` and `protecting.py` find before it
    inventory.LotTakenIn,
    inventory.ReleaseCancelled,
    allocation.AgreementResumed,
    RateReset,
    material.ReturnTurnedBack,
)
type _Cancelled = allocation.RoundCancelled | allocation.TenderCancelled
type _OfBook = allocation.ScreeningListPutInForce | allocation.ScreeningListWithdrawn | _Cancelled
type _OfPolicy = PolicyApproved | PolicyActivated | PolicyWithdrawn
_DELIVERIES = "assignment_delivered"  # the rule for them came after the others, and they show it
_TOP_UPS = "security_topped_up"  # so did that for these: the first that two people signed shows it
_FIRST_LISTS = "screening_list_put_in_force"  # and for the first version of a list
_CANCELLED = "round_cancelled"  # and for a round whose decision somebody had approved
_TENDERS_CANCELLED = "tender_cancelled"  # and for a tender
_POLICIES_WITHDRAWN = "policy_withdrawn"  # and for a version of a policy that was approved


class _Moved(msgspec.Struct, frozen=True):
    place: str
    rule: str
    command: str
    at: datetime


class Control:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._proposed: dict[tuple[str, str], CommandProposed] = {}  # (stream, proposal) ->
        self._signed: set[str] = set()  # commands
        self._moved: list[_Moved] = []
        self._moves_of = {"inventory": _StockMoves().see, "allocation": _BookMoves().see, "loans": LoanMoves().see}
        self._advances = Advances(findings, approvers)
        self._reconciling = Reconciling(findings, approvers)
        self._payees = Payees(findings, approvers)
        self._reference_rates = ReferenceRates(findings)
        self._covenants = Covenants(findings)
        self._withdrawing = Withdrawing(findings, approvers)
        self._proposed_again = ProposedAgain(findings)
        self._wholes = Wholes()
        self._lists: set[str] = set()  # in force
        self._versions: set[tuple[str, int]] = set()  # of policies: approved, and superseded by none
        self._in_force_at: dict[str, datetime] = {}  # by rule: a service's, or that of one type of events

    def see(self, service: str, place: str, record: Recorded, event: Any) -> None:
        if (moves := self._moves_of.get(service)) is None:
            return
        self._advances.see(place, record, event)
        self._reconciling.see(place, record, event)
        self._payees.see(place, record, event)
        self._reference_rates.see(place, record, event)
        self._covenants.see(place, record, event)
        self._withdrawing.see(place, record, event)
        self._proposed_again.see(place, record, event)
        moved = moves(event) or isinstance(event, TextErased)
        lowers = self._wholes.see(event) and not of_service(record)
        if of_service(record):
            fault = fault_of(service, record)
            self._findings.look(Check.CONTROL, fault is None, place, fault or "")
            moved = moved and not isinstance(event, BY_THEMSELVES)
        match event:
            case CommandProposed():
                self._is_in_force(service, record)
                self._proposed[record.stream, event.proposal] = event
                same = record.stream in event.streams and _document_of(service, record, event) == event.document
                self._findings.look(Check.CONTROL, same, place, "its document says something else")
            case CommandApproved():
                self._signed.add(record.command_id)
                self._see_approved(place, record, event)
            case inventory.DispatchCorrected():
                self._findings.look(Check.CONTROL, bool(event.reason), place, "it was corrected without a reason")
                self._findings.list_it(Check.CONTROL, place, f"{event.corrected_by} corrected {event.draw}: {event.reason}")
            case inventory.AssignmentDelivered():
                if event.reported_by is not None:
                    self._is_in_force(_DELIVERIES, record)
                if event.reported_by != "partner":  # of its own claim
                    self._moved.append(_Moved(place, _DELIVERIES, record.command_id, instant(record)))
            case material.SecurityToppedUp():
                if record.command_id in self._signed:
                    self._is_in_force(_TOP_UPS, record)
                self._moved.append(_Moved(place, _TOP_UPS, record.command_id, instant(record)))
            case (
                allocation.ScreeningListPutInForce()
                | allocation.ScreeningListWithdrawn()
                | allocation.RoundCancelled()
                | allocation.TenderCancelled()
            ):
                self._of_book(place, record, event)
            case PolicyApproved() | PolicyActivated() | PolicyWithdrawn():
                self._of_policy(place, record, event)
            case ProjectFactWithdrawn() if of_service(record):
                pass  # a right to what the project delivers is over
            case LimitsSet() | Regraded() | ProjectFactWithdrawn() | inventory.ProtectedStockSet() | ProjectFactRecorded() if (
                lowers if isinstance(event, ProjectFactRecorded) else not moved
            ):
                rule = type(event).__name__
                if record.command_id in self._signed:
                    self._is_in_force(rule, record)
                self._moved.append(_Moved(place, rule, record.command_id, instant(record)))
            case _ if moved:
                self._moved.append(_Moved(place, service, record.command_id, instant(record)))

    def finish(self) -> None:
        """All is seen that there is."""
        self._advances.finish()
        self._reconciling.finish()
        self._payees.finish()
        self._reference_rates.finish()
        self._covenants.finish()
        self._withdrawing.finish()
        for moved in self._moved:
            if moved.command in self._signed:
                self._findings.look(Check.CONTROL, True, moved.place, "")
            else:
                since = self._in_force_at.get(moved.rule)
                in_force = since is not None and moved.at >= since
                self._findings.under_rule(Check.CONTROL, in_force, moved.place, "one person did this")

    def _of_book(self, place: str, record: Recorded, event: _OfBook) -> None:
        """What two people have come to do since, after others: the first that they did shows it."""
        match event:
            case allocation.ScreeningListPutInForce():
                rule = "allocation" if event.list in self._lists else _FIRST_LISTS
                self._lists.add(event.list)
            case allocation.ScreeningListWithdrawn():
                rule = "allocation"
                self._lists.discard(event.list)
            case allocation.RoundCancelled():
                if not self._proposed_again.is_approved(event.round):
                    return
                rule = _CANCELLED
            case allocation.TenderCancelled():
                if not self._proposed_again.is_approved(event.tender):
                    return
                rule = _TENDERS_CANCELLED
        if rule != "allocation" and record.command_id in self._signed:
            self._is_in_force(rule, record)
        self._moved.append(_Moved(place, rule, record.command_id, instant(record)))

    def _of_policy(self, place: str, record: Recorded, event: _OfPolicy) -> None:
        """Withdrawing a version that is a draft, or that another has superseded, stops nothing."""
        match event:
            case PolicyApproved():
                self._versions.add((event.policy, event.version))
            case PolicyActivated():
                self._versions -= {each for each in self._versions if each[0] == event.policy and each[1] < event.version}
            case PolicyWithdrawn() if (event.policy, event.version) in self._versions:
                self._versions.remove((event.policy, event.version))
                if record.command_id in self._signed:
                    self._is_in_force(_POLICIES_WITHDRAWN, record)
                self._moved.append(_Moved(place, _POLICIES_WITHDRAWN, record.command_id, instant(record)))

    def _is_in_force(self, rule: str, record: Recorded) -> None:
        at = instant(record)
        self._in_force_at[rule] = min(at, self._in_force_at.get(rule, at))

    def _see_approved(self, place: str, record: Recorded, event: CommandApproved) -> None:
        proposed = self._proposed.pop((record.stream, event.proposal), None)
        said = None if proposed is None else (proposed.document, proposed.act, proposed.proposed_by)
        same = said == (event.document, event.act, event.proposed_by)
        self._findings.look(Check.CONTROL, same, place, f"{event.proposal} was not proposed so, or was signed before")
        self._approvers.verify(
            place, record, event.approval, purpose=CommandPaper.purpose, document=event.document, proposed_by=event.proposed_by
        )


class _StockMoves:
    def __init__(self) -> None:
        self._protected_g: dict[str, int] = {}
        self._tolerances = Tolerances()

    def see(self, event: Any) -> bool:
        """Whether it moves value, so that two people must have done it."""
        self._tolerances.see(event)
        match event:
            case inventory.DrawWeighed():
                return abs(event.weighed_g - event.mass_g) > self._tolerances.grams(event)
            case inventory.HoldLifted():
                return event.authority is not None  # else it has expired
            case inventory.ProtectedStockSet():
                before_g = self._protected_g.get(event.product, 0)
                self._protected_g[event.product] = event.mass_g
                return event.mass_g < before_g
            case _:
                return isinstance(event, MOVES)


class _BookMoves:
    def see(self, event: Any) -> bool:
        if isinstance(event, allocation.ScreeningHitDecided | allocation.ConsigneeHitDecided):
            return event.outcome == "cleared"
        return isinstance(event, GRANTS)


def _document_of(service: str, record: Recorded, event: CommandProposed) -> str:
    """The SHA-256 of what is signed, from what the event says."""
    paper = CommandPaper(
        proposal=event.proposal,
        service=service,
        streams=event.streams,
        act=event.act,
        command=event.command,
        proposed_by=event.proposed_by,
        proposed_on=date.fromisoformat(record.effective_on),
    )
    return name_of(paper)
