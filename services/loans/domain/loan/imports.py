"""Import: whether a loan of another system could come in, as its facility stands with those before it."""

import msgspec

from services.loans.domain.facility import headroom as facilities
from services.loans.domain.facility.headroom import ReserveHeadroom, shortage
from services.loans.domain.facility.state import Facility
from services.loans.domain.loan.servicing import ImportLoan, decide_servicing
from services.loans.domain.loan.state import Loan, Refusal, guaranteed_by, keys_of
from services.loans.events.facility import CommitmentId
from services.loans.events.loan import LoanId
from services.loans.events.terms import LoanTerms
from shared.journal.decider import Refused


def with_import(facility: Facility, command: ImportLoan) -> Facility | Refusal | Refused[facilities.Reason]:
    """The facility once it has committed itself to the loan."""
    decided = decide_servicing(command, Loan())
    if isinstance(decided, Refused):
        return decided
    asked = headroom_for(command.loan, command.terms)
    if (fault := shortage(facility, asked)) is not None:
        return fault
    reserved = facilities.decide(asked, facility)
    assert not isinstance(reserved, Refused), "a reaction's command is total"
    for event in reserved:
        facility = facilities.evolve(facility, event)
    return facility


def headroom_for(loan: LoanId, terms: LoanTerms) -> ReserveHeadroom:
    """What its facility is asked for."""
    return ReserveHeadroom(
        facility=terms.facility,
        commitment=CommitmentId(loan),
        asset=terms.currency,
        amount=terms.commitment_minor,
        keys=keys_of(terms),
        guaranteed=guaranteed_by(terms),
    )


def difference(known: object, told: object) -> list[str]:
    """The names of what differs between two documents of one import, without the due dates, which follow from a calendar."""
    return sorted(_differs("", msgspec.to_builtins(known), msgspec.to_builtins(told)))


def _differs(name: str, known: object, told: object) -> list[str]:
    if isinstance(known, dict) and isinstance(told, dict):
        keys = (known.keys() | told.keys()) - {"due"}
        return [each for key in keys for each in _differs(f"{name}/{key}", known.get(key), told.get(key))]
    return [] if known == told else [name]
