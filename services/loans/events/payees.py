"""What happens to a borrower's payees: bank accounts of its own. Bank details are typed texts, and so can be erased."""

from datetime import date, datetime
from typing import NewType

import msgspec

from services.loans.events.terms import BorrowerCode
from shared.journal.texts import TypedText

PayeeId = NewType("PayeeId", str)  # "pye_01j..."


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    borrower: BorrowerCode
    payee: PayeeId


class PayeeRegistered(_Event, frozen=True, kw_only=True, tag="loans.payee_registered.v1"):
    """It is never changed: another bank account is another payee."""

    currency: str
    holder: TypedText  # of the account
    bank: TypedText
    account: TypedText
    masked: TypedText  # the end of `account`, for readers who need no more
    registered_by: tuple[str, ...]  # who proposed it, and who signed it: neither pays anything on it
    registered_on: date
    pays_from: date  # later than that where the borrower had another payee of the currency before


class PayeeEnded(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="loans.payee_ended.v1"):
    """From that day on nothing is paid on it. `ended_by`: one person, whose word it is until another confirms it, or it lapses."""

    ended_on: date
    reason: TypedText
    ended_by: str | None = None
    lapses_at: datetime | None = None
    alone_since: datetime | None = None  # when they first stopped what is lent to the borrower; None: by an earlier build


class PayeeEndConfirmed(_Event, frozen=True, kw_only=True, tag="loans.payee_end_confirmed.v1"):
    """By another person than has ended it."""

    confirmed_by: str


class PayeeEndLapsed(_Event, frozen=True, kw_only=True, tag="loans.payee_end_lapsed.v1"):
    """Nobody has confirmed it in time: it is paid on as before."""


PayeeEvent = PayeeRegistered | PayeeEnded | PayeeEndConfirmed | PayeeEndLapsed
