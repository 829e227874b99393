"""Between: what a history has that another one, or the same at an earlier instant, had not; and where the two say something else. By thing.

Both are walked side by side, position by position, and what is held does not grow with them.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from reserve.audit.evidence import JOURNALED, Evidence, Recorded
from reserve.audit.life import events_of, read_event, texts_in
from reserve.audit.telling import printable, sentence_of

MOST_THINGS = 1000  # that are named, the first ones; the others are counted
MOST_SENTENCES = 3  # of one thing, and of what differs
_NAMED = (
    "draw release award request round lot right hold move bid tender change objection review agreement disruption instrument policy "
    "proposal consignee list loan holding facility project offtake payee laboratory rate webhook"
)
_THINGS = frozenset(_NAMED.split())  # fields of events: the first that an event has names what it is of


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a thing. `said`: the first sentences, each after its place."""

    thing: str
    events: int
    said: tuple[str, ...]


class Differs(msgspec.Struct, frozen=True, kw_only=True):
    """One position at which two histories have each its own event."""

    place: str
    one: str
    other: str


class Between(msgspec.Struct, frozen=True, kw_only=True):
    """`added`: in the second alone; `gone`: in the first alone; `left_out`: events of things beyond the first
    `MOST_THINGS`."""

    added_events: int
    added: tuple[Change, ...]
    gone_events: int
    gone: tuple[Change, ...]
    differing: int
    differs: tuple[Differs, ...]
    left_out: int

    @property
    def goes_on(self) -> bool:
        """Whether one of the two goes on from the other."""
        return not self.differing and not (self.added_events and self.gone_events)


async def between(one: Evidence, other: Evidence) -> Between:
    added, gone, differing, differs = _Told(), _Told(), 0, list[tuple[str, Recorded, Recorded]]()
    for service in JOURNALED:
        for shard in sorted({*await one.heads(service), *await other.heads(service)}):
            async for left, right in _side_by_side(events_of(one, service, shard), events_of(other, service, shard)):
                if left is None and right is not None:
                    added.take(service, right)
                elif right is None and left is not None:
                    gone.take(service, left)
                elif left is not None and right is not None and left != right:
                    differing += 1
                    if len(differs) < MOST_SENTENCES:
                        differs.append((service, left, right))
    return Between(
        added_events=added.events,
        added=await added.changes(other),
        gone_events=gone.events,
        gone=await gone.changes(one),
        differing=differing,
        differs=tuple([await _differs(one, other, *each) for each in differs]),
        left_out=added.left_out + gone.left_out,
    )


async def since(evidence: Evidence, after: str, until: str | None) -> Between:
    """Of one history: what was recorded after an instant, up to another one; each as journals write it, "2026-01-06T00:00:00.000000Z"."""
    added = _Told()
    for service in JOURNALED:
        for shard in sorted(await evidence.heads(service)):
            async for record in events_of(evidence, service, shard):
                if record.recorded_at > after and (until is None or record.recorded_at <= until):
                    added.take(service, record)
    changes = await added.changes(evidence)
    return Between(added_events=added.events, added=changes, gone_events=0, gone=(), differing=0, differs=(), left_out=added.left_out)


class _Told:
    """Events by the thing that they are of, as far as they are told."""

    def __init__(self) -> None:
        self.events = 0
        self.left_out = 0
        self._things: dict[str, tuple[int, list[tuple[str, Recorded, Any]]]] = {}

    def take(self, service: str, record: Recorded) -> None:
        self.events += 1
        event = read_event(service, record)
        thing = thing_of(event, record)
        if thing not in self._things and len(self._things) >= MOST_THINGS:
            self.left_out += 1
            return
        count, told = self._things.get(thing, (0, []))
        if len(told) < MOST_SENTENCES:
            told.append((service, record, event))
        self._things[thing] = count + 1, told

    async def changes(self, evidence: Evidence) -> tuple[Change, ...]:
        texts = await texts_in(evidence, [(service, event) for _, told in self._things.values() for service, _, event in told])
        return tuple(
            Change(thing=printable(thing), events=count, said=tuple(_said(texts, *each) for each in told))
            for thing, (count, told) in self._things.items()
        )


def thing_of(event: Any, record: Recorded) -> str:
    """What an event is of, or its stream where it names nothing."""
    named = (getattr(event, field) for field in getattr(event, "__struct_fields__", ()) if field in _THINGS)
    return next((each for each in named if isinstance(each, str) and each), record.stream)


def _said(texts: Mapping[str, Mapping[str, str]], service: str, record: Recorded, event: Any) -> str:
    said = f"{record.type}, which does not read" if event is None else sentence_of(event, texts.get(service, {}))
    return printable(f"{record.place(service)}, {record.effective_on}: {said}")


async def _differs(one: Evidence, other: Evidence, service: str, left: Recorded, right: Recorded) -> Differs:
    said = []
    for evidence, record in ((one, left), (other, right)):
        event = read_event(service, record)
        said.append(_said(await texts_in(evidence, [(service, event)]), service, record, event))
    return Differs(place=left.place(service), one=said[0], other=said[1])


async def _side_by_side(
    one: AsyncIterator[Recorded], other: AsyncIterator[Recorded]
) -> AsyncIterator[tuple[Recorded | None, Recorded | None]]:
    left, right = await anext(one, None), await anext(other, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left.position < right.position):
            yield left, None
            left = await anext(one, None)
        elif left is None or right.position < left.position:
            yield None, right
            right = await anext(other, None)
        else:
            yield left, right
            left, right = await anext(one, None), await anext(other, None)
