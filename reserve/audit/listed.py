"""Listed: what the lists in force have of a party is looked up again, by the same rule, and nobody is given anything before it was.

A list may be in another shard than what is looked up in it, so what names a version that has not been seen yet waits for it.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from reserve.audit.evidence import Evidence, Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events import (
    AwardGranted,
    ConsigneeScreened,
    ListName,
    PartiesScreened,
    RequestAccepted,
    RequestSubmitted,
    ScreeningHitDecided,
    ScreeningListPutInForce,
    ScreeningListWithdrawn,
)
from shared.terms.listed_names import MAX_HITS, ListedNames, ListError, ScreeningListFile, hits_of
from shared.terms.matching import VERSION

AGREE_WITHIN = timedelta(seconds=60)  # clocks of two processes, and the way from the one to the other

type _Named = tuple[tuple[str, str], ...]  # (role, name)


class _LookedUp(msgspec.Struct, frozen=True):
    place: str
    check: Check
    subject: str  # the request, or the consignee
    parties: _Named
    event: PartiesScreened | ConsigneeScreened


class Listed:
    """All lists, and what was looked up in them. `to_check`: what waits for the lists' documents."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._changes: list[tuple[datetime, ListName, int]] = []  # (since when, list, version; 0: none)
        self._documents: dict[tuple[str, int], str] = {}  # of (list, version)
        self._parties: dict[str, _Named] = {}  # of each request
        self._same: dict[_Named, _Named] = {}  # the same parties are named again and again
        self._last: dict[str, Mapping[ListName, int]] = {}  # request -> the versions in which its parties were looked up last
        self._given: list[tuple[str, str, datetime, Mapping[ListName, int]]] = []  # (place, request, when, last looked up in)
        self._found: dict[str, tuple[str, str, str]] = {}  # hit of a request's consignee -> (name, list, entry)
        self._cleared: set[str] = set()  # hits of requests
        self._taken_over: list[tuple[str, str, tuple[str, str, str]]] = []  # (place, hit of a request, what it was to be of)
        self._names: dict[str, ListedNames | None] = {}  # by document; None: it cannot be searched
        self.to_check: list[_LookedUp] = []

    def see(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case ScreeningListPutInForce():
                self._changes.append((datetime.fromisoformat(record.recorded_at), event.list, event.version))
                self._documents[event.list, event.version] = event.document
            case ScreeningListWithdrawn():
                self._changes.append((datetime.fromisoformat(record.recorded_at), event.list, 0))
            case RequestSubmitted():
                named = (("nominee", event.nominee), ("consignee", event.consignee), ("end_user", event.end_user))
                parties = tuple((role, name) for role, name in named if name)
                self._parties[event.request] = self._same.setdefault(parties, parties)
            case PartiesScreened():
                parties = self._parties.get(event.request, ())
                self._last[event.request] = event.lists
                self._found.update((hit.hit, (dict(parties).get(hit.role, ""), hit.list, hit.entry)) for hit in event.hits)
                self.to_check.append(_LookedUp(place, Check.SCREENING, event.request, parties, event))
            case ConsigneeScreened():
                as_hit = ((hit.cleared_as, (event.name, hit.list, hit.entry)) for hit in event.hits if hit.cleared_as is not None)
                self._taken_over.extend((place, *each) for each in as_hit)
                self.to_check.append(_LookedUp(place, Check.CONSIGNEES, event.consignee, (("consignee", event.name),), event))
            case ScreeningHitDecided(outcome="cleared"):
                self._cleared.add(event.hit)
            case RequestAccepted() | AwardGranted():
                at, last = datetime.fromisoformat(record.recorded_at), self._last.get(event.request, {})
                self._given.append((place, event.request, at, last))
            case _:
                pass

    def behind(self, lists: Mapping[ListName, int], at: datetime) -> str:
        """The lists of which a later version was in force around that moment, without doubt: none, if they were looked up."""
        least: dict[ListName, int] = {}
        for since, list, version in self._changes:
            if since <= at - AGREE_WITHIN:
                least[list] = version
            elif since <= at + AGREE_WITHIN:  # it may have been looked up before this, or after it
                least[list] = min(least.get(list, 0), version)
        return ", ".join(sorted(list for list, version in least.items() if lists.get(list, 0) < version))

    @property
    def unsettled(self) -> bool:
        """Whether something names a version, or a hit, that no journal has told of yet."""
        return any(self._unseen(each) for each in self.to_check) or any(hit not in self._cleared for _, hit, _ in self._taken_over)

    def finish(self) -> None:
        for place, request, at, last in self._given if self._changes else ():
            behind = self.behind(last, at)
            self._findings.look(Check.SCREENING, not behind, place, f"the parties of {request} were not looked up in {behind}")
        for place, hit, of in self._taken_over:
            fine = hit in self._cleared and self._found.get(hit) == of
            self._findings.look(Check.CONSIGNEES, fine, place, f"{of[0]} is said to be cleared as {hit}, which nobody cleared")
        for each in self.to_check:
            if unseen := self._unseen(each):
                self._findings.look(each.check, False, each.place, f"{each.subject} is looked up in {unseen}, which was not in force")
        self.to_check = [each for each in self.to_check if not self._unseen(each)]

    async def look_up_again(self, evidence: Evidence) -> None:
        """What names nothing but versions that were seen."""
        now = [each for each in self.to_check if not self._unseen(each)]
        if now:
            self.to_check = [each for each in self.to_check if self._unseen(each)]
        for each in now:
            if each.event.matching != VERSION:
                what = f"{each.subject} was looked up by version {each.event.matching} of the rule of matching, which is not checkable here"
                self._findings.list_it(each.check, each.place, what)
                continue
            faults = [fault async for fault in self._faults(each, evidence)]
            self._findings.look(each.check, not faults, each.place, "; ".join(faults))

    async def _faults(self, looked: _LookedUp, evidence: Evidence) -> AsyncIterator[str]:
        searched: dict[ListName, ListedNames] = {}
        for list, version in looked.event.lists.items():
            document = self._documents[list, version]
            if document not in self._names:
                self._names[document] = _names_in(document, await evidence.document("allocation", document))
            if (names := self._names[document]) is None:
                yield f"the document of {list}, version {version}, is not there, or no list"
                return
            searched[list] = names
        found = hits_of(looked.subject, dict(looked.parties), searched)
        said = [(hit.hit, getattr(hit, "role", "consignee"), hit.list, hit.entry, hit.match) for hit in looked.event.hits]
        if said != [*map(tuple, found[:MAX_HITS])] or looked.event.beyond != max(len(found) - MAX_HITS, 0):
            again = [hit.entry for hit in found]
            yield f"{looked.subject} has {[hit[3] for hit in said]}, and {looked.event.beyond} beyond; looked up again, {again}"

    def _unseen(self, looked: _LookedUp) -> str:
        return ", ".join(f"{list} {version}" for list, version in looked.event.lists.items() if (list, version) not in self._documents)


def _names_in(name: str, document: bytes | None) -> ListedNames | None:
    if document is None or sha256(document).hexdigest() != name:
        return None
    try:
        return ListedNames(msgspec.json.decode(document, type=ScreeningListFile).entries)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, ListError):
        return None
