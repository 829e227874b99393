"""Consignees: who may take delivery of what was awarded, and whether a list in force has a name like theirs.

A consignee is known by its name, to the letter: it is looked up once for all that goes to it. Partners are told nothing of hits.
"""

from datetime import datetime
from typing import Literal

import msgspec

from services.allocation.events.ids import AwardId, ChangeId, ConsigneeId, HitId, ListName, PartnerCode, ProductId, SubjectId
from shared.journal.texts import TypedText


class ConsigneeHit(msgspec.Struct, frozen=True, kw_only=True):
    """The consignee's name is like one on a list."""

    hit: HitId  # the same for as long as the entry and what it says are
    list: ListName
    entry: str  # of the list
    match: Literal["exact", "near"]
    cleared_as: HitId | None = None  # the same name and entry were cleared for a request, as this hit


class ConsigneeScreened(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.consignee_screened.v1"
):
    """Its name was looked up in all lists in force. What was hit before, and is not named here, is on no list any more."""

    consignee: ConsigneeId
    name: str
    lists: dict[ListName, int]  # their versions
    hits: tuple[ConsigneeHit, ...]
    beyond: int  # hits that the event has no room for
    clear: bool  # whether nothing stands against it: each hit was cleared by a person, and none is beyond
    matching: int = 1  # version of the rule by which names are alike


class ConsigneeHitDecided(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.consignee_hit_decided.v2"
):
    """By a person: the consignee is another than the one on the list (cleared), or that one (confirmed). `lapses_at`: of one that is
    confirmed by one person, unless a second one confirms it, too."""

    consignee: ConsigneeId
    name: str
    hit: HitId
    outcome: Literal["cleared", "confirmed"]
    clear: bool  # of the consignee, with this
    reason: TypedText
    decided_by: SubjectId
    lapses_at: datetime | None = None
    alone_since: datetime | None = None  # when they first confirmed a hit of the consignee; None: by an earlier build


class ConsigneeHitLapsed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.consignee_hit_lapsed.v1"):
    """Nobody has confirmed in time what one person had confirmed: the hit is as it was before."""

    consignee: ConsigneeId
    name: str
    hit: HitId
    status: Literal["open", "cleared"]
    clear: bool  # of the consignee, with this


class ConsigneeChangeAsked(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.consignee_change_asked.v2"):
    """The partner wants what it was awarded to go to this one, too."""

    change: ChangeId
    award: AwardId
    request: str  # or the bid of a tender
    product: ProductId
    partner: PartnerCode
    consignee: ConsigneeId
    name: str
    reason: TypedText
    asked_by: SubjectId


class ConsigneeChangeApproved(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.consignee_change_approved.v2"):
    change: ChangeId
    award: AwardId
    request: str  # or the bid of a tender
    product: ProductId
    partner: PartnerCode
    consignee: ConsigneeId
    name: str
    reason: TypedText
    approved_by: SubjectId


class ConsigneeChangeRefused(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.consignee_change_refused.v2"):
    change: ChangeId
    award: AwardId
    request: str  # or the bid of a tender
    product: ProductId
    partner: PartnerCode
    consignee: ConsigneeId
    reason: TypedText
    refused_by: SubjectId


ConsigneeEvent = (
    ConsigneeScreened | ConsigneeHitDecided | ConsigneeHitLapsed | ConsigneeChangeAsked | ConsigneeChangeApproved | ConsigneeChangeRefused
)
