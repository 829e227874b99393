"""Terms of a loan: which of them nobody can mean, or nothing could ever meet."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from services.loans.domain.loan.books import MAX_BOOKED_MINOR
from services.loans.domain.loan.state import Reason
from services.loans.domain.standing.periods import grid, moved_by
from services.loans.domain.standing.schedule import schedule as worked_out
from services.loans.domain.standing.schedule_terms import ScheduleError, Step, Terms
from services.loans.events.loan import Seen
from services.loans.events.terms import LoanTerms, Precedent, ScheduleTerms, Subsequent
from shared.journal.decider import Refused
from shared.journal.record import canonical
from shared.terms.conditions import evaluate
from shared.terms.conditions import fault_of as fault_of_condition

MAX_SEEN_MORE_BYTES = 400  # by which seeing something of a condition may be longer than seeing nothing: numbers and references
MAX_SEEN_BYTES = 45_000  # of all conditions as they are seen: an event holds them beside what was learnt
MAX_RATE_PCT = 100  # a year, all in: more is a slip of the pen


def fault_of_terms(terms: LoanTerms, on: date) -> Refused[Reason] | None:
    """What no loan may be: also asked of one that another system brings."""
    if not 0 < terms.commitment_minor <= MAX_BOOKED_MINOR:
        return Refused(Reason.AMOUNT_INVALID, "no commitment that the books can hold", "/commitment_minor", f"1 to {MAX_BOOKED_MINOR}")
    for field in ("base_pct", "margin_pct", "default_margin_pct", "commitment_fee_pct"):
        if not 0 <= Fraction(getattr(terms, field)) <= MAX_RATE_PCT:
            return rate_invalid(f"/{field}")
    if Fraction(terms.base_pct) + Fraction(terms.margin_pct) > MAX_RATE_PCT:
        return rate_invalid("/margin_pct")
    floor_pct = None if terms.reference_rate is None else terms.reference_rate.floor_pct
    if floor_pct is not None and not 0 <= Fraction(floor_pct) + Fraction(terms.margin_pct) <= MAX_RATE_PCT:
        return rate_invalid("/reference_rate/floor_pct")
    if not terms.available_from <= terms.available_until:
        return Refused(Reason.TERMS_INVALID, "availability ends before it begins", "/available_until", f"{terms.available_from} or later")
    if terms.sunset_on > terms.available_until:
        return Refused(Reason.TERMS_INVALID, "conditions precedent may be met after the last advance", "/sunset_on", "within availability")
    if terms.available_until < on:
        return Refused(Reason.TERMS_INVALID, "availability has ended already", "/available_until", f"{on} or later")
    if (fault := _fault_of_parties(terms)) is not None:
        return fault
    if not terms.elements:
        return Refused(Reason.TERMS_INVALID, "a loan is for at least one element", "/elements")
    rate = Fraction(terms.base_pct) + Fraction(terms.margin_pct)
    if (fault := fault_of_schedule(terms.schedule, terms.commitment_minor, str(rate))) is not None:
        return fault
    if (end := grid(terms.schedule).bounds[-1]) <= terms.available_from:
        accepted = f"one that ends after {terms.available_from}"
        return Refused(Reason.SCHEDULE_INVALID, f"it ends on {end}, before anything is advanced", "/schedule/start", accepted)
    named: tuple[tuple[str, tuple[Precedent | Subsequent, ...]], ...] = (
        ("precedents", terms.precedents),
        ("subsequents", terms.subsequents),
    )
    for where, conditions in named:
        if len({each.name for each in conditions}) < len(conditions):
            return Refused(Reason.CONDITION_INVALID, "two conditions have one name", f"/{where}", "each name once")
        for place, each in enumerate(conditions):
            if (words := fault_of_condition(each.condition)) is not None:
                return Refused(Reason.CONDITION_INVALID, words, f"/{where}/{place}/condition")
    if (crowded := fault_of_room((*terms.precedents, *terms.subsequents))) is not None:
        return crowded
    if len({covenant.kind for covenant in terms.covenants}) < len(terms.covenants):
        return Refused(Reason.TERMS_INVALID, "a covenant is named twice", "/covenants", "each kind once")
    return None


def _fault_of_parties(terms: LoanTerms) -> Refused[Reason] | None:
    borrowers = (terms.borrower, *terms.joint_borrowers)
    if len(set(borrowers)) < len(borrowers):
        return Refused(Reason.TERMS_INVALID, "a borrower is named twice", "/joint_borrowers", "each once, besides the borrower")
    guarantors = [each.party for each in terms.guarantors]
    if len({*guarantors, *(f"borrower/{each}" for each in borrowers)}) < len(guarantors) + len(borrowers):
        accepted = "each once, and none that borrows"
        return Refused(Reason.TERMS_INVALID, "a guarantor is named twice, or is a borrower", "/guarantors", accepted)
    for place, each in enumerate(terms.guarantors):
        if each.amount_minor is not None and not 0 < each.amount_minor <= terms.commitment_minor:
            field, accepted = f"/guarantors/{place}/amount_minor", f"1 to {terms.commitment_minor}, or null: all of it"
            return Refused(Reason.AMOUNT_INVALID, "more is guaranteed than is lent, or nothing", field, accepted)
    if (all_lenders := terms.syndicated) is not None:
        share = Fraction(all_lenders.share)
        if not 0 < share < 1:
            return Refused(Reason.TERMS_INVALID, "a share of a syndicated loan is a part of it", "/syndicated/share", "above 0 and below 1")
        if share * all_lenders.total_minor != terms.commitment_minor:
            own = share * all_lenders.total_minor
            return Refused(Reason.TERMS_INVALID, f"the Reserve's share comes to {own}", "/commitment_minor", str(own))
    return None


def fault_of_schedule(schedule: ScheduleTerms, principal_minor: int, rate_pct: str) -> Refused[Reason] | None:
    terms = Terms(
        principal_minor=principal_minor,
        annual_rate_pct=Fraction(rate_pct),
        start=schedule.start,
        periods=schedule.periods,
        every=schedule.every,
        day_count=schedule.day_count,
        kind=schedule.kind,
        capitalised_periods=schedule.capitalised_periods,
        interest_only_periods=schedule.interest_only_periods,
        balloon_minor=schedule.balloon_minor or None,
        step=None if Fraction(schedule.step) == 1 else Step(schedule.step_periods, Fraction(schedule.step)),
        calendar=schedule.calendar,
        adjustment=moved_by(schedule),
        adjust_accrual=schedule.adjust_accrual is True,
    )
    if len(schedule.due) not in (0, schedule.periods):
        return Refused(Reason.SCHEDULE_INVALID, "not each period is due on a day", "/schedule/due", f"{schedule.periods} days, or none")
    try:
        worked_out(terms)
    except ScheduleError as error:
        return Refused(Reason.SCHEDULE_INVALID, error.detail, f"/schedule/{error.field}", error.accepted)
    return None


def fault_of_room(conditions: Sequence[Precedent | Subsequent]) -> Refused[Reason] | None:
    """What is seen of conditions must fit in one event, whatever becomes known: a reaction stores it, and nobody could answer for it."""
    nothing = [canonical(Seen(name=each.name, evaluation=evaluate(each.condition, (), date.max))) for each in conditions]
    most = sum(len(seen) + MAX_SEEN_MORE_BYTES for seen in nothing)
    if most <= MAX_SEEN_BYTES:
        return None
    return Refused(Reason.CONDITION_INVALID, "the conditions are too many, or say too much", "/precedents", "fewer, or with shorter names")


def rate_invalid(field: str) -> Refused[Reason]:
    return Refused(Reason.RATE_INVALID, "no rate that is charged", field, f"0 to {MAX_RATE_PCT} per cent a year, all in")
