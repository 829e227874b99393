"""What this service's events tell others of who may act there: they take it over as it is."""

from services.allocation.events.authority import (
    ActingOfficerNamed,
    ConflictDeclared,
    ConflictLapsed,
    ConflictWithdrawn,
    InstrumentEndConfirmed,
    InstrumentEnded,
    InstrumentRegistered,
    InstrumentRestored,
    PersonNamed,
)
from services.allocation.events.partners import ApproverKeyEnrolled, ApproverKeyRestored, ApproverKeyRevoked
from shared.terms.acting import (
    AuthorityBack,
    EndOfAuthority,
    EndOfConflict,
    EndOfKey,
    KeyBack,
    NewAuthority,
    NewConflict,
    NewKey,
    NewOfficer,
    NewPerson,
    Tells,
)
from shared.terms.authority import Acting, Authority, interest_in


def registered(event: InstrumentRegistered) -> NewAuthority:
    return NewAuthority(
        Authority(
            id=event.instrument,
            version=1,
            kind=event.kind,
            under=event.under,
            holder=event.holder,
            acts=frozenset(event.acts),
            products=frozenset(event.products),
            limit_g=event.limit_g,
            limit_minor=event.limit_minor,
            currency=event.currency,
            valid_from=event.valid_from,
            valid_until=event.valid_until,
            may_sub_delegate=event.may_sub_delegate,
            window_days=event.window_days,
        )
    )


type Changed = ActingOfficerNamed | InstrumentEnded | InstrumentEndConfirmed | InstrumentRestored


def changed(event: Changed) -> NewOfficer | EndOfAuthority | AuthorityBack:
    match event:
        case ActingOfficerNamed():
            return NewOfficer(event.instrument, Acting(subject=event.officer, valid_from=event.valid_from, valid_until=event.valid_until))
        case InstrumentEnded() | InstrumentEndConfirmed():
            return EndOfAuthority(event.instrument, event.ended_on)
        case InstrumentRestored():
            return AuthorityBack(event.instrument)


def _declared(event: ConflictDeclared) -> NewConflict:
    return NewConflict(event.official, interest_in(event.about, event.name))


def _over(event: ConflictWithdrawn | ConflictLapsed) -> EndOfConflict:
    return EndOfConflict(event.official, interest_in(event.about, event.name))


AUTHORITY: Tells = {
    InstrumentRegistered: registered,
    ActingOfficerNamed: changed,
    InstrumentEnded: changed,
    InstrumentEndConfirmed: changed,
    InstrumentRestored: changed,
    ConflictDeclared: _declared,
    ConflictLapsed: _over,
    ConflictWithdrawn: _over,
    PersonNamed: lambda event: NewPerson(event.official, event.person),
}
ACTING: Tells = {  # with the keys that people sign by
    **AUTHORITY,
    ApproverKeyEnrolled: lambda event: NewKey(event.subject, event.key, event.public_key),
    ApproverKeyRevoked: lambda event: EndOfKey(event.subject, event.key),
    ApproverKeyRestored: lambda event: KeyBack(event.subject, event.key),
}
