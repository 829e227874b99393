"""Opening a round: which requests it is over, and how its policy has it decided."""

from datetime import date
from itertools import batched, pairwise

import msgspec

from services.allocation.domain.book.screening import party_barred
from services.allocation.domain.book.state import Book, Reason, Request, Round
from services.allocation.domain.policies.terms import BY_POSITION, MAX_APPROVALS, MAX_RELEASE_DAYS, admits
from services.allocation.domain.rules import RULES, IepFigures, group_of, largest_restraint, rational
from services.allocation.events import (
    BookEvent,
    DisruptionId,
    EmergencyPath,
    IepPosition,
    ProductId,
    QuorumStep,
    RequestId,
    RoundExtended,
    RoundId,
    RoundMethod,
    RoundOpened,
    SubjectId,
)
from services.allocation.events.rounds import QUORUM_DAYS
from shared.journal.decider import Refused

MAX_REQUESTS = 10_000  # of a round
MAX_PARTNERS = 100  # of a round: what it reads of their agreements stands in one event of 64 KiB
REQUESTS_AN_EVENT = 1_000  # an event holds 64 KiB


class OpenRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`protected_g`, `carry_years`, `largest_minimum`: as the policy says of this product."""

    round: RoundId
    requests: tuple[RequestId, ...]
    disruption: DisruptionId | None
    method: RoundMethod
    positions: tuple[IepPosition, ...] = ()
    policy: str
    policy_version: int
    quorum: tuple[QuorumStep, ...]
    quorum_days: int = QUORUM_DAYS
    emergency: EmergencyPath | None = None
    release_days: int
    protected_g: int = 0
    carry_years: int | None = None
    largest_minimum: str = "1"
    by: SubjectId | None = None
    on: date


def open_round(command: OpenRound, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason]:
    if not command.requests:
        return Refused(Reason.ROUND_EMPTY, "no request is named", field="/requests", accepted="at least one accepted request")
    if len(command.requests) > MAX_REQUESTS:
        return Refused(Reason.ROUND_TOO_LARGE, f"{len(command.requests)} requests", field="/requests", accepted=f"up to {MAX_REQUESTS}")
    if (partners := len({book.requests[name].partner for name in command.requests if name in book.requests})) > MAX_PARTNERS:
        return Refused(
            Reason.ROUND_TOO_LARGE, f"{partners} partners", field="/requests", accepted=f"requests of up to {MAX_PARTNERS} partners"
        )
    if len(set(command.requests)) < len(command.requests):
        return Refused(Reason.REQUEST_TWICE, "a request is named twice", field="/requests", accepted="each request once")
    for place, request_id in enumerate(command.requests):
        if fault := _unfit(book, request_id, f"/requests/{place}", command):
            return fault
    if missing := _without_position(command, book):
        return Refused(
            Reason.POSITION_MISSING, f"{missing[0]} has no position", field="/positions", accepted="one for each partner in the round"
        )
    if beyond := _beyond_commitments(command):
        return beyond
    if command.method.rule not in RULES:
        return Refused(Reason.RULE_UNKNOWN, f"there is no rule {command.method.rule!r}", field="/rule", accepted=", ".join(sorted(RULES)))
    if not is_quorum(command.quorum):
        return Refused(
            Reason.APPROVALS_INVALID,
            "a round needs approval",
            field="/approvals_needed",
            accepted=f"1 to {MAX_APPROVALS} approvals, from 0 g on, and more only for more",
        )
    if not 1 <= command.release_days <= MAX_RELEASE_DAYS:
        return Refused(Reason.RELEASE_DAYS_INVALID, "out of range", field="/release_days", accepted=f"1 to {MAX_RELEASE_DAYS} days")
    first, *more = batched(command.requests, REQUESTS_AN_EVENT)
    return [
        RoundOpened(
            round=command.round,
            product=product,
            requests=first,
            disruption=command.disruption,
            method=command.method,
            positions=command.positions,
            policy=command.policy,
            policy_version=command.policy_version,
            quorum=command.quorum,
            quorum_days=command.quorum_days,
            emergency=command.emergency,
            release_days=command.release_days,
            protected_g=command.protected_g,
            carry_years=command.carry_years,
            opened_by=command.by,
            signed_stays=True,
        ),
        *(RoundExtended(round=command.round, product=product, requests=requests) for requests in more),
    ]


def is_quorum(steps: tuple[QuorumStep, ...]) -> bool:
    """From 0 g on, each step above more grams and of at least as many approvals as the one before."""
    rising = all(low.above_g < high.above_g and low.approvals <= high.approvals for low, high in pairwise(steps))
    return bool(steps) and steps[0].above_g == 0 and rising and all(1 <= step.approvals <= MAX_APPROVALS for step in steps)


def _unfit(book: Book, request_id: RequestId, field: str, command: OpenRound) -> Refused[Reason] | None:
    request = book.requests.get(request_id)
    if request is None or request.declined is not None:
        return Refused(Reason.REQUEST_CLOSED, f"{request_id} is not open in this book", field=field)
    if request.accepted_g is None:
        return Refused(Reason.REQUEST_NOT_ACCEPTED, f"{request_id} has not been accepted", field=field)
    if request.round is not None:
        return Refused(Reason.REQUEST_IN_ROUND, f"{request_id} is in {request.round}", field=field)
    if request.needed_by < command.on:
        return Refused(Reason.REQUEST_EXPIRED, f"{request_id} was needed by {request.needed_by}", field=field)
    if not admits(command.largest_minimum, request.minimum_g, request.accepted_g):
        return _insists(request_id, request, command.largest_minimum, field)
    return party_barred(request_id, request, field)


def minimum_beyond(book: Book, round: Round, largest_minimum: str) -> Refused[Reason] | None:
    """A request that insists on more than the policy allows, since less of it was accepted after the round had been opened."""
    if largest_minimum == "1":
        return None
    for request_id in sorted(round.requests):
        request = book.requests[request_id]
        if not admits(largest_minimum, request.minimum_g, request.accepted_g or 0):
            return _insists(request_id, request, largest_minimum, None)
    return None


def _insists(request_id: RequestId, request: Request, largest_minimum: str, field: str | None) -> Refused[Reason]:
    return Refused(
        Reason.MINIMUM_BEYOND_POLICY,
        f"{request_id} insists on {request.minimum_g} of {request.accepted_g} g",
        field=field,
        accepted=f"a minimum of at most {largest_minimum} of what was accepted",
    )


def _beyond_commitments(command: OpenRound) -> Refused[Reason] | None:
    """Each would have to draw down more than it undertook to hold: whoever undertook most would have the least right."""
    if command.method.restraint is None or not command.positions:
        return None
    figures = [IepFigures(**msgspec.structs.asdict(position)) for position in command.positions]
    restraint = rational(command.method.restraint)
    if group_of(figures, restraint).kappa <= 1:
        return None
    return Refused(
        Reason.SHORTFALL_BEYOND,
        f"at a restraint of {restraint} the group is short of more than all of its commitments",
        field="/positions",
        accepted=f"a policy whose restraint is at most {largest_restraint(figures)}, or other positions",
    )


def _without_position(command: OpenRound, book: Book) -> list[str]:
    """The partners that the rule cannot say anything about."""
    if BY_POSITION not in (command.method.rule, *command.method.inside.values()):
        return []
    return sorted({book.requests[name].partner for name in command.requests} - {position.partner for position in command.positions})
