"""Owed: what a project owes a partner of a right that was assigned to it is delivered, or failed as a whole once its window has passed."""

from datetime import date
from typing import Any

import msgspec

from reserve.audit.report import Check, Findings
from services.inventory.events import AssignmentDelivered, AssignmentFailed, DeliveryPostponed, RightAssigned


class _Owed(msgspec.Struct):
    right: str
    partner: str
    mass_g: int
    window_to: date | None  # None: by a build that followed no delivery


class Owed:
    """All stockpiles."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._owed: dict[tuple[str, str], _Owed] = {}  # draw and right

    def see(self, place: str, effective_on: str, event: Any) -> None:
        match event:
            case RightAssigned():
                before = self._owed.get((event.draw, event.right))
                mass_g = event.mass_g + (0 if before is None else before.mass_g)
                self._owed[event.draw, event.right] = _Owed(event.right, event.partner, mass_g, event.window_to)
            case DeliveryPostponed():
                for owed in self._owed.values():
                    if owed.right == event.right:
                        owed.window_to = event.window_to
            case AssignmentDelivered():
                owed_g = self._settle(event.draw, event.right, event.partner, event.mass_g)
                fine = owed_g is not None and owed_g == event.mass_g + event.remaining_g and event.mass_g > 0
                self._findings.look(Check.DRAWS, fine, place, f"{event.mass_g} g of {event.right} are delivered, and {owed_g} g were owed")
            case AssignmentFailed():
                known = self._owed.get((event.draw, event.right))
                passed = known is not None and known.window_to is not None and known.window_to < date.fromisoformat(effective_on)
                self._findings.look(Check.DRAWS, passed, place, f"{event.right} is failed before its window has passed")
                owed_g = self._settle(event.draw, event.right, event.partner, event.mass_g)
                self._findings.look(
                    Check.DRAWS, owed_g == event.mass_g, place, f"{event.mass_g} g of {event.right} are failed, and {owed_g} g were owed"
                )
            case _:
                pass

    def _settle(self, draw: str, right: str, partner: str, mass_g: int) -> int | None:
        """What was owed before; None: nothing to this partner."""
        owed = self._owed.get((draw, right))
        if owed is None or owed.partner != partner:
            return None
        before_g = owed.mass_g
        owed.mass_g -= mass_g
        if owed.mass_g <= 0:
            del self._owed[draw, right]
        return before_g
