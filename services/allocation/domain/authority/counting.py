"""Which services count what is done under an act: an instrument's limit is of what one of them counts, so that no limit is split."""

from collections.abc import Iterable

from services.allocation.events.authority import Power

_BY_ALLOCATION = frozenset(
    {
        Power.APPROVE_DECISION,
        Power.APPROVE_POLICY,
        Power.EMERGENCY_RELEASE,
        Power.RATIFY,
        Power.TENDER,
        Power.SIGN_AGREEMENT,
        Power.DECLARE_DISRUPTION,
        Power.CLEAR_HIT,
        Power.SCREENING_LIST,
        Power.WITHDRAW_CONFLICT,
        Power.CANCEL_RELEASE,  # all of a decision's, by superseding it
    }
)
_BY_INVENTORY = frozenset(
    {
        Power.OPEN_PROTECTED_STOCK,
        Power.SET_RECEIPT_GRADE,
        Power.SET_WEIGHING_TOLERANCE,
        Power.LIFT_HOLD,
        Power.CANCEL_RELEASE,
        Power.REGISTER_PRODUCT,
        Power.TAKE_IN_STOCK,
        Power.RULE_ASSAY,
        Power.ADJUST_STOCK,
        Power.ADD_RIGHT,
        Power.ACCEPT_WEIGHT,
        Power.RETURN_DRAW,
        Power.POSTPONE_DELIVERY,
        Power.EXERCISE_RIGHT,
        Power.AGREE_PROGRAMME,
        Power.ACCEPT_DELIVERY,
        Power.ACCEPT_SUBSTITUTE,
        Power.TAKE_BACK_RIGHT,
        Power.TERMINATE_RIGHT,
    }
)
_BY_NOBODY = frozenset({Power.ERASE_TEXT})  # it moves neither grams nor money
BY_SERVICE = {
    "allocation": _BY_ALLOCATION,
    "inventory": _BY_INVENTORY,
    "loans": frozenset(Power) - _BY_ALLOCATION - _BY_INVENTORY - _BY_NOBODY | {Power.CANCEL_RELEASE},  # of what is lent
}


def counted_by(acts: Iterable[str]) -> tuple[str, ...]:
    """The services that count what is done under any of them."""
    named = {*acts}
    return tuple(service for service, own in BY_SERVICE.items() if not named.isdisjoint(own))
