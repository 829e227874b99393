"""Order: each event that answers, goes on with, or ends something comes after what it does that to, and not after that is over.

`orders.py` says what follows what. Within a stream the order is the journal's. Between streams, and between services, the log may have
taken the effect before its cause: there it is enough that the cause is in the history at all, or may stand beyond the cut: a service has
something there that it recorded before the effect was.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec

from reserve.audit.approvers import AT_ONCE, instant
from reserve.audit.by_itself import of_service
from reserve.audit.evidence import Recorded
from reserve.audit.orders import ORDERS, Follows
from reserve.audit.report import Check, Findings
from shared.journal.codec import type_of, without_version

type _Values = Callable[[str, Recorded, Any], tuple[Any, ...]]  # place, record, event

_OF_RECORD: dict[str, Callable[[str, Recorded], Any]] = {  # what a rule names, and is no field of the event
    "stream": lambda _, record: record.stream,
    "day": lambda _, record: record.effective_on,
}


class _Part(msgspec.Struct, frozen=True):
    """What a type of event has to do with a rule."""

    rule: int
    kind: str
    key: _Values
    same: _Values
    says: bool
    begins: bool
    ends: bool


class Order:
    """Of all services. Of each thing no more is kept than a hash of its key, and what must be the same; nothing once it is over, but
    the hash, where the rule is in force from the first."""

    def __init__(self, findings: Findings, rules: Sequence[Follows] | None = None) -> None:
        self._beyond: dict[str, datetime] = {}  # by service whose journals go on after the cut: when it recorded the first of that
        self._after_the_cut = False  # whether what is seen comes after it: its cause may, too, in what was not read any more
        self._findings = findings
        self._rules = RULES if rules is None else rules
        self._parts: dict[type, tuple[_Part, ...]] = {}
        self._open: list[dict[int, tuple[Any, ...]]] = [{} for _ in self._rules]
        self._in_force: set[tuple[int, int]] = set()  # (rule, key), where that is from the first on
        self._ended: dict[tuple[int, int], tuple[Any, tuple[Any, ...]]] = {}  # where an end may be moved: its day, and what is the same
        self._waits: dict[tuple[int, int], list[tuple[str, datetime, str]]] = {}  # for a cause: (place, when, what is missing)

    def see(self, place: str, record: Recorded, event: Any) -> None:
        parts = self._parts.get(type(event))
        if parts is None:
            parts = self._parts[type(event)] = tuple(_parts_of(type(event), self._rules))
        for part in parts:
            values = part.key(place, record, event)
            if None not in values:
                self._take(part, place, record, values, event)

    def end_cut(self, beyond: Iterable[tuple[str, datetime]]) -> None:
        """All is seen that the cut covers. `beyond`: of each journal that goes on after it, its service, and when it recorded that."""
        self._after_the_cut = True
        for service, at in beyond:
            self._beyond[service] = min(at, self._beyond.get(service, at))

    def finish(self) -> None:
        """All is seen that there is, but of the services that have more."""
        for (rule, _), missing in self._waits.items():
            of = {name.partition(".")[0] for name in self._rules[rule].after}
            first = min((self._beyond[service] for service in of & self._beyond.keys()), default=None)
            for place, at, what in missing:
                if first is None or first > at + AT_ONCE:
                    self._findings.look(Check.ORDER, False, place, what)

    def _take(self, part: _Part, place: str, record: Recorded, values: tuple[Any, ...], event: Any) -> None:
        key, same = hash(values), part.same(place, record, event)
        rule, opened = self._rules[part.rule], self._open[part.rule]
        if part.says:
            begun = opened[key] if key in opened else self._moves_end(part.rule, key, event)
            if begun == same:
                self._findings.looked(Check.ORDER, 1)
            elif begun is None and rule.from_the_first and (part.rule, key) not in self._in_force:
                self._findings.looked(Check.ORDER, 1)  # of a build that recorded none
            elif begun is not None:
                differ = [name for name, was, now in zip(rule.same, begun, same, strict=True) if None not in (was, now) and was != now]
                self._findings.look(Check.ORDER, not differ, place, f"{part.kind} says another {', '.join(differ)} than what it follows")
            else:
                what = f"{part.kind} of {', '.join(map(str, values))}, and there is no {' or '.join(rule.after)}"
                if rule.anywhere and self._after_the_cut:
                    pass  # the next audit says
                elif rule.anywhere:
                    self._waits.setdefault((part.rule, key), []).append((place, instant(record), f"{what} of it"))
                else:
                    self._findings.look(Check.ORDER, False, place, f"{what} before it, or that is over")
        if part.ends and not getattr(event, "remaining_g", 0) and getattr(event, "lapses_at", None) is None:
            self._end(part.rule, key, event)
        if part.begins:
            opened[key] = same
            if rule.from_the_first:
                self._in_force.add((part.rule, key))
            self._waits.pop((part.rule, key), None)

    def _end(self, number: int, key: int, event: Any) -> None:
        begun, sooner = self._open[number].pop(key, None), self._rules[number].sooner
        if not sooner:
            return
        day, same = self._ended.get((number, key), (None, begun))
        if same is not None:
            on = getattr(event, sooner)
            self._ended[number, key] = (on if day is None else min(on, day)), same

    def _moves_end(self, number: int, key: int, event: Any) -> tuple[Any, ...] | None:
        """What must be the same, if this is an end before the one that was."""
        ended = self._ended.get((number, key))
        return None if ended is None or not getattr(event, self._rules[number].sooner) < ended[0] else ended[1]


def _rules() -> Iterator[Follows]:
    """With each type under its whole name."""
    for service, rules in ORDERS.items():
        for rule in rules:
            whole = {each: tuple(_whole(service, name) for name in getattr(rule, each)) for each in ("after", "says", "until")}
            yield msgspec.structs.replace(rule, **whole)


def _whole(service: str, name: str) -> str:
    return name if "." in name else f"{service}.{name}"


RULES = tuple(_rules())


def _parts_of(event: type, rules: Sequence[Follows]) -> Iterator[_Part]:
    kind = without_version(type_of(event))
    for number, rule in enumerate(rules):
        if kind in rule.after + rule.says + rule.until:
            key = _caused(kind in rule.after) if rule.key == ("cause",) else _values(event, rule.key)
            yield _Part(number, kind, key, _values(event, rule.same), kind in rule.says, kind in rule.after, kind in rule.until)


def _caused(causes: bool) -> _Values:
    """The place of a cause, or what a service says is the cause of what it did by itself."""
    if causes:
        return lambda place, _, __: (place,)
    return lambda _, record, __: (record.causation_id if of_service(record) and not record.causation_id.startswith("timer/") else None,)


def _values(event: type, names: tuple[str, ...]) -> _Values:
    """Each name is a field of the event, or of its record; "round|tender": whichever it has; "known.fact": of a part of it. One that it
    does not have is None."""
    fields = {*_OF_RECORD, *event.__struct_fields__}  # type: ignore[attr-defined]
    chosen = [next((each for each in name.split("|") if each.partition(".")[0] in fields), None) for name in names]
    if len(chosen) > 1 and {None, *_OF_RECORD}.isdisjoint(chosen):
        all_of = attrgetter(*(name for name in chosen if name is not None))
        return lambda _, __, event: all_of(event)
    given = [(_OF_RECORD.get(name or ""), None if name is None or name in _OF_RECORD else attrgetter(name)) for name in chosen]
    return lambda place, record, event: tuple(
        of_record(place, record) if of_record is not None else None if get is None else get(event) for of_record, get in given
    )
