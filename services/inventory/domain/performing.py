"""Performing: what the events of rights, and of what is delivered under them, do to the state of a stockpile."""

from datetime import timedelta
from typing import assert_never

from msgspec.structs import replace

from services.inventory.domain.state import Assignment, OpenTranche, Programme, Right, Stockpile, programme_of
from services.inventory.events import (
    AssignmentClosed,
    AssignmentDelivered,
    AssignmentFailed,
    AssignmentGivenBack,
    AssignmentSubstituted,
    DeliveryPostponed,
    ProgrammeAgreed,
    RightAdded,
    RightAssigned,
    RightExercised,
    RightId,
    RightTerminated,
    Tranche,
    TrancheClosed,
    TrancheDelivered,
)


def changed(state: Stockpile, event: RightAdded | RightExercised | RightTerminated) -> Stockpile:
    programme = programme_of(state, event.right)
    match event:
        case RightAdded():
            right = Right(event.project, event.kind, event.mass_g, event.window_from, event.window_to)
            state = replace(state, rights=state.rights.set(event.right, right))
            if event.terms is None:
                return state
            programme = Programme(event.terms)
            if event.kind == "firm_offtake":
                whole = Tranche(number=1, window_from=event.window_from, window_to=event.window_to, mass_g=event.mass_g)
                programme = _with_tranches(programme, whole)
        case RightExercised():
            right = replace(state.rights[event.right], kind="firm_offtake", window_from=event.deliver_from)
            whole = Tranche(number=event.tranche, window_from=event.deliver_from, window_to=event.window_to, mass_g=event.mass_g)
            state = replace(state, rights=state.rights.set(event.right, right))
            programme = _with_tranches(programme, whole)
        case RightTerminated():
            rights = state.rights.delete(event.right) if event.right in state.rights else state.rights
            programmes = state.programmes.delete(event.right) if event.right in state.programmes else state.programmes
            return replace(state, rights=rights, programmes=programmes)
        case _:
            assert_never(event)
    return replace(state, programmes=state.programmes.set(event.right, programme))


def performed(state: Stockpile, event: ProgrammeAgreed | DeliveryPostponed | TrancheDelivered | TrancheClosed) -> Stockpile:
    if isinstance(event, DeliveryPostponed):
        return _postponed(state, event)
    programme = programme_of(state, event.right)
    match event:
        case ProgrammeAgreed():
            programme = _with_tranches(programme, *event.tranches)
        case TrancheDelivered():
            programme = replace(programme, tranches=_less(programme.tranches, event.tranche, event.remaining_g))
        case TrancheClosed():
            failures = programme.failures + (event.outcome == "failed")
            programme = replace(programme, tranches=_less(programme.tranches, event.tranche, 0), failures=failures)
        case _:
            assert_never(event)
    return _over(replace(state, programmes=state.programmes.set(event.right, programme)), event.right)


def assigned(state: Stockpile, event: RightAssigned, decision: str) -> Stockpile:
    key = f"{event.draw}/{event.right}"
    before = state.assigned.get(key)
    owed = Assignment(
        event.draw,
        event.right,
        event.project,
        event.partner,
        decision,
        event.mass_g + (0 if before is None else before.mass_g),
        event.window_to,
        event.mass_g + (0 if before is None else before.assigned_g),
        state.rights[event.right].window_from,
        event.release,
    )
    return replace(state, assigned=state.assigned.set(key, owed))


def settled(
    state: Stockpile,
    event: AssignmentDelivered | AssignmentSubstituted | AssignmentClosed | AssignmentFailed | AssignmentGivenBack,
) -> Stockpile:
    if isinstance(event, AssignmentGivenBack):  # the right may have had nothing left, and have gone
        right = state.rights.get(event.right) or Right(event.project, "firm_offtake", 0, event.window_from, event.window_to)
        state = replace(state, rights=state.rights.set(event.right, replace(right, mass_g=event.right_remaining_g)))
        return _over(_less_owed(state, f"{event.draw}/{event.right}", event.mass_g, event.mass_g), event.right)
    return _over(_less_owed(state, f"{event.draw}/{event.right}", event.mass_g), event.right)


def _postponed(state: Stockpile, event: DeliveryPostponed) -> Stockpile:
    rights, owed_to, programmes = state.rights, state.assigned, state.programmes
    if event.right in rights:
        rights = rights.set(event.right, replace(rights[event.right], window_to=event.window_to))
    for key, owed in state.assigned.items():
        if owed.right == event.right:
            owed_to = owed_to.set(key, replace(owed, window_to=event.window_to))
    days = (event.window_to - event.before).days if event.cause == "force_majeure" else 0
    if days or event.right in programmes:
        programme = programme_of(state, event.right)
        left_g = {tranche.number: tranche.left_g for tranche in programme.tranches}
        later = tuple(_open(tranche, left_g[tranche.number]) for tranche in event.tranches)
        programme = replace(programme, tranches=later, majeure_days=programme.majeure_days + days)
        programmes = programmes.set(event.right, programme)
    return replace(state, rights=rights, assigned=owed_to, programmes=programmes)


def set_right(state: Stockpile, right: RightId, mass_g: int) -> Stockpile:
    if mass_g:
        return replace(state, rights=state.rights.set(right, replace(state.rights[right], mass_g=mass_g)))
    return _over(replace(state, rights=state.rights.delete(right)), right)


def later_by(tranche: OpenTranche, days: int) -> Tranche:
    delay = timedelta(days=days)
    return Tranche(
        number=tranche.number, window_from=tranche.window_from + delay, window_to=tranche.window_to + delay, mass_g=tranche.mass_g
    )


def _less_owed(state: Stockpile, key: str, mass_g: int, given_back_g: int = 0) -> Stockpile:
    """What is given back is not assigned any more: its terms tolerate a share of the rest."""
    owed = state.assigned[key]
    left_g = owed.mass_g - mass_g
    if not left_g:
        return replace(state, assigned=state.assigned.delete(key))
    less = replace(owed, mass_g=left_g, assigned_g=owed.assigned_g - given_back_g)
    return replace(state, assigned=state.assigned.set(key, less))


def _over(state: Stockpile, right: RightId) -> Stockpile:
    """Nothing is to come under the right any more: what was agreed of it leaves the state."""
    programme = state.programmes.get(right)
    if programme is None or programme.tranches or right in state.rights:
        return state
    if any(owed.right == right for owed in state.assigned.values()):
        return state
    return replace(state, programmes=state.programmes.delete(right))


def _with_tranches(programme: Programme, *tranches: Tranche) -> Programme:
    last = max(tranche.number for tranche in tranches)
    return replace(programme, tranches=tuple(_open(tranche, tranche.mass_g) for tranche in tranches), numbered=last)


def _open(tranche: Tranche, left_g: int) -> OpenTranche:
    return OpenTranche(tranche.number, tranche.window_from, tranche.window_to, tranche.mass_g, left_g)


def _less(tranches: tuple[OpenTranche, ...], number: int, left_g: int) -> tuple[OpenTranche, ...]:
    """With so much left of one of them; with nothing left, it goes."""
    changed = (replace(tranche, left_g=left_g) if tranche.number == number else tranche for tranche in tranches)
    return tuple(tranche for tranche in changed if tranche.left_g)
