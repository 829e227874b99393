"""Reactions: what loans' own events make its other streams do, and what other services' events do here."""

from collections.abc import Mapping, Sequence

from services.allocation import events as allocation
from shared.codec import type_of
from shared.inbox import Reaction
from shared.record import Fact

ALLOCATION_TYPES = frozenset(type_of(event) for event in (allocation.ApproverKeyEnrolled, allocation.ApproverKeyRevoked))


def react_to_allocation(fact: Fact, documents: Mapping[str, bytes]) -> Sequence[Reaction]:
    return ()
