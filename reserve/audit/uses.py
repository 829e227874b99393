"""Uses: that what was done under an instrument was within its limits together. What is split is summed, over the days that the instrument
says; one of an earlier build says none, and limits each act by itself."""

from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from reserve.audit.approvers import AT_ONCE, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events import ApprovalsLapsed, DecisionGivenBack, RoundCancelled, RoundReopened
from services.allocation.events.authority import InstrumentRegistered, name_of_use
from services.loans.events import authority as loans


class _Use(msgspec.Struct):
    place: str
    name: str  # what counts once
    cited: Any
    on: date
    at: datetime
    ended_at: datetime | None = None  # it was not done after all, or was cited for again
    back: list[tuple[datetime, int]] = []  # grams that were given back

    def stands(self, at: datetime) -> bool:
        """Whether it counted at that instant without doubt: the clocks of two processes are not one."""
        return self.ended_at is None or self.ended_at > at + AT_ONCE

    def mass_g(self, at: datetime) -> int:
        return (self.cited.mass_g or 0) - sum(mass_g for given_at, mass_g in self.back if given_at <= at + AT_ONCE)


class Uses:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._limited: dict[str, InstrumentRegistered] = {}  # that say their days
        self._done: dict[tuple[str, str], list[_Use]] = {}  # (service, instrument) ->
        self._of_rounds: dict[str, list[_Use]] = {}

    def see(self, service: str, place: str, record: Recorded, event: Any) -> None:
        match event:
            case InstrumentRegistered() if event.window_days is not None:
                self._limited[event.instrument] = event
            case ApprovalsLapsed(decision_stands=False) | RoundCancelled() | RoundReopened():
                self._end(self._of_rounds.pop(event.round, []), instant(record))
            case DecisionGivenBack():
                for use in self._of_rounds.get(event.round, []):
                    use.back.append((instant(record), sum(back.mass_g for back in event.given.values())))
            case _ if record.type.endswith(".authority_cited.v1"):
                self._cite(service, place, record, event)
            case _:
                pass

    def finish(self) -> None:
        """All is seen that there is."""
        for (_, name), uses in self._done.items():
            if (limited := self._limited.get(name)) is not None:
                self._check(limited, sorted(uses, key=lambda use: use.at))

    def _cite(self, service: str, place: str, record: Recorded, event: Any) -> None:
        cited, at = event.cited, instant(record)
        name = _name(service, place, record, event)
        for authority in (cited.authority, *(link.authority for link in cited.under)):
            use = _Use(place, name, cited, date.fromisoformat(record.effective_on), at)
            done = self._done.setdefault((service, authority), [])
            self._end([each for each in done if each.name == name and each.ended_at is None], at)
            done.append(use)
            if name == event.matter:
                self._of_rounds.setdefault(name, []).append(use)

    def _end(self, uses: list[_Use], at: datetime) -> None:
        for use in uses:
            use.ended_at = at if use.ended_at is None else min(use.ended_at, at)

    def _check(self, limited: InstrumentRegistered, uses: list[_Use]) -> None:
        assert limited.window_days is not None
        for place, use in enumerate(uses):
            after = use.on - timedelta(days=limited.window_days)
            before = [each for each in uses[:place] if each.name != use.name and each.on > after and each.stands(use.at)]
            faults = []
            mass_g = use.cited.mass_g
            if limited.limit_g is not None and mass_g is not None:
                summed_g = mass_g + sum(each.mass_g(use.at) for each in before)
                if summed_g > limited.limit_g:
                    faults.append(f"{summed_g} g")
            if limited.limit_minor is not None and use.cited.amount_minor is not None:
                same = (each.cited.amount_minor or 0 for each in before if each.cited.currency == limited.currency)
                summed = use.cited.amount_minor + sum(same)
                if summed > limited.limit_minor:
                    faults.append(f"{summed} minor units")
            what = f"{' and '.join(faults)} in {limited.window_days} days are over the limit of {limited.instrument}"
            self._findings.look(Check.AUTHORITY, not faults, use.place, what)


def _name(service: str, place: str, record: Recorded, event: Any) -> str:
    match service:
        case "allocation":
            return name_of_use(event.matter, event.cited.act)
        case "loans":
            return loans.name_of_use(record.stream, event.cited.act, place)
        case _:
            return place
