"""Differences: underweight goods that left as two people had weighed them, one of them on duty. What they lacked was signed for, in time,
by a third."""

from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from reserve.audit.approvers import Approvers, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from reserve.audit.tolerances import Tolerances
from reserve.audit.weighing import Weighing
from services.inventory.events import DifferenceSettled, DrawWeighed, DrawWeighedAgain
from shared.terms.apart import Apart
from shared.terms.countersigning import CommandApproved, CommandLapsed, CommandProposed, CommandWithdrawn

_LONGEST = timedelta(days=10)  # that two business days take


class _Open(msgspec.Struct, frozen=True):
    place: str
    event: DrawWeighedAgain


class Differences:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._weighed: dict[tuple[str, str], list[tuple[str, int]]] = {}  # (stream, draw) -> who proposed what it weighs
        self._waiting: dict[str, dict[str, tuple[str, str, int]]] = {}  # stream -> proposal -> draw, who, grams; till weighed otherwise
        self._firsts_wait = False  # the rule is in force, as an event has shown
        self._signed: dict[str, CommandApproved] = {}  # by command
        self._open: dict[tuple[str, str], _Open] = {}  # (stream, draw) ->
        self._thirds_sign = False  # however a suspense ends, as an event has shown
        self._last = ""  # when the last event was recorded
        self._weighing = Weighing(findings, approvers)
        self._tolerances = Tolerances()

    def see(self, place: str, record: Recorded, event: Any) -> None:
        self._last = max(self._last, record.recorded_at)
        self._weighing.see(place, record, event)
        self._tolerances.see(event)
        match event:
            case CommandProposed() if event.command.get("type") == "WeighDraw":
                weighed = self._weighed.setdefault((record.stream, event.command["draw"]), [])
                said = event.proposed_by, event.command["weighed_g"]
                weighed.append(said)
                self._waiting.setdefault(record.stream, {})[event.proposal] = (event.command["draw"], *said)
            case CommandWithdrawn() | CommandLapsed():
                self._waiting.get(record.stream, {}).pop(event.proposal, None)
            case DrawWeighed() if (waiting := self._waiting.get(record.stream)) is not None:
                self._waiting[record.stream] = {name: told for name, told in waiting.items() if told[0] != event.draw}
            case CommandApproved():
                self._signed[record.command_id] = event
            case DrawWeighedAgain():
                self._weigh(place, record, event)
            case DifferenceSettled():
                self._settle(place, record, event)
            case _:
                pass

    def finish(self) -> None:
        """All is seen that there is."""
        for found in self._open.values():
            event = found.event
            self._look(found.place, self._day() <= event.sign_by, f"nobody has signed for {event.draw} by {event.sign_by}")

    def _weigh(self, place: str, record: Recorded, event: DrawWeighedAgain) -> None:
        key, tolerance_g = (record.stream, event.draw), self._tolerances.grams(event)
        first = (event.first_by, event.first_g) in self._weighed.get(key, ())
        self._look(place, first, f"{event.first_by} has not weighed {event.draw} with {event.first_g} g")
        self._first_waits(place, record, event)
        light = event.weighed_g < event.mass_g - tolerance_g and abs(event.weighed_g - event.first_g) <= tolerance_g
        self._look(place, light, f"{event.draw} is not underweight, or was weighed with {event.first_g} g and {event.weighed_g} g")
        by_duty = record.actor == event.weighed_by and bool(event.duty)
        self._look(place, by_duty, f"{event.weighed_by} is not who sent it, or had no duty")
        soon = event.sign_by <= date.fromisoformat(record.effective_on) + _LONGEST
        self._look(place, soon and key not in self._open, f"{event.draw} is to be signed for by {event.sign_by}, or is in suspense already")
        self._approvers.apart(Check.CONTROL, Apart.WEIGHS_AGAIN, place, event.weighed_by, (event.first_by,), instant(record))
        self._open[key] = _Open(place, event)

    def _first_waits(self, place: str, record: Recorded, event: DrawWeighedAgain) -> None:
        waiting, said = self._waiting.get(record.stream, {}), (event.draw, event.first_by, event.first_g)
        self._firsts_wait = self._firsts_wait or event.first_proposal is not None
        named = said in waiting.values() if event.first_proposal is None else waiting.get(event.first_proposal) == said
        if not named or (self._firsts_wait and event.first_proposal is None):
            what = f"the first weighing of {event.draw} with {event.first_g} g waits no longer, or it was weighed otherwise since"
            self._findings.under_rule(Check.CONTROL, self._firsts_wait, place, what)

    def _settle(self, place: str, record: Recorded, event: DifferenceSettled) -> None:
        found = self._open.pop((record.stream, event.draw), None)
        lacks_g = None if found is None else found.event.mass_g - found.event.weighed_g
        self._look(place, lacks_g == event.mass_g, f"{event.draw} has {lacks_g} g in suspense, and {event.mass_g} g are settled")
        if found is None or (signed := self._signed.get(record.command_id)) is None:
            return  # which `control` finds
        self._thirds_sign = self._thirds_sign or event.signed_by is not None
        by, weighers, at = signed.approval.subject, (found.event.first_by, found.event.weighed_by), instant(record)
        self._look(place, event.signed_by in (None, by), f"{event.signed_by} is said to have signed for {event.draw}, and {by} has")
        if self._thirds_sign or event.cause in ("loss", "measurement", "found"):
            self._approvers.apart(Check.CONTROL, Apart.SETTLES, place, by, weighers, at)
        elif self._approvers.same(by, weighers, at):
            self._findings.list_it(Check.CONTROL, place, f"{by} is {Apart.SETTLES.than}: {Apart.SETTLES}")
        if date.fromisoformat(record.effective_on) > found.event.sign_by:
            self._findings.list_it(Check.CONTROL, place, f"{event.draw} was to be signed for by {found.event.sign_by}")

    def _day(self) -> date:
        """By which everybody's day has begun."""
        return datetime.fromisoformat(self._last).date() - timedelta(days=1) if self._last else date.min

    def _look(self, place: str, fine: bool, what: str) -> None:
        self._findings.look(Check.CONTROL, fine, place, what)
