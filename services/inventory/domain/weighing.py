"""Weighing: what a scale may be wrong by, in one draw, and in many together.

A scale is wrong to either side. What the draws of a product have weighed more or less than they were, each of them within the tolerance,
comes out even in the long run; where it goes to one side, somebody keeps the difference, or a scale is wrong, and another person signs.
"""

from collections.abc import Sequence
from fractions import Fraction

import msgspec
from msgspec.structs import replace

from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import Draw, Drift, Stockpile, stop_key
from services.inventory.events import DrawId, Event, WeighingToleranceSet
from shared.journal.decider import Refused
from shared.journal.texts import TypedText

TOLERANCE = Fraction(1, 200)  # of a draw's mass, where two people have set no other
WIDEST = Fraction(1, 100)
BLOCK = 500  # draws: the last one to two blocks are summed
# Times the root of the squares of what a scale may be wrong by: scales that are wrong to either side come out so once in 1500 times.
SURE = 4
_MOST = 2**62  # of a sum of squares, so that a snapshot can hold it


class SetWeighingTolerance(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How far from its draw one person may weigh goods: of a partner's contract, of a scale, or (neither) of each contract that has none of
    its own. `tolerance`: a share of the draw's mass, a rational string."""

    partner: str | None = None
    scale: str | None = None
    tolerance: str
    reason: TypedText


def set_tolerance(command: SetWeighingTolerance, state: Stockpile) -> Sequence[Event] | Refusal:
    if (product := state.product) is None:
        return Refused(Reason.PRODUCT_NOT_FOUND, "no such product is registered")
    if command.partner is not None and command.scale is not None:
        wanted = "one for the contract, and one for the scale: the narrower counts"
        return Refused(Reason.TOLERANCE_OF_BOTH, "a tolerance is a contract's or a scale's", "/scale", wanted)
    if Fraction(command.tolerance) > WIDEST:
        return Refused(Reason.TOLERANCE_TOO_WIDE, f"scales are not {command.tolerance} wrong", "/tolerance", f"at most {WIDEST}")
    told = {name: getattr(command, name) for name in ("partner", "scale", "tolerance", "reason")}
    return [WeighingToleranceSet(product=product, **told)]


def tolerance_of(partner: str | None, scale: str | None) -> str:
    """The name by which the state keeps it."""
    return stop_key("partner", partner) if partner is not None else stop_key("scale", scale) if scale is not None else "product"


def tolerance_g(state: Stockpile, draw: Draw, scale: str | None) -> int:
    """Grams by which a weighing may differ from the draw: by its contract, else by the product's, and no more than the scale's."""
    if not (found := state.tolerances):
        return int(draw.mass_g * TOLERANCE)
    by_contract = found.get(tolerance_of(draw.partner, None)) or found.get(tolerance_of(None, None))
    by_scale = None if scale is None else found.get(tolerance_of(None, scale))
    share = TOLERANCE if by_contract is None else Fraction(by_contract)
    return int(draw.mass_g * (share if by_scale is None else min(share, Fraction(by_scale))))


def fault_of_scale(state: Stockpile, scale: str | None) -> Refusal | None:
    """Once scales have tolerances of their own, a weighing names one of them: nobody avoids a narrow one by naming none."""
    scales = sorted(name.removeprefix("scale/") for name in state.tolerances if name.startswith("scale/"))
    if scale in scales or (scale is None and not scales):
        return None
    detail = "it names no scale" if scale is None else f"{scale} has no tolerance for this product"
    return Refused(Reason.SCALE_UNKNOWN, detail, "/scale", " or ".join(scales) if scales else "none, or one for which two people set one")


def counts(draw: Draw, allowed_g: int, weighed_g: int) -> bool:
    """Whether the weighing is summed: it is within tolerance."""
    return abs(weighed_g - draw.mass_g) <= allowed_g


def goes_to_one_side(drift: Drift, draw: Draw, allowed_g: int, weighed_g: int) -> int | None:
    """By how many grams the last draws are out together, this one among them, if that is more than scales are, and more for this one."""
    after = weighed(drift, draw, allowed_g, weighed_g)
    out_g, was_g = after.out_g + after.before_out_g, drift.out_g + drift.before_out_g
    more = abs(out_g) > abs(was_g)
    return out_g if more and out_g**2 > SURE**2 * (after.squares + after.before_squares) else None


def weighed(drift: Drift, draw: Draw, allowed_g: int, weighed_g: int) -> Drift:
    """With another weighing of a draw in place of the one before. What is not within tolerance is not summed: two people look at it."""
    counting = counts(draw, allowed_g, weighed_g)
    before_g = draw.weighed_g if draw.counted else None
    change_g = (weighed_g - draw.mass_g if counting else 0) - (before_g - draw.mass_g if before_g is not None else 0)
    drift = replace(drift, out_g=drift.out_g + change_g)
    if draw.counted or not counting:
        return drift
    if drift.draws == BLOCK:
        drift = Drift(before_out_g=drift.out_g - change_g, before_squares=drift.squares, out_g=change_g)
    return replace(drift, draws=drift.draws + 1, squares=min(drift.squares + allowed_g**2, _MOST))


def with_weighing(state: Stockpile, name: DrawId, weighed_g: int, scale: str | None) -> tuple[Draw, Drift]:
    """The draw, and what the last ones are out by together, once it has weighed this."""
    before = state.draws[name]
    allowed_g = tolerance_g(state, before, scale)
    draw = replace(before, weighed_g=weighed_g, counted=counts(before, allowed_g, weighed_g))
    return draw, weighed(state.drift, before, allowed_g, weighed_g)
