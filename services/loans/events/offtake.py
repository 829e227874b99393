"""Repayment in kind: an agreement that what is delivered under a right repays a loan, and what deliveries were worth by it.

Two kinds of stream: an `offtake` is of a right, a `delivery` of a lot that came in out of specification and waits for another assay.
"""

from datetime import date
from typing import Literal, NewType

import msgspec

from services.loans.events.facility import Minor
from services.loans.events.loan import LoanId, PaymentId, Prepays
from shared.journal.record import Grams
from shared.journal.texts import TypedText

OfftakeId = NewType("OfftakeId", str)  # "oft_01j..."

type NotValuedReason = Literal["another_product", "element_not_assayed", "worth_nothing", "worth_too_much"]


class OfftakeAgreed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="loans.offtake_agreed.v1"):
    """From `since` to `until`, both inclusive."""

    offtake: OfftakeId
    right: str
    loan: LoanId
    product: str
    element: str
    price: str  # minor units for a contained gram, a decimal or rational
    currency: str
    share: str  # of each delivery that repays the loan, "1" or less
    prepays: Prepays  # what a delivery is worth beyond what is due
    since: date
    until: date
    authority: str
    agreed_by: str


class OfftakeEnded(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="loans.offtake_ended.v2"):
    """What is delivered after `on` repays nothing."""

    offtake: OfftakeId
    right: str
    loan: LoanId
    on: date
    reason: TypedText


class DeliveryValued(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="loans.delivery_valued.v1"):
    """mass_g x content x price x share, rounded half-even, once. The loan is credited next."""

    offtake: OfftakeId
    right: str
    loan: LoanId
    lot: str
    payment: PaymentId  # that the loan will know it by
    mass_g: Grams
    content: str  # the assay's share of the element
    contained_g: Grams  # rounded half-even
    price: str
    share: str
    currency: str
    amount_minor: Minor
    prepays: Prepays
    received_on: date


class DeliveryNotValued(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="loans.delivery_not_valued.v1"):
    """It repays nothing as it is: a person looks at it."""

    offtake: OfftakeId
    right: str
    loan: LoanId
    lot: str
    mass_g: Grams
    received_on: date
    reason: NotValuedReason


class DeliveryQuarantined(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="loans.delivery_quarantined.v1"):
    """A lot of a right was taken in out of specification: it repays nothing until an assay says otherwise."""

    lot: str
    right: str
    product: str
    mass_g: Grams


class DeliveryAccepted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="loans.delivery_accepted.v1"):
    """An assay found it in specification. Its right's agreement values it next."""

    lot: str
    right: str
    product: str
    mass_g: Grams  # of what is still there
    contents: dict[str, str]
    accepted_on: date


OfftakeEvent = OfftakeAgreed | OfftakeEnded | DeliveryValued | DeliveryNotValued
DeliveryEvent = DeliveryQuarantined | DeliveryAccepted
