"""Instruments of authority, officials' conflicts of interest, and by what authority a person acted."""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal, NewType

import msgspec

from services.allocation.events.ids import DecisionHash, KeyId, ProductId, ReviewId, RoundId, SubjectId
from shared.journal.record import Grams
from shared.journal.texts import TypedText
from shared.terms.acting import Approval
from shared.terms.authority import Cited, Kind

PersonId = NewType("PersonId", str)  # "per_01j...", opaque
InstrumentId = NewType("InstrumentId", str)  # "ins_01j..."

type ConflictAbout = Literal["partner", "product", "company", "round"]


class Power(StrEnum):
    """What an instrument may empower for, here and in the other services. A power that no build knows is one that nobody uses."""

    APPROVE_DECISION = "approve_decision"
    APPROVE_POLICY = "approve_policy"
    EMERGENCY_RELEASE = "emergency_release"  # a decision that one approval certifies, to be ratified
    RATIFY = "ratify"
    TENDER = "tender"
    SIGN_AGREEMENT = "sign_agreement"  # and amend, end or resume it
    DECLARE_DISRUPTION = "declare_disruption"  # and revise or end it
    CLEAR_HIT = "clear_hit"  # of a request's party, or of a consignee
    SCREENING_LIST = "screening_list"  # another version of one, or none
    WITHDRAW_CONFLICT = "withdraw_conflict"
    ERASE_TEXT = "erase_text"  # of what somebody has typed, in any service
    # inventory's
    OPEN_PROTECTED_STOCK = "open_protected_stock"
    SET_RECEIPT_GRADE = "set_receipt_grade"  # what goods wait for before they leave
    SET_WEIGHING_TOLERANCE = "set_weighing_tolerance"  # from what on what goods weigh is signed for
    LIFT_HOLD = "lift_hold"
    CANCEL_RELEASE = "cancel_release"
    REGISTER_PRODUCT = "register_product"
    TAKE_IN_STOCK = "take_in_stock"
    RULE_ASSAY = "rule_assay"
    ADJUST_STOCK = "adjust_stock"
    ADD_RIGHT = "add_right"
    ACCEPT_WEIGHT = "accept_weight"  # of a draw, further from it than a scale is wrong
    RETURN_DRAW = "return_draw"
    POSTPONE_DELIVERY = "postpone_delivery"  # of what a project owes
    EXERCISE_RIGHT = "exercise_right"  # an option, or a first refusal
    AGREE_PROGRAMME = "agree_programme"  # of deliveries under a right
    ACCEPT_DELIVERY = "accept_delivery"  # of what a project owes a partner, which has not reported it itself
    ACCEPT_SUBSTITUTE = "accept_substitute"  # other goods than were assigned
    TAKE_BACK_RIGHT = "take_back_right"  # that a partner gives back
    TERMINATE_RIGHT = "terminate_right"
    # loans'
    COMMIT_LOAN = "commit_loan"
    COMMIT_HOLDING = "commit_holding"
    LEND_MATERIAL = "lend_material"
    AMEND_CONDITIONS = "amend_conditions"
    WAIVE_CONDITION = "waive_condition"
    WRITE_OFF = "write_off"
    WRITE_DOWN = "write_down"
    SET_LIMITS = "set_limits"  # of a facility: wider ones, or its first
    RECORD_RATE = "record_rate"
    IMPORT_LOAN = "import_loan"
    REGISTER_PAYEE = "register_payee"  # a bank account that a borrower is paid on
    CANCEL_COMMITMENT = "cancel_commitment"
    REVERSE_PAYMENT = "reverse_payment"
    RECORD_RECOVERY = "record_recovery"
    RESET_RATE = "reset_rate"
    CHARGE_FEE = "charge_fee"
    CURE_COVENANT = "cure_covenant"
    REGRADE = "regrade"  # for less to be provided
    CLOSE_LOAN = "close_loan"  # one with a credit, or a claim on what was written off
    AGREE_OFFTAKE = "agree_offtake"  # or end it
    TRADE_SHARES = "trade_shares"
    VALUE_HOLDING = "value_holding"
    REGISTER_LABORATORY = "register_laboratory"  # with whose it is
    SETTLE_RETURN = "settle_return"
    MARK_SECURITY = "mark_security"
    SETTLE_IN_CASH = "settle_in_cash"
    RECORD_REPLACEMENT = "record_replacement"


class InstrumentRegistered(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.instrument_registered.v1"
):
    """It gives its holder power to do `acts`, together within the limits. One that stands under another is no wider than that."""

    instrument: InstrumentId
    kind: Kind
    title: str  # "Critical Minerals Reserve Act 2026, s 12"
    office: str  # whose power it is, never a person's name: "Secretary of the Department"
    under: InstrumentId | None  # None: an act of parliament
    holder: SubjectId
    acts: tuple[str, ...]  # of `Power`
    products: tuple[ProductId, ...]  # empty: all
    limit_g: Grams | None  # of what is done in `window_days`; None: no limit
    limit_minor: int | None
    currency: str | None  # of `limit_minor`, ISO 4217
    valid_from: date
    valid_until: date  # the last day
    may_sub_delegate: bool
    endorsement: Approval | None = None  # another approver's; None: in the ceremony, or by an earlier build
    window_days: int | None = None  # None: there is no limit, or, of an earlier build, it is of one act


class CeremonyEntered(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.ceremony_entered.v1"):
    """A person's first key, or the first instrument, which nobody could have signed: one of the two is named. Before its own event."""

    subject: SubjectId | None
    instrument: InstrumentId | None


class ActingOfficerNamed(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.acting_officer_named.v1"
):
    """On these days the officer has the power as well as its holder."""

    instrument: InstrumentId
    officer: SubjectId
    valid_from: date
    valid_until: date  # the last day
    endorsement: Approval | None = None  # another approver's; None: by an earlier build


class InstrumentEnded(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.instrument_ended.v2"
):
    """With all that stands under it. An approval that cites any of it counts no more, unless its decision is certified."""

    instrument: InstrumentId
    ended_on: date  # from this day on
    products: tuple[ProductId, ...]  # whose books hold such an approval
    reason: TypedText
    ended_by: SubjectId | None = None  # None: by an earlier build
    lapses_at: datetime | None = None  # unless a second person confirms it; None: for good


class InstrumentEndConfirmed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.instrument_end_confirmed.v1"):
    """By a second person: it is over for good."""

    instrument: InstrumentId
    ended_on: date
    confirmed_by: SubjectId


class InstrumentRestored(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.instrument_restored.v1"):
    """Nobody has confirmed its end in time. What had lapsed with it stays lapsed."""

    instrument: InstrumentId


class Tainted(msgspec.Struct, frozen=True, kw_only=True):
    """A round that the official had a part in, and turns out to have an interest in. `key`: that approved it; None: they proposed it.
    `review`: that is asked for, since it is certified; None: the approval lapses."""

    round: RoundId
    product: ProductId
    decision: DecisionHash
    key: KeyId | None
    review: ReviewId | None


class ConflictDeclared(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.conflict_declared.v2"
):
    """The official decides nothing in which this partner, product, company or round has a part."""

    official: SubjectId
    about: ConflictAbout
    name: str  # "JP", "antimony-metal", "Kyushu Smelting", "rnd_01j..."
    reason: TypedText  # names no person
    tainted: tuple[Tainted, ...] = ()  # by any account of theirs, as looked up
    declared_by: SubjectId | None = None  # None: by an earlier build
    lapses_at: datetime | None = None  # unless it is confirmed by whose it is, or by another; None: until it is withdrawn


class ConflictConfirmed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.conflict_confirmed.v1"):
    """By whose it is, or by a second person: it does not lapse any more."""

    official: SubjectId
    about: ConflictAbout
    name: str
    confirmed_by: SubjectId


class ConflictLapsed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.conflict_lapsed.v1"):
    """Nobody has confirmed it in time. What had lapsed with it stays lapsed."""

    official: SubjectId
    about: ConflictAbout
    name: str
    reviews: tuple[ReviewId, ...] = ()  # that were asked for because of it, and are over unless they are concluded


class ConflictWithdrawn(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.conflict_withdrawn.v2"):
    official: SubjectId
    about: ConflictAbout
    name: str
    reason: TypedText


class PersonNamed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.person_named.v1"):
    """Whose account the official's is, by an opaque id: the accounts of one person count once, and bar one another. For ever."""

    official: SubjectId
    person: PersonId
    endorsement: Approval | None = None  # another approver's; None: by an earlier build


class AuthorityCited(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.authority_cited.v1"):
    """With what was done under it, in the same commit and after it, for the same command."""

    matter: str  # what was acted on: "rnd_01j..."
    cited: Cited


_OF_A_ROUND = frozenset({Power.APPROVE_DECISION, Power.EMERGENCY_RELEASE, Power.RATIFY})


def name_of_use(matter: str, act: str) -> str:
    """By which it counts once towards an instrument's limit: a round's decision, whoever approves it, and however often."""
    return matter if act in _OF_A_ROUND else f"{act}/{matter}"


InstrumentEvent = InstrumentRegistered | ActingOfficerNamed | InstrumentEnded | InstrumentEndConfirmed | InstrumentRestored
OfficialEvent = ConflictDeclared | ConflictConfirmed | ConflictLapsed | ConflictWithdrawn | PersonNamed
AuthorityEvent = InstrumentEvent | OfficialEvent | AuthorityCited
