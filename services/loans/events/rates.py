"""What happens to a reference rate: a rate that somebody else publishes, such as AONIA or BBSW, and that loans follow."""

from datetime import date
from typing import NewType

import msgspec

from services.loans.events.books import LoanId
from services.loans.events.facility import Minor
from shared.journal.texts import TypedText

RateCode = NewType("RateCode", str)  # "AONIA", "BBSW-3M"


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """What a reference rate was on a business day of its calendar."""

    day: date
    pct: str  # a year; below zero, too


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    rate: RateCode


class ReferenceRateRegistered(_Event, frozen=True, kw_only=True, tag="loans.reference_rate_registered.v1"):
    name: str
    administrator: str  # who publishes it
    calendar: str  # of its business days


class ReferenceRatePublished(_Event, frozen=True, kw_only=True, tag="loans.reference_rate_published.v1"):
    """Entered here as it was published elsewhere; the loans that follow it are told."""

    publication: Publication
    source: TypedText
    corrects: str | None  # what was entered for that day before
    calendar: str
    followers: tuple[LoanId, ...]


class Lent(msgspec.Struct, frozen=True, kw_only=True):
    """What a publication moves of a loan that follows: its interest, on at most its commitment."""

    companies: tuple[str, ...]  # its borrower and its project
    currency: str
    commitment_minor: Minor


class ReferenceRateFollowed(_Event, frozen=True, kw_only=True, tag="loans.reference_rate_followed.v1"):
    """A loan bears it from now on, and is told what was published already."""

    loan: LoanId
    calendar: str
    publications: tuple[Publication, ...]  # by day
    lent: Lent | msgspec.UnsetType = msgspec.UNSET  # unset: an earlier build did not say


class ReferenceRateLeft(_Event, frozen=True, kw_only=True, tag="loans.reference_rate_left.v1"):
    """A loan that followed it is closed."""

    loan: LoanId


RateEvent = ReferenceRateRegistered | ReferenceRatePublished | ReferenceRateFollowed | ReferenceRateLeft
