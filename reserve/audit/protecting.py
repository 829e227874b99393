"""Protecting: who stops something does so for 72 hours. A second person confirms it, or it is off in time; and nobody renews their own.
Nothing that cannot be taken back follows from a default before it is confirmed.

Neither by the same stop, nor by another that stops any of the same goods: a hold of another scope, or the suspension of an agreement in
place of a hold; nor by one of another kind on the same loan, request or consignee: a default, a covenant, a payee of its borrower, another
hit, a request declined. Of what says who did it, and until when: what an earlier build stopped stood by itself.
"""

from collections.abc import Set
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from reserve.audit.approvers import AT_ONCE, Approvers, instant
from reserve.audit.bars import Bars
from reserve.audit.by_itself import of_service
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from reserve.audit.stops import Stops
from services.allocation.events import (
    AgreementResumed,
    AgreementSuspended,
    AgreementSuspensionConfirmed,
    ConsigneeHitDecided,
    ConsigneeHitLapsed,
    ConsigneeScreened,
    PartiesScreened,
    RequestAccepted,
    RequestDeclineConfirmed,
    RequestDeclined,
    RequestDeclineLapsed,
    RequestExpired,
    RequestWithdrawn,
    ScreeningHitDecided,
    ScreeningHitLapsed,
)
from services.allocation.events.clocks import ClockEnded, ClockPauseConfirmed, ClockPaused, ClockResumed
from services.inventory.events import HoldConfirmed, HoldLifted, HoldPutOn, MoveRatified
from services.loans.events.defaults import (
    AccelerationNotified,
    BreachConfirmed,
    BreachLapsed,
    DefaultConfirmed,
    DefaultCured,
    LoanDefaulted,
)
from services.loans.events.laboratory import LaboratoryEndConfirmed, LaboratoryEnded, LaboratoryEndLapsed, LaboratoryRegistered
from services.loans.events.loan import ActApproved, LoanClosed, LoanImported, LoanProposed, RatioReported, RecoveryRecorded
from services.loans.events.material import (
    MaterialDefaultConfirmed,
    MaterialDefaultCured,
    MaterialDefaulted,
    MaterialLoanClosed,
    MaterialReplaced,
)
from services.loans.events.payees import PayeeEndConfirmed, PayeeEnded, PayeeEndLapsed
from services.loans.events.terms import WriteOff
from shared.terms.apart import Apart

_LATE = timedelta(hours=1)  # a timer may fire late
_HEARD_AFTER = timedelta(days=1)  # a line between services may stand still for as long
_RENEWED_AFTER = timedelta(days=6)  # a week, less the hours by which days and instants differ


type _OfDecline = RequestDeclined | RequestDeclineConfirmed | RequestDeclineLapsed | RequestAccepted


_CONFIRMATIONS = (
    ClockPauseConfirmed | DefaultConfirmed | MaterialDefaultConfirmed | BreachConfirmed | PayeeEndConfirmed | LaboratoryEndConfirmed
)


class _Stop(msgspec.Struct):
    place: str
    what: str  # "partner/JP", "all"
    by: str
    at: datetime
    lapses_at: datetime
    ended_at: datetime | None = None
    second: str | None = None  # who confirmed it, or what it was lifted under
    agreement: str | None = None  # that is suspended; None: it is a hold
    goes_on: bool = False  # as the hold on a depot that a lot was moved out of
    again_from: bool = False  # by a build by which nobody puts it on again that two have lifted, nor on another lot of one draw
    lifted: bool = False  # by two, who had not confirmed it
    before: list[tuple["_Stop", bool]] = []  # what had stopped any of the same; whether the rule about other scopes was in force
    thing: str = ""  # a loan, a borrower's payees, a request: which it stops, as others may
    confirms: Apart = Apart.CONFIRMS
    renews: Apart = Apart.RENEWS


class Protecting:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._standing: dict[tuple[str, str], _Stop] = {}  # (stream, hold) ->
        self._closed: dict[tuple[str, str], _Stop] = {}  # that stood when its loan was closed
        self._for_good: set[tuple[str, str]] = set()  # by an earlier build
        self._ends: dict[tuple[str, str], tuple[datetime | None, date | None]] = {}  # when it lapses unconfirmed, and its last day
        self._ratifies = ""  # the command that has ratified a move last
        self._all: list[_Stop] = []
        self._recent: dict[str, list[_Stop]] = {}  # product, or an agreement -> what has not ended long ago
        self._stops = Stops()
        self._scopes_count_once = False  # the rule is in force, as an event has shown
        self._agreements_count_once: datetime | None = None  # the same of suspensions after what else stops the goods: since when
        self._kinds_count_once: set[str] = set()  # the same of loans, and of what stops a request
        self._lapse_since: dict[str, datetime] = {}  # what a person declines, or pauses: as the first that says so does
        self._borrowers: dict[str, str] = {}  # loan's stream -> whose payees it is advanced on
        self._last = ""  # when the last event was recorded
        self._bars = Bars(findings, approvers)

    def see(self, place: str, record: Recorded, event: Any) -> None:
        self._last = max(self._last, record.recorded_at)
        self._bars.see(place, record, event)
        self._stops.see(event)
        if isinstance(event, HoldPutOn) and event.takes_on is not None:
            _go_on(self._findings, place, event, self._standing.get((record.stream, event.takes_on)))
        if isinstance(event, HoldPutOn | AgreementSuspended):
            self._ends[record.stream, event.hold] = event.lapses_at, getattr(event, "expires_on", None)
            if event.lapses_at is None:
                self._for_good.add((record.stream, event.hold))
        match event:
            case HoldPutOn(put_on_by=str() as by, lapses_at=datetime() as lapses_at):
                what = event.scope if event.target is None else f"{event.scope}/{event.target}"
                self._scopes_count_once = self._scopes_count_once or event.alone_since is not None
                put = _Stop(place, what, by, instant(record), lapses_at, goes_on=event.takes_on is not None)
                put.again_from = event.again_from is not None
                self._stop(record, event.hold, put, event.product)
            case AgreementSuspended(suspended_by=str() as by, lapses_at=datetime() as lapses_at):
                if event.alone_since is not None:
                    self._agreements_count_once = min(instant(record), self._agreements_count_once or instant(record))
                put = _Stop(place, f"partner/{event.partner}", by, instant(record), lapses_at, agreement=event.agreement)
                self._stop(record, event.hold, put, f"agreement {event.agreement}", *event.products)
            case HoldConfirmed() | AgreementSuspensionConfirmed():
                self._ends[record.stream, event.hold] = None, self._ends.get((record.stream, event.hold), (None, None))[1]
                self._confirm(place, record, event.hold, event.confirmed_by)
            case MoveRatified():
                self._ratifies = record.command_id
            case HoldLifted() | AgreementResumed():
                self._look_at_lifting(place, record, event)
                if (stop := self._standing.pop((record.stream, event.hold), None)) is not None:
                    stop.ended_at = min(instant(record), stop.lapses_at)  # a timer may have fired late
                    stop.lifted = isinstance(event, HoldLifted) and event.authority is not None
            case ScreeningHitDecided() | ConsigneeHitDecided():
                self._see_hit(place, record, event)
            case ScreeningHitLapsed() | ConsigneeHitLapsed():
                self._lapse(place, record, event.hit)
            case PartiesScreened() | ConsigneeScreened():
                left = {each.hit for each in event.hits}
                self._close(record, _screened(event), left if isinstance(event, ConsigneeScreened) else left | {f"decline {event.request}"})
            case RequestDeclined() | RequestDeclineConfirmed() | RequestDeclineLapsed() | RequestAccepted():
                self._see_decline(place, record, event)
            case RequestExpired() | RequestWithdrawn():
                self._close(record, f"request {event.request}", set())
            case _:
                self._see_loans(place, record, event)

    def _see_hit(self, place: str, record: Recorded, event: ScreeningHitDecided | ConsigneeHitDecided) -> None:
        """Who confirms it, once somebody has, makes it stand; who clears it, by two people, ends that."""
        if event.lapses_at is not None:
            word = _word(place, record, f"hit {event.hit}", event.decided_by, event.lapses_at, _screened(event))
            self._alone(record, event.hit, word, "hits", event.alone_since)
        elif event.outcome == "cleared":
            self._off(record, event.hit)
        elif (stop := self._standing.pop((record.stream, event.hit), None)) is not None:
            stop.second = event.decided_by
            self._approvers.apart(Check.CONTROL, stop.confirms, place, event.decided_by, (stop.by,), instant(record))

    def _see_decline(self, place: str, record: Recorded, event: _OfDecline) -> None:
        thing, name = f"request {event.request}", f"decline {event.request}"
        match event:
            case RequestDeclined(declined_by=str() as by, lapses_at=datetime() as lapses_at):
                self._lapse_since.setdefault("declined", instant(record))
                self._alone(record, name, _word(place, record, thing, by, lapses_at, thing), "hits", lapses_at)
            case RequestDeclined():
                self._without_end(place, record, "declined", event.request)
                self._close(record, thing, set())
            case RequestDeclineConfirmed():
                self._confirm(place, record, name, event.confirmed_by)
                self._close(record, thing, set())
            case RequestDeclineLapsed():
                self._lapse(place, record, name)
            case RequestAccepted():
                self._findings.look(Check.CONTROL, (record.stream, name) not in self._standing, place, f"{event.request} is declined")

    def _without_end(self, place: str, record: Recorded, done: str, what: str) -> None:
        since = self._lapse_since.get(done)
        in_force = since is not None and since <= instant(record)
        self._findings.under_rule(Check.CONTROL, in_force, place, f"{record.actor} {done} {what}, and nobody was to confirm it")

    def _see_loans(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case LoanProposed() | LoanImported():
                self._borrowers[record.stream] = f"payees/{event.terms.borrower}"
            case LoanDefaulted(declared_by=str() as by, lapses_at=datetime() as lapses_at):
                word = _word(place, record, f"loan {event.loan}", by, lapses_at)
                self._alone(record, "default", word, "loans", event.alone_since, self._borrowers.get(record.stream, ""))
            case RatioReported(reported_by=str() as by, lapses_at=datetime() as lapses_at):
                word = _word(place, record, f"covenant {event.kind} of {event.loan}", by, lapses_at)
                self._alone(record, event.kind, word, "loans", event.alone_since, self._borrowers.get(record.stream, ""))
            case PayeeEnded(ended_by=str() as by, lapses_at=datetime() as lapses_at):
                word = _word(place, record, f"payee {event.payee}", by, lapses_at)
                loans = (loan for loan, payees in self._borrowers.items() if payees == record.stream)
                self._alone(record, event.payee, word, "loans", event.alone_since, *loans)
            case MaterialDefaulted(declared_by=str() as by, lapses_at=datetime() as lapses_at):
                self._alone(record, "default", _word(place, record, f"material loan {event.loan}", by, lapses_at))
            case LaboratoryEnded(by=by, lapses_at=datetime() as lapses_at):
                self._alone(record, "", _word(place, record, f"laboratory {event.laboratory}", by, lapses_at))
            case ClockPaused(paused_by=str() as by, lapses_at=datetime() as lapses_at):
                self._lapse_since.setdefault("paused", instant(record))
                self._alone(record, "pause", _word(place, record, f"clock of {event.request}", by, lapses_at))
            case ClockPaused():
                self._without_end(place, record, "paused", f"the clock of {event.request}")
            case ClockResumed() if of_service(record):
                self._lapse(place, record, "pause")
            case _ if isinstance(event, _CONFIRMATIONS):
                self._confirm(place, record, _name(event), event.confirmed_by)
            case BreachLapsed() | PayeeEndLapsed() | LaboratoryEndLapsed() | DefaultCured(how="lapsed") | MaterialDefaultCured(lapsed=True):
                self._lapse(place, record, _name(event))
            case DefaultCured() | MaterialDefaultCured() | MaterialDefaulted():
                self._off(record, _name(event))
            case LaboratoryRegistered() | RatioReported(standing="cured") | ClockResumed() | ClockEnded():
                self._off(record, _name(event))
            case LoanClosed() | MaterialLoanClosed():
                for name in [name for stream, name in self._standing if stream == record.stream]:
                    self._closed[record.stream, name] = self._standing[record.stream, name]
                    self._off(record, name)
            case AccelerationNotified() | RecoveryRecorded() | ActApproved(content=WriteOff()) | MaterialReplaced():
                if (record.stream, "default") in self._standing:
                    what = "it follows from a default that one person has declared, and nobody has confirmed"
                    self._findings.look(Check.CONTROL, False, place, what)
            case _:
                pass

    def _alone(self, record: Recorded, name: str, stop: _Stop, kinds: str = "", since: datetime | None = None, *also: str) -> None:
        """`kinds`: of which several stop the same thing. `since`: as the event says, under the rule that they count once. `also`: other
        things by which the same is stopped."""
        other = self._standing.get((record.stream, name))
        if other is not None and not self._approvers.same(stop.by, (other.by,), stop.at):
            other.second = stop.by  # who said the same; a build before kept it one person's word
        if since is not None:
            self._kinds_count_once.add(kinds)
        for thing in (stop.thing, *also):
            recent = [each for each in self._recent.get(thing, ()) if each.ended_at is None or stop.at < each.ended_at + _RENEWED_AFTER]
            self._recent[thing] = recent
            stop.before += [(each, each.what == stop.what or kinds in self._kinds_count_once) for each in recent]
        self._recent[stop.thing].append(stop)
        self._stop(record, name, stop)

    def _close(self, record: Recorded, thing: str, left: Set[str]) -> None:
        """What is stopped of it by other names than these is stopped no longer: it is on no list, or the request is closed."""
        for (stream, name), stop in [*self._standing.items()]:
            if stream == record.stream and stop.thing == thing and name not in left:
                self._off(record, name)

    def _off(self, record: Recorded, name: str) -> None:
        if (stop := self._standing.pop((record.stream, name), None)) is not None:
            stop.ended_at = min(instant(record), stop.lapses_at)  # a timer may have fired late

    def _confirm(self, place: str, record: Recorded, name: str, by: str) -> None:
        """What nobody had said alone, is not there to be confirmed; of what an earlier build stopped for good, it is only not needed."""
        if (stop := self._taken(record, name)) is not None:
            stop.second = by
            self._approvers.apart(Check.CONTROL, stop.confirms, place, by, (stop.by,), instant(record))
        elif (record.stream, name) not in self._for_good:
            self._findings.look(Check.CONTROL, False, place, f"{by} confirms what nobody has stopped alone")

    def _lapse(self, place: str, record: Recorded, name: str) -> None:
        stop = self._taken(record, name)
        due = stop is not None and stop.lapses_at <= instant(record) + AT_ONCE
        self._findings.look(Check.CONTROL, due, place, "that was not to lapse yet, or not at all")
        if stop is not None:
            stop.ended_at = min(instant(record), stop.lapses_at)

    def _taken(self, record: Recorded, name: str) -> _Stop | None:
        """What stands by one person's word, which it does no longer; or did, when its loan was closed."""
        return self._standing.pop((record.stream, name), None) or self._closed.pop((record.stream, name), None)

    def finish(self) -> None:
        """All is seen that there is."""
        self._bars.finish()
        for stop in self._standing.values():
            overdue = datetime.fromisoformat(self._last) > stop.lapses_at + _LATE
            what = f"{stop.what} is stopped by one person for longer than to {stop.lapses_at}"
            self._findings.look(Check.CONTROL, not overdue, stop.place, what)
        for after in self._all:
            for before, in_force in after.before:
                self._renewed(before, after, self._counts(before, after, in_force))

    def _counts(self, before: _Stop, after: _Stop, in_force: bool) -> bool:
        """`in_force`: within one service. Of what another service, or another agreement, was told, whether it had heard: it hears later,
        and of no hold on a lot or a depot that it stops a partner's goods. A day's delay gains nobody more than a day."""
        if before.lifted and not (before.again_from and (after.again_from or after.agreement is not None)):
            return False
        if after.agreement == before.agreement:
            return in_force
        if after.at <= before.at + _HEARD_AFTER:
            return False
        if after.agreement is None:
            return in_force
        since = self._agreements_count_once
        told = before.agreement is not None or before.again_from or before.what in ("all", "product", after.what)
        return told and since is not None and since < before.at

    def _look_at_lifting(self, place: str, record: Recorded, event: HoldLifted | AgreementResumed) -> None:
        """A timer lifts what nobody has confirmed in time, or what is past its last day; a person, what an authority allows, or a late
        move's hold with its ratification."""
        lapses_at, last = self._ends.pop((record.stream, event.hold), (None, None))
        if not of_service(record):
            fine = isinstance(event, AgreementResumed) or event.authority is not None or record.command_id == self._ratifies
            self._findings.look(Check.CONTROL, fine, place, f"{record.actor} lifted {event.hold}, and cites nothing")
        elif record.causation_id.startswith("timer/"):
            over = last is not None and record.effective_on > last.isoformat()
            due = over or (lapses_at is not None and lapses_at <= instant(record) + AT_ONCE)
            self._findings.look(Check.CONTROL, due, place, f"{event.hold} was not to lapse yet, or not at all")

    def _stop(self, record: Recorded, hold: str, stop: _Stop, *where: str) -> None:
        """`where`: of these products, or agreements."""
        self._standing[record.stream, hold] = stop
        self._all.append(stop)
        for name in where:
            recent = [each for each in self._recent.get(name, ()) if each.ended_at is None or stop.at < each.ended_at + _RENEWED_AFTER]
            self._recent[name] = [*recent, stop]
            for each in recent:
                if all(each is not before for before, _ in stop.before) and self._stops.overlap(
                    name, each.what, stop.what, drawn_together=True
                ):
                    the_same = (each.agreement, each.what) == (stop.agreement, stop.what)
                    counted = (each.again_from and stop.again_from) or self._stops.overlap(name, each.what, stop.what)
                    stop.before.append((each, the_same or (self._scopes_count_once and counted)))

    def _renewed(self, before: _Stop, after: _Stop, in_force: bool) -> None:
        same = self._approvers.same(after.by, (before.by,), after.at)
        by_turns = after.renews is Apart.RENEWS_DEFAULT and before.what != after.what
        longer = after.lapses_at > before.lapses_at + (AT_ONCE if by_turns else timedelta())  # begun in one moment, of two streams
        alone = same and before.second is None and not after.goes_on and longer
        if alone:
            what = f"{after.by} renewed {before.what} as {after.what}: {after.renews}"
            self._findings.under_rule(Check.CONTROL, in_force, after.place, what)
        else:
            self._findings.looked(Check.CONTROL, 1)


def _go_on(findings: Findings, place: str, event: HoldPutOn, before: _Stop | None) -> None:
    due = (None, None) if before is None else (before.by, before.lapses_at)
    what = f"{event.hold} is {event.put_on_by}'s, to {event.lapses_at}: {event.takes_on}, which it goes on from, is not"
    findings.look(Check.CONTROL, (event.put_on_by, event.lapses_at) == due, place, what)


def _word(place: str, record: Recorded, what: str, by: str, lapses_at: datetime, thing: str = "") -> _Stop:
    confirms, renews = Apart.CONFIRMS_DEFAULT, Apart.RENEWS_DEFAULT
    return _Stop(place, what, by, instant(record), lapses_at, thing=thing or record.stream, confirms=confirms, renews=renews)


def _screened(event: PartiesScreened | ConsigneeScreened | ScreeningHitDecided | ConsigneeHitDecided) -> str:
    match event:
        case PartiesScreened() | ScreeningHitDecided():
            return f"request {event.request}"
        case _:
            return f"consignee {event.consignee}"


def _name(event: Any) -> str:
    """Of what its stream has stopped."""
    match event:
        case RatioReported() | BreachConfirmed() | BreachLapsed():
            return event.kind
        case PayeeEndConfirmed() | PayeeEndLapsed():
            return event.payee
        case ClockPauseConfirmed() | ClockResumed() | ClockEnded():
            return "pause"
        case LaboratoryEndConfirmed() | LaboratoryEndLapsed() | LaboratoryRegistered():
            return ""
        case _:
            return "default"
