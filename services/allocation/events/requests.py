"""Requests of a book."""

from datetime import date, datetime
from typing import ClassVar

import msgspec

from services.allocation.events.ids import PartnerCode, ProductId, RequestId, SubjectId
from shared.journal.record import Grams
from shared.journal.texts import TypedText
from shared.terms.papers import Paper


class BookOpened(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.book_opened.v1"):
    product: ProductId


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """Why a partner asks, in its own words (after 10 CFR 626.7): "" where it says nothing."""

    event: TypedText = TypedText("")  # what has happened to its supply
    impact: TypedText = TypedText("")
    alternatives: TypedText = TypedText("")  # other sources that were sought
    quality: TypedText = TypedText("")
    duration_days: int = 0  # how long it expects to be without; 0: not stated


class RequestPaper(Paper, frozen=True, kw_only=True, tag="reserve.request.v1"):
    """What a partner signs: a request as it makes it, with commitments in place of what it typed, so that its texts can be erased and the
    signature stays. `client`, `subject` and `idempotency_key` make the command's id: one signature is for one command."""

    purpose: ClassVar[str] = "request"

    partner: PartnerCode
    product: ProductId
    mass_g: Grams
    minimum_g: Grams
    daily_consumption_g: Grams
    needed_by: date
    nominee: str
    consignee: str
    end_user: str
    end_use: str
    least_contents: dict[str, str]
    excluded_origins: tuple[str, ...]  # each once, in the order of the alphabet
    statement: Statement
    return_on: date | None  # None: it is no loan
    client: str
    subject: str
    idempotency_key: str


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A statement as approvers sign it, of the paper's SHA-256, in the name of its partner, for the log of this deployment."""

    key: str
    signature: str  # Ed25519, 128 hex digits
    paper: RequestPaper


class RequestSubmitted(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.request_submitted.v3"
):
    request: RequestId
    product: ProductId
    partner: PartnerCode
    mass_g: Grams  # asked for
    minimum_g: Grams  # less than this is of no use to the partner
    daily_consumption_g: Grams  # as stated by the partner, grams a day
    needed_by: date  # the request expires when this day has passed
    nominee: str  # who would contract and pay
    consignee: str  # who would take delivery
    end_user: str  # who would use the metal
    end_use: str
    least_contents: dict[str, str]  # element -> the least share of the mass that is of use, a decimal: {"Sb": "0.9985"}
    excluded_origins: tuple[str, ...]  # ISO 3166-1 alpha-2 codes of countries whose metal it cannot use
    statement: Statement
    screen_by: date | None = None  # the last day to screen it; None: none was set
    signed: SignedRequest | None = None  # None: its partner had no keys


class LoanRequested(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.loan_requested.v1"):
    """With the request's own event: what is awarded is lent, and comes back in kind by the day that it names."""

    request: RequestId
    product: ProductId
    partner: PartnerCode
    return_on: date


class RequestScreeningDue(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.request_screening_due.v1"):
    """Its last day to be screened has begun."""

    request: RequestId
    product: ProductId
    partner: PartnerCode
    screen_by: date


class RequestScreeningLate(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.request_screening_late.v1"):
    request: RequestId
    product: ProductId
    partner: PartnerCode
    screen_by: date


class RequestAccepted(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.request_accepted.v2"
):
    """Screened: this much of it counts in a round. A later acceptance replaces an earlier one."""

    request: RequestId
    product: ProductId
    partner: PartnerCode
    accepted_g: Grams  # at most what was asked for
    reasons: tuple[TypedText, ...]
    consignee: str = ""  # who may take delivery of it; "": it was accepted before this was told


class RequestDeclined(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.request_declined.v2"
):
    """By one person, who says so. It is in no round any more."""

    request: RequestId
    product: ProductId
    partner: PartnerCode
    reasons: tuple[TypedText, ...]
    declined_by: SubjectId | None = None
    lapses_at: datetime | None = None  # unless a second person confirms it; None: by an earlier build, and it stands by itself


class RequestDeclineConfirmed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.request_decline_confirmed.v1"):
    """By a second person: it is closed for good."""

    request: RequestId
    product: ProductId
    partner: PartnerCode
    confirmed_by: SubjectId


class RequestDeclineLapsed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.request_decline_lapsed.v1"):
    """Nobody has confirmed in time that it is declined: it is as it was before, in no round."""

    request: RequestId
    product: ProductId
    partner: PartnerCode
    accepted_g: Grams | None  # None: it is to be screened


class RequestWithdrawn(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.request_withdrawn.v2"):
    request: RequestId
    product: ProductId
    partner: PartnerCode
    reason: TypedText


class RequestExpired(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.request_expired.v1"):
    request: RequestId
    product: ProductId
    partner: PartnerCode
    needed_by: date


class RequestExpiryPostponed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.request_expiry_postponed.v1"):
    """Its day has passed, and it is in a certified round that inventory has not answered yet: looked at again on the day `due`."""

    request: RequestId
    product: ProductId
    partner: PartnerCode
    due: date


RequestEvent = (
    RequestSubmitted
    | LoanRequested
    | RequestScreeningDue
    | RequestScreeningLate
    | RequestAccepted
    | RequestDeclined
    | RequestDeclineConfirmed
    | RequestDeclineLapsed
    | RequestWithdrawn
    | RequestExpired
    | RequestExpiryPostponed
)
