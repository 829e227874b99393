"""Life: all that a history tells of one thing, as sentences, and behind each what it stands on: the place of its event, the documents and
the policy that it names, and the instruments of the persons who acted.

What comes of the thing belongs to its life (a request's award, release and draws), and so does what it came of, as far as it led to it. The
journals are walked until nothing more is found, some four times; what is held does not grow with them.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from reserve.audit.evidence import LEDGER, SOURCES, Evidence, Recorded
from reserve.audit.journals import CODECS
from reserve.audit.telling import printable, sentence_of, strings_of, typed_in
from shared.journal.codec import UnknownType, without_version
from shared.journal.texts import PREFIX
from shared.terms.acting import Approval
from shared.terms.authority import Cited

MOST_FOLLOWED = 200  # things that came of one, and that it came of: where there are more, they are named in its own events
MOST_TOLD = 1000  # events, the earliest ones
_SERVICES = ("allocation", "inventory", "loans", LEDGER)  # in which one thing leads to the next

# Fields of events: one that has both says what the first comes of.
_COMES_OF: Mapping[str, tuple[str, ...]] = {
    "award": ("request", "bid"),
    "bid": ("tender",),
    "release": ("award",),
    "draw": ("release",),
    "change": ("award",),
    "objection": ("request",),
    "review": ("round",),
    "loan": ("award",),
    "advance": ("loan",),
    "returned": ("loan",),
    "lot": ("right",),
}
# What it was decided in, which is told with it, and of which nothing else is.
_DECIDED_IN: Mapping[str, tuple[str, ...]] = {"award": ("round", "tender"), "decision": ("round", "tender")}
_BESIDE = (".authority_cited", ".command_approved")
_DOCUMENTS = ("decision", "document", "release_order", "file", "report")


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody acted by. `authority`: None where the history names none; `title` and `office` as it was registered."""

    by: str
    act: str
    authority: str | None
    title: str | None = None
    office: str | None = None


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """`documents`: by the field that names one, its SHA-256. `policy`: such as "standing v2, pro_rata"."""

    place: str
    type: str
    on: str  # the day that it counts for
    recorded_at: str
    actor: str
    said: str
    documents: Mapping[str, str] = {}
    policy: str | None = None
    behind: tuple[Behind, ...] = ()


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """`things`: that were followed. `left_out`: events beyond `MOST_TOLD`. `cut_short`: more came of it than is followed."""

    things: tuple[str, ...]
    happened: tuple[Happened, ...]
    left_out: int = 0
    cut_short: bool = False


async def life_of(evidence: Evidence, thing: str) -> Life | None:
    """None: nothing in the history names it. What does not read as an event is passed over: the audit finds it."""
    followed = _Followed(thing)
    while await _follow(evidence, followed):
        pass
    told = _Found()
    async for each in _events(evidence, followed):
        told.add(each)
    if not told.events:
        return None
    events = told.earliest()
    texts = await texts_in(evidence, [(each.service, each.event) for each in events])
    instruments = await _instruments(evidence, {each.authority for event in events for each in event.by if each.authority})
    return Life(
        things=tuple(followed.names),
        happened=tuple(_happened(event, texts.get(event.service, {}), instruments) for event in events),
        left_out=told.left_out,
        cut_short=followed.cut_short,
    )


class _Followed:
    """Things by their ids: of the life itself, and those that it came of. `thing`: or the place of one event."""

    def __init__(self, thing: str) -> None:
        self.thing = thing
        self.own, self.above = {thing}, set[str]()
        self.cut_short = False
        self._sought = [thing.encode()]

    @property
    def names(self) -> list[str]:
        return sorted(self.own) + sorted(self.above)

    def learn(self, event: Any) -> bool:
        """Whether the event leads to a thing that was not followed."""
        before = len(self.own) + len(self.above)
        for child, parents in _COMES_OF.items():
            for parent in parents:
                self._link(_named(event, child), _named(event, parent))
        for inner, outers in _DECIDED_IN.items():
            if _named(event, inner) in self.own | self.above:
                for each in outers:
                    self._lead_to(_named(event, each))
        if len(self.own) + len(self.above) == before:
            return False
        self._sought = [name.encode() for name in self.names]
        return True

    def _link(self, child: str | None, parent: str | None) -> None:
        if child is None or parent is None:
            return
        if parent in self.own and child not in self.own:
            if len(self.own) < MOST_FOLLOWED:
                self.own.add(child)
            self.cut_short |= child not in self.own
        elif child in self.own | self.above:
            self._lead_to(parent)

    def _lead_to(self, name: str | None) -> None:
        if name is None or name in self.own | self.above:
            return
        if len(self.above) < MOST_FOLLOWED:
            self.above.add(name)
        self.cut_short |= name not in self.above

    def may_be_of(self, service: str, record: Recorded) -> bool:
        """Whether its bytes have one of the names: most have none, and are not read further."""
        return any(name in record.data for name in self._sought) or self._is_at(service, record)

    def tells(self, service: str, record: Recorded, event: Any) -> bool:
        """Whether an event is of this life, and not of what else came of the same."""
        named = set(strings_of(event))
        if named & self.own or self._is_at(service, record):
            return True
        others = {name for child in _COMES_OF if (name := _named(event, child))} - self.above
        return bool(named & self.above) and not others

    def _is_at(self, service: str, record: Recorded) -> bool:
        return "/" in self.thing and record.place(service) == self.thing


def _named(event: Any, field: str) -> str | None:
    found = getattr(event, field, None)
    return found if isinstance(found, str) and found else None


class _Event(msgspec.Struct, frozen=True):
    service: str
    record: Recorded
    event: Any
    beside: tuple[Behind, ...]  # that was cited or signed for it in the same commit

    @property
    def when(self) -> tuple[str, int, int, int]:
        return self.record.recorded_at, _SERVICES.index(self.service), self.record.shard, self.record.position

    @property
    def by(self) -> tuple[Behind, ...]:
        signed = [_signed(each) for name in self.event.__struct_fields__ for each in _approvals(getattr(self.event, name))]
        named = {(each.by, each.authority) for each in signed}
        return (*signed, *(each for each in self.beside if (each.by, each.authority) not in named))


class _Command:
    """One command's events of this life, and what stands beside them: citations, and the signature that let it go on."""

    def __init__(self, service: str, name: str) -> None:
        self._service = service
        self.name = name
        self.told: list[tuple[Recorded, Any]] = []
        self._beside: list[tuple[str, Behind]] = []
        self._proposals = set[str]()

    def stand_beside(self, event: Any) -> None:
        if isinstance(cited := getattr(event, "cited", None), Cited):
            self._beside.append((event.matter, Behind(by=cited.by, act=cited.act, authority=cited.authority)))
        elif isinstance(approval := getattr(event, "approval", None), Approval):
            self._proposals.add(event.proposal)
            self._beside.append((event.proposal, _signed(approval)))

    def events(self) -> Iterable[_Event]:
        for record, event in self.told:
            about = {*strings_of(event), *self._proposals}
            yield _Event(self._service, record, event, tuple(each for matter, each in self._beside if matter in about))


def _approvals(value: Any) -> Iterable[Approval]:
    return [each for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, Approval)]


def _signed(approval: Approval) -> Behind:
    return Behind(by=approval.subject, act=f"signed with key {approval.key}", authority=approval.authority)


class _Found:
    """The earliest events, and how many there are beyond."""

    def __init__(self) -> None:
        self.events: list[_Event] = []
        self.left_out = 0

    def add(self, event: _Event) -> None:
        self.events.append(event)
        if len(self.events) >= 2 * MOST_TOLD:
            self.events = self.earliest()

    def earliest(self) -> list[_Event]:
        self.left_out += max(0, len(self.events) - MOST_TOLD)
        self.events = sorted(self.events, key=lambda event: event.when)[:MOST_TOLD]
        return self.events


async def _follow(evidence: Evidence, followed: _Followed) -> bool:
    """Whether a walk of all journals has led further."""
    further = False
    for service in _SERVICES:
        async for record in records_of(evidence, service):
            if followed.may_be_of(service, record) and (event := read_event(service, record)) is not None:
                further |= followed.learn(event)
    return further


async def _events(evidence: Evidence, followed: _Followed) -> AsyncIterator[_Event]:
    """Each event of this life."""
    for service in _SERVICES:
        command = _Command(service, "")
        async for record in records_of(evidence, service):
            if record.command_id != command.name or len(command.told) >= MOST_TOLD:
                for each in command.events():
                    yield each
                command = _Command(service, record.command_id)
            beside = without_version(record.type).endswith(_BESIDE)
            if (beside or followed.may_be_of(service, record)) and (event := read_event(service, record)) is not None:
                if beside:
                    command.stand_beside(event)
                if followed.tells(service, record, event) and not hasattr(event, "cited"):
                    command.told.append((record, event))
        for each in command.events():
            yield each


async def records_of(evidence: Evidence, service: str) -> AsyncIterator[Recorded]:
    for shard in sorted(await evidence.heads(service)):
        async for record in events_of(evidence, service, shard):
            yield record


async def events_until(evidence: Evidence, service: str, covers: Mapping[str, int]) -> AsyncIterator[tuple[str, Recorded]]:
    """Of a service, with its shard ("inventory/0"), as far as a checkpoint covers each."""
    for shard in sorted(await evidence.heads(service)):
        line = f"{service}/{shard}"
        async for record in events_of(evidence, service, shard):
            if record.position > covers.get(line, 0):
                break
            yield line, record


async def events_of(evidence: Evidence, service: str, shard: int) -> AsyncIterator[Recorded]:
    async for page in evidence.journal(service, shard):
        for record in page:
            yield record


def read_event(service: str, record: Recorded) -> Any:
    """None for what does not read as one."""
    try:
        return CODECS[service].decode(record.type, record.data)
    except (UnknownType, msgspec.DecodeError, LookupError, TypeError, AttributeError, ValueError):
        return None


async def texts_in(evidence: Evidence, events: Sequence[tuple[str, Any]]) -> Mapping[str, Mapping[str, str]]:
    """By service, what people typed in these events of services, as far as it is kept."""
    found: dict[str, dict[str, str]] = {}
    for service in SOURCES:
        wanted = {commitment for name, event in events if name == service for commitment in typed_in(event)}
        if wanted:
            texts = await evidence.texts(service)
            found[service] = {
                f"{PREFIX}{each.sha256}": each.content for each in texts if f"{PREFIX}{each.sha256}" in wanted and each.content
            }
    return found


async def _instruments(evidence: Evidence, wanted: set[str]) -> Mapping[str, tuple[str, str]]:
    """(title, office) of each, as it was registered."""
    found: dict[str, tuple[str, str]] = {}
    if wanted:
        async for record in records_of(evidence, "allocation"):
            if without_version(record.type) == "allocation.instrument_registered":
                event = read_event("allocation", record)
                if event is not None and event.instrument in wanted:
                    found[event.instrument] = (event.title, event.office)
    return found


def _happened(told: _Event, texts: Mapping[str, str], instruments: Mapping[str, tuple[str, str]]) -> Happened:
    record, event = told.record, told.event
    return Happened(
        place=record.place(told.service),
        type=record.type,
        on=printable(record.effective_on),
        recorded_at=printable(record.recorded_at),
        actor=printable(record.actor),
        said=sentence_of(event, texts),
        documents={field: printable(name) for field in _DOCUMENTS if (name := _named(event, field))},
        policy=_policy_of(event),
        behind=tuple(_with_instrument(each, instruments) for each in told.by),
    )


def _policy_of(event: Any) -> str | None:
    if (policy := _named(event, "policy")) is None:
        return None
    version = getattr(event, "policy_version", None) or getattr(event, "version", None)
    method = getattr(event, "method", None) or getattr(getattr(event, "terms", None), "method", None)
    return printable(policy) + (f" v{version}" if version else "") + (f", {method.rule}" if method else "")


def _with_instrument(acted: Behind, instruments: Mapping[str, tuple[str, str]]) -> Behind:
    title, office = instruments.get(acted.authority or "", (None, None))
    return Behind(
        by=printable(acted.by),
        act=printable(acted.act.replace("_", " ")),
        authority=None if acted.authority is None else printable(acted.authority),
        title=None if title is None else printable(title),
        office=None if office is None else printable(office),
    )
