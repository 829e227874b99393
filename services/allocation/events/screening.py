"""Screening: the lists that are in force, what the parties of a request have on them, what an operator found, what a partner objects to."""

from datetime import date, datetime
from typing import ClassVar, Literal

import msgspec

from services.allocation.events.ids import HitId, ListName, ObjectionId, PartnerCode, ProductId, RequestId, RoundId, SubjectId
from shared.journal.record import Grams
from shared.journal.texts import TypedText
from shared.terms.papers import Paper

type PartyRole = Literal["nominee", "consignee", "end_user"]
type Criterion = Literal["event", "impact", "alternatives", "quantity", "quality", "duration"]
CRITERIA: tuple[Criterion, ...] = ("event", "impact", "alternatives", "quantity", "quality", "duration")


# The lists


class ScreeningListPutInForce(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.screening_list_put_in_force.v2"):
    """From now on the parties of requests are looked up in it. The names stand in its document alone."""

    list: ListName
    version: int  # 1, 2, ... of this list: a later one takes the place of the one before
    document: str  # SHA-256 of the list
    entries: int
    reason: TypedText
    put_by: SubjectId


class ScreeningListWithdrawn(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.screening_list_withdrawn.v2"):
    list: ListName
    version: int  # the one that was in force
    reason: TypedText
    withdrawn_by: SubjectId


# What the parties of a request have on them. None of it is told to its partner: no event names one.


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """The name of a party is like one on a list."""

    hit: HitId  # the same for as long as the party, the entry and what the entry says are
    role: PartyRole
    list: ListName
    entry: str  # of the list
    match: Literal["exact", "near"]


class PartiesScreened(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.parties_screened.v1"
):
    """The parties of a request were looked up in all lists in force. What was hit before, and is not named here, is on no list any more."""

    request: RequestId
    product: ProductId
    lists: dict[ListName, int]  # their versions
    hits: tuple[Hit, ...]
    beyond: int  # hits that the event has no room for: a request with so many cannot be accepted
    matching: int = 1  # version of the rule by which names are alike (`shared/terms/matching.py`)


class ScreeningHitDecided(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.screening_hit_decided.v2"
):
    """By a person: the party is another than the one on the list (cleared), or that one (confirmed). A later word replaces an earlier.
    `lapses_at`: of one that is confirmed by one person, unless a second one confirms it, too."""

    request: RequestId
    product: ProductId
    hit: HitId
    outcome: Literal["cleared", "confirmed"]
    reason: TypedText
    decided_by: SubjectId
    lapses_at: datetime | None = None
    alone_since: datetime | None = None  # when they first confirmed a hit of the request; None: by an earlier build


class ScreeningHitLapsed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.screening_hit_lapsed.v1"):
    """Nobody has confirmed in time what one person had confirmed: the hit is as it was before."""

    request: RequestId
    product: ProductId
    hit: HitId
    status: Literal["open", "cleared"]


# What an operator found, and what the partner says to it


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    answer: Literal["met", "not_met", "not_stated"]
    finding: TypedText


class RequestScreened(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.request_screened.v2"):
    """With an acceptance: what stands behind the quantity, by the questions of 10 CFR 626.7."""

    request: RequestId
    product: ProductId
    partner: PartnerCode
    findings: dict[Criterion, Finding]  # those that were looked at
    not_pre_cleared: tuple[PartyRole, ...]  # parties that the agreement's readiness register did not have as cleared on that day
    screened_by: SubjectId
    objections_until: date  # the last day on which the partner may object


class ObjectionPaper(Paper, frozen=True, kw_only=True, tag="reserve.objection.v1"):
    """What a partner signs: an objection as it raises it, with commitments to its reasons, as of a request."""

    purpose: ClassVar[str] = "objection"

    partner: PartnerCode
    request: RequestId
    reasons: tuple[TypedText, ...]
    client: str
    subject: str
    idempotency_key: str


class SignedObjection(msgspec.Struct, frozen=True, kw_only=True):
    """As `SignedRequest`."""

    key: str
    signature: str
    paper: ObjectionPaper


class ObjectionRaised(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.objection_raised.v2"
):
    """The partner does not agree with what was accepted. It stays, whatever is answered; the round goes on."""

    objection: ObjectionId
    request: RequestId
    product: ProductId
    partner: PartnerCode
    accepted_g: Grams  # what it objects to
    reasons: tuple[TypedText, ...]
    raised_by: SubjectId
    signed: SignedObjection | None = None  # None: its partner had no keys


class ObjectionAnswered(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.objection_answered.v2"
):
    """Upheld with another acceptance beside it; or, where a round has decided on the request meanwhile, to be corrected by a decision that
    supersedes that of `round`. `independent`: by somebody who had no part in what it objects to; False: by a build that asked nothing."""

    objection: ObjectionId
    request: RequestId
    product: ProductId
    partner: PartnerCode
    upheld: bool
    reasons: tuple[TypedText, ...]
    answered_by: SubjectId
    round: RoundId | None = None
    independent: bool = False
