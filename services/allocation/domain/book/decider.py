"""Book: the requests and rounds of one product, where quota, carries and awards are kept right together."""

from collections.abc import Sequence

import msgspec

from services.allocation.domain.book.carries import CarryCommand, EndCarry, ExpireCarry, FollowAgreement, carry_timers, decide_carry
from services.allocation.domain.book.declining import (
    ConfirmDecline,
    DeclineRequest,
    DecliningCommand,
    LapseDecline,
    decide_declining,
    decline_timers,
)
from services.allocation.domain.book.emergency import MissRatification, emergency_timers
from services.allocation.domain.book.evolve import evolve
from services.allocation.domain.book.giving_back import GiveBack, give_back
from services.allocation.domain.book.lapses import LapseApprovals, lapses_inside
from services.allocation.domain.book.objections import AnswerObjection, ObjectionCommand, RaiseObjection, decide_objection
from services.allocation.domain.book.reminders import RemindOfScreening, remind, reminder_timers
from services.allocation.domain.book.requests import (
    AcceptRequest,
    ExpireRequest,
    RequestCommand,
    SubmitRequest,
    WithdrawRequest,
    decide_request,
    request_timers,
)
from services.allocation.domain.book.rounds import CloseRound, ReopenRound, RoundCommand, decide_round
from services.allocation.domain.book.screening import DecideHit, LapseHit, ScreeningCommand, ScreenParties, decide_screening, hit_timers
from services.allocation.domain.book.state import Book, Reason
from services.allocation.domain.screening.confirming import ConfirmingReason
from services.allocation.events import BookEvent, BookOpened, ProductId
from shared.journal.decider import CancelTimer, Decider, Refused, Timer
from shared.terms.acting import ApprovalReason
from shared.terms.authority import Fault


class OpenBook(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Inventory has registered the product."""

    product: ProductId


type _Decided = list[BookEvent] | Refused[Reason] | Refused[ApprovalReason] | Refused[Fault] | Refused[ConfirmingReason]

# From timers and reactions: nobody asks for them.
_TOTAL = (
    ExpireRequest
    | CloseRound
    | ReopenRound
    | MissRatification
    | LapseApprovals
    | CarryCommand
    | GiveBack
    | ScreenParties
    | LapseHit
    | LapseDecline
    | RemindOfScreening
)

type Command = (
    OpenBook
    | RequestCommand
    | DecliningCommand
    | RemindOfScreening
    | ScreeningCommand
    | ObjectionCommand
    | RoundCommand
    | CarryCommand
    | GiveBack
)


def decide(command: Command, book: Book) -> _Decided:
    if isinstance(command, OpenBook):
        return [BookOpened(product=command.product)] if book.product is None else []
    if book.product is None:
        if isinstance(command, _TOTAL):
            return []
        return Refused(Reason.PRODUCT_NOT_FOUND, "no such product is registered", field="/product")
    decided: _Decided
    match command:
        case SubmitRequest() | AcceptRequest() | WithdrawRequest() | ExpireRequest():
            decided = decide_request(command, book.product, book)
        case DeclineRequest() | ConfirmDecline() | LapseDecline():
            decided = decide_declining(command, book.product, book)
        case ExpireCarry() | EndCarry() | FollowAgreement():
            decided = decide_carry(command, book.product, book)
        case GiveBack():
            decided = give_back(command, book.product, book)
        case RemindOfScreening():
            decided = remind(command, book.product, book)
        case ScreenParties() | DecideHit() | LapseHit():
            decided = decide_screening(command, book.product, book)
        case RaiseObjection() | AnswerObjection():
            decided = decide_objection(command, book.product, book)
        case _:
            decided = decide_round(command, book.product, book)
    return decided if isinstance(decided, Refused) else decided + lapses_inside(book.product, book, decided)


def timers(event: BookEvent) -> Sequence[Timer | CancelTimer]:
    of_requests = [*request_timers(event), *decline_timers(event), *reminder_timers(event), *hit_timers(event)]
    return [*of_requests, *emergency_timers(event), *carry_timers(event)]


DECIDER = Decider(kind="book", initial=Book(), commands=Command, decide=decide, evolve=evolve, timers=timers)
