"""Payees: the bank accounts that a borrower is paid on. One stream a borrower.

Two people register one, and neither of them pays anything on it. It is never changed: another account is another payee.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import assert_never

import immutables
import msgspec

from services.loans.domain import register
from services.loans.domain.register import ConfirmEnd, End, Ending, EndingReason, LapseEnd, Register
from services.loans.events.authority import AuthorityCited
from services.loans.events.payees import PayeeEndConfirmed, PayeeEnded, PayeeEndLapsed, PayeeEvent, PayeeId, PayeeRegistered
from services.loans.events.terms import BorrowerCode
from shared.journal.decider import CancelTimer, Decider, Reasons, Refused, Timer
from shared.journal.texts import TypedText
from shared.terms.authority import Capacity
from shared.terms.business_days import business_days_later
from shared.terms.countersigning import ProposedCommand
from shared.terms.protecting import Word, alone_since

CHANGE_WAITS_DAYS = 3
"""Business days, Monday to Friday. "Our bank details have changed" is how most payments are misled: in these days the borrower
is called back by a number that was known before, and sees in its own list of payees that there is another."""


class RegisterPayee(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`capacity`: of who signs it; None: nobody has yet."""

    payee: PayeeId
    borrower: BorrowerCode
    currency: str
    holder: TypedText
    bank: TypedText
    account: TypedText
    masked: TypedText
    by: str
    on: date
    capacity: Capacity | None = None


class EndPayee(End, frozen=True, kw_only=True, tag=True):
    payee: PayeeId


class ConfirmPayeeEnd(ConfirmEnd, frozen=True, kw_only=True, tag=True):
    payee: PayeeId


class LapsePayeeEnd(LapseEnd, frozen=True, kw_only=True, tag=True):
    payee: PayeeId


type Command = RegisterPayee | EndPayee | ConfirmPayeeEnd | LapsePayeeEnd


class Reason(Reasons):
    """Why a borrower's payees stay as they are."""

    ALREADY_REGISTERED = "payee_already_registered", 409, "The payee is registered already"
    NOT_FOUND = "payee_not_found", 404, "There is no such payee"
    ALREADY_ENDED = "payee_already_ended", 409, "The payee has ended already"


class Payee(msgspec.Struct, frozen=True, kw_only=True):
    """As a payment looks at it."""

    id: PayeeId
    borrower: BorrowerCode
    currency: str
    registered_by: frozenset[str]
    pays_from: date
    ended_on: date | None = None
    ending: Ending = Ending()


class Payees(msgspec.Struct, frozen=True):
    payees: immutables.Map[PayeeId, Payee] = immutables.Map()  # those that have ended, too
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # commands that wait for another person's signature

    @property
    def words(self) -> list[Word]:
        """Whoever ends one, and then another, goes on with the same: the borrower is paid on none of them."""
        return [word for _, each in sorted(self.payees.items()) for word in each.ending.words]


def decide(command: Command, state: Payees) -> Sequence[PayeeEvent] | Refused[Reason] | Refused[EndingReason]:
    match command:
        case RegisterPayee():
            if command.payee in state.payees:
                return Refused(Reason.ALREADY_REGISTERED, f"{command.payee} is registered already")
            return [_registered(command, state)]
        case EndPayee() | ConfirmPayeeEnd() | LapsePayeeEnd():
            payee = state.payees.get(command.payee)
            named = {} if payee is None else {"borrower": payee.borrower, "payee": payee.id}
            ending = None if payee is None else payee.ending
            return _REGISTER.decide(command, ending, _named(command.payee), words=state.words, **named)
        case _:
            assert_never(command)


def _registered(command: RegisterPayee, state: Payees) -> PayeeRegistered:
    changes = any(each.currency == command.currency for each in state.payees.values())
    signed_by = () if command.capacity is None else (command.capacity.by,)
    return PayeeRegistered(
        borrower=command.borrower,
        payee=command.payee,
        currency=command.currency,
        holder=command.holder,
        bank=command.bank,
        account=command.account,
        masked=command.masked,
        registered_by=(command.by, *signed_by),
        registered_on=command.on,
        pays_from=business_days_later(command.on, CHANGE_WAITS_DAYS, "weekends") if changes else command.on,
    )


def evolve(state: Payees, event: PayeeEvent | AuthorityCited) -> Payees:
    match event:
        case PayeeRegistered():
            payee = Payee(
                id=event.payee,
                borrower=event.borrower,
                currency=event.currency,
                registered_by=frozenset(event.registered_by),
                pays_from=event.pays_from,
            )
            return msgspec.structs.replace(state, payees=state.payees.set(event.payee, payee))
        case PayeeEnded():
            before = state.payees[event.payee].ending
            return _with(state, event.payee, event.ended_on, register.ended(before, event.ended_by, event.lapses_at, _named(event.payee)))
        case PayeeEndConfirmed():
            payee = state.payees[event.payee]
            return _with(state, event.payee, payee.ended_on, register.confirmed(payee.ending))
        case PayeeEndLapsed():
            return _with(state, event.payee, None, register.lapsed(state.payees[event.payee].ending))
        case AuthorityCited():
            return state
        case _:
            assert_never(event)


def _with(state: Payees, payee: PayeeId, ended_on: date | None, ending: Ending) -> Payees:
    changed = msgspec.structs.replace(state.payees[payee], ended_on=ended_on, ending=ending)
    return msgspec.structs.replace(state, payees=state.payees.set(payee, changed))


def timers(event: PayeeEvent | AuthorityCited) -> Sequence[Timer | CancelTimer]:
    match event:
        case PayeeEnded(lapses_at=datetime() as at):
            return [Timer.at_instant(f"ended/{event.payee}", at, LapsePayeeEnd(payee=event.payee, lapses_at=at))]
        case PayeeEndConfirmed():
            return [CancelTimer(f"ended/{event.payee}")]
        case _:
            return ()


def _named(payee: PayeeId) -> str:
    return f"payee {payee}"


def _ended(command: EndPayee, lapses_at: datetime, *, borrower: BorrowerCode, payee: PayeeId) -> PayeeEnded:
    return PayeeEnded(
        borrower=borrower,
        payee=payee,
        ended_on=command.on,
        reason=command.reason,
        ended_by=command.by.by,
        lapses_at=lapses_at,
        alone_since=alone_since(lapses_at),
    )


_REGISTER = Register(
    not_found=Reason.NOT_FOUND,
    ended_already=Reason.ALREADY_ENDED,
    field="path:payee",
    ended=_ended,
    confirmed=PayeeEndConfirmed,
    lapsed=PayeeEndLapsed,
)
DECIDER = Decider(kind="payees", initial=Payees(), commands=Command, decide=decide, evolve=evolve, timers=timers)
