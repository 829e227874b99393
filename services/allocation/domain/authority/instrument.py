"""Instrument: a power to act, who holds it, and within which limits. One that stands under another is a part of it."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import assert_never

import msgspec

from services.allocation.domain.authority import bar
from services.allocation.domain.authority.bar import Barring, Confirming
from services.allocation.domain.authority.counting import counted_by
from services.allocation.domain.authority.endorsement import Endorsing, endorsed
from services.allocation.domain.authority.endorsement import Reason as EndorsementReason
from services.allocation.events.acting import changed, registered
from services.allocation.events.authority import (
    ActingOfficerNamed,
    InstrumentEndConfirmed,
    InstrumentEnded,
    InstrumentEvent,
    InstrumentId,
    InstrumentRegistered,
    InstrumentRestored,
)
from services.allocation.events.ids import ProductId, SubjectId
from services.allocation.events.papers import paper_of
from shared.journal.decider import CancelTimer, Decider, Reasons, Refused, Timer
from shared.journal.texts import TypedText
from shared.terms.acting import ApprovalReason, after
from shared.terms.authority import MAX_LINKS, Authority, Chain, Kind, wider_than
from shared.terms.protecting import Word, alone, to_confirm

WINDOW_DAYS = 30  # unless an instrument says otherwise
MAX_WINDOW_DAYS = 366
MAX_ACTING = 50  # officers named under one instrument
_UNCONFIRMED = "unconfirmed"


class RegisterInstrument(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`above`: the instrument that it stands under and all above that, as looked up; none, also where `under` is not to be found."""

    instrument: InstrumentId
    kind: Kind
    title: str
    office: str
    under: InstrumentId | None
    above: Chain
    holder: SubjectId
    acts: tuple[str, ...]
    products: tuple[ProductId, ...]
    limit_g: int | None
    limit_minor: int | None
    currency: str | None
    valid_from: date
    valid_until: date
    may_sub_delegate: bool
    window_days: int = WINDOW_DAYS
    endorsing: Endorsing


class NameActingOfficer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    officer: SubjectId
    valid_from: date
    valid_until: date
    endorsing: Endorsing


class EndInstrument(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """For a while, also by who holds it: others act under it, too."""

    products: tuple[ProductId, ...]  # whose books hold approvals that cite it, or what stands under it, as looked up
    reason: TypedText
    on: date
    barring: Barring


class ConfirmEnd(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By a second person: it has ended for good."""

    confirming: Confirming


class RestoreInstrument(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer: nobody has confirmed in time that it has ended."""

    lapses_at: datetime


type Command = RegisterInstrument | NameActingOfficer | EndInstrument | ConfirmEnd | RestoreInstrument


class Reason(Reasons):
    """Why an instrument stays as it is."""

    ALREADY_REGISTERED = "instrument_already_registered", 409, "The instrument is registered already"
    NOT_FOUND = "instrument_not_found", 404, "There is no such instrument"
    ENDED = "instrument_ended", 409, "The instrument has ended"
    NOT_ENDED = "instrument_not_ended", 409, "The instrument has not ended"
    NO_ACTS = "instrument_without_acts", 422, "An instrument must name at least one act"
    NAMED_TWICE = "instrument_names_twice", 422, "The instrument names something twice"
    DATES_REVERSED = "instrument_dates_reversed", 422, "The instrument's start is after its end"
    LIMIT_INVALID = "instrument_limit_invalid", 422, "A money limit needs a currency, and every limit a window"
    LIMIT_SPLIT = "instrument_limit_over_services", 422, "A limit must cover acts of one service only"
    ROOT_INVALID = "instrument_root_invalid", 422, "Only an Act stands at the root of a chain"
    NOT_DELEGABLE = "authority_not_delegable", 403, "The power may not be delegated"
    WIDER = "instrument_wider_than_parent", 422, "The instrument is wider than its parent"
    CHAIN_TOO_LONG = "instrument_chain_too_long", 422, "The chain of authority is too long"
    ACTING_INVALID = "acting_officer_invalid", 422, "Invalid acting officer"


class Instrument(msgspec.Struct, frozen=True):
    authority: Authority | None = None  # None: not registered yet
    word: Word | None = None  # of who has ended it, as long as nobody has confirmed it


type Registered = list[InstrumentEvent] | Refused[Reason] | Refused[bar.Reason] | Refused[EndorsementReason] | Refused[ApprovalReason]


def decide(command: Command, instrument: Instrument) -> Registered:
    match command:
        case RegisterInstrument():
            if instrument.authority is not None:
                return Refused(Reason.ALREADY_REGISTERED, f"{instrument.authority.id} is registered already")
            return _fault(command) or _with_endorsement(_registered(command), {command.holder}, command.endorsing)
        case NameActingOfficer():
            if isinstance(found := _standing(instrument), Refused):
                return found
            named = ActingOfficerNamed(
                instrument=InstrumentId(found.id), officer=command.officer, valid_from=command.valid_from, valid_until=command.valid_until
            )
            return _unfit_officer(command, found) or _with_endorsement(named, {found.holder, command.officer}, command.endorsing)
        case EndInstrument():
            return _end(command, instrument)
        case ConfirmEnd():
            return _confirm(command, instrument)
        case RestoreInstrument():
            if instrument.authority is None or instrument.word is None or instrument.word.lapses_at != command.lapses_at:
                return []
            return [InstrumentRestored(instrument=InstrumentId(instrument.authority.id))]
        case _:
            assert_never(command)


def evolve(instrument: Instrument, event: InstrumentEvent) -> Instrument:
    if isinstance(event, InstrumentRegistered):
        return Instrument(registered(event).authority)
    assert instrument.authority is not None, "an instrument is registered first"
    word = instrument.word if isinstance(event, ActingOfficerNamed) else None
    if isinstance(event, InstrumentEnded):
        word = alone(event.ended_by, event.lapses_at)
    return Instrument(after(instrument.authority, changed(event)), word)


def timers(event: InstrumentEvent) -> Sequence[Timer | CancelTimer]:
    match event:
        case InstrumentEnded(lapses_at=datetime() as at):
            return [Timer.at_instant(_UNCONFIRMED, at, RestoreInstrument(lapses_at=at))]
        case InstrumentEndConfirmed():
            return [CancelTimer(_UNCONFIRMED)]
        case _:
            return ()


def _end(command: EndInstrument, instrument: Instrument) -> Registered:
    if isinstance(found := _standing(instrument), Refused):
        return found
    if isinstance(lapses_at := bar.begun(command.barring, None), Refused):
        return lapses_at
    return [
        InstrumentEnded(
            instrument=InstrumentId(found.id),
            ended_on=command.on,
            products=command.products,
            reason=command.reason,
            ended_by=command.barring.by,
            lapses_at=lapses_at,
        )
    ]


def _confirm(command: ConfirmEnd, instrument: Instrument) -> Registered:
    if (authority := instrument.authority) is None:
        return Refused(Reason.NOT_FOUND, "there is no such instrument")
    if authority.ended_on is None:
        return Refused(Reason.NOT_ENDED, f"{authority.id} has not ended")
    if (unfit := bar.unfit(instrument.word, command.confirming, None)) is not None:
        return unfit
    by = command.confirming.by
    return [InstrumentEndConfirmed(instrument=InstrumentId(authority.id), ended_on=authority.ended_on, confirmed_by=by)]


def _with_endorsement(event: InstrumentRegistered | ActingOfficerNamed, parties: Collection[str], endorsing: Endorsing) -> Registered:
    found = endorsed(paper_of(event), parties, endorsing)
    return found if isinstance(found, Refused) else [msgspec.structs.replace(event, endorsement=found)]


def _registered(command: RegisterInstrument) -> InstrumentRegistered:
    return InstrumentRegistered(
        instrument=command.instrument,
        kind=command.kind,
        title=command.title,
        office=command.office,
        under=command.under,
        holder=command.holder,
        acts=command.acts,
        products=command.products,
        limit_g=command.limit_g,
        limit_minor=command.limit_minor,
        currency=command.currency,
        valid_from=command.valid_from,
        valid_until=command.valid_until,
        may_sub_delegate=command.may_sub_delegate,
        window_days=None if command.limit_g is None and command.limit_minor is None else command.window_days,
    )


def _fault(command: RegisterInstrument) -> Refused[Reason] | None:
    if not command.acts:
        return Refused(Reason.NO_ACTS, "no act is named", field="/acts", accepted="at least one act")
    for field, names in (("/acts", command.acts), ("/products", command.products)):
        if len(set(names)) < len(names):
            return Refused(Reason.NAMED_TWICE, "one is named twice", field=field, accepted="each once")
    if command.valid_until < command.valid_from:
        return Refused(
            Reason.DATES_REVERSED, "it would end before it begins", field="/valid_until", accepted=f"{command.valid_from} or later"
        )
    if (command.limit_minor is None) != (command.currency is None):
        return Refused(Reason.LIMIT_INVALID, "a limit in money has a currency", field="/currency", accepted="both, or neither")
    if not 1 <= command.window_days <= MAX_WINDOW_DAYS:
        return Refused(
            Reason.LIMIT_INVALID, "a limit is of what is done in some days", field="/window_days", accepted=f"1 to {MAX_WINDOW_DAYS} days"
        )
    return _misplaced(command) or _split(command)


def _split(command: RegisterInstrument) -> Refused[Reason] | None:
    limited = command.limit_g is not None or command.limit_minor is not None
    services = counted_by(command.acts)
    if not limited or len(services) <= 1:
        return None
    detail = f"what is done under these acts is counted by {' and '.join(services)}, each for itself"
    return Refused(Reason.LIMIT_SPLIT, detail, field="/acts", accepted="an instrument for each of them, under one without a limit")


def _misplaced(command: RegisterInstrument) -> Refused[Reason] | None:
    """Whether it stands where it says, as a part of what is above it."""
    if (command.under is None) != (command.kind is Kind.ACT):
        return Refused(
            Reason.ROOT_INVALID, "an act stands under nothing, and all else under another", field="/under", accepted="an act at the root"
        )
    if command.under is None:
        return None
    if not command.above:
        return Refused(Reason.NOT_FOUND, f"there is no instrument {command.under}", field="/under")
    parent = command.above[0]
    if any(each.ended_on is not None for each in command.above):
        return Refused(Reason.ENDED, f"{parent.id}, or what it stands under, has ended", field="/under")
    if len(command.above) >= MAX_LINKS:
        return Refused(Reason.CHAIN_TOO_LONG, "too many stand above it", field="/under", accepted=f"fewer than {MAX_LINKS}")
    if command.kind is Kind.DELEGATION and not parent.may_sub_delegate:
        return Refused(Reason.NOT_DELEGABLE, f"{parent.id} may not be delegated", field="/under", accepted="one that may be")
    if (field := wider_than(registered(_registered(command)).authority, parent)) is not None:
        return Refused(Reason.WIDER, f"it reaches beyond {parent.id}", field=f"/{field}", accepted=f"what {parent.id} covers, or less")
    return None


def _unfit_officer(command: NameActingOfficer, instrument: Authority) -> Refused[Reason] | None:
    if command.officer == instrument.holder:
        return Refused(Reason.ACTING_INVALID, "the holder acts for nobody", field="/officer", accepted="another officer")
    if not instrument.valid_from <= command.valid_from <= command.valid_until <= instrument.valid_until:
        days = f"{instrument.valid_from} to {instrument.valid_until}"
        return Refused(Reason.ACTING_INVALID, "the days are not the instrument's", field="/valid_from", accepted=f"days from {days}")
    if len(instrument.acting) >= MAX_ACTING:
        return Refused(Reason.ACTING_INVALID, "too many officers were named", accepted=f"up to {MAX_ACTING} under one instrument")
    return None


def _standing(instrument: Instrument) -> Authority | Refused[Reason]:
    if (authority := instrument.authority) is None:
        return Refused(Reason.NOT_FOUND, "there is no such instrument")
    if authority.ended_on is not None:
        return Refused(Reason.ENDED, f"{authority.id} has ended", accepted=to_confirm(instrument.word))
    return authority


DECIDER = Decider(kind="instrument", initial=Instrument(), commands=Command, decide=decide, evolve=evolve, timers=timers)
