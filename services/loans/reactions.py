"""Reactions: what loans' own events make its other streams do, and what other services' events do here."""

from collections.abc import Mapping, Sequence
from datetime import date

from services.allocation import events as allocation
from services.inventory import events as inventory
from services.loans.domain.equity import CommitHolding, RefuseHolding
from services.loans.domain.facility import ReleaseHeadroom, ReserveHeadroom
from services.loans.domain.project import RecordRight, project_of
from services.loans.events.equity import HoldingApproved, HoldingClosed, UncalledCancelled
from services.loans.events.facility import CommitmentId, HeadroomRefused, HeadroomReserved
from shared.codec import type_of
from shared.inbox import Reaction
from shared.record import Fact

ALLOCATION_TYPES = frozenset(type_of(event) for event in (allocation.ApproverKeyEnrolled, allocation.ApproverKeyRevoked))
INVENTORY_TYPES = frozenset({type_of(inventory.RightAdded)})


OWN_TYPES = frozenset(type_of(event) for event in (HeadroomReserved, HeadroomRefused, HoldingApproved, HoldingClosed, UncalledCancelled))


def react_to_own(fact: Fact, documents: Mapping[str, bytes]) -> Sequence[Reaction]:
    """Commitments ask their facility for headroom, and hear what it says."""
    match fact.event:
        case HeadroomReserved(commitment=id) if id.startswith("eqh_"):
            return [Reaction(f"equity/{id}", CommitHolding(on=date.fromisoformat(fact.record.effective_on)))]
        case HeadroomRefused(commitment=id) as event if id.startswith("eqh_"):
            return [Reaction(f"equity/{id}", RefuseHolding(reason=event.reason, detail=event.detail))]
        case HoldingApproved() as event:
            reserve = ReserveHeadroom(
                facility=event.facility,
                commitment=CommitmentId(event.holding),
                asset=event.currency,
                amount=event.commitment_minor,
                keys=event.keys,
            )
            return [Reaction(f"facility/{event.facility}", reserve)]
        case UncalledCancelled() as event:
            part = ReleaseHeadroom(commitment=CommitmentId(event.holding), amount=event.amount_minor)
            return [Reaction(f"facility/{event.facility}", part)]
        case HoldingClosed() as event:
            return [Reaction(f"facility/{event.facility}", ReleaseHeadroom(commitment=CommitmentId(event.holding), amount=None))]
        case _:
            return ()


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
