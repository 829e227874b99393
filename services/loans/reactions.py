"""Reactions: what loans' own events make its other streams do, and what other services' events do here."""

from collections.abc import Mapping, Sequence
from datetime import date

from services.allocation import events as allocation
from services.inventory import events as inventory
from services.loans.domain.project import RecordRight, project_of
from shared.codec import type_of
from shared.inbox import Reaction
from shared.record import Fact

ALLOCATION_TYPES = frozenset(type_of(event) for event in (allocation.ApproverKeyEnrolled, allocation.ApproverKeyRevoked))
INVENTORY_TYPES = frozenset({type_of(inventory.RightAdded)})


def react_to_allocation(fact: Fact, documents: Mapping[str, bytes]) -> Sequence[Reaction]:
    return ()


def react_to_inventory(fact: Fact, documents: Mapping[str, bytes]) -> Sequence[Reaction]:
    match fact.event:
        case inventory.RightAdded(kind="firm_offtake") as event:
            return [_add_right(event, fact)]
        case _:
            return ()


def _add_right(event: inventory.RightAdded, fact: Fact) -> Reaction:
    project = project_of(event.project)
    command = RecordRight(
        project=project,
        right=event.right,
        product=event.product,
        mass_g=event.mass_g,
        since=date.fromisoformat(fact.record.effective_on),
        until=event.window_to,
        place=fact.place,
    )
    return Reaction(f"project/{project}", command)
