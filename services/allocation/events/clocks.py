"""Clocks to delivery: when each milestone of a request was reached, and by when it should have been."""

from datetime import date, datetime
from typing import Literal

import msgspec

from services.allocation.events.ids import DecisionHash, PartnerCode, ProductId, RequestId, SubjectId
from shared.journal.record import Grams
from shared.journal.texts import TypedText

type Milestone = Literal["screened", "decided", "secured", "cleared", "dispatched", "delivered"]
type ClockStep = Literal["awarded", "released", "gate_opened", "weighed", "dispatched", "delivered"]  # what brings a clock on
type LossCause = Literal["award_withdrawn", "lapsed", "cancelled", "returned"]
type EndCause = Literal["declined", "withdrawn", "expired", "nothing_left"]


class ClockSet(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.clock_set.v1"):
    """With an acceptance, in the request's book: the clock that the request is under from then on."""

    request: RequestId
    product: ProductId
    partner: PartnerCode
    clock: str  # "emergency", "standard"
    submitted_on: date  # day 0
    limits_days: dict[Milestone, int]  # the last day of each, counted from day 0
    warn_days: int  # so long before a limit it is warned of
    loan: bool  # it is secured once the loan is committed, and not by its release alone


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a clock stands after an event, for who reads no more than that."""

    next: Milestone | None  # the first that is not reached; None: there is none to wait for
    limit_on: date | None  # its last day; None: none was set, or the clock is paused
    breached: bool  # a milestone was reached after its limit, or its limit has passed without it
    check_on: date | None  # when the clock has something to say by itself


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a milestone has come: part of an award may be there before the rest."""

    milestone: Milestone
    reached_g: Grams
    of_g: Grams  # what of the award is not lost
    reached_on: date | None  # None: not by the whole of it
    limit_on: date | None


class _ClockEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    request: RequestId
    product: ProductId
    partner: PartnerCode
    now: Standing


class ClockStarted(_ClockEvent, frozen=True, kw_only=True, tag="allocation.clock_started.v1"):
    """Screened. Once more after a later acceptance that puts it under another clock: the limits from now on, in full."""

    clock: str
    submitted_on: date
    screened_on: date
    limits: dict[Milestone, date]
    warn_days: int
    loan: bool


class ClockAdvanced(_ClockEvent, frozen=True, kw_only=True, tag="allocation.clock_advanced.v1"):
    step: ClockStep
    of: str  # the award or the draw
    decision: DecisionHash | None  # of an award and its release
    mass_g: Grams
    on: date  # the day that it counts for
    progress: tuple[Progress, ...]  # of the milestones that it brought on


class ClockSetBack(_ClockEvent, frozen=True, kw_only=True, tag="allocation.clock_set_back.v1"):
    """So much of the award will not be delivered under it, or the award itself was withdrawn."""

    cause: LossCause
    of: str  # the award, the release or the draw
    mass_g: Grams
    on: date
    progress: tuple[Progress, ...]  # of every milestone that counts grams


class ClockWarned(_ClockEvent, frozen=True, kw_only=True, tag="allocation.clock_warned.v1"):
    milestone: Milestone
    limit_on: date
    on: date


class ClockBreached(_ClockEvent, frozen=True, kw_only=True, tag="allocation.clock_breached.v1"):
    """The limit has passed, and the milestone was not reached. A fact that is told later may be of a day before it."""

    milestone: Milestone
    limit_on: date
    on: date


class ClockPaused(_ClockEvent, frozen=True, kw_only=True, omit_defaults=True, tag="allocation.clock_paused.v2"):
    """By one person, who says so."""

    reason: TypedText
    on: date
    paused_by: SubjectId | None = None
    lapses_at: datetime | None = None  # unless a second person confirms it; None: by an earlier build, and it goes on by itself


class ClockPauseConfirmed(_ClockEvent, frozen=True, kw_only=True, tag="allocation.clock_pause_confirmed.v1"):
    """By a second person: it goes on until the clock is resumed."""

    confirmed_by: SubjectId


class ClockResumed(_ClockEvent, frozen=True, kw_only=True, tag="allocation.clock_resumed.v1"):
    """By a person, or by the timer of a pause that nobody has confirmed."""

    on: date
    days: int  # that it was paused
    limits: dict[Milestone, date]  # of the milestones that are not reached, later by so many days


class ClockEnded(_ClockEvent, frozen=True, kw_only=True, tag="allocation.clock_ended.v1"):
    """Nothing is to be delivered any more, and nothing is late."""

    cause: EndCause


ClockEvent = (
    ClockStarted
    | ClockAdvanced
    | ClockSetBack
    | ClockWarned
    | ClockBreached
    | ClockPaused
    | ClockPauseConfirmed
    | ClockResumed
    | ClockEnded
)
