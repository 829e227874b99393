"""Agreement: a partner's standing terms. A round reads the terms that are valid on its day; a year of an agreement begins on the
anniversary of its first day."""

from collections.abc import Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import assert_never

import immutables
import msgspec
from msgspec.structs import replace

from services.allocation.domain.rules import rational
from services.allocation.events import (
    AgreementAmended,
    AgreementEnded,
    AgreementEvent,
    AgreementId,
    AgreementResumed,
    AgreementSigned,
    AgreementSuspended,
    AgreementSuspensionConfirmed,
    AuthorityCited,
    PartnerCode,
    ProductId,
    ProductTerms,
    SubjectId,
)
from shared.journal.decider import CancelTimer, Decider, Reasons, Refused, Timer
from shared.journal.texts import TypedText
from shared.terms.countersigning import ProposedCommand
from shared.terms.protecting import ByOne, Word, alone, alone_since, begins, confirmed, said


class SignAgreement(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    agreement: AgreementId
    partner: PartnerCode
    products: tuple[ProductTerms, ...]
    priority_class: int
    valid_from: date
    valid_until: date
    key_fingerprint: str | None = None
    on: date


class AmendAgreement(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The new terms in full; the partner and the first day stay."""

    products: tuple[ProductTerms, ...]
    priority_class: int
    valid_until: date
    key_fingerprint: str | None = None
    reason: TypedText
    on: date


class EndAgreement(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    reason: TypedText


class SuspendAgreement(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """At once, for a while: no longer than what the same person has stopped of it already, by a hold or another agreement."""

    hold: str  # a new one's id
    reason: TypedText
    by: ByOne | None = None  # None: it does not lapse


class ConfirmSuspension(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By a second person: it stands until the agreement is resumed."""

    by: SubjectId
    accounts: frozenset[str]


class LapseSuspension(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer: nobody has confirmed it in time."""

    hold: str


class ResumeAgreement(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    reason: TypedText


type Command = SignAgreement | AmendAgreement | EndAgreement | SuspendAgreement | ConfirmSuspension | LapseSuspension | ResumeAgreement


class Reason(Reasons):
    """Why an agreement stays as it is."""

    ALREADY_SIGNED = "agreement_already_signed", 409, "The agreement is signed already"
    NOT_FOUND = "agreement_not_found", 404, "There is no such agreement"
    ENDED = "agreement_ended", 409, "The agreement has ended"
    SUSPENDED = "agreement_suspended", 409, "The agreement is suspended"
    NOT_SUSPENDED = "agreement_not_suspended", 409, "The agreement is not suspended"
    RENEWED = "suspension_renewed_by_same_person", 403, "A suspension that lapsed is not renewed by the same person"
    OWN = "suspension_confirmed_by_same_person", 403, "A suspension is confirmed by a second person"
    CONFIRMED = "suspension_stands_already", 409, "The suspension needs no confirmation"
    NO_PRODUCTS = "agreement_without_products", 422, "An agreement must name at least one product"
    PRODUCT_TWICE = "agreement_product_twice", 422, "The agreement names a product twice"
    SHARE_INVALID = "agreement_share_invalid", 422, "Invalid share"
    DATES_REVERSED = "agreement_dates_reversed", 422, "The agreement's start is after its end"
    DATE_IN_PAST = "date_in_past", 422, "The date is in the past"


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    id: AgreementId | None = None  # None: not signed yet
    partner: PartnerCode | None = None
    products: tuple[ProductId, ...] = ()
    valid_from: date = date.min
    hold: str | None = None  # while it is suspended
    suspension: Word | None = None  # the last, as long as nobody has confirmed it
    words: tuple[Word, ...] = ()  # all of late that nobody else has confirmed
    ended: bool = False
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # that wait for another person's signature


def decide(command: Command, agreement: Agreement) -> list[AgreementEvent] | Refused[Reason]:
    match command:
        case SignAgreement():
            if agreement.id is not None:
                return Refused(Reason.ALREADY_SIGNED, f"{agreement.id} is signed already")
            if fault := _fault(command.products, command.valid_from, command.valid_until, command.on):
                return fault
            return [
                AgreementSigned(
                    agreement=command.agreement,
                    partner=command.partner,
                    products=command.products,
                    priority_class=command.priority_class,
                    valid_from=command.valid_from,
                    valid_until=command.valid_until,
                    key_fingerprint=command.key_fingerprint,
                )
            ]
        case AmendAgreement():
            signed = _signed(agreement)
            if isinstance(signed, Refused):
                return signed
            id, partner = signed
            if agreement.hold is not None:  # what is held is of the products that it was suspended with
                return Refused(Reason.SUSPENDED, f"{id} is suspended", accepted="the amendment once it is resumed")
            if fault := _fault(command.products, agreement.valid_from, command.valid_until, command.on):
                return fault
            named = {terms.product for terms in command.products}
            return [
                AgreementAmended(
                    agreement=id,
                    partner=partner,
                    products=command.products,
                    dropped=tuple(product for product in agreement.products if product not in named),
                    priority_class=command.priority_class,
                    valid_until=command.valid_until,
                    reason=command.reason,
                    key_fingerprint=command.key_fingerprint,
                )
            ]
        case EndAgreement():
            signed = _signed(agreement)
            if isinstance(signed, Refused):
                return signed
            id, partner = signed
            ended = AgreementEnded(agreement=id, partner=partner, products=agreement.products, reason=command.reason)
            if agreement.hold is None:
                return [ended]
            # The hold is for the agreement's sake, and would stop what is released to the partner under another one.
            return [_resumed(agreement, id, partner, agreement.hold, TypedText("the agreement ends")), ended]
        case SuspendAgreement():
            return _suspend(command, agreement)
        case ConfirmSuspension():
            return _confirm(command, agreement)
        case LapseSuspension():
            return _lapse(command, agreement)
        case ResumeAgreement():
            signed = _signed(agreement)
            if isinstance(signed, Refused):
                return signed
            id, partner = signed
            if agreement.hold is None:
                return Refused(Reason.NOT_SUSPENDED, f"{id} is not suspended")
            return [_resumed(agreement, id, partner, agreement.hold, command.reason)]
        case _:
            assert_never(command)


def evolve(agreement: Agreement, event: AgreementEvent | AuthorityCited) -> Agreement:
    match event:
        case AgreementSigned():
            names = _names(event.products)
            return replace(agreement, id=event.agreement, partner=event.partner, products=names, valid_from=event.valid_from)
        case AgreementAmended():
            return replace(agreement, products=_names(event.products))
        case AgreementEnded():
            return replace(agreement, ended=True)
        case AgreementSuspended():
            word = alone(event.suspended_by, event.lapses_at)
            return replace(agreement, hold=event.hold, suspension=word, words=said(agreement.words, word))
        case AgreementSuspensionConfirmed():
            return replace(agreement, suspension=None, words=confirmed(agreement.words, agreement.suspension))
        case AgreementResumed():
            return replace(agreement, hold=None)
        case AuthorityCited():
            return agreement
        case _:
            assert_never(event)


def year_from(valid_from: date, on: date) -> date:
    """The first day of the agreement's year that `on` falls in. Begun on 29 February, a common year begins on 1 March."""
    assert valid_from <= on, f"{on} is before the agreement"
    this_year = anniversary(valid_from, on.year)
    return this_year if this_year <= on else anniversary(valid_from, on.year - 1)


def anniversary(day: date, year: int) -> date:
    """That day in another year; of 29 February, in a common year, the day after it."""
    try:
        return day.replace(year=year)
    except ValueError:  # 29 February in a common year
        return date(year, 3, 1)


def _signed(agreement: Agreement) -> tuple[AgreementId, PartnerCode] | Refused[Reason]:
    if agreement.id is None or agreement.partner is None:
        return Refused(Reason.NOT_FOUND, "there is no such agreement")
    if agreement.ended:
        return Refused(Reason.ENDED, f"{agreement.id} has ended")
    return agreement.id, agreement.partner


def _suspend(command: SuspendAgreement, agreement: Agreement) -> list[AgreementEvent] | Refused[Reason]:
    if isinstance(signed := _signed(agreement), Refused):
        return signed
    id, partner = signed
    if agreement.hold is not None:
        return Refused(Reason.SUSPENDED, f"{id} is suspended already")
    lapses = begins(agreement.words, command.by, Reason.RENEWED)
    if isinstance(lapses, Refused):
        return lapses
    return [
        AgreementSuspended(
            agreement=id,
            partner=partner,
            products=agreement.products,
            hold=command.hold,
            reason=command.reason,
            suspended_by=None if command.by is None else SubjectId(command.by.by),
            lapses_at=lapses,
            alone_since=alone_since(lapses),
        )
    ]


def _lapse(command: LapseSuspension, agreement: Agreement) -> list[AgreementEvent]:
    if agreement.id is None or agreement.partner is None or agreement.hold != command.hold or agreement.suspension is None:
        return []
    return [_resumed(agreement, agreement.id, agreement.partner, command.hold, TypedText("lapsed: nobody has confirmed it"))]


def _confirm(command: ConfirmSuspension, agreement: Agreement) -> list[AgreementEvent] | Refused[Reason]:
    if isinstance(signed := _signed(agreement), Refused):
        return signed
    id, partner = signed
    if agreement.hold is None:
        return Refused(Reason.NOT_SUSPENDED, f"{id} is not suspended")
    if agreement.suspension is None:
        return Refused(Reason.CONFIRMED, f"the suspension of {id} needs nobody's confirmation")
    if agreement.suspension.by in command.accounts:
        return Refused(Reason.OWN, f"{id} is suspended by the same person", accepted="a second person")
    confirmed = AgreementSuspensionConfirmed(
        agreement=id, partner=partner, hold=agreement.hold, confirmed_by=command.by, products=agreement.products
    )
    return [confirmed]


def timers(event: AgreementEvent) -> Sequence[Timer | CancelTimer]:
    match event:
        case AgreementSuspended(lapses_at=datetime() as at):
            return [Timer.at_instant("suspension", at, LapseSuspension(hold=event.hold))]
        case AgreementSuspensionConfirmed() | AgreementResumed():
            return [CancelTimer("suspension")]
        case _:
            return ()


def _resumed(agreement: Agreement, id: AgreementId, partner: PartnerCode, hold: str, reason: TypedText) -> AgreementResumed:
    return AgreementResumed(agreement=id, partner=partner, products=agreement.products, hold=hold, reason=reason)


def _fault(products: tuple[ProductTerms, ...], valid_from: date, valid_until: date, on: date) -> Refused[Reason] | None:
    if not products:
        return Refused(Reason.NO_PRODUCTS, "the terms name no product", field="/products", accepted="at least one product")
    if len(set(_names(products))) < len(products):
        return Refused(Reason.PRODUCT_TWICE, "a product is named twice", field="/products", accepted="each product once")
    for place, terms in enumerate(products):
        if not _is_share(terms.share):
            return Refused(
                Reason.SHARE_INVALID,
                f"{terms.share!r} is no share",
                field=f"/products/{place}/share",
                accepted="a rational above 0, up to 1: 1/4",
            )
    if valid_until < valid_from:
        return Refused(Reason.DATES_REVERSED, "it would end before it begins", field="/valid_until", accepted=f"{valid_from} or later")
    if valid_until < on:
        return Refused(Reason.DATE_IN_PAST, f"{valid_until} is in the past", field="/valid_until", accepted=f"{on} or later")
    return None


def _is_share(text: str) -> bool:
    try:
        return Fraction(0) < rational(text) <= 1
    except ValueError:
        return False


def _names(products: tuple[ProductTerms, ...]) -> tuple[ProductId, ...]:
    return tuple(terms.product for terms in products)


DECIDER = Decider(kind="agreement", initial=Agreement(), commands=Command, decide=decide, evolve=evolve, timers=timers)
