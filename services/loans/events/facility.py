"""What happens to a facility: a pool that commitments are charged to, with its limits as a tree.

Amounts of a commitment are in its own asset: minor units of a currency, or grams. `value_minor` is what they are worth in the
facility's currency at the rate recorded last.
"""

from datetime import date
from typing import NewType

import msgspec

from shared.journal.record import Grams
from shared.journal.texts import TypedText

FacilityId = NewType("FacilityId", str)  # "cmf", "lending"
CommitmentId = NewType("CommitmentId", str)  # the loan's, holding's or material loan's own id

type Minor = Grams  # whole minor units of a currency: the yen has none below one


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """What may be committed under one key and all that are below it."""

    key: str  # "total", or dimension/value: "element/Sb", "partner/JP", "instrument/loan"
    parent: str | None  # None: the root alone
    limit_minor: Minor
    warn_at: str = "9/10"  # of the limit, a rational: from here on commitments are warned of


class Guaranteed(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody guarantees of a commitment, in its asset."""

    key: str  # of the guarantor, as limits name it
    amount: Minor


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    facility: FacilityId


class FacilityOpened(_Event, frozen=True, kw_only=True, tag="loans.facility_opened.v1"):
    currency: str  # ISO 4217
    limits: tuple[Limit, ...]
    authority: str


class LimitsSet(_Event, frozen=True, kw_only=True, tag="loans.limits_set.v2"):
    """The limits from now on, in full. What is committed already stays, also beyond a lower limit."""

    limits: tuple[Limit, ...]
    authority: str
    reason: TypedText


class RateRecorded(_Event, frozen=True, kw_only=True, tag="loans.rate_recorded.v2"):
    """What one minor unit, or one gram, of an asset is worth; what is committed in it is worth that from now on."""

    asset: str  # "USD", "contained/Sb"
    rate: str  # minor units of the facility's currency for one of the asset, a decimal or rational
    quoted_on: date
    source: TypedText
    before_minor: Minor  # all commitments in the asset, as they were valued
    after_minor: Minor
    over: tuple[str, ...]  # keys whose limits are exceeded now, although nothing was committed


class HeadroomReserved(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="loans.headroom_reserved.v1"):
    commitment: CommitmentId
    asset: str
    amount: Minor  # of the asset
    value_minor: Minor
    keys: tuple[str, ...]  # all that it is charged to: those named and what is above them
    warned: tuple[str, ...]  # keys that are near their limits now
    named: tuple[str, ...] = ()  # of `keys`, those that the commitment names; (): a build did not say so
    guaranteed: tuple[Guaranteed, ...] = ()


class HeadroomRefused(_Event, frozen=True, kw_only=True, tag="loans.headroom_refused.v1"):
    commitment: CommitmentId
    asset: str
    amount: Minor
    reason: str  # a code of `domain.facility.Reason`
    detail: str


class HeadroomReleased(_Event, frozen=True, kw_only=True, tag="loans.headroom_released.v1"):
    """Part of a commitment will never be drawn, or has come back."""

    commitment: CommitmentId
    asset: str
    amount: Minor
    value_minor: Minor  # by which the commitment is worth less
    remaining: Minor  # of the asset


class BorrowerDefaulted(_Event, frozen=True, kw_only=True, tag="loans.borrower_defaulted.v1"):
    """A borrower's loan is in default, or is so no longer: its other loans are told."""

    commitment: CommitmentId
    others: tuple[CommitmentId, ...]
    ended: bool


class GroupSet(_Event, frozen=True, kw_only=True, tag="loans.group_set.v1"):
    """Who is connected from now on, in full: what is committed to any of them counts under `group/{group}`, too. What is committed already
    is counted again, and stays, also beyond a limit."""

    group: str
    members: tuple[str, ...]  # as limits name them: "borrower/hillgrove-mines", "project/hillgrove", "partner/JP"; (): no group any more
    committed_minor: Minor  # to all of them
    over: tuple[str, ...]  # keys whose limits are exceeded now, although nothing was committed
    reason: TypedText


FacilityEvent = (
    FacilityOpened | LimitsSet | RateRecorded | HeadroomReserved | HeadroomRefused | HeadroomReleased | BorrowerDefaulted | GroupSet
)
