"""Holdings: the stock and the agreements behind a decision, as they were known when it was made. For auditors and approvers."""

from fractions import Fraction
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from services.allocation.domain.rules import IepFigures
from shared.journal.record import MAX_INTEGER, Grams

type UnitSize = Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]  # grams


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An unknown field would be hashed by one reader and dropped by another."""


class Units(Document, frozen=True, kw_only=True):
    """Whole units of one size."""

    unit_g: UnitSize
    units: Grams


class Held(Document, frozen=True, kw_only=True):
    """Units of one size of one lot or right."""

    source: str  # "lot_01j...", "rgt_01j..."
    pool: str | None  # None: nobody in the round may have of it, or nothing of it is offered
    unit_g: UnitSize
    units: Grams


class Profile(Document, frozen=True, kw_only=True):
    """Requests that ask for the same of a lot: none of an origin, so much of an element, by a day."""

    profile: str
    requests: tuple[str, ...]


class Barred(Document, frozen=True, kw_only=True):
    """Why the requests of a profile may not have of these lots or rights. `profile` None: nobody may."""

    sources: tuple[str, ...]
    profile: str | None
    why: str  # "origin CN excluded", "Sb 0.9965 < 0.9985", "on hold"


class Beside(Document, frozen=True, kw_only=True):
    """What of `available_g` is not seen from `held`, so that one is worked out from the other."""

    unlisted: tuple[Units, ...]  # free units that no known lot accounts for
    reserved: tuple[Units, ...]  # of lots, by releases that are pinned to none
    rights_rest_g: Grams  # of rights: what makes up no whole unit, or is not for this round
    rights_reserved_g: Grams


class PartnerTerms(Document, frozen=True, kw_only=True):
    """What a partner comes into the round with: its agreement, as it was looked up, and what that leaves it."""

    partner: str
    agreement: str | None
    agreement_version: int | None
    priority_class: Annotated[int, msgspec.Meta(ge=0)]
    quota_left_g: Grams
    own_cap: Fraction | None  # the part of what is offered that it may get, where the method says another for it than for all
    carry_g: Fraction


class Holdings(Document, frozen=True, kw_only=True):
    """Who might have had what is information, not an input: a decision stands when stock moves. `positions` are an input of `iep`: of all
    of the group, also who asks for nothing. `beside` and `partners` came later than the rest of the second form: a file may lack them."""

    available_g: Grams
    protected_g: Grams
    held: tuple[Held, ...] | UnsetType = UNSET
    profiles: tuple[Profile, ...] | UnsetType = UNSET
    barred: tuple[Barred, ...] | UnsetType = UNSET
    positions: tuple[IepFigures, ...] | UnsetType = UNSET
    beside: Beside | UnsetType = UNSET
    partners: tuple[PartnerTerms, ...] | UnsetType = UNSET
