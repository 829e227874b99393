"""What inventory keeps of allocation's events: partners, their keys, consignees awards may go to, and how lists in force have these."""

from collections.abc import Sequence
from typing import Any

from services.allocation.events import (
    ConsigneeChangeApproved,
    ConsigneeHitDecided,
    ConsigneeHitLapsed,
    ConsigneeScreened,
    PartnerRegistered,
    RequestAccepted,
    ScreeningListPutInForce,
    ScreeningListWithdrawn,
)
from services.allocation.events.partner import PartnerKeyRegistered, PartnerKeyRevoked
from shared.journal.connection import as_json
from shared.journal.record import Fact
from shared.journal.waves import InWaves, Wave

_KNOW_PARTNER = "INSERT INTO partners (partner) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"
_KNOW_KEY = """
    INSERT INTO partner_keys (id, partner, key, public_key, revoked) VALUES ($1, $2, $3, $4, false) ON CONFLICT DO NOTHING"""
_REVOKE_KEY = "UPDATE partner_keys SET revoked = true WHERE id = $1"
_NAME = """
    INSERT INTO named_consignees (subject, name, place, approved_by) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
    ON CONFLICT (subject, name) DO UPDATE SET place = excluded.place, approved_by = excluded.approved_by"""
_SCREEN = """
    INSERT INTO screened_consignees (name, lists, clear, place) SELECT * FROM unnest($1::text[], $2::jsonb[], $3::boolean[], $4::text[])
    ON CONFLICT (name) DO UPDATE SET lists = excluded.lists, clear = excluded.clear, place = excluded.place"""
_DECIDE = """
    UPDATE screened_consignees SET clear = new.clear, place = new.place
    FROM unnest($1::text[], $2::boolean[], $3::text[]) AS new(name, clear, place) WHERE screened_consignees.name = new.name"""
_LIST = """
    INSERT INTO known_lists AS known (list, version, withdrawn) SELECT * FROM unnest($1::text[], $2::integer[], $3::boolean[])
    ON CONFLICT (list) DO UPDATE SET version = excluded.version, withdrawn = excluded.withdrawn
    WHERE (known.version, known.withdrawn) < (excluded.version, excluded.withdrawn)"""


def _of_allocation(facts: Sequence[Fact]) -> list[Wave]:
    """A fact after the other where they are of consignees or lists, which come seldom."""
    partners = [fact.event.partner for fact in facts if isinstance(fact.event, PartnerRegistered)]
    waves = [Wave((_KNOW_PARTNER,), (partners,))] if partners else []
    named = {(fact.event.request, fact.event.consignee): fact.place for fact in facts if _names_one(fact.event)}
    if named:
        columns = [[subject for subject, _ in named], [name for _, name in named], list(named.values()), [None] * len(named)]
        waves.append(Wave((_NAME,), columns))
    return [*waves, *(wave for fact in facts for wave in _of_one(fact))]


def _names_one(event: Any) -> bool:
    return isinstance(event, RequestAccepted) and event.consignee != ""


def _of_one(fact: Fact) -> list[Wave]:
    """Lists and consignees come on lines of their own, in any order: the latest that is known of a list counts, whoever told it."""
    match fact.event:
        case ConsigneeChangeApproved() as event:
            return [Wave((_NAME,), ([event.award], [event.name], [fact.place], [event.approved_by]))]
        case PartnerKeyRegistered() as event:
            return [Wave((_KNOW_KEY,), (f"{event.partner}/{event.key}", event.partner, event.key, event.public_key))]
        case PartnerKeyRevoked() as event:
            return [Wave((_REVOKE_KEY,), (f"{event.partner}/{event.key}",))]
        case ConsigneeScreened() as event:
            screened = Wave((_SCREEN,), ([event.name], [as_json(event.lists)], [event.clear], [fact.place]))
            known = Wave((_LIST,), (list(event.lists), list(event.lists.values()), [False] * len(event.lists)))
            return [screened, known] if event.lists else [screened]
        case ConsigneeHitDecided() | ConsigneeHitLapsed() as event:
            return [Wave((_DECIDE,), ([event.name], [event.clear], [fact.place]))]
        case ScreeningListPutInForce() | ScreeningListWithdrawn() as event:
            return [Wave((_LIST,), ([event.list], [event.version], [isinstance(event, ScreeningListWithdrawn)]))]
        case _:
            return []


take_allocation = InWaves(_of_allocation)
