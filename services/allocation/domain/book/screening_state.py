"""What screening has found of a request's parties, as far as it bars the request."""

from datetime import date

import msgspec

from services.allocation.domain.screening.confirming import Confirmations, HitState
from services.allocation.events import (
    HitId,
    ListName,
    PartiesScreened,
    PartnerCode,
    RequestId,
    RoundId,
    ScreeningHitDecided,
    ScreeningHitLapsed,
)
from shared.terms.protecting import alone


class Screening(msgspec.Struct, frozen=True, kw_only=True):
    lists: dict[ListName, int] = {}  # the versions in which its parties were looked up last; none: never, or no list was in force
    hits: dict[HitId, HitState] = {}
    alone: Confirmations = Confirmations()
    beyond: int = 0  # hits that are not among those, since they are too many

    @property
    def open(self) -> list[HitId]:
        return [hit for hit, status in self.hits.items() if status == "open"]

    @property
    def confirmed(self) -> list[HitId]:
        return [hit for hit, status in self.hits.items() if status == "confirmed"]

    @property
    def bars(self) -> bool:
        """Whether the request can be given nothing as things stand."""
        return bool(self.open or self.confirmed or self.beyond)


class Objection(msgspec.Struct, frozen=True):
    """One that has no answer yet."""

    request: RequestId
    partner: PartnerCode


class Objectable(msgspec.Struct, frozen=True):
    """What was accepted of a request that a released round has decided on: its partner may still object until that day."""

    partner: PartnerCode
    accepted_g: int
    until: date
    round: RoundId | None  # None: it is not decided on yet


def bars_now(before: Screening, event: PartiesScreened | ScreeningHitDecided) -> bool:
    """Whether the event bars a request that nothing barred before. A decision had read, as it were, that nothing does."""
    after = screened(before, event) if isinstance(event, PartiesScreened) else decided(before, event)
    return after.bars and not before.bars


def screened(before: Screening, event: PartiesScreened) -> Screening:
    """A hit that was decided stays so for as long as it is one."""
    hits: dict[HitId, HitState] = {each.hit: before.hits.get(each.hit, "open") for each in event.hits}
    return Screening(lists=event.lists, hits=hits, alone=before.alone.among(hits), beyond=event.beyond)


def decided(before: Screening, event: ScreeningHitDecided | ScreeningHitLapsed) -> Screening:
    if isinstance(event, ScreeningHitLapsed):
        return msgspec.structs.replace(before, hits=before.hits | {event.hit: event.status})
    word = alone(event.decided_by, event.lapses_at, event.hit)
    of_one = before.alone.decided(event.hit, before.hits.get(event.hit, "open"), event.outcome, word)
    return msgspec.structs.replace(before, hits=before.hits | {event.hit: event.outcome}, alone=of_one)
