"""What this service's events tell others of who may act there: they take it over as it is."""

from services.allocation.events.authority import (
    ActingOfficerNamed,
    ConflictDeclared,
    ConflictWithdrawn,
    InstrumentEnded,
    InstrumentRegistered,
    PersonNamed,
)
from services.allocation.events.partners import ApproverKeyEnrolled, ApproverKeyRevoked
from shared.terms.acting import EndOfAuthority, EndOfConflict, EndOfKey, NewAuthority, NewConflict, NewKey, NewOfficer, NewPerson, Tells
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


def changed(event: ActingOfficerNamed | InstrumentEnded) -> NewOfficer | EndOfAuthority:
    if isinstance(event, InstrumentEnded):
        return EndOfAuthority(event.instrument, event.ended_on)
    return NewOfficer(event.instrument, Acting(subject=event.officer, valid_from=event.valid_from, valid_until=event.valid_until))


def _declared(event: ConflictDeclared) -> NewConflict:
    return NewConflict(event.official, interest_in(event.about, event.name))


def _withdrawn(event: ConflictWithdrawn) -> EndOfConflict:
    return EndOfConflict(event.official, interest_in(event.about, event.name))


AUTHORITY: Tells = {
    InstrumentRegistered: registered,
    ActingOfficerNamed: changed,
    InstrumentEnded: changed,
    ConflictDeclared: _declared,
    ConflictWithdrawn: _withdrawn,
    PersonNamed: lambda event: NewPerson(event.official, event.person),
}
ACTING: Tells = {  # with the keys that people sign by
    **AUTHORITY,
    ApproverKeyEnrolled: lambda event: NewKey(event.subject, event.key, event.public_key),
    ApproverKeyRevoked: lambda event: EndOfKey(event.subject, event.key),
}
