"""What happens to a holding of equity. Amounts are whole minor units of the holding's currency, and units of shares are whole.

An event that moves money carries `change`: by how much it changes the holding's books. All changes together are its books; the ledger
posts each as it is. `after`: how the holding stands then.
"""

from datetime import date
from typing import Literal, NewType

import msgspec

from services.loans.events.facility import FacilityId, Minor
from services.loans.events.loan import SignedMinor
from services.loans.events.terms import Category, FundingAccount
from shared.journal.record import Grams
from shared.journal.texts import TypedText
from shared.terms.acting import Approval
from shared.terms.dating import Dated, DatedBecause

HoldingId = NewType("HoldingId", str)  # "eqh_01j..."
CompanyCode = NewType("CompanyCode", str)  # "larvotto": who issues the shares
EquityFlowId = NewType("EquityFlowId", str)  # "eqf_01j...": a subscription, dividend, divestment or write-down

type ShareClass = Literal["ordinary", "preference", "convertible"]
type Units = Grams  # whole shares


class HoldingTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What is proposed and approved, in full. The SHA-256 of its document is what the approver signs."""

    facility: FacilityId
    account: FundingAccount
    instrument: str  # that approves it: an Act, direction or delegation
    company: CompanyCode
    project: str
    elements: tuple[str, ...]
    share_class: ShareClass
    currency: str
    commitment_minor: Minor  # the most that is paid for shares, in all
    units: Units  # the most that are subscribed, in all
    unit_price_minor: str  # for one of them, a decimal or rational
    kyc: str  # the reference of the check that cleared the company
    category: Category


class HoldingChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Changes of a holding's accounts, debits above zero. They sum to zero."""

    cash_minor: SignedMinor = 0  # received, or below zero paid out
    cost_minor: SignedMinor = 0  # of what is held, less what was written down
    dividend_income_minor: SignedMinor = 0
    divestment_income_minor: SignedMinor = 0  # below zero: a gain on the cost of what was sold
    written_down_minor: SignedMinor = 0  # lost


class HoldingFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How a holding stands."""

    units: Units = 0
    cost_minor: Minor = 0  # of what is held, less what was written down
    subscribed_minor: Minor = 0  # paid for shares, in all
    uncalled_minor: Minor = 0  # of the commitment: not paid yet, and not cancelled
    dividends_minor: Minor = 0
    proceeds_minor: Minor = 0  # of what was sold
    sold_cost_minor: Minor = 0  # of what was sold
    written_down_minor: Minor = 0


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    holding: HoldingId


class HoldingProposed(_Event, frozen=True, kw_only=True, tag="loans.holding_proposed.v1"):
    terms: HoldingTerms
    document: str  # SHA-256 of the proposal, which is kept
    proposed_by: str


class HoldingApproved(_Event, frozen=True, kw_only=True, tag="loans.holding_approved.v1"):
    """The facility is asked next."""

    document: str
    approval: Approval
    facility: FacilityId
    currency: str
    commitment_minor: Minor
    keys: tuple[str, ...]  # that the commitment is charged to


class HoldingWithdrawn(_Event, frozen=True, kw_only=True, tag="loans.holding_withdrawn.v2"):
    reason: TypedText


class HoldingCommitted(_Event, frozen=True, kw_only=True, tag="loans.holding_committed.v1"):
    facility: FacilityId
    company: CompanyCode
    project: str
    currency: str
    commitment_minor: Minor
    committed_on: date


class HoldingRefused(_Event, frozen=True, kw_only=True, tag="loans.holding_refused.v1"):
    """The facility has no headroom for it: the holding is as it was proposed."""

    reason: str
    detail: str


class UncalledCancelled(_Event, frozen=True, kw_only=True, tag="loans.uncalled_cancelled.v2"):
    """What is not paid of the commitment never will be."""

    facility: FacilityId
    currency: str
    amount_minor: Minor
    reason: TypedText


class SharesSubscribed(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="loans.shares_subscribed.v1"):
    flow: EquityFlowId
    facility: FacilityId
    reference: str  # the bank's; each counts once
    currency: str
    units: Units
    amount_minor: Minor
    paid_on: date
    change: HoldingChange
    after: HoldingFigures
    dated_because: DatedBecause = msgspec.UNSET


class HoldingValued(_Event, frozen=True, kw_only=True, tag="loans.holding_valued.v2"):
    """All that was held at the end of `on` was worth this. A later one of the same day replaces it."""

    currency: str
    units: Units  # held then
    value_minor: Minor
    on: date
    source: TypedText


class DividendReceived(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="loans.dividend_received.v1"):
    flow: EquityFlowId
    reference: str
    currency: str
    amount_minor: Minor
    received_on: date
    change: HoldingChange
    after: HoldingFigures
    dated_because: Dated | None = None  # why it is recorded on a later day


class DividendReversed(_Event, frozen=True, kw_only=True, tag="loans.dividend_reversed.v2"):
    """It never counted."""

    flow: EquityFlowId
    currency: str
    amount_minor: Minor
    reason: TypedText
    change: HoldingChange
    after: HoldingFigures


class SharesDivested(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="loans.shares_divested.v1"):
    flow: EquityFlowId
    reference: str
    currency: str
    units: Units
    amount_minor: Minor  # received
    cost_minor: Minor  # of what was sold
    gain_minor: SignedMinor
    received_on: date
    change: HoldingChange
    after: HoldingFigures
    dated_because: DatedBecause = msgspec.UNSET


class WriteDownProposed(_Event, frozen=True, kw_only=True, tag="loans.write_down_proposed.v2"):
    """`amount_minor` None: of all, and nothing will be held any more. It waits for a second person's signature."""

    flow: EquityFlowId
    amount_minor: Minor | None
    on: date
    authority: str
    reason: TypedText
    document: str  # SHA-256, which the approver signs
    proposed_by: str
    dated_because: DatedBecause = msgspec.UNSET


class WriteDownWithdrawn(_Event, frozen=True, kw_only=True, tag="loans.write_down_withdrawn.v2"):
    flow: EquityFlowId
    reason: TypedText


class HoldingWrittenDown(_Event, frozen=True, kw_only=True, tag="loans.holding_written_down.v2"):
    """The books take part of the cost for lost; the shares are still held."""

    flow: EquityFlowId
    currency: str
    amount_minor: Minor
    on: date
    authority: str
    reason: TypedText
    document: str
    approval: Approval
    change: HoldingChange
    after: HoldingFigures


class HoldingWrittenOff(_Event, frozen=True, kw_only=True, tag="loans.holding_written_off.v2"):
    """The shares are worth nothing and never will be: none is held any more."""

    flow: EquityFlowId
    currency: str
    units: Units
    amount_minor: Minor
    on: date
    authority: str
    reason: TypedText
    document: str
    approval: Approval
    change: HoldingChange
    after: HoldingFigures


class HoldingClosed(_Event, frozen=True, kw_only=True, tag="loans.holding_closed.v1"):
    """No shares are left, and none will be subscribed any more: the facility has all of its headroom again."""

    facility: FacilityId
    currency: str
    uncalled_minor: Minor  # of the commitment, which lapses with it


EquityEvent = (
    HoldingProposed
    | HoldingApproved
    | HoldingWithdrawn
    | HoldingCommitted
    | HoldingRefused
    | UncalledCancelled
    | SharesSubscribed
    | HoldingValued
    | DividendReceived
    | DividendReversed
    | SharesDivested
    | WriteDownProposed
    | WriteDownWithdrawn
    | HoldingWrittenDown
    | HoldingWrittenOff
    | HoldingClosed
)
