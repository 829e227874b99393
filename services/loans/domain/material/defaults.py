"""A material loan in default: declared, confirmed or lapsed, and what is bought at the borrower's cost then.

One person declares it, at once, and it lapses unless another confirms it; nothing is bought before. A call that is not met in time is
found by a timer, and needs nobody.
"""

from collections.abc import Sequence
from datetime import date, datetime
from fractions import Fraction

import msgspec

from services.loans.domain.material.held import implausible
from services.loans.domain.material.owed import discharge, owed
from services.loans.domain.material.state import MaterialLoan, Reason, agreed, owed_on
from services.loans.domain.material.terms import not_lent
from services.loans.domain.plausible import too_far
from services.loans.events.material import (
    ContainedChange,
    MaterialDefaultConfirmed,
    MaterialDefaultCured,
    MaterialDefaulted,
    MaterialEvent,
    MaterialReplaced,
)
from shared.journal.decider import Refused
from shared.journal.record import MAX_INTEGER
from shared.journal.texts import TypedText
from shared.terms.protecting import ByOne, begins


class DeclareMaterialDefault(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    reason: TypedText
    on: date
    by: ByOne | None = None  # None: it does not lapse


class ConfirmMaterialDefault(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By a second person."""

    by: str
    accounts: frozenset[str]


class LapseMaterialDefault(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer: nobody has confirmed in time what was to lapse then. Total."""

    lapses_at: datetime


class RecordReplacement(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The Reserve has bought `bought_g` contained grams of what was not returned."""

    bought_g: int
    cost_minor: int
    source: TypedText
    on: date


def declare_default(command: DeclareMaterialDefault, loan: MaterialLoan) -> Sequence[MaterialEvent] | Refused[Reason]:
    if (fault := not_lent(loan)) is not None:
        return fault
    assert loan.id is not None
    if loan.due_on is None or command.on <= loan.due_on:
        return Refused(Reason.NOT_OVERDUE, f"it is due on {loan.due_on}", accepted="a default after that day")
    if loan.defaulted:
        return Refused(Reason.NOT_OVERDUE, "it is in default already")
    lapses = begins(loan.words, command.by, Reason.DEFAULT_RENEWED)
    if isinstance(lapses, Refused):
        return lapses
    return [
        MaterialDefaulted(
            loan=loan.id,
            partner=loan.partner,
            element=agreed(loan).element,
            owed_g=owed_on(loan, command.on).total_g,
            on=command.on,
            reason=command.reason,
            declared_by=None if command.by is None else command.by.by,
            lapses_at=lapses,
        )
    ]


def confirm_default(command: ConfirmMaterialDefault, loan: MaterialLoan) -> Sequence[MaterialEvent] | Refused[Reason]:
    if (fault := not_lent(loan)) is not None:
        return fault
    assert loan.id is not None
    if not loan.defaulted:
        return Refused(Reason.NOT_DEFAULTED, "it is not in default", accepted="a default first")
    if loan.declared is None:
        return Refused(Reason.DEFAULT_STANDS, "it is confirmed, or was never one person's word")
    if loan.declared.by in command.accounts:
        return Refused(Reason.DEFAULT_OWN, "the same person has declared it", accepted="a second person")
    return [MaterialDefaultConfirmed(loan=loan.id, partner=loan.partner, confirmed_by=command.by)]


def lapse_default(command: LapseMaterialDefault, loan: MaterialLoan) -> Sequence[MaterialEvent]:
    if loan.id is None or not loan.defaulted or loan.declared is None or loan.declared.lapses_at != command.lapses_at:
        return []
    return [MaterialDefaultCured(loan=loan.id, partner=loan.partner, lapsed=True)]


def replace_material(command: RecordReplacement, loan: MaterialLoan) -> Sequence[MaterialEvent] | Refused[Reason]:
    if (fault := not_lent(loan)) is not None:
        return fault
    assert loan.id is not None
    if not loan.defaulted:
        return Refused(Reason.NOT_DEFAULTED, "it is not in default", accepted="a default first")
    if loan.declared is not None:
        detail = f"{loan.declared.by} has declared it, until {loan.declared.lapses_at:%Y-%m-%d %H:%M} UTC"
        return Refused(Reason.DEFAULT_UNCONFIRMED, detail, accepted="the same once another person has confirmed the default")
    terms = agreed(loan)
    due_g = owed_on(loan, command.on).total_g
    if not 1 <= command.bought_g <= due_g:
        return Refused(Reason.QUANTITY_INVALID, f"{due_g} g are owed", "/bought_g", f"1 to {due_g}")
    if not 0 <= command.cost_minor <= MAX_INTEGER:
        return Refused(Reason.QUANTITY_INVALID, "a cost is zero or more", "/cost_minor")
    if (accepted := too_far(Fraction(command.cost_minor), loan.price_minor, command.bought_g)) is not None:
        return implausible(loan, "/cost_minor", accepted)
    paid = discharge(loan.tranches, terms.premium, loan.further, command.on, command.bought_g)
    if paid.excess_g:
        out_g = command.bought_g - paid.excess_g
        return Refused(Reason.QUANTITY_INVALID, f"{out_g} g of it were out on {command.on}", "/bought_g", f"what was out on {command.on}")
    from_security_minor = min(command.cost_minor, loan.security_minor)
    return [
        MaterialReplaced(
            loan=loan.id,
            partner=loan.partner,
            facility=terms.facility,
            currency=terms.currency,
            element=terms.element,
            bought_g=command.bought_g,
            principal_g=paid.principal_g,
            premium_g=paid.premium_g,
            cost_minor=command.cost_minor,
            from_security_minor=from_security_minor,
            shortfall_minor=command.cost_minor - from_security_minor,
            source=command.source,
            owed_g=owed(paid.tranches, terms.premium, loan.further, command.on).total_g,
            change=ContainedChange(lent_g=-paid.principal_g, premium_g=-paid.premium_g, replaced_g=paid.principal_g + paid.premium_g),
        )
    ]
